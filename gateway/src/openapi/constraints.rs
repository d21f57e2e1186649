//! The contract's field constraints as keywords of JSON Schema.

use prost_reflect::{EnumDescriptor, Kind};
use serde_json::{Map, Value, json};

use crate::validation::number::{Bound, Number, NumberRules};
use crate::validation::rule::{EnumRules, FieldRules, Form, Range, TextForm, TextRules, ValueRules};

/// Keywords to add to a schema.
pub(super) type Keywords = Map<String, Value>;

/// Whether a request must hold the field.
///
/// Beside fields that say so these are those without presence whose zero value is against their rules.
pub(super) fn is_required(rules: &FieldRules) -> bool {
    rules.is_required || (rules.checks_unset() && refuses_zero(&rules.form))
}

/// Whether the zero value of a form is against its rules.
pub(super) fn refuses_zero(form: &Form) -> bool {
    match form {
        Form::List { count, .. } | Form::Map { count, .. } => count.min > 0,
        Form::Single(ValueRules::Text(text)) => {
            let pattern_refuses = text.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(""));
            text.length.min > 0 || text.form.is_some() || pattern_refuses
        }
        Form::Single(ValueRules::Bytes(length)) => length.min > 0,
        Form::Single(ValueRules::Number(number)) => !admits_zero(number),
        Form::Single(ValueRules::Enum(rules)) => rules.check(0).is_err(),
        Form::Single(ValueRules::Anything | ValueRules::Message(_)) => false,
    }
}

/// What one value must be.
pub(super) fn of_value(kind: &Kind, rules: &ValueRules) -> Keywords {
    match rules {
        ValueRules::Anything | ValueRules::Message(_) => Keywords::new(),
        ValueRules::Text(text) => of_text(text),
        ValueRules::Bytes(length) => of_bytes(*length),
        ValueRules::Number(number) => of_number(number),
        ValueRules::Enum(rules) => match kind {
            Kind::Enum(descriptor) => of_enum(descriptor, rules),
            _ => Keywords::new(),
        },
    }
}

/// How many there must be, under the keywords' names.
pub(super) fn of_count(count: Range, [min, max]: [&str; 2]) -> Keywords {
    let mut keywords = Keywords::new();
    if count.min > 0 {
        keywords.insert(min.to_owned(), json!(count.min));
    }
    if count.max != usize::MAX {
        keywords.insert(max.to_owned(), json!(count.max));
    }
    keywords
}

fn of_text(text: &TextRules) -> Keywords {
    let mut keywords = of_count(text.length, ["minLength", "maxLength"]);
    if let Some(pattern) = &text.pattern {
        keywords.insert("pattern".to_owned(), json!(pattern.as_str()));
    }
    let format = text.form.map(|form| match form {
        TextForm::Email => "email",
        TextForm::Uuid => "uuid",
    });
    if let Some(format) = format {
        keywords.insert("format".to_owned(), json!(format));
    }
    keywords
}

/// Lengths are those of the base64 text.
fn of_bytes(length: Range) -> Keywords {
    let encoded = |bytes: usize| bytes.div_ceil(3).saturating_mul(4);
    let max = if length.max == usize::MAX { usize::MAX } else { encoded(length.max) };
    of_count(Range { min: encoded(length.min), max }, ["minLength", "maxLength"])
}

/// Numbers of 64 bits are strings to a validator, which passes over these keywords; readers do not.
fn of_number(number: &NumberRules) -> Keywords {
    let mut keywords = Keywords::new();
    let mut put = |bound: Option<Bound>, [included, excluded]: [&str; 2]| {
        if let Some(bound) = bound {
            let name = if bound.is_included { included } else { excluded };
            keywords.insert(name.to_owned(), as_json(bound.value));
        }
    };
    put(number.min, ["minimum", "exclusiveMinimum"]);
    put(number.max, ["maximum", "exclusiveMaximum"]);
    keywords
}

fn of_enum(descriptor: &EnumDescriptor, rules: &EnumRules) -> Keywords {
    let names = descriptor.values().filter(|value| rules.check(value.number()).is_ok());
    let names: Vec<String> = names.map(|value| value.name().to_owned()).collect();
    let mut keywords = Keywords::new();
    if names.len() < descriptor.values().len() {
        keywords.insert("enum".to_owned(), json!(names));
    }
    keywords
}

fn admits_zero(number: &NumberRules) -> bool {
    let compare = |bound: Bound| match bound.value {
        Number::Integer(value) => value.cmp(&0),
        Number::Float(value) => value.total_cmp(&0.0),
    };
    let above = number.min.is_none_or(|min| compare(min).is_lt() || (min.is_included && compare(min).is_eq()));
    let below = number.max.is_none_or(|max| compare(max).is_gt() || (max.is_included && compare(max).is_eq()));
    above && below
}

fn as_json(number: Number) -> Value {
    match number {
        Number::Integer(value) => match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => json!(value),
            (_, Ok(value)) => json!(value),
            _ => Value::Null,
        },
        Number::Float(value) => json!(value),
    }
}
