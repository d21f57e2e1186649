//! The messages of `google.protobuf` that have a JSON form of their own.

use super::super::field_mask::to_camel_case;
use super::super::plan::{Kind, Message, Shape};
use super::super::time::{Span, write_duration, write_timestamp};
use super::super::wire::{Malformed, Payload, Reader};
use super::{EncodeError, Encoder, Stop, default_of, low_i32, malformed, text, with_usual_order};

impl Encoder<'_> {
    pub(super) fn well_known(
        self,
        message: &Message,
        wire: &[u8],
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Stop> {
        match message.shape {
            Shape::Plain | Shape::Empty => self.shaped(message, wire, out, depth),
            Shape::Timestamp => Ok(quoted_span(message, wire, out, write_timestamp)?),
            Shape::Duration => Ok(quoted_span(message, wire, out, write_duration)?),
            Shape::FieldMask => Ok(field_mask(message, wire, out)?),
            Shape::Wrapper => Ok(self.wrapper(message, wire, out, depth)?),
            Shape::Struct => self.collection(message, wire, out, depth, [b'{', b'}']),
            Shape::ListValue => self.collection(message, wire, out, depth, [b'[', b']']),
            Shape::Value => self.any_json(message, wire, out, depth),
            Shape::Any => Ok(self.any(message, wire, out, depth)?),
        }
    }

    fn wrapper(self, message: &Message, wire: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), EncodeError> {
        let field = message.fields.first().ok_or_else(|| malformed(message))?;
        let payload = last(message, wire, field.number)?.unwrap_or_else(|| default_of(field.kind));
        self.value(message, field.kind, payload, out, depth)
    }

    /// Appends a `Struct` or `ListValue`, whose only field is the collection.
    fn collection(
        self,
        message: &Message,
        wire: &[u8],
        out: &mut Vec<u8>,
        depth: usize,
        [opening, closing]: [u8; 2],
    ) -> Result<(), Stop> {
        let field = message.fields.first().ok_or_else(|| malformed(message))?;
        let mut reader = Reader(wire);
        out.push(opening);
        if let Some((_, payload)) = reader.record().map_err(|Malformed| malformed(message))? {
            let rest = self.run(message, field, payload, &mut reader, out, depth)?;
            if rest.is_some() {
                return Err(malformed(message).into());
            }
        }
        out.push(closing);
        Ok(())
    }

    /// Appends a `Value`; one that holds nothing is null.
    fn any_json(self, message: &Message, wire: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), Stop> {
        let mut reader = Reader(wire);
        let Some((number, payload)) = reader.record().map_err(|Malformed| malformed(message))? else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        if !reader.0.is_empty() {
            return Err(Stop::Unusual);
        }
        let field = message.place_of_number(number).map(|place| &message.fields[place]);
        let field = field.ok_or_else(|| malformed(message))?;
        match (field.kind, payload) {
            (Kind::Double, Payload::Fixed64(bits)) if !f64::from_bits(bits).is_finite() => {
                Err(no_json_form(message).into())
            }
            _ => Ok(self.value(message, field.kind, payload, out, depth)?),
        }
    }

    /// Appends an `Any`. One whose type the contract does not have, or whose bytes do not fit it, is shown as it came:
    /// its type, and its bytes in base64.
    fn any(self, message: &Message, wire: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), EncodeError> {
        let type_url = match last(message, wire, 1)? {
            Some(Payload::Length(bytes)) => {
                std::str::from_utf8(bytes).map_err(|_| EncodeError::NotUtf8 { message: message.name.clone() })?
            }
            _ => "",
        };
        let value = match last(message, wire, 2)? {
            Some(Payload::Length(bytes)) => bytes,
            _ => &[],
        };
        if type_url.is_empty() && value.is_empty() {
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        out.extend_from_slice(b"{\"@type\":");
        text::write_string(out, type_url);
        let start = out.len();
        if self.any_payload(type_url, value, out, depth + 1).is_none() {
            out.truncate(start);
            out.extend_from_slice(b",\"value\":");
            text::write_base64(out, value);
        }
        out.push(b'}');
        Ok(())
    }

    fn any_payload(self, type_url: &str, wire: &[u8], out: &mut Vec<u8>, depth: usize) -> Option<()> {
        let full_name = type_url.rsplit('/').next()?;
        let index = self.plan.message_index(full_name)?;
        let message = self.plan.message(index);
        if message.shape == Shape::Plain {
            with_usual_order(message, wire, out, |wire, out| self.fields(message, wire, out, depth)).ok()
        } else {
            out.extend_from_slice(b",\"value\":");
            self.message(index, wire, out, depth).ok()
        }
    }
}

fn quoted_span(
    message: &Message,
    wire: &[u8],
    out: &mut Vec<u8>,
    write: fn(&mut Vec<u8>, Span) -> Option<()>,
) -> Result<(), EncodeError> {
    let mut span = Span::default();
    let mut reader = Reader(wire);
    while let Some(record) = reader.record().map_err(|Malformed| malformed(message))? {
        match record {
            (1, Payload::Varint(seconds)) => span.seconds = seconds.cast_signed(),
            (2, Payload::Varint(nanos)) => span.nanos = low_i32(nanos),
            _ => {}
        }
    }
    out.push(b'"');
    write(out, span).ok_or_else(|| no_json_form(message))?;
    out.push(b'"');
    Ok(())
}

fn field_mask(message: &Message, wire: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut mask = String::new();
    let mut reader = Reader(wire);
    while let Some((number, payload)) = reader.record().map_err(|Malformed| malformed(message))? {
        let (1, Payload::Length(bytes)) = (number, payload) else { continue };
        let path = std::str::from_utf8(bytes).map_err(|_| EncodeError::NotUtf8 { message: message.name.clone() })?;
        if !mask.is_empty() {
            mask.push(',');
        }
        to_camel_case(&mut mask, path).ok_or_else(|| no_json_form(message))?;
    }
    text::write_string(out, &mask);
    Ok(())
}

/// The last record of a single field, which is the one that counts.
fn last<'a>(message: &Message, wire: &'a [u8], number: u32) -> Result<Option<Payload<'a>>, EncodeError> {
    let mut found = None;
    let mut reader = Reader(wire);
    while let Some((record_number, payload)) = reader.record().map_err(|Malformed| malformed(message))? {
        if record_number == number {
            found = Some(payload);
        }
    }
    Ok(found)
}

fn no_json_form(message: &Message) -> EncodeError {
    EncodeError::NoJsonForm { message: message.name.clone() }
}
