//! Response messages, and the statuses that stand in their place, to HTTP bodies.

use prost::Message as _;
use prost_reflect::{DescriptorError, DescriptorPool};
use prost_types::FileDescriptorSet;

use super::plan::{Form, MessageIndex, Plan};
use super::wire::{Payload, Reader};
use super::{EncodeError, Outgoing};

const JSON: &str = "application/json";
const HTTP_BODY: &str = "google.api.HttpBody";

/// How one route's response messages become bodies.
#[derive(Debug)]
pub(super) enum Rendering {
    /// The message as JSON.
    Whole(MessageIndex),
    /// One field's value as JSON.
    Field {
        /// A message that has only this field.
        projection: MessageIndex,
        /// What is said when the field is absent.
        absent: &'static [u8],
    },
    /// The message is a `google.api.HttpBody`: its bytes, under its own media type.
    Raw,
    /// As `Raw`, for a field that is one.
    RawField(u32),
}

impl Rendering {
    /// `None` if the response has no such field.
    pub(super) fn new(plan: &mut Plan, output: MessageIndex, response_body: &str) -> Option<Self> {
        let message = plan.message(output);
        if response_body.is_empty() {
            return Some(if message.name == HTTP_BODY { Self::Raw } else { Self::Whole(output) });
        }
        let place = message.place_of_name(response_body)?;
        let field = &message.fields[place];
        if field.is_message_named(plan, HTTP_BODY) {
            return Some(Self::RawField(field.number));
        }
        let absent: &[u8] = match field.form {
            Form::Explicit => b"null",
            // These are always printed.
            Form::Implicit | Form::List { .. } | Form::Map { .. } => b"",
        };
        Some(Self::Field { projection: plan.project(output, place), absent })
    }

    pub(super) fn render(&self, plan: &Plan, message: &[u8]) -> Result<Outgoing, EncodeError> {
        match *self {
            Self::Whole(index) => {
                let mut body = Vec::with_capacity(message.len() * 2 + 64);
                plan.encode(index, message, &mut body)?;
                Ok(json(body))
            }
            Self::Field { projection, absent } => {
                let mut body = Vec::with_capacity(message.len() * 2);
                plan.encode(projection, message, &mut body)?;
                let key_length = plan.message(projection).fields.first().map_or(0, |field| field.key.len());
                let value = body.get(1 + key_length..body.len() - 1).unwrap_or(absent);
                Ok(json(value.to_vec()))
            }
            Self::Raw => http_body(message),
            Self::RawField(number) => http_body(last_bytes(message, number)?.unwrap_or_default()),
        }
    }
}

/// Renders an encoded `google.rpc.Status`; a bare internal error if it cannot be read.
pub(super) fn status_json(plan: &Plan, index: Option<MessageIndex>, status: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(status.len() * 2 + 64);
    match index.map(|index| plan.encode(index, status, &mut body)) {
        Some(Ok(())) => body,
        _ => br#"{"code":13,"message":"The error's own description cannot be read.","details":[]}"#.to_vec(),
    }
}

/// The contract together with `google.rpc`'s status and details, where it lacks them.
pub(crate) fn with_error_types(pool: &DescriptorPool) -> Result<DescriptorPool, DescriptorError> {
    let mut pool = pool.clone();
    let Ok(mut set) = FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET) else { return Ok(pool) };
    set.file.retain(|file| {
        let has_message = |name: &str| pool.get_message_by_name(&format!("{}.{name}", file.package())).is_some();
        pool.get_file_by_name(file.name()).is_none() && !file.message_type.iter().any(|it| has_message(it.name()))
    });
    pool.add_file_descriptor_set(set)?;
    Ok(pool)
}

fn json(body: Vec<u8>) -> Outgoing {
    Outgoing { content_type: JSON.to_owned(), body }
}

fn http_body(message: &[u8]) -> Result<Outgoing, EncodeError> {
    let content_type = last_bytes(message, 1)?.and_then(|bytes| std::str::from_utf8(bytes).ok());
    Ok(Outgoing {
        content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
        body: last_bytes(message, 2)?.unwrap_or_default().to_vec(),
    })
}

fn last_bytes(message: &[u8], number: u32) -> Result<Option<&[u8]>, EncodeError> {
    let mut found = None;
    let mut reader = Reader(message);
    while let Some(record) = reader.record().map_err(|_| EncodeError::Malformed { message: HTTP_BODY.to_owned() })? {
        if let (record_number, Payload::Length(bytes)) = record
            && record_number == number
        {
            found = Some(bytes);
        }
    }
    Ok(found)
}
