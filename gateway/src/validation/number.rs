//! Bounds of numbers, whatever their encoding.

use std::cmp::Ordering;
use std::fmt;

use crate::transcode::wire::{Payload, WireType};

/// A number of any of protobuf's types.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// Wide enough for signed and unsigned ones of 64 bits.
    Integer(i128),
    Float(f64),
}

/// How a field's numbers are on the wire, of those types that have rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Float,
    Double,
}

/// What a number must be.
#[derive(Debug)]
pub(crate) struct NumberRules {
    pub(crate) encoding: Encoding,
    pub(crate) min: Option<Bound>,
    pub(crate) max: Option<Bound>,
}

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bound {
    pub(crate) value: Number,
    /// Whether the value itself is within.
    pub(crate) is_included: bool,
}

impl Encoding {
    pub(super) fn wire_type(self) -> WireType {
        match self {
            Self::Int32 | Self::Int64 | Self::Uint32 | Self::Uint64 => WireType::Varint,
            Self::Float => WireType::Fixed32,
            Self::Double => WireType::Fixed64,
        }
    }

    /// The number in a payload; `None` if it is of another wire type.
    pub(super) fn read(self, payload: Payload<'_>) -> Option<Number> {
        Some(match (self, payload) {
            (Self::Int32, Payload::Varint(value)) => Number::Integer(low_i32(value).into()),
            (Self::Int64, Payload::Varint(value)) => Number::Integer(value.cast_signed().into()),
            (Self::Uint32, Payload::Varint(value)) => Number::Integer(low_i32(value).cast_unsigned().into()),
            (Self::Uint64, Payload::Varint(value)) => Number::Integer(value.into()),
            (Self::Float, Payload::Fixed32(bits)) => Number::Float(f32::from_bits(bits).into()),
            (Self::Double, Payload::Fixed64(bits)) => Number::Float(f64::from_bits(bits)),
            _ => return None,
        })
    }
}

/// The low half of a varint, which is all that an `int32` or an enum keeps of it.
#[expect(clippy::cast_possible_truncation, reason = "a longer varint is cut to the field's width, by the format")]
pub(super) const fn low_i32(value: u64) -> i32 {
    value as i32
}

impl NumberRules {
    pub(super) fn check(&self, number: Number) -> Result<(), String> {
        let is_above = self.min.is_none_or(|min| min.admits(number, Ordering::Greater));
        let is_below = self.max.is_none_or(|max| max.admits(number, Ordering::Less));
        if is_above && is_below { Ok(()) } else { Err(self.complaint()) }
    }

    fn complaint(&self) -> String {
        match (self.min.map(Bound::inclusive), self.max.map(Bound::inclusive)) {
            (Some(Ok(min)), Some(Ok(max))) => format!("must be from {min} to {max}"),
            (Some(Ok(Number::Integer(0))), None) => "must not be negative".to_owned(),
            (min, max) => {
                let min =
                    min.map(|min| min.map_or_else(|min| format!("more than {min}"), |min| format!("at least {min}")));
                let max =
                    max.map(|max| max.map_or_else(|max| format!("less than {max}"), |max| format!("at most {max}")));
                format!("must be {}", min.into_iter().chain(max).collect::<Vec<_>>().join(" and "))
            }
        }
    }
}

impl Bound {
    /// Whether `number` lies on the given side of the bound. What is no number lies on none.
    fn admits(self, number: Number, side: Ordering) -> bool {
        match number.compare(self.value) {
            Some(Ordering::Equal) => self.is_included,
            ordering => ordering == Some(side),
        }
    }

    /// The bound's value, as an error where it is not within.
    fn inclusive(self) -> Result<Number, Number> {
        if self.is_included { Ok(self.value) } else { Err(self.value) }
    }
}

impl Number {
    /// Numbers of one field are of one kind.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(this), Self::Integer(other)) => Some(this.cmp(&other)),
            (Self::Float(this), Self::Float(other)) => this.partial_cmp(&other),
            _ => None,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(min: Option<(i128, bool)>, max: Option<(i128, bool)>) -> NumberRules {
        let bound = |(value, is_included)| Bound { value: Number::Integer(value), is_included };
        NumberRules { encoding: Encoding::Int64, min: min.map(bound), max: max.map(bound) }
    }

    fn complaint(rules: &NumberRules, value: i128) -> String {
        rules.check(Number::Integer(value)).err().unwrap_or_default()
    }

    #[test]
    fn bounds_are_within_or_not() {
        let closed = rules(Some((1, true)), Some((5, true)));
        assert_eq!([0, 1, 5, 6].map(|value| closed.check(Number::Integer(value)).is_ok()), [false, true, true, false]);
        let open = rules(Some((1, false)), Some((5, false)));
        assert_eq!([1, 2, 4, 5].map(|value| open.check(Number::Integer(value)).is_ok()), [false, true, true, false]);
    }

    #[test]
    fn complaints_name_the_bounds() {
        assert_eq!(complaint(&rules(Some((0, true)), None), -1), "must not be negative");
        assert_eq!(complaint(&rules(Some((1, true)), Some((5, true))), 9), "must be from 1 to 5");
        assert_eq!(complaint(&rules(Some((1, false)), Some((5, true))), 9), "must be more than 1 and at most 5");
        assert_eq!(complaint(&rules(None, Some((5, false))), 5), "must be less than 5");
    }

    #[test]
    fn what_is_no_number_is_within_no_bounds() {
        let bound = Bound { value: Number::Float(0.0), is_included: true };
        let rules = NumberRules { encoding: Encoding::Double, min: Some(bound), max: None };
        assert!(rules.check(Number::Float(f64::INFINITY)).is_ok());
        assert!(rules.check(Number::Float(f64::NAN)).is_err());
    }

    #[test]
    fn numbers_are_read_as_their_type_holds_them() {
        let minus_one = Payload::Varint(u64::MAX);
        assert_eq!(Encoding::Int32.read(minus_one), Some(Number::Integer(-1)));
        assert_eq!(Encoding::Int64.read(minus_one), Some(Number::Integer(-1)));
        assert_eq!(Encoding::Uint32.read(minus_one), Some(Number::Integer(u32::MAX.into())));
        assert_eq!(Encoding::Uint64.read(minus_one), Some(Number::Integer(u64::MAX.into())));
        assert_eq!(Encoding::Float.read(Payload::Fixed32(1.5_f32.to_bits())), Some(Number::Float(1.5)));
        assert_eq!(Encoding::Double.read(minus_one), None);
    }
}
