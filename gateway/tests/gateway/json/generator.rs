//! Random messages of any type, drawn from a tape of bytes.
//!
//! The tape is what proptest shrinks: a tape that has run out draws zeros, which leave fields unset.

use std::collections::HashMap;

use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};

use crate::transcoding::contract::POOL;

const DEPTH_MAX: usize = 4;

pub(super) struct Tape<'a> {
    bytes: &'a [u8],
    has_any: bool,
}

impl<'a> Tape<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, has_any: true }
    }

    /// Draws no `Any`: the type of one and the bytes of another are no message.
    pub(super) fn without_any(bytes: &'a [u8]) -> Self {
        Self { bytes, has_any: false }
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        byte
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    fn chance(&mut self, one_in: u8) -> bool {
        self.byte() % one_in == 1
    }

    fn bits(&mut self) -> u64 {
        // Short numbers are as likely as long ones.
        let length = self.below(9);
        (0..length).fold(0, |bits, _| bits << 8 | u64::from(self.byte()))
    }

    #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
    fn half_bits(&mut self) -> u32 {
        self.bits() as u32
    }

    fn double(&mut self) -> f64 {
        let value = f64::from_bits(self.bits());
        if value.is_finite() { value } else { 1.5 }
    }

    fn text(&mut self) -> String {
        const ALPHABET: [char; 12] = ['a', 'Z', '0', ' ', '"', '\\', '\n', '\u{1}', '/', 'é', '\u{2028}', '🦀'];
        (0..self.below(6)).map(|_| ALPHABET[self.below(ALPHABET.len())]).collect()
    }

    fn blob(&mut self) -> Vec<u8> {
        (0..self.below(7)).map(|_| self.byte()).collect()
    }
}

/// A message with a random part of its fields set.
pub(super) fn message(descriptor: &MessageDescriptor, tape: &mut Tape<'_>, depth: usize) -> DynamicMessage {
    if let Some(message) = well_known(descriptor, tape, depth) {
        return message;
    }
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let is_drawn = tape.chance(if depth == 0 { 2 } else { 6 });
        if !is_drawn || (field.name() == "any" && !tape.has_any) {
            continue;
        }
        let value = if field.is_list() {
            Value::List((0..tape.below(4)).map(|_| value(&field.kind(), tape, depth + 1)).collect())
        } else if field.is_map() {
            Value::Map(map(&field, tape, depth + 1))
        } else {
            value(&field.kind(), tape, depth + 1)
        };
        message.set_field(&field, value);
    }
    message
}

fn map(field: &FieldDescriptor, tape: &mut Tape<'_>, depth: usize) -> HashMap<MapKey, Value> {
    let kind = field.kind();
    let entry = kind.as_message().unwrap();
    let (key_kind, value_kind) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
    (0..tape.below(4)).map(|_| (key(&key_kind, tape), value(&value_kind, tape, depth))).collect()
}

fn key(kind: &Kind, tape: &mut Tape<'_>) -> MapKey {
    match value(kind, tape, 0) {
        Value::Bool(value) => MapKey::Bool(value),
        Value::I32(value) => MapKey::I32(value),
        Value::I64(value) => MapKey::I64(value),
        Value::U32(value) => MapKey::U32(value),
        Value::U64(value) => MapKey::U64(value),
        Value::String(value) => MapKey::String(value),
        other => panic!("{other:?} is no key"),
    }
}

fn value(kind: &Kind, tape: &mut Tape<'_>, depth: usize) -> Value {
    match kind {
        Kind::Double => Value::F64([tape.double(), f64::INFINITY, f64::NEG_INFINITY][tape.below(8).saturating_sub(5)]),
        Kind::Float => {
            let value = f32::from_bits(tape.half_bits());
            Value::F32(if value.is_nan() { f32::INFINITY } else { value })
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(tape.half_bits().cast_signed()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(tape.bits().cast_signed()),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(tape.half_bits()),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(tape.bits()),
        Kind::Bool => Value::Bool(tape.chance(2)),
        Kind::String => Value::String(tape.text()),
        Kind::Bytes => Value::Bytes(tape.blob().into()),
        Kind::Enum(e) if e.full_name() == "google.protobuf.NullValue" => Value::EnumNumber(0),
        // 77 is no declared value.
        Kind::Enum(_) => Value::EnumNumber([0, 1, 2, -1, 77][tape.below(5)]),
        Kind::Message(inner) if depth > DEPTH_MAX && inner.full_name().starts_with("kitchen.") => {
            Value::Message(DynamicMessage::new(inner.clone()))
        }
        Kind::Message(inner) => Value::Message(message(inner, tape, depth)),
    }
}

fn well_known(descriptor: &MessageDescriptor, tape: &mut Tape<'_>, depth: usize) -> Option<DynamicMessage> {
    let bytes = match descriptor.full_name() {
        "google.protobuf.Timestamp" => timestamp(tape).encode_to_vec(),
        "google.protobuf.Duration" => duration(tape).encode_to_vec(),
        "google.protobuf.FieldMask" => mask(tape).encode_to_vec(),
        "google.protobuf.Struct" => any_struct(tape, depth).encode_to_vec(),
        "google.protobuf.ListValue" => any_list(tape, depth).encode_to_vec(),
        "google.protobuf.Value" => any_value(tape, depth).encode_to_vec(),
        "google.protobuf.Any" => any(tape, depth).encode_to_vec(),
        // The oracle writes infinite wrapped numbers as null.
        "google.protobuf.DoubleValue" => tape.double().encode_to_vec(),
        "google.protobuf.FloatValue" => f32::from(tape.byte()).encode_to_vec(),
        _ => return None,
    };
    Some(DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).unwrap())
}

fn timestamp(tape: &mut Tape<'_>) -> prost_types::Timestamp {
    let span = 253_402_300_799 + 62_135_596_800_i64;
    prost_types::Timestamp { seconds: (tape.bits() >> 1).cast_signed() % span - 62_135_596_800, nanos: nanos(tape) }
}

fn duration(tape: &mut Tape<'_>) -> prost_types::Duration {
    let sign = if tape.chance(2) { -1 } else { 1 };
    prost_types::Duration {
        seconds: i64::from(sign) * ((tape.bits() >> 1).cast_signed() % 315_576_000_000),
        nanos: sign * nanos(tape),
    }
}

fn nanos(tape: &mut Tape<'_>) -> i32 {
    let unit = [1_000_000_000, 1_000_000, 1_000, 1][tape.below(4)];
    (tape.half_bits() % (1_000_000_000 / unit) * unit).cast_signed()
}

fn mask(tape: &mut Tape<'_>) -> prost_types::FieldMask {
    const PATHS: [&str; 4] = ["title", "due_time", "task.due_time", "a_b.c_d.e"];
    prost_types::FieldMask { paths: (0..tape.below(4)).map(|_| PATHS[tape.below(4)].to_owned()).collect() }
}

fn any(tape: &mut Tape<'_>, depth: usize) -> prost_types::Any {
    // None of them can be encoded in two ways, so that their bytes can be compared.
    const NAMES: [&str; 4] =
        ["kitchen.v1.SinkRequest", "google.protobuf.Timestamp", "google.protobuf.Empty", "google.protobuf.Int64Value"];
    let name = NAMES[tape.below(4)];
    let payload = message(&POOL.get_message_by_name(name).unwrap(), tape, depth + 1);
    prost_types::Any {
        type_url: format!("type.googleapis.com/{}", payload.descriptor().full_name()),
        value: payload.encode_to_vec(),
    }
}

fn any_struct(tape: &mut Tape<'_>, depth: usize) -> prost_types::Struct {
    let size = if depth > DEPTH_MAX { 0 } else { tape.below(4) };
    prost_types::Struct { fields: (0..size).map(|_| (tape.text(), any_value(tape, depth + 1))).collect() }
}

fn any_list(tape: &mut Tape<'_>, depth: usize) -> prost_types::ListValue {
    let size = if depth > DEPTH_MAX { 0 } else { tape.below(4) };
    prost_types::ListValue { values: (0..size).map(|_| any_value(tape, depth + 1)).collect() }
}

fn any_value(tape: &mut Tape<'_>, depth: usize) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match tape.below(6) {
        0 => Kind::NullValue(0),
        1 => Kind::NumberValue(tape.double()),
        2 => Kind::StringValue(tape.text()),
        3 => Kind::BoolValue(tape.chance(2)),
        4 => Kind::StructValue(any_struct(tape, depth + 1)),
        _ => Kind::ListValue(any_list(tape, depth + 1)),
    };
    prost_types::Value { kind: Some(kind) }
}
