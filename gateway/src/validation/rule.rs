//! Constraints as tables.

use regex::Regex;

use super::number::NumberRules;
use crate::transcode::wire::WireType;

/// Which message of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageIndex(pub(super) usize);

/// A message's fields that have constraints, or hold messages that have some.
#[derive(Debug, Default)]
pub(crate) struct MessageRules {
    /// The full name.
    pub(crate) name: String,
    pub(crate) fields: Vec<FieldRules>,
}

/// One field.
#[derive(Debug)]
pub(crate) struct FieldRules {
    pub(crate) number: u32,
    /// As declared.
    pub(crate) name: Box<str>,
    pub(crate) is_required: bool,
    /// Whether its absence shows, so that an absent value meets every rule but that it be there.
    pub(crate) has_presence: bool,
    /// Whether its zero value meets every rule.
    pub(crate) ignores_zero: bool,
    /// The numbers of the other members of its oneof, which unset it when they come later.
    pub(crate) siblings: Vec<u32>,
    pub(crate) form: Form,
}

/// Whether a field holds one value or many.
#[derive(Debug)]
pub(crate) enum Form {
    Single(ValueRules),
    List { count: Range, wire_type: WireType, item: ValueRules },
    Map { count: Range, key: ValueRules, key_wire_type: WireType, value: ValueRules, value_wire_type: WireType },
}

/// What one value must be.
#[derive(Debug)]
pub(crate) enum ValueRules {
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
pub(crate) struct TextRules {
    /// In Unicode code points.
    pub(crate) length: Range,
    pub(crate) pattern: Option<Regex>,
    pub(crate) form: Option<TextForm>,
}

/// A form of text that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextForm {
    Email,
    Uuid,
}

/// What an enum's number must be.
#[derive(Debug, Default)]
pub(crate) struct EnumRules {
    /// Sorted; `None` allows all.
    pub(crate) allowed: Option<Vec<i32>>,
    /// Sorted.
    pub(crate) refused: Vec<i32>,
}

/// How many there may be of something, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) min: usize,
    pub(crate) max: usize,
}

impl FieldRules {
    /// Whether an unset field of no presence, which holds its zero value, has something to meet.
    pub(crate) fn checks_unset(&self) -> bool {
        !self.has_presence && !self.ignores_zero
    }
}

impl Range {
    pub(crate) const ANY: Self = Self { min: 0, max: usize::MAX };

    pub(crate) fn contains(self, count: usize) -> bool {
        (self.min..=self.max).contains(&count)
    }

    /// What is wrong with `count` items of `what`, such as `characters long`.
    pub(crate) fn complaint(self, count: usize, verb: &str, what: &str) -> String {
        if count < self.min {
            format!("must {verb} at least {} {what}, not {count}", self.min)
        } else {
            format!("must {verb} at most {} {what}, not {count}", self.max)
        }
    }
}

impl EnumRules {
    pub(crate) fn check(&self, number: i32) -> Result<(), String> {
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
