//! The walk over a request's wire bytes.
//!
//! Wire bytes may hold a single field several times: the last value counts, and messages merge. The edge's own REST
//! requests are like that, where a path fills a field of a message that the body fills too. So a message is looked at
//! as the pieces that it is in.

use focusflow_mesh::refusal::invalid_arguments;
use tonic::Status;

use super::number::low_i32;
use super::path::{Key, Path};
use super::rule::{FieldRules, Form, MessageIndex, MessageRules, Range, ValueRules};
use crate::transcode::wire::{Malformed, Payload, Reader, WireType};

/// As many violations as are listed; whoever has more is told of these first.
const VIOLATIONS_MAX: usize = 20;

/// How many messages may lie within each other; a service that decodes with `prost` takes no more.
const DEPTH_MAX: usize = 100;

/// How many pieces a message may be in before they are joined.
const PIECES_MAX: usize = 4;

/// The bytes are not the message, or it is nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// One check of one request.
pub(super) struct Check<'r> {
    messages: &'r [MessageRules],
    /// Path and description of what is wrong.
    violations: Vec<(String, String)>,
    depth: usize,
}

/// A message's wire bytes, which are those of its pieces one after another.
type Pieces<'w> = [&'w [u8]];

impl From<Malformed> for Unreadable {
    fn from(Malformed: Malformed) -> Self {
        Self
    }
}

impl<'r> Check<'r> {
    pub(super) fn new(messages: &'r [MessageRules]) -> Self {
        Self { messages, violations: Vec::new(), depth: 0 }
    }

    /// Checks a request; what is wrong with it is noted for the verdict.
    pub(super) fn run(&mut self, input: MessageIndex, message: &[u8]) -> Result<(), Unreadable> {
        self.message(input, &[message], None)
    }

    /// What the check found.
    pub(super) fn verdict(self) -> Result<(), Status> {
        if self.violations.is_empty() { Ok(()) } else { Err(invalid_arguments(self.violations)) }
    }

    fn message(&mut self, index: MessageIndex, pieces: &Pieces<'_>, at: Option<&Path<'_>>) -> Result<(), Unreadable> {
        if self.depth == DEPTH_MAX {
            return Err(Unreadable);
        }
        self.depth += 1;
        let messages = self.messages;
        for field in &messages[index.0].fields {
            if self.is_full() {
                break;
            }
            let path = Path::field(at, &field.name);
            match &field.form {
                Form::Single(rules) => self.single(field, rules, pieces, &path)?,
                Form::List { count, wire_type, item } => {
                    let found = self.list(field, *wire_type, item, pieces, &path)?;
                    self.count(field, *count, found, &path);
                }
                Form::Map { count, .. } => {
                    let found = self.map(field, pieces, &path)?;
                    self.count(field, *count, found, &path);
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Checks a field that holds one value.
    fn single(
        &mut self,
        field: &FieldRules,
        rules: &ValueRules,
        pieces: &Pieces<'_>,
        path: &Path<'_>,
    ) -> Result<(), Unreadable> {
        let (last, times) = last_value(field, pieces)?;
        match last {
            None if field.is_required => self.refuse(path, "is required"),
            None if field.checks_unset() => return self.value(rules, None, path),
            None => {}
            Some(payload) if is_zero(payload) && !field.has_presence && field.is_required => {
                self.refuse(path, "is required");
            }
            Some(payload) if is_zero(payload) && field.ignores_zero => {}
            Some(payload) => match rules {
                ValueRules::Message(index) if times > 1 => return self.merged(*index, field, pieces, path),
                _ => return self.value(rules, Some(payload), path),
            },
        }
        Ok(())
    }

    /// Checks a message that comes in several pieces.
    fn merged(
        &mut self,
        index: MessageIndex,
        field: &FieldRules,
        pieces: &Pieces<'_>,
        path: &Path<'_>,
    ) -> Result<(), Unreadable> {
        let mut few: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
        let mut count = 0;
        let mut joined = Vec::new();
        each_record(pieces, |number, payload| {
            if let (Payload::Length(piece), true) = (payload, number == field.number) {
                match few.get_mut(count) {
                    Some(slot) => *slot = piece,
                    None => joined.extend_from_slice(piece),
                }
                count += 1;
            } else if field.siblings.contains(&number) {
                count = 0;
                joined.clear();
            }
            Ok(())
        })?;
        if joined.is_empty() {
            return self.message(index, &few[..count.min(PIECES_MAX)], Some(path));
        }
        let joined = [few.concat(), joined].concat();
        self.message(index, &[&joined], Some(path))
    }

    /// Checks each item of a list and returns how many there are.
    fn list(
        &mut self,
        field: &FieldRules,
        wire_type: WireType,
        item: &ValueRules,
        pieces: &Pieces<'_>,
        path: &Path<'_>,
    ) -> Result<usize, Unreadable> {
        let mut count = 0;
        each_record(pieces, |number, payload| {
            if number != field.number {
                return Ok(());
            }
            match payload {
                Payload::Length(packed) if wire_type != WireType::Length => {
                    let mut reader = Reader(packed);
                    while !reader.0.is_empty() {
                        let payload = reader.payload(wire_type)?;
                        self.item(item, payload, &path.place(count))?;
                        count += 1;
                    }
                }
                payload => {
                    self.item(item, payload, &path.place(count))?;
                    count += 1;
                }
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// Checks each entry of a map and returns how many there are. A key that comes twice counts twice, as no encoder
    /// writes it.
    fn map(&mut self, field: &FieldRules, pieces: &Pieces<'_>, path: &Path<'_>) -> Result<usize, Unreadable> {
        let Form::Map { key: key_rules, key_wire_type, value: value_rules, value_wire_type, .. } = &field.form else {
            return Ok(0);
        };
        let mut count = 0;
        each_record(pieces, |number, payload| {
            if number != field.number {
                return Ok(());
            }
            let Payload::Length(entry) = payload else { return Err(Unreadable) };
            count += 1;
            let (key, value) = key_and_value(entry)?;
            let key = key.unwrap_or_else(|| zero(*key_wire_type));
            let value = value.unwrap_or_else(|| zero(*value_wire_type));
            let path = path.key(match key {
                Payload::Length(text) => Key::Text(text),
                Payload::Varint(number) | Payload::Fixed64(number) => Key::Number(number),
                Payload::Fixed32(number) => Key::Number(number.into()),
            });
            self.item(key_rules, key, &path)?;
            self.item(value_rules, value, &path)
        })?;
        Ok(count)
    }

    fn count(&mut self, field: &FieldRules, range: Range, count: usize, path: &Path<'_>) {
        if count == 0 && field.is_required {
            return self.refuse(path, "is required");
        }
        let is_left_aside = count == 0 && field.ignores_zero;
        if !is_left_aside && !range.contains(count) {
            self.refuse(path, range.complaint(count, "have", "items"));
        }
    }

    fn item(&mut self, rules: &ValueRules, payload: Payload<'_>, path: &Path<'_>) -> Result<(), Unreadable> {
        if self.is_full() { Ok(()) } else { self.value(rules, Some(payload), path) }
    }

    /// Checks one value; `None` is the zero value.
    fn value(&mut self, rules: &ValueRules, payload: Option<Payload<'_>>, path: &Path<'_>) -> Result<(), Unreadable> {
        let outcome = match (rules, payload) {
            // A message that is not there is no zero value of one.
            (ValueRules::Anything, _) | (ValueRules::Message(_), None) => Ok(()),
            (ValueRules::Message(index), Some(Payload::Length(piece))) => {
                return self.message(*index, &[piece], Some(path));
            }
            (ValueRules::Text(rules), Some(Payload::Length(text))) => rules.check(text),
            (ValueRules::Text(rules), None) => rules.check(&[]),
            (ValueRules::Bytes(range), Some(Payload::Length(bytes))) => check_bytes(*range, bytes.len()),
            (ValueRules::Bytes(range), None) => check_bytes(*range, 0),
            (ValueRules::Enum(rules), Some(Payload::Varint(value))) => rules.check(low_i32(value)),
            (ValueRules::Enum(rules), None) => rules.check(0),
            (ValueRules::Number(rules), payload) => {
                let payload = payload.unwrap_or_else(|| zero(rules.encoding.wire_type()));
                rules.check(rules.encoding.read(payload).ok_or(Unreadable)?)
            }
            _ => return Err(Unreadable),
        };
        if let Err(description) = outcome {
            self.refuse(path, description);
        }
        Ok(())
    }

    #[cold]
    fn refuse(&mut self, path: &Path<'_>, description: impl Into<String>) {
        if !self.is_full() {
            self.violations.push((path.to_string(), description.into()));
        }
    }

    fn is_full(&self) -> bool {
        self.violations.len() == VIOLATIONS_MAX
    }
}

/// Shows every record of a message, in order.
fn each_record<'w>(
    pieces: &Pieces<'w>,
    mut show: impl FnMut(u32, Payload<'w>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    for piece in pieces {
        let mut reader = Reader(piece);
        while let Some((number, payload)) = reader.record()? {
            show(number, payload)?;
        }
    }
    Ok(())
}

/// The value that counts of a single field, and how often the field was given since a sibling unset it.
fn last_value<'w>(field: &FieldRules, pieces: &Pieces<'w>) -> Result<(Option<Payload<'w>>, usize), Unreadable> {
    let (mut last, mut times) = (None, 0);
    each_record(pieces, |number, payload| {
        if number == field.number {
            (last, times) = (Some(payload), times + 1);
        } else if field.siblings.contains(&number) {
            (last, times) = (None, 0);
        }
        Ok(())
    })?;
    Ok((last, times))
}

fn key_and_value(entry: &[u8]) -> Result<(Option<Payload<'_>>, Option<Payload<'_>>), Unreadable> {
    let (mut key, mut value) = (None, None);
    each_record(&[entry], |number, payload| {
        match number {
            1 => key = Some(payload),
            2 => value = Some(payload),
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

fn check_bytes(range: Range, length: usize) -> Result<(), String> {
    if range.contains(length) { Ok(()) } else { Err(range.complaint(length, "be", "bytes long")) }
}

fn zero(wire_type: WireType) -> Payload<'static> {
    match wire_type {
        WireType::Varint => Payload::Varint(0),
        WireType::Fixed64 => Payload::Fixed64(0),
        WireType::Fixed32 => Payload::Fixed32(0),
        WireType::Length => Payload::Length(&[]),
    }
}

fn is_zero(payload: Payload<'_>) -> bool {
    matches!(payload, Payload::Varint(0) | Payload::Fixed64(0) | Payload::Fixed32(0) | Payload::Length([]))
}
