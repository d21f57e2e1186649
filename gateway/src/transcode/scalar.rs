//! Scalars as JSON, paths and query strings give them, to wire bytes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::plan::{Kind, Plan};
use super::wire::{Payload, put_varint};

/// How a value was given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'a> {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
}

/// Appends a value without its tag. The error says, in plain words, what was expected and what was found.
#[inline]
pub(super) fn put(plan: &Plan, out: &mut Vec<u8>, kind: Kind, scalar: Scalar<'_>) -> Result<(), String> {
    match kind {
        Kind::String => match scalar {
            Scalar::Text(text) => put_sized(out, text.as_bytes()),
            _ => return Err(mismatch("a string", scalar)),
        },
        Kind::Bytes => match scalar {
            Scalar::Text(text) => put_sized(out, &decode_base64(text)?),
            _ => return Err(mismatch("a base64 string", scalar)),
        },
        Kind::Bool => match scalar {
            Scalar::Bool(value) => out.push(u8::from(value)),
            _ => return Err(mismatch("true or false", scalar)),
        },
        Kind::Int32 => put_varint(out, i64::from(int32(scalar, "int32")?).cast_unsigned()),
        Kind::Int64 => put_varint(out, int64(scalar, "int64")?.cast_unsigned()),
        Kind::Uint32 => put_varint(out, u64::from(uint32(scalar, "uint32")?)),
        Kind::Uint64 => put_varint(out, uint64(scalar, "uint64")?),
        Kind::Sint32 => put_varint(out, zigzag(i64::from(int32(scalar, "sint32")?))),
        Kind::Sint64 => put_varint(out, zigzag(int64(scalar, "sint64")?)),
        Kind::Fixed32 => out.extend_from_slice(&uint32(scalar, "fixed32")?.to_le_bytes()),
        Kind::Fixed64 => out.extend_from_slice(&uint64(scalar, "fixed64")?.to_le_bytes()),
        Kind::Sfixed32 => out.extend_from_slice(&int32(scalar, "sfixed32")?.to_le_bytes()),
        Kind::Sfixed64 => out.extend_from_slice(&int64(scalar, "sfixed64")?.to_le_bytes()),
        Kind::Double => out.extend_from_slice(&double(scalar)?.to_le_bytes()),
        Kind::Float => out.extend_from_slice(&float(scalar)?.to_le_bytes()),
        Kind::Enum(index) => {
            let enumeration = plan.enumeration(index);
            let number = match scalar {
                Scalar::Text(name) => enumeration
                    .number_of(name)
                    .ok_or_else(|| format!("{} is no value of {}", quoted(name), enumeration.name))?,
                Scalar::Bool(_) => return Err(mismatch("the name of an enum value", scalar)),
                _ => int32(scalar, "an enum")?,
            };
            put_varint(out, i64::from(number).cast_unsigned());
        }
        Kind::Null => match scalar {
            Scalar::Text("NULL_VALUE") => out.push(0),
            _ => return Err(mismatch("null", scalar)),
        },
        Kind::Message(_) => return Err(mismatch("an object", scalar)),
    }
    Ok(())
}

/// As [`put`], from text that carries no JSON type: a path segment, a query parameter, the key of a map.
///
/// An enum is then also given by number, and a boolean by name.
pub(super) fn put_untyped(plan: &Plan, out: &mut Vec<u8>, kind: Kind, text: &str) -> Result<(), String> {
    let scalar = match (kind, text) {
        (Kind::Bool, "true") => Scalar::Bool(true),
        (Kind::Bool, "false") => Scalar::Bool(false),
        (Kind::Enum(_), _) => text.parse().map_or(Scalar::Text(text), Scalar::Signed),
        _ => Scalar::Text(text),
    };
    put(plan, out, kind, scalar)
}

/// An integer or a string of the wire as text; `None` if the value is another.
pub(super) fn position_text(kind: Kind, payload: Payload<'_>) -> Option<String> {
    match (kind, payload) {
        (Kind::Int32 | Kind::Int64, Payload::Varint(value)) => Some(value.cast_signed().to_string()),
        (Kind::Uint32 | Kind::Uint64, Payload::Varint(value)) => Some(value.to_string()),
        (Kind::String, Payload::Length(text)) => std::str::from_utf8(text).ok().map(str::to_owned),
        _ => None,
    }
}

/// `expected a string, found number`.
pub(super) fn mismatch(expected: &str, found: Scalar<'_>) -> String {
    match found {
        Scalar::Bool(_) => format!("expected {expected}, found boolean"),
        Scalar::Unsigned(_) | Scalar::Signed(_) | Scalar::Float(_) => format!("expected {expected}, found number"),
        Scalar::Text(text) => format!("expected {expected}, found {}", quoted(text)),
    }
}

/// The text in quotes, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

/// The text, cut where it is long: what clients write comes back in refusals, but not all of it.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const CHARACTERS_MAX: usize = 64;
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

fn put_sized(out: &mut Vec<u8>, payload: &[u8]) {
    put_varint(out, payload.len() as u64);
    out.extend_from_slice(payload);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn int32(scalar: Scalar<'_>, name: &str) -> Result<i32, String> {
    i32::try_from(integer(scalar)?).map_err(|_| out_of_range(name))
}

fn uint32(scalar: Scalar<'_>, name: &str) -> Result<u32, String> {
    u32::try_from(integer(scalar)?).map_err(|_| out_of_range(name))
}

fn int64(scalar: Scalar<'_>, name: &str) -> Result<i64, String> {
    i64::try_from(integer(scalar)?).map_err(|_| out_of_range(name))
}

fn uint64(scalar: Scalar<'_>, name: &str) -> Result<u64, String> {
    u64::try_from(integer(scalar)?).map_err(|_| out_of_range(name))
}

fn out_of_range(name: &str) -> String {
    format!("out of range for {name}")
}

/// Any integer that JSON can write, in whatever notation.
fn integer(scalar: Scalar<'_>) -> Result<i128, String> {
    match scalar {
        Scalar::Unsigned(value) => Ok(value.into()),
        Scalar::Signed(value) => Ok(value.into()),
        Scalar::Float(value) => integral(value).ok_or_else(|| "expected an integer, found a fraction".to_owned()),
        Scalar::Text(text) => match number(text) {
            Some(Scalar::Text(_)) | None => Err(mismatch("an integer", scalar)),
            Some(number) => integer(number),
        },
        Scalar::Bool(_) => Err(mismatch("an integer", scalar)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "what is too large for any integer saturates, and is refused later"
)]
fn integral(value: f64) -> Option<i128> {
    (value.fract() == 0.0).then_some(value as i128)
}

#[expect(clippy::cast_precision_loss, reason = "a double holds what it can of a large integer")]
fn double(scalar: Scalar<'_>) -> Result<f64, String> {
    match scalar {
        Scalar::Unsigned(value) => Ok(value as f64),
        Scalar::Signed(value) => Ok(value as f64),
        Scalar::Float(value) => Ok(value),
        Scalar::Text("NaN") => Ok(f64::NAN),
        Scalar::Text("Infinity") => Ok(f64::INFINITY),
        Scalar::Text("-Infinity") => Ok(f64::NEG_INFINITY),
        Scalar::Text(text) => match number(text) {
            Some(Scalar::Text(_)) | None => Err(mismatch("a number", scalar)),
            Some(number) => double(number),
        },
        Scalar::Bool(_) => Err(mismatch("a number", scalar)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to a float is what the field asks for")]
fn float(scalar: Scalar<'_>) -> Result<f32, String> {
    let value = double(scalar)?;
    let rounded = value as f32;
    if rounded.is_infinite() && value.is_finite() {
        return Err(out_of_range("float"));
    }
    Ok(rounded)
}

/// A number in JSON's grammar, which knows no leading plus, zeros or spaces.
fn number(text: &str) -> Option<Scalar<'static>> {
    let number: serde_json::Number = text.parse().ok()?;
    let unsigned = number.as_u64().map(Scalar::Unsigned);
    let signed = || number.as_i64().map(Scalar::Signed);
    let float = || number.as_f64().map(Scalar::Float);
    unsigned.or_else(signed).or_else(float)
}

fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    engine.decode(text).map_err(|error| format!("not valid base64: {error}"))
}
