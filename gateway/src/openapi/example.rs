//! Values that could be real: made from a field's name, its type and its rules.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::schema::Schemas;
use crate::validation::rule::{Form, TextForm, TextRules, ValueRules};

const ID: &str = "0199a3f4-7c1e-7b52-9d0a-3f6e1c8b2a47";
const INSTANT: &str = "2026-03-02T09:00:00Z";
const DURATION: &str = "1500s";
const EMAIL: &str = "ada@example.org";

/// How deep messages lie within each other in an example.
const DEPTH_MAX: usize = 3;

/// How many fields a request shows beside those that it must have.
const OPTIONAL_FIELDS_MAX: usize = 4;

/// Makes examples.
#[derive(Clone, Copy)]
pub(super) struct Examples<'s, 'a> {
    pub(super) schemas: &'s Schemas<'a>,
}

impl<'a> Examples<'_, 'a> {
    /// An answer: every field that it would print.
    pub(super) fn of_answer(self, message: &MessageDescriptor) -> Value {
        self.message(message, DEPTH_MAX)
    }

    /// A request's body: the fields that it must have, and the first of those that are simple.
    pub(super) fn of_request(self, message: &MessageDescriptor, left_out: &[&str]) -> Value {
        self.request(message, left_out, DEPTH_MAX)
    }

    fn request(self, message: &MessageDescriptor, left_out: &[&str], depth: usize) -> Value {
        let mut example = Map::new();
        let mut optional = 0;
        for field in message.fields().filter(|field| !left_out.contains(&field.name())) {
            let is_required = self.schemas.is_required(&field);
            if !is_required && (optional == OPTIONAL_FIELDS_MAX || !is_simple(&field)) {
                continue;
            }
            optional += usize::from(!is_required);
            let value = match field.kind() {
                // A message that must hold one of its kind has no example, and no end.
                Kind::Message(_) if depth == 0 => continue,
                Kind::Message(inner) if !field.is_map() && self.well_known(&inner, DEPTH_MAX).is_none() => {
                    let inner = self.request(&inner, &[], depth - 1);
                    if field.is_list() { json!([inner]) } else { inner }
                }
                _ => self.field(&field, DEPTH_MAX),
            };
            example.insert(field.json_name().to_owned(), value);
        }
        Value::Object(example)
    }

    /// For fields whose type alone does not show what they look like; `None` for others.
    pub(super) fn of_text(self, field: &FieldDescriptor) -> Option<Value> {
        let is_single = !field.is_list() && !field.is_map();
        match field.kind() {
            Kind::String if is_single && self.has_form(field) => Some(self.field(field, 0)),
            Kind::Message(message) if is_single => match message.full_name() {
                "google.protobuf.Timestamp" => Some(json!(INSTANT)),
                "google.protobuf.Duration" => Some(json!(DURATION)),
                _ => None,
            },
            _ => None,
        }
    }

    fn has_form(self, field: &FieldDescriptor) -> bool {
        let text = self.text_rules(field);
        text.is_some_and(|text| text.form.is_some()) || is_id(field.name()) || field.name() == "email"
    }

    /// A value of a field, in a list if it is one.
    pub(super) fn field(self, field: &FieldDescriptor, depth: usize) -> Value {
        if field.is_map() {
            return json!({});
        }
        let value = match field.kind() {
            Kind::String => self.text(field),
            kind => self.value(&kind, field, depth),
        };
        match (field.is_list(), value) {
            // Where messages would lie too deep.
            (true, Value::Null) => json!([]),
            (true, value) => json!([value]),
            (false, value) => value,
        }
    }

    fn value(self, kind: &Kind, field: &FieldDescriptor, depth: usize) -> Value {
        match kind {
            Kind::Message(message) if depth == 0 => self.well_known(message, 0).unwrap_or(Value::Null),
            Kind::Message(message) => {
                self.well_known(message, depth).unwrap_or_else(|| self.message(message, depth - 1))
            }
            Kind::Enum(descriptor) if descriptor.full_name() == "google.protobuf.NullValue" => Value::Null,
            Kind::Enum(descriptor) => {
                let name = descriptor.values().find(|value| value.number() != 0).or_else(|| descriptor.values().next());
                json!(name.map(|value| value.name().to_owned()))
            }
            Kind::Bool => json!(false),
            Kind::Bytes => json!("AAEC"),
            Kind::Double | Kind::Float => self.number(field, 0.5),
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => json!("25"),
            Kind::String => json!("text"),
            _ => self.number(field, 25.0),
        }
    }

    fn message(self, message: &MessageDescriptor, depth: usize) -> Value {
        if let Some(value) = self.well_known(message, depth) {
            return value;
        }
        let mut example = Map::new();
        for field in message.fields().filter(is_first_of_its_choice) {
            let value = self.field(&field, depth);
            // What lies too deep is left out, as if it were not set.
            if !value.is_null() {
                example.insert(field.json_name().to_owned(), value);
            }
        }
        Value::Object(example)
    }

    fn well_known(self, message: &MessageDescriptor, depth: usize) -> Option<Value> {
        let name = message.full_name().strip_prefix("google.protobuf.")?;
        Some(match name {
            "Timestamp" => json!(INSTANT),
            "Duration" => json!(DURATION),
            "FieldMask" => json!(""),
            "Struct" | "Empty" | "Any" => json!({}),
            "Value" => json!("text"),
            "ListValue" => json!([]),
            _ => {
                let value = message.get_field_by_name("value")?;
                self.field(&value, depth)
            }
        })
    }

    /// A number within the field's bounds, as far as it takes no search.
    fn number(self, field: &FieldDescriptor, usual: f64) -> Value {
        use crate::validation::number::Number;
        let form = self.schemas.rules_of(field).map(|rules| &rules.form);
        let Some(Form::Single(ValueRules::Number(rules)) | Form::List { item: ValueRules::Number(rules), .. }) = form
        else {
            return as_number(field, usual);
        };
        let value = |number: Number| match number {
            Number::Integer(value) => i32::try_from(value).map_or(usual, f64::from),
            Number::Float(value) => value,
        };
        let (min, max) = (rules.min.map(|min| value(min.value)), rules.max.map(|max| value(max.value)));
        let is_within = min.is_none_or(|min| min < usual) && max.is_none_or(|max| usual < max);
        let middle = match (min, max) {
            (Some(min), Some(max)) => f64::midpoint(min, max),
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) => usual,
        };
        as_number(field, if is_within { usual } else { middle })
    }

    fn text_rules(self, field: &FieldDescriptor) -> Option<&'a TextRules> {
        match &self.schemas.rules_of(field)?.form {
            Form::Single(ValueRules::Text(text)) | Form::List { item: ValueRules::Text(text), .. } => Some(text),
            _ => None,
        }
    }

    fn text(self, field: &FieldDescriptor) -> Value {
        let rules = self.text_rules(field);
        match rules.and_then(|rules| rules.form) {
            Some(TextForm::Uuid) => return json!(ID),
            Some(TextForm::Email) => return json!(EMAIL),
            None => {}
        }
        if rules.is_some_and(|rules| rules.pattern.is_some()) {
            return json!("");
        }
        let comment = self.schemas.description(field).unwrap_or_default();
        match field.name() {
            name if is_id(name) => json!(ID),
            name if name == "ids" || name.ends_with("_ids") => json!(ID),
            "email" => json!(EMAIL),
            "password" | "new_password" | "current_password" => json!("correct horse battery"),
            "time_zone" => json!("Europe/Zurich"),
            "page_token" | "next_page_token" | "request_id" => json!(""),
            _ if comment.contains("`YYYY-MM-DDTHH:MM:SS`") => json!("2026-03-02T09:00:00"),
            _ if comment.contains("`YYYY-MM-DD`") => json!("2026-03-02"),
            _ if comment.contains("RRULE") => json!("FREQ=WEEKLY;BYDAY=MO"),
            name => json!(words(name)),
        }
    }
}

fn is_id(name: &str) -> bool {
    name == "id" || name.ends_with("_id")
}

/// Whether a request would show it: what refers to something that was there before would be wrong.
fn is_simple(field: &FieldDescriptor) -> bool {
    let name = field.name();
    let is_reference = is_id(name) || name == "etag" || name.ends_with("token") || name.ends_with("code");
    let is_scalar = !matches!(field.kind(), Kind::Message(_) | Kind::Bytes) && !field.is_list() && !field.is_map();
    is_scalar && !is_reference && is_first_of_its_choice(field)
}

/// Of a oneof only one member can be there.
fn is_first_of_its_choice(field: &FieldDescriptor) -> bool {
    field.containing_oneof().and_then(|oneof| oneof.fields().next()).is_none_or(|first| first == *field)
}

/// `first_name` as `First name`.
fn words(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

fn as_number(field: &FieldDescriptor, value: f64) -> Value {
    match field.kind() {
        Kind::Double | Kind::Float => json!(value),
        #[expect(clippy::cast_possible_truncation, reason = "bounds are those of an i32")]
        _ => json!(value as i32),
    }
}
