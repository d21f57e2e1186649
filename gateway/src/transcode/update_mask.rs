//! The update mask that a PATCH means when it sends none: the fields that its body names.
//!
//! A field counts as named whatever its value, so `null` and `{}` clear it. Messages are followed down to what they name
//! in turn; maps, lists and the well-known messages are taken whole.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::plan::{MessageIndex, Plan};

/// The paths that `json`, which was already found to be the message, names.
pub(super) fn derive(plan: &Plan, message: MessageIndex, json: &[u8]) -> Vec<String> {
    let mut paths = Vec::new();
    let seed = Members { plan, message, prefix: "", paths: &mut paths };
    match seed.deserialize(&mut serde_json::Deserializer::from_slice(json)) {
        Ok(()) => paths,
        // The body did decode; were this pass to disagree, no mask is what the client sent.
        Err(_) => Vec::new(),
    }
}

/// Collects the paths that an object names.
struct Members<'a> {
    plan: &'a Plan,
    message: MessageIndex,
    /// The path of the message itself, empty for the resource.
    prefix: &'a str,
    paths: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.take_whole();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let message = self.plan.message(self.message);
        let mut is_empty = true;
        while let Some(name) = map.next_key::<String>()? {
            is_empty = false;
            let Some(place) = message.place_of_name(&name) else { return Err(A::Error::custom("unknown field")) };
            let field = &message.fields[place];
            let path =
                if self.prefix.is_empty() { field.name.to_string() } else { format!("{}.{}", self.prefix, field.name) };
            if let Some(message) = field.as_plain_message(self.plan) {
                map.next_value_seed(Members { plan: self.plan, message, prefix: &path, paths: &mut *self.paths })?;
            } else {
                map.next_value::<IgnoredAny>()?;
                self.paths.push(path);
            }
        }
        if is_empty {
            self.take_whole();
        }
        Ok(())
    }
}

impl Members<'_> {
    fn take_whole(self) {
        if !self.prefix.is_empty() {
            self.paths.push(self.prefix.to_owned());
        }
    }
}
