//! The visitor that takes any JSON value for any field.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::super::field_mask;
use super::super::field_set::FieldSet;
use super::super::plan::{Field, Form, Kind, Message, MessageIndex, Shape};
use super::super::scalar::{self, Scalar, mismatch, put_untyped, quoted};
use super::super::time::{Span, parse_duration, parse_timestamp};
use super::super::wire::{WireType, close, open, put_bytes, put_tag, put_varint};
use super::{DEPTH_MAX, Decoder};

/// The keys of an `Any` that are no fields.
const TYPE_KEY: &str = "@type";
const VALUE_KEY: &str = "value";

const TYPE_EXPECTED: &str = "expected the message's type under \"@type\"";

/// What the place asks for that a value is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// A message without tag and length: what a whole body or an `Any` holds.
    Root,
    /// One value under its tag. `null` leaves it unset.
    Single,
    /// As `Single`, left out where it is the default.
    Implicit,
    /// One of many under the same tag. `null` is refused.
    Element,
    /// One of many in a packed list, without tag.
    Packed,
    /// An array.
    List { packed: bool },
    /// An object whose keys are data.
    Map { key: Kind },
}

/// Deserializes one value and writes it; yields whether anything was set, which `null` does not.
pub(super) struct ValueSeed<'d, 'p> {
    pub(super) decoder: &'d mut Decoder<'p>,
    /// The field's number; of no meaning for `Root` and `Packed`.
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) expected: Expected,
}

/// Deserializes a key of a plain message to the place of its field.
struct KeySeed<'d, 'p> {
    decoder: &'d mut Decoder<'p>,
    message: &'p Message,
    /// The place that comes next if the client writes fields in order, as most do.
    guess: usize,
}

impl Expected {
    pub(super) fn of(field: &Field) -> Self {
        match field.form {
            Form::Implicit => Self::Implicit,
            Form::Explicit => Self::Single,
            Form::List { packed } => Self::List { packed },
            Form::Map { key, .. } => Self::Map { key },
        }
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = bool;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        self.scalar(Scalar::Bool(value))
    }

    #[inline]
    fn visit_i64<E: Error>(self, value: i64) -> Result<bool, E> {
        self.scalar(Scalar::Signed(value))
    }

    #[inline]
    fn visit_u64<E: Error>(self, value: u64) -> Result<bool, E> {
        self.scalar(Scalar::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<bool, E> {
        self.scalar(Scalar::Float(value))
    }

    #[inline]
    fn visit_str<E: Error>(self, value: &str) -> Result<bool, E> {
        self.scalar(Scalar::Text(value))
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        let is_collection = matches!(self.expected, Expected::List { .. } | Expected::Map { .. });
        if !is_collection && self.is_null_a_value() {
            return self.null();
        }
        match self.expected {
            Expected::Single | Expected::Implicit | Expected::List { .. } | Expected::Map { .. } => Ok(false),
            Expected::Root | Expected::Element | Expected::Packed => Err(self.refuse_found("null")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
        if let Expected::List { packed } = self.expected {
            return self.list(packed, seq);
        }
        match self.message() {
            Some((_, message)) if message.shape == Shape::ListValue => {
                self.nested(message, 1, |inner| inner.visit_seq(seq))
            }
            Some((_, message)) if message.shape == Shape::Value => {
                self.nested(message, 6, |inner| inner.visit_seq(seq))
            }
            _ => Err(self.refuse_found("array")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        if let Expected::Map { key } = self.expected {
            return self.map(key, map);
        }
        let Some((index, message)) = self.message() else { return Err(self.refuse_found("object")) };
        match message.shape {
            Shape::Plain | Shape::Empty => self.within(|decoder| members(decoder, index, map)),
            Shape::Any => self.within(|decoder| any(decoder, map)),
            Shape::Struct => self.nested(message, 1, |inner| inner.visit_map(map)),
            Shape::Value => self.nested(message, 5, |inner| inner.visit_map(map)),
            _ => Err(self.refuse_found("object")),
        }
    }
}

impl<'p> ValueSeed<'_, 'p> {
    /// The message that is expected here, if one is.
    fn message(&self) -> Option<(MessageIndex, &'p Message)> {
        match (self.expected, self.kind) {
            (Expected::List { .. } | Expected::Map { .. }, _) => None,
            (_, Kind::Message(index)) => Some((index, self.decoder.plan.message(index))),
            _ => None,
        }
    }

    #[inline]
    fn scalar<E: Error>(self, scalar: Scalar<'_>) -> Result<bool, E> {
        if let Expected::List { .. } | Expected::Map { .. } = self.expected {
            let expected = self.expectation();
            return Err(self.decoder.refuse(mismatch(expected, scalar)));
        }
        if let Some((_, message)) = self.message() {
            return self.well_known(message, scalar);
        }
        let Self { decoder, number, kind, expected } = self;
        let start = decoder.out.len();
        if expected != Expected::Packed {
            put_tag(&mut decoder.out, number, kind.wire_type());
        }
        let value_start = decoder.out.len();
        if let Err(description) = scalar::put(decoder.plan, &mut decoder.out, kind, scalar) {
            return Err(decoder.refuse(description));
        }
        // Every default is zeros on the wire, an empty string's length included.
        if expected == Expected::Implicit && decoder.out[value_start..].iter().all(|&byte| byte == 0) {
            decoder.out.truncate(start);
        }
        Ok(true)
    }

    /// Writes a message that JSON shows as a scalar.
    fn well_known<E: Error>(self, message: &'p Message, scalar: Scalar<'_>) -> Result<bool, E> {
        let expected = self.expectation();
        match (message.shape, scalar) {
            (Shape::Timestamp, Scalar::Text(text)) => self.span(parse_timestamp(text), text, expected),
            (Shape::Duration, Scalar::Text(text)) => self.span(parse_duration(text), text, expected),
            (Shape::FieldMask, Scalar::Text(text)) => {
                let Some(paths) = field_mask::parse(text) else {
                    return Err(self.decoder.refuse(mismatch(expected, scalar)));
                };
                self.within(|decoder| {
                    for path in paths {
                        put_bytes(&mut decoder.out, 1, path.as_bytes());
                    }
                    Ok(())
                })
            }
            (Shape::Wrapper, _) => self.nested(message, 1, |inner| inner.scalar(scalar)),
            (Shape::Value, _) => {
                let number = match scalar {
                    Scalar::Unsigned(_) | Scalar::Signed(_) | Scalar::Float(_) => 2,
                    Scalar::Text(_) => 3,
                    Scalar::Bool(_) => 4,
                };
                self.nested(message, number, |inner| inner.scalar(scalar))
            }
            _ => Err(self.decoder.refuse(mismatch(expected, scalar))),
        }
    }

    fn span<E: Error>(self, span: Option<Span>, text: &str, expected: &str) -> Result<bool, E> {
        let Some(Span { seconds, nanos }) = span else {
            return Err(self.decoder.refuse(mismatch(expected, Scalar::Text(text))));
        };
        self.within(|decoder| {
            for (number, value) in [(1, seconds), (2, nanos.into())] {
                if value != 0 {
                    put_tag(&mut decoder.out, number, WireType::Varint);
                    put_varint(&mut decoder.out, value.cast_unsigned());
                }
            }
            Ok(())
        })
    }

    fn is_null_a_value(&self) -> bool {
        self.kind == Kind::Null || self.message().is_some_and(|(_, message)| message.shape == Shape::Value)
    }

    /// Writes `null` where it is a value and not absence.
    fn null<E: Error>(self) -> Result<bool, E> {
        match self.message() {
            Some((_, message)) => self.nested(message, 1, |inner| inner.scalar(Scalar::Text("NULL_VALUE"))),
            None => self.scalar(Scalar::Text("NULL_VALUE")),
        }
    }

    fn list<'de, A: SeqAccess<'de>>(self, packed: bool, mut seq: A) -> Result<bool, A::Error> {
        let Self { decoder, number, kind, .. } = self;
        let before = decoder.out.len();
        let start = if packed { open(&mut decoder.out, number) } else { before };
        let expected = if packed { Expected::Packed } else { Expected::Element };
        for place in 0.. {
            decoder.path.push_place(place);
            if seq.next_element_seed(ValueSeed { decoder: &mut *decoder, number, kind, expected })?.is_none() {
                break;
            }
            decoder.path.pop();
        }
        decoder.path.pop();
        if packed && decoder.out.len() == start {
            decoder.out.truncate(before);
        } else if packed {
            close(&mut decoder.out, start);
        }
        Ok(true)
    }

    fn map<'de, A: MapAccess<'de>>(self, key_kind: Kind, mut map: A) -> Result<bool, A::Error> {
        let Self { decoder, number, kind, .. } = self;
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            decoder.enter()?;
            let start = open(&mut decoder.out, number);
            put_tag(&mut decoder.out, 1, key_kind.wire_type());
            let key_start = decoder.out.len();
            let put = put_untyped(decoder.plan, &mut decoder.out, key_kind, &key);
            decoder.path.push_key(key);
            if let Err(description) = put {
                return Err(decoder.refuse(format!("key: {description}")));
            }
            if !keys.insert(decoder.out[key_start..].to_vec()) {
                return Err(decoder.refuse("given twice"));
            }
            map.next_value_seed(ValueSeed { decoder: &mut *decoder, number: 2, kind, expected: Expected::Element })?;
            decoder.path.pop();
            close(&mut decoder.out, start);
            decoder.leave();
        }
        Ok(true)
    }

    /// Writes a message by writing one field of it.
    fn nested<E: Error>(
        self,
        message: &'p Message,
        number: u32,
        write: impl FnOnce(ValueSeed<'_, 'p>) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let field = message.place_of_number(number).map(|place| &message.fields[place]);
        self.within(|decoder| {
            let Some(field) = field else {
                return Err(decoder.refuse(format!("the contract's {} is not the usual one", message.name)));
            };
            write(ValueSeed { decoder, number, kind: field.kind, expected: Expected::of(field) }).map(drop)
        })
    }

    /// Writes a message: its tag and length around what `write` appends.
    fn within<E: Error>(self, write: impl FnOnce(&mut Decoder<'p>) -> Result<(), E>) -> Result<bool, E> {
        let Self { decoder, number, expected, .. } = self;
        if expected == Expected::Root {
            return write(decoder).map(|()| true);
        }
        decoder.enter()?;
        let start = open(&mut decoder.out, number);
        write(decoder)?;
        close(&mut decoder.out, start);
        decoder.leave();
        Ok(true)
    }

    #[cold]
    fn refuse_found<E: Error>(self, found: &str) -> E {
        let description = format!("expected {}, found {found}", self.expectation());
        self.decoder.refuse(description)
    }

    /// What was expected, in words.
    fn expectation(&self) -> &'static str {
        match (self.expected, self.kind) {
            (Expected::List { .. }, _) => "an array",
            (Expected::Map { .. }, _) => "an object",
            (_, Kind::String) => "a string",
            (_, Kind::Bytes) => "a base64 string",
            (_, Kind::Bool) => "true or false",
            (_, Kind::Double | Kind::Float) => "a number",
            (_, Kind::Enum(_)) => "the name of an enum value",
            (_, Kind::Null) => "null",
            (_, Kind::Message(index)) => match self.decoder.plan.message(index).shape {
                Shape::Timestamp => "a timestamp such as \"2026-11-22T08:30:00Z\"",
                Shape::Duration => "a duration such as \"1.5s\"",
                Shape::FieldMask => "a field mask such as \"title,dueTime\"",
                Shape::ListValue => "an array",
                Shape::Wrapper => "a scalar",
                _ => "an object",
            },
            _ => "an integer",
        }
    }
}

impl Decoder<'_> {
    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.refuse(format!("nested more than {DEPTH_MAX} deep")));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }
}

/// Writes the members of a plain message.
fn members<'de, A: MapAccess<'de>>(decoder: &mut Decoder<'_>, index: MessageIndex, mut map: A) -> Result<(), A::Error> {
    let message = decoder.plan.message(index);
    let mut seen = FieldSet::default();
    let mut oneofs = FieldSet::default();
    let mut guess = 0;
    while let Some(place) = map.next_key_seed(KeySeed { decoder: &mut *decoder, message, guess })? {
        guess = place + 1;
        let field = &message.fields[place];
        decoder.path.push_field(&field.name);
        if !seen.insert(place) {
            return Err(decoder.refuse("given twice"));
        }
        let seed =
            ValueSeed { decoder: &mut *decoder, number: field.number, kind: field.kind, expected: Expected::of(field) };
        let is_set = map.next_value_seed(seed)?;
        if is_set && field.oneof.is_some_and(|oneof| !oneofs.insert(oneof)) {
            return Err(decoder.refuse("excludes another field that is also given"));
        }
        decoder.path.pop();
    }
    Ok(())
}

/// Writes an `Any`. Where its type comes first, as most write it, its members are written as they come.
fn any<'de, A: MapAccess<'de>>(decoder: &mut Decoder<'_>, mut map: A) -> Result<(), A::Error> {
    let Some(first) = map.next_key::<String>()? else { return Ok(()) };
    if first != TYPE_KEY {
        return any_with_late_type(decoder, first, map);
    }
    let serde_json::Value::String(type_url) = map.next_value()? else {
        return Err(decoder.refuse(TYPE_EXPECTED));
    };
    let index = any_type(decoder, &type_url)?;
    any_payload(decoder, &type_url, |decoder| {
        if decoder.plan.message(index).shape == Shape::Plain {
            return members(decoder, index, map);
        }
        let key = map.next_key::<String>()?;
        if key.as_deref() != Some(VALUE_KEY) {
            return Err(refuse_value_key(decoder, key.as_deref()));
        }
        map.next_value_seed(any_root(decoder, index))?;
        match map.next_key::<String>()? {
            None => Ok(()),
            key => Err(refuse_value_key(decoder, key.as_deref())),
        }
    })
}

/// Writes an `Any` whose members are held until its type is known.
fn any_with_late_type<'de, A: MapAccess<'de>>(
    decoder: &mut Decoder<'_>,
    first: String,
    mut map: A,
) -> Result<(), A::Error> {
    let mut object = serde_json::Map::from_iter([(first, map.next_value()?)]);
    while let Some((key, value)) = map.next_entry::<String, serde_json::Value>()? {
        if object.insert(key, value).is_some() {
            return Err(decoder.refuse("a key is given twice"));
        }
    }
    let Some(serde_json::Value::String(type_url)) = object.remove(TYPE_KEY) else {
        return Err(decoder.refuse(TYPE_EXPECTED));
    };
    let index = any_type(decoder, &type_url)?;
    let value = if decoder.plan.message(index).shape == Shape::Plain {
        serde_json::Value::Object(object)
    } else {
        let value = object.remove(VALUE_KEY);
        match (value, object.keys().next()) {
            (Some(value), None) => value,
            (_, key) => return Err(refuse_value_key(decoder, key.map(String::as_str))),
        }
    };
    any_payload(decoder, &type_url, |decoder| match any_root(decoder, index).deserialize(value) {
        Ok(_is_set) => Ok(()),
        Err(_) => Err(decoder.refuse("not the message that its type names")),
    })
}

/// The message that an `Any` names as its type.
fn any_type<E: Error>(decoder: &mut Decoder<'_>, type_url: &str) -> Result<MessageIndex, E> {
    let index = type_url.rsplit_once('/').and_then(|(_, full_name)| decoder.plan.message_index(full_name));
    index.ok_or_else(|| decoder.refuse(format!("unknown type {}", quoted(type_url))))
}

/// Writes the type of an `Any` and, behind it, what `write` appends.
fn any_payload<'p, E: Error>(
    decoder: &mut Decoder<'p>,
    type_url: &str,
    write: impl FnOnce(&mut Decoder<'p>) -> Result<(), E>,
) -> Result<(), E> {
    put_bytes(&mut decoder.out, 1, type_url.as_bytes());
    let before = decoder.out.len();
    let start = open(&mut decoder.out, 2);
    write(decoder)?;
    if decoder.out.len() == start {
        decoder.out.truncate(before);
    } else {
        close(&mut decoder.out, start);
    }
    Ok(())
}

fn any_root<'d, 'p>(decoder: &'d mut Decoder<'p>, index: MessageIndex) -> ValueSeed<'d, 'p> {
    ValueSeed { decoder, number: 0, kind: Kind::Message(index), expected: Expected::Root }
}

/// Beside its type, an `Any` of a message with a form of its own has one key.
#[cold]
fn refuse_value_key<E: Error>(decoder: &mut Decoder<'_>, key: Option<&str>) -> E {
    match key {
        Some(key) if key != VALUE_KEY => {
            decoder.path.push_unknown(key);
            decoder.refuse("unknown field")
        }
        Some(_) => decoder.refuse("a key is given twice"),
        None => decoder.refuse("expected a value under \"value\""),
    }
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_, '_> {
    type Value = usize;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    #[inline]
    fn visit_str<E: Error>(self, key: &str) -> Result<usize, E> {
        let is_guessed = self.message.fields.get(self.guess).is_some_and(|field| *field.json_name == *key);
        if is_guessed {
            return Ok(self.guess);
        }
        self.message.place_of_name(key).ok_or_else(|| {
            self.decoder.path.push_unknown(key);
            self.decoder.refuse("unknown field")
        })
    }
}
