//! Wire bytes to JSON text, in one pass.
//!
//! The JSON is that of the proto3 mapping, with every field that has no presence printed also at its default: a client
//! sees `""`, `0`, `false`, `[]`, `{}` and the zero enum value where nothing was set. A field with presence (a message,
//! an `optional`, a member of a oneof) is left out when it is not set, so that its absence shows.
//!
//! The pass takes records as encoders write them: a field's records side by side, each single field once. Wire bytes
//! may legally be otherwise (split messages, interleaved lists, two members of a oneof); those are first brought into
//! the usual form by `DynamicMessage`, message by message, and only when met.

mod text;
mod well_known;

use std::collections::HashSet;

use prost::Message as _;
use prost_reflect::DynamicMessage;

use super::field_set::FieldSet;
use super::plan::{Field, Form, Kind, Message, MessageIndex, Plan, Shape};
use super::wire::{Malformed, Payload, Reader, WireType};

/// How many messages may lie within each other.
const DEPTH_MAX: usize = 100;

/// Why a message cannot become JSON: its sender broke the contract, or sent what JSON cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The bytes do not decode as the message.
    #[error("the bytes are no {message}")]
    Malformed {
        /// The message's full name.
        message: String,
    },
    /// A string field holds other bytes.
    #[error("a string of {message} is not UTF-8")]
    NotUtf8 {
        /// The message's full name.
        message: String,
    },
    /// The JSON form does not exist for this value, as for a timestamp after the year 9999.
    #[error("a {message} has no JSON form")]
    NoJsonForm {
        /// The message's full name.
        message: String,
    },
    /// Messages lie within each other more than 100 deep.
    #[error("messages are nested more than {DEPTH_MAX} deep")]
    TooDeep,
}

impl Plan {
    /// Appends the JSON of one message to `out`.
    ///
    /// When it fails, `out` holds a beginning that is of no use.
    pub fn encode(&self, message: MessageIndex, wire: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Encoder { plan: self }.message(message, wire, out, 0)
    }
}

/// Why a pass ended early.
enum Stop {
    /// The records are legal but not in the usual order.
    Unusual,
    Error(EncodeError),
}

impl From<EncodeError> for Stop {
    fn from(error: EncodeError) -> Self {
        Self::Error(error)
    }
}

#[derive(Clone, Copy)]
struct Encoder<'p> {
    plan: &'p Plan,
}

/// A map key, to notice when it comes twice.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Number(u64),
    Text(&'a [u8]),
}

impl Encoder<'_> {
    /// Appends any message, bringing its records into the usual order if need be.
    fn message(self, index: MessageIndex, wire: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), EncodeError> {
        if depth > DEPTH_MAX {
            return Err(EncodeError::TooDeep);
        }
        let message = self.plan.message(index);
        with_usual_order(message, wire, out, |wire, out| self.shaped(message, wire, out, depth))
    }

    fn shaped(self, message: &Message, wire: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), Stop> {
        match message.shape {
            Shape::Plain | Shape::Empty => {
                out.push(b'{');
                self.fields(message, wire, out, depth)?;
                out.push(b'}');
                Ok(())
            }
            _ => self.well_known(message, wire, out, depth),
        }
    }

    /// Appends the members of a plain message, without the braces.
    fn fields(self, message: &Message, wire: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), Stop> {
        let mut reader = Reader(wire);
        let mut progress = Progress { message, next: 0, seen: FieldSet::default(), oneofs: FieldSet::default() };
        let mut record = reader.record().map_err(|Malformed| malformed(message))?;
        while let Some((number, payload)) = record {
            let Some(place) = message.place_of_number(number) else {
                record = reader.record().map_err(|Malformed| malformed(message))?;
                continue;
            };
            let field = &message.fields[place];
            progress.advance_to(place, self, out)?;
            write_key(out, field);
            match field.form {
                Form::Implicit | Form::Explicit => {
                    self.value(message, field.kind, payload, out, depth)?;
                    record = reader.record().map_err(|Malformed| malformed(message))?;
                }
                Form::List { .. } => {
                    out.push(b'[');
                    record = self.run(message, field, payload, &mut reader, out, depth)?;
                    out.push(b']');
                }
                Form::Map { .. } => {
                    out.push(b'{');
                    record = self.run(message, field, payload, &mut reader, out, depth)?;
                    out.push(b'}');
                }
            }
        }
        progress.finish(self, out);
        Ok(())
    }

    /// Appends the elements of a list or map, one or more, that stand side by side, and returns the record after them.
    fn run<'a>(
        self,
        message: &Message,
        field: &Field,
        first: Payload<'a>,
        reader: &mut Reader<'a>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<Option<(u32, Payload<'a>)>, Stop> {
        let mut keys = HashSet::new();
        let mut payload = first;
        loop {
            if let Form::Map { entry, key } = field.form {
                let key = self.entry(self.plan.message(entry), key, field.kind, payload, out, depth)?;
                if !keys.insert(key) {
                    return Err(Stop::Unusual);
                }
            } else {
                self.elements(message, field.kind, payload, out, depth)?;
            }
            match reader.record().map_err(|Malformed| malformed(message))? {
                Some((number, next)) if number == field.number => payload = next,
                other => return Ok(other),
            }
        }
    }

    /// Appends one element of a list, or all those that one packed record holds.
    fn elements(
        self,
        message: &Message,
        kind: Kind,
        payload: Payload<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), EncodeError> {
        let wire_type = kind.wire_type();
        match payload {
            Payload::Length(packed) if wire_type != WireType::Length => {
                let mut reader = Reader(packed);
                while !reader.0.is_empty() {
                    let element = reader.payload(wire_type).map_err(|Malformed| malformed(message))?;
                    separate(out);
                    self.value(message, kind, element, out, depth)?;
                }
                Ok(())
            }
            _ => {
                separate(out);
                self.value(message, kind, payload, out, depth)
            }
        }
    }

    /// Appends a map's entry and returns its key.
    fn entry<'a>(
        self,
        entry: &Message,
        key_kind: Kind,
        value_kind: Kind,
        payload: Payload<'a>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<Key<'a>, Stop> {
        let Payload::Length(wire) = payload else { return Err(malformed(entry).into()) };
        let (mut key, mut value) = (None, None);
        let mut reader = Reader(wire);
        while let Some((number, payload)) = reader.record().map_err(|Malformed| malformed(entry))? {
            let slot = match number {
                1 => &mut key,
                2 => &mut value,
                _ => continue,
            };
            if slot.replace(payload).is_some() {
                return Err(Stop::Unusual);
            }
        }
        let key = key.unwrap_or_else(|| default_of(key_kind));
        separate(out);
        // JSON's keys are strings; what is not one yet is quoted.
        let is_quoted = key_kind == Kind::String || is_printed_as_string(key_kind);
        if !is_quoted {
            out.push(b'"');
        }
        self.value(entry, key_kind, key, out, depth)?;
        if !is_quoted {
            out.push(b'"');
        }
        out.push(b':');
        self.value(entry, value_kind, value.unwrap_or_else(|| default_of(value_kind)), out, depth)?;
        Ok(match key {
            Payload::Varint(value) | Payload::Fixed64(value) => Key::Number(value),
            Payload::Fixed32(value) => Key::Number(value.into()),
            Payload::Length(text) => Key::Text(text),
        })
    }

    /// Appends one value.
    #[inline]
    fn value(
        self,
        message: &Message,
        kind: Kind,
        payload: Payload<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), EncodeError> {
        match (kind, payload) {
            (Kind::String, Payload::Length(bytes)) => {
                let text =
                    std::str::from_utf8(bytes).map_err(|_| EncodeError::NotUtf8 { message: message.name.clone() })?;
                text::write_string(out, text);
            }
            (Kind::Message(index), Payload::Length(wire)) => self.message(index, wire, out, depth + 1)?,
            (Kind::Int32, Payload::Varint(value)) => text::write_json(out, &low_i32(value)),
            (Kind::Int64, Payload::Varint(value)) | (Kind::Sfixed64, Payload::Fixed64(value)) => {
                text::write_quoted_integer(out, value.cast_signed());
            }
            (Kind::Uint32, Payload::Varint(value)) => text::write_json(out, &low_u32(value)),
            (Kind::Uint64, Payload::Varint(value)) | (Kind::Fixed64, Payload::Fixed64(value)) => {
                text::write_quoted_integer(out, value);
            }
            (Kind::Sint32, Payload::Varint(value)) => text::write_json(out, &low_i32(unzigzag(low_u32(value).into()))),
            (Kind::Sint64, Payload::Varint(value)) => text::write_quoted_integer(out, unzigzag(value).cast_signed()),
            (Kind::Fixed32, Payload::Fixed32(value)) => text::write_json(out, &value),
            (Kind::Sfixed32, Payload::Fixed32(value)) => text::write_json(out, &value.cast_signed()),
            (Kind::Double, Payload::Fixed64(bits)) => text::write_double(out, f64::from_bits(bits)),
            (Kind::Float, Payload::Fixed32(bits)) => text::write_float(out, f32::from_bits(bits)),
            (Kind::Bool, Payload::Varint(value)) => {
                out.extend_from_slice(if value == 0 { b"false" } else { b"true" });
            }
            (Kind::Bytes, Payload::Length(bytes)) => text::write_base64(out, bytes),
            (Kind::Enum(index), Payload::Varint(value)) => {
                let number = low_i32(value);
                match self.plan.enumeration(index).name_of(number) {
                    Some(name) => text::write_string(out, name),
                    None => text::write_json(out, &number),
                }
            }
            (Kind::Null, Payload::Varint(_)) => out.extend_from_slice(b"null"),
            _ => return Err(malformed(message)),
        }
        Ok(())
    }

    /// Appends `"key":default` for a field that shows its default.
    fn default(self, field: &Field, out: &mut Vec<u8>) {
        let zero: &[u8] = match field.form {
            Form::Explicit => return,
            Form::List { .. } => b"[]",
            Form::Map { .. } => b"{}",
            Form::Implicit => match field.kind {
                Kind::String | Kind::Bytes => b"\"\"",
                Kind::Bool => b"false",
                Kind::Double | Kind::Float => b"0.0",
                Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => b"\"0\"",
                Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Fixed32 | Kind::Sfixed32 => b"0",
                Kind::Null | Kind::Message(_) => b"null",
                Kind::Enum(index) => {
                    write_key(out, field);
                    match self.plan.enumeration(index).name_of(0) {
                        Some(name) => text::write_string(out, name),
                        None => out.push(b'0'),
                    }
                    return;
                }
            },
        };
        write_key(out, field);
        out.extend_from_slice(zero);
    }
}

/// Runs a pass and, if the order of records stops it, runs it again on records in the usual order.
fn with_usual_order(
    message: &Message,
    wire: &[u8],
    out: &mut Vec<u8>,
    pass: impl Fn(&[u8], &mut Vec<u8>) -> Result<(), Stop>,
) -> Result<(), EncodeError> {
    let start = out.len();
    match pass(wire, out) {
        Ok(()) => Ok(()),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Unusual) => {
            out.truncate(start);
            let usual = DynamicMessage::decode(message.descriptor.clone(), wire)
                .map_err(|_| malformed(message))?
                .encode_to_vec();
            match pass(&usual, out) {
                Ok(()) => Ok(()),
                Err(Stop::Error(error)) => Err(error),
                Err(Stop::Unusual) => Err(malformed(message)),
            }
        }
    }
}

/// How far a pass over a message's records has come.
struct Progress<'p> {
    message: &'p Message,
    /// Fields before this place were printed, unless they are left out when unset.
    next: usize,
    seen: FieldSet,
    oneofs: FieldSet,
}

impl Progress<'_> {
    /// Prints the defaults of the fields passed over on the way to `place`.
    #[inline]
    fn advance_to(&mut self, place: usize, encoder: Encoder<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        let fields = &self.message.fields;
        let field = &fields[place];
        if place >= self.next {
            for skipped in &fields[self.next..place] {
                encoder.default(skipped, out);
            }
            self.next = place + 1;
        } else if !field.is_omitted_when_unset() {
            return Err(Stop::Unusual);
        }
        // Encoders write the members of a oneof at the place of its first one: late, but nothing was printed for them.
        let is_first = !field.is_omitted_when_unset() || self.seen.insert(place);
        let is_only = field.oneof.is_none_or(|oneof| self.oneofs.insert(oneof));
        if is_first && is_only { Ok(()) } else { Err(Stop::Unusual) }
    }

    fn finish(self, encoder: Encoder<'_>, out: &mut Vec<u8>) {
        for skipped in &self.message.fields[self.next..] {
            encoder.default(skipped, out);
        }
    }
}

#[inline]
fn write_key(out: &mut Vec<u8>, field: &Field) {
    separate(out);
    out.extend_from_slice(&field.key);
}

/// Appends a comma, unless a brace or bracket was just opened.
#[inline]
fn separate(out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'{' | b'[')) {
        out.push(b',');
    }
}

/// The payload of a value that a map's entry leaves out.
fn default_of(kind: Kind) -> Payload<'static> {
    match kind.wire_type() {
        WireType::Varint => Payload::Varint(0),
        WireType::Fixed64 => Payload::Fixed64(0),
        WireType::Fixed32 => Payload::Fixed32(0),
        WireType::Length => Payload::Length(&[]),
    }
}

fn is_printed_as_string(kind: Kind) -> bool {
    matches!(kind, Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64)
}

#[expect(clippy::cast_possible_truncation, reason = "a longer varint is cut to the field's width, by the format")]
const fn low_u32(value: u64) -> u32 {
    value as u32
}

const fn low_i32(value: u64) -> i32 {
    low_u32(value).cast_signed()
}

const fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

fn malformed(message: &Message) -> EncodeError {
    EncodeError::Malformed { message: message.name.clone() }
}
