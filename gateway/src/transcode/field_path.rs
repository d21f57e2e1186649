//! Fields named by a dotted path, as path variables and query parameters name them, and filled from text.

use super::field_mask;
use super::plan::{Field, Form, Kind, MessageIndex, Plan, Shape};
use super::scalar::{Scalar, mismatch, put_untyped};
use super::time::{Span, parse_duration, parse_timestamp};
use super::wire::{Payload, Reader, WireType, close, open, put_bytes, put_tag, put_varint};

/// A field and the messages that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldPath {
    /// From the request message inwards; each but the last is a single message.
    steps: Vec<Step>,
}

/// One field of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    message: MessageIndex,
    place: usize,
}

/// Why a dotted path leads to no field that text can fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The message has no such field.
    #[error("is unknown")]
    Unknown,
    /// The path goes on after a scalar, a list or a map.
    #[error("leads through a field that is no single message")]
    Impassable,
    /// It ends in a message or a map, of which text can only fill parts.
    #[error("is no scalar; name one of its fields")]
    NotScalar,
    /// More than 100 names.
    #[error("is too deep")]
    TooDeep,
}

impl FieldPath {
    /// Follows declared or JSON names from a message to a field that text can fill.
    pub(super) fn resolve<'n>(
        plan: &Plan,
        root: MessageIndex,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Self, PathError> {
        const STEPS_MAX: usize = 100;
        let mut steps = Vec::new();
        let mut next = Some(root);
        for name in names {
            let message = next.ok_or(PathError::Impassable)?;
            let place = plan.message(message).place_of_name(name).ok_or(PathError::Unknown)?;
            let field = &plan.message(message).fields[place];
            steps.push(Step { message, place });
            if steps.len() > STEPS_MAX {
                return Err(PathError::TooDeep);
            }
            next = match (field.kind, field.form) {
                (Kind::Message(inner), Form::Explicit) => Some(inner),
                _ => None,
            };
        }
        let path = Self { steps };
        match path.leaf(plan) {
            Some(field) if is_text(plan, field) => Ok(path),
            Some(_) => Err(PathError::NotScalar),
            None => Err(PathError::Unknown),
        }
    }

    /// The field itself.
    pub(super) fn leaf<'p>(&self, plan: &'p Plan) -> Option<&'p Field> {
        self.steps.last().map(|step| step.field(plan))
    }

    /// The place of the first step among the request message's fields.
    pub(super) fn first_place(&self) -> Option<usize> {
        self.steps.first().map(|step| step.place)
    }

    /// The declared names from the step at `start` on, joined by dots.
    pub(super) fn names_from(&self, plan: &Plan, start: usize) -> String {
        let names: Vec<_> = self.steps.iter().skip(start).map(|step| &*step.field(plan).name).collect();
        names.join(".")
    }

    /// The field's kind and last value in a message, which may lie in pieces; `None` if it is not there.
    pub(super) fn find<'w>(&self, plan: &Plan, message: &'w [u8]) -> Option<(Kind, Payload<'w>)> {
        let (leaf, parents) = self.steps.split_last()?;
        let numbers: Vec<u32> = parents.iter().map(|step| step.field(plan).number).collect();
        let leaf = leaf.field(plan);
        Some((leaf.kind, last_within(message, &numbers, leaf.number)?))
    }

    /// Whether both cannot be set at once, as they go through different members of one oneof.
    pub(super) fn excludes(&self, plan: &Plan, other: &Self) -> bool {
        let fork = self.steps.iter().zip(&other.steps).find(|(mine, theirs)| mine != theirs);
        fork.is_some_and(|(mine, theirs)| {
            let oneof = mine.field(plan).oneof;
            oneof.is_some() && oneof == theirs.field(plan).oneof
        })
    }

    /// Appends the field with the messages around it. Bytes appended later win over those appended before.
    pub(super) fn put(&self, plan: &Plan, out: &mut Vec<u8>, text: &str) -> Result<(), String> {
        let Some((leaf, parents)) = self.steps.split_last() else { return Ok(()) };
        let starts: Vec<_> = parents.iter().map(|step| open(out, step.field(plan).number)).collect();
        put_field(plan, out, leaf.field(plan), text)?;
        starts.into_iter().rev().for_each(|start| close(out, start));
        Ok(())
    }
}

impl Step {
    fn field(self, plan: &Plan) -> &Field {
        &plan.message(self.message).fields[self.place]
    }
}

/// The last record of the field `number`, within the messages of the fields `parents`. Of a message in pieces any piece
/// may have it.
fn last_within<'w>(message: &'w [u8], parents: &[u32], number: u32) -> Option<Payload<'w>> {
    let mut reader = Reader(message);
    let mut last = None;
    while let Some((record_number, payload)) = reader.record().ok()? {
        match (parents, payload) {
            ([], _) if record_number == number => last = Some(payload),
            ([parent, inner @ ..], Payload::Length(piece)) if record_number == *parent => {
                last = last_within(piece, inner, number).or(last);
            }
            _ => {}
        }
    }
    last
}

/// Appends a field, even where it is the default: it may have to win over an earlier value.
fn put_field(plan: &Plan, out: &mut Vec<u8>, field: &Field, text: &str) -> Result<(), String> {
    let Kind::Message(index) = field.kind else {
        put_tag(out, field.number, field.kind.wire_type());
        return put_untyped(plan, out, field.kind, text);
    };
    let start = open(out, field.number);
    let message = plan.message(index);
    match (message.shape, message.fields.first()) {
        (Shape::Timestamp, _) => put_span(out, parse_timestamp(text), "a timestamp", text)?,
        (Shape::Duration, _) => put_span(out, parse_duration(text), "a duration", text)?,
        (Shape::FieldMask, _) => {
            for path in field_mask::parse_lenient(text) {
                put_bytes(out, 1, path.as_bytes());
            }
        }
        (Shape::Wrapper, Some(value)) => put_field(plan, out, value, text)?,
        _ => return Err(PathError::NotScalar.to_string()),
    }
    close(out, start);
    Ok(())
}

fn put_span(out: &mut Vec<u8>, span: Option<Span>, expected: &str, text: &str) -> Result<(), String> {
    let Span { seconds, nanos } = span.ok_or_else(|| mismatch(expected, Scalar::Text(text)))?;
    put_tag(out, 1, WireType::Varint);
    put_varint(out, seconds.cast_unsigned());
    put_tag(out, 2, WireType::Varint);
    put_varint(out, i64::from(nanos).cast_unsigned());
    Ok(())
}

fn is_text(plan: &Plan, field: &Field) -> bool {
    match (field.form, field.kind) {
        (Form::Map { .. }, _) => false,
        (_, Kind::Message(index)) => {
            matches!(plan.message(index).shape, Shape::Timestamp | Shape::Duration | Shape::FieldMask | Shape::Wrapper)
        }
        _ => true,
    }
}
