//! Constraints as tables.

use regex::Regex;

use super::number::NumberRules;
use crate::transcode::wire::WireType;

/// Which message of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageIndex(pub(super) usize);

/// A message's fields that have constraints, or hold messages that have some.
#[derive(Debug, Default)]
pub(super) struct MessageRules {
    /// The full name.
    pub(super) name: String,
    pub(super) fields: Vec<FieldRules>,
}

/// One field.
#[derive(Debug)]
pub(super) struct FieldRules {
    pub(super) number: u32,
    /// As declared.
    pub(super) name: Box<str>,
    pub(super) is_required: bool,
    /// Whether its absence shows, so that an absent value meets every rule but that it be there.
    pub(super) has_presence: bool,
    /// Whether its zero value meets every rule.
    pub(super) ignores_zero: bool,
    /// The numbers of the other members of its oneof, which unset it when they come later.
    pub(super) siblings: Vec<u32>,
    pub(super) form: Form,
}

/// Whether a field holds one value or many.
#[derive(Debug)]
pub(super) enum Form {
    Single(ValueRules),
    List { count: Range, wire_type: WireType, item: ValueRules },
    Map { count: Range, key: ValueRules, key_wire_type: WireType, value: ValueRules, value_wire_type: WireType },
}

/// What one value must be.
#[derive(Debug)]
pub(super) enum ValueRules {
    Anything,
    Text(TextRules),
    /// A number of bytes.
    Bytes(Range),
    Number(NumberRules),
    Enum(EnumRules),
    Message(MessageIndex),
}

/// What a text must be.
#[derive(Debug)]
pub(super) struct TextRules {
    /// In Unicode code points.
    pub(super) length: Range,
    pub(super) pattern: Option<Regex>,
    pub(super) form: Option<TextForm>,
}

/// A form of text that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextForm {
    Email,
    Uuid,
}

/// What an enum's number must be.
#[derive(Debug, Default)]
pub(super) struct EnumRules {
    /// Sorted; `None` allows all.
    pub(super) allowed: Option<Vec<i32>>,
    /// Sorted.
    pub(super) refused: Vec<i32>,
}

/// How many there may be of something, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) min: usize,
    pub(super) max: usize,
}

impl FieldRules {
    /// Whether an unset field of no presence, which holds its zero value, has something to meet.
    pub(super) fn checks_unset(&self) -> bool {
        !self.has_presence && !self.ignores_zero
    }
}

impl Range {
    pub(super) const ANY: Self = Self { min: 0, max: usize::MAX };

    pub(super) fn contains(self, count: usize) -> bool {
        (self.min..=self.max).contains(&count)
    }

    /// What is wrong with `count` items of `what`, such as `characters long`.
    pub(super) fn complaint(self, count: usize, verb: &str, what: &str) -> String {
        if count < self.min {
            format!("must {verb} at least {} {what}, not {count}", self.min)
        } else {
            format!("must {verb} at most {} {what}, not {count}", self.max)
        }
    }
}

impl EnumRules {
    pub(super) fn check(&self, number: i32) -> Result<(), String> {
        let is_allowed = self.allowed.as_ref().is_none_or(|allowed| allowed.binary_search(&number).is_ok());
        if !is_allowed {
            return Err(format!("has no value {number}"));
        }
        match (self.refused.binary_search(&number), number) {
            (Err(_), _) => Ok(()),
            (Ok(_), 0) => Err("is required".to_owned()),
            (Ok(_), _) => Err(format!("must not be {number}")),
        }
    }
}
