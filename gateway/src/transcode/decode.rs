//! JSON text to wire bytes, in one pass: `serde_json` parses, and each value is written as it comes.
//!
//! Accepted is what the proto3 mapping accepts: camel-case and declared names, numbers in strings and in exponent form,
//! both base64 alphabets, enums by name or number, `null` for whatever is to stay unset. Refused is what would be lost
//! or guessed: unknown fields, keys given twice, two members of a oneof, values out of range. A refusal carries the
//! path of the value that caused it.

mod path;
mod visitor;

use serde::de::DeserializeSeed;

use super::RequestError;
use super::plan::{Field, Kind, MessageIndex, Plan};
use path::Path;
use visitor::{Expected, ValueSeed};

/// How many messages may lie within each other; a service that decodes with `prost` takes no more.
const DEPTH_MAX: usize = 100;

impl Plan {
    /// The wire bytes of one message given as JSON.
    pub fn decode(&self, message: MessageIndex, json: &[u8]) -> Result<Vec<u8>, RequestError> {
        let mut decoder = Decoder::new(self, Vec::with_capacity(json.len()));
        decoder.run(json, 0, Kind::Message(message), Expected::Root)?;
        Ok(decoder.out)
    }

    /// Appends one field, with its tag, given as JSON. Nothing is appended for `null`.
    pub(super) fn decode_field(&self, field: &Field, json: &[u8], out: &mut Vec<u8>) -> Result<(), RequestError> {
        let mut decoder = Decoder::new(self, std::mem::take(out));
        decoder.path.push_field(&field.name);
        decoder.run(json, field.number, field.kind, Expected::of(field))?;
        *out = decoder.out;
        Ok(())
    }
}

/// The state of one pass.
struct Decoder<'p> {
    plan: &'p Plan,
    out: Vec<u8>,
    path: Path<'p>,
    depth: usize,
    /// The refusal on its way out: serde's errors carry no path.
    refusal: Option<RequestError>,
}

impl<'p> Decoder<'p> {
    fn new(plan: &'p Plan, out: Vec<u8>) -> Self {
        Self { plan, out, path: Path::default(), depth: 0, refusal: None }
    }

    fn run(&mut self, json: &[u8], number: u32, kind: Kind, expected: Expected) -> Result<(), RequestError> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let result = ValueSeed { decoder: self, number, kind, expected }.deserialize(&mut deserializer);
        result.and_then(|_is_set| deserializer.end()).map_err(|error| {
            self.refusal.take().unwrap_or_else(|| RequestError {
                field: String::new(),
                description: format!("not valid JSON: {error}"),
            })
        })
    }

    /// Notes why and where the pass ends, and makes serde's error, which only unwinds it.
    #[cold]
    fn refuse<E: serde::de::Error>(&mut self, description: impl Into<String>) -> E {
        self.refusal
            .get_or_insert_with(|| RequestError { field: self.path.to_string(), description: description.into() });
        E::custom("refused")
    }
}
