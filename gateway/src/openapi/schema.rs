//! Messages and enums as JSON Schema, each a component under its full name.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost_reflect::{Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::constraints::{self, Keywords};
use super::example::Examples;
use super::well_known;
use crate::validation::Rules;
use crate::validation::rule::{FieldRules, Form, MessageRules, ValueRules};

/// The schemas of a document.
pub(super) struct Schemas<'a> {
    pub(super) pool: &'a DescriptorPool,
    comments: &'a Comments,
    rules: HashMap<&'a str, &'a MessageRules>,
    /// Messages that answers hold.
    answered: HashSet<String>,
    components: BTreeMap<String, Value>,
    /// Messages that were referred to and are not described yet.
    pending: Vec<MessageDescriptor>,
}

impl<'a> Schemas<'a> {
    /// `outputs` are the messages that answers consist of.
    pub(super) fn new(
        pool: &'a DescriptorPool,
        comments: &'a Comments,
        rules: &'a Rules,
        outputs: impl Iterator<Item = MessageDescriptor>,
    ) -> Self {
        let rules = rules.messages().iter().map(|message| (message.name.as_str(), message)).collect();
        let answered = closure(outputs.collect());
        Self { pool, comments, rules, answered, components: BTreeMap::new(), pending: Vec::new() }
    }

    /// All that was referred to, by name.
    pub(super) fn finish(mut self) -> Value {
        while let Some(message) = self.pending.pop() {
            let schema = self.object(&message, &[]);
            self.components.insert(message.full_name().to_owned(), schema);
        }
        json!(self.components)
    }

    /// The message wherever it stands.
    pub(super) fn message(&mut self, message: &MessageDescriptor) -> Value {
        let name = message.full_name();
        if let Some(schema) = well_known::schema(name) {
            return schema;
        }
        if !self.components.contains_key(name) {
            self.components.insert(name.to_owned(), Value::Null);
            self.pending.push(message.clone());
        }
        reference(name)
    }

    /// The message's object, without the fields named in `left_out`.
    pub(super) fn object(&mut self, message: &MessageDescriptor, left_out: &[&str]) -> Value {
        let mut schema = json!({"type": "object"});
        if let Some(comment) = self.comments.of(&message.parent_file(), message.path()) {
            schema["description"] = json!(comment);
        }
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in message.fields().filter(|field| !left_out.contains(&field.name())) {
            if self.is_required(&field) {
                required.push(field.json_name().to_owned());
            }
            properties.insert(field.json_name().to_owned(), self.field(&field));
        }
        if !properties.is_empty() {
            schema["properties"] = Value::Object(properties);
        }
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        let choices = choices(message, left_out);
        if !choices.is_empty() {
            schema["allOf"] = json!(choices);
        }
        if !self.answered.contains(message.full_name()) {
            schema["additionalProperties"] = json!(false);
        }
        schema
    }

    /// A field's value with all that the contract says about it.
    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Value {
        let mut schema = self.plain_field(field);
        if let Some(description) = self.description(field) {
            schema["description"] = json!(description);
        }
        if is_deprecated(field) {
            schema["deprecated"] = json!(true);
        }
        if let Some(example) = self.examples().of_text(field) {
            schema["examples"] = json!([example]);
        }
        schema
    }

    /// What the contract's comment says.
    pub(super) fn description(&self, field: &FieldDescriptor) -> Option<&'a str> {
        self.comments.of(&field.parent_file(), field.path())
    }

    /// Whether a request must hold the field.
    pub(super) fn is_required(&self, field: &FieldDescriptor) -> bool {
        self.rules_of(field).is_some_and(constraints::is_required)
    }

    pub(super) fn rules_of(&self, field: &FieldDescriptor) -> Option<&'a FieldRules> {
        let message = self.rules.get(field.parent_message().full_name())?;
        message.fields.iter().find(|rules| rules.number == field.number())
    }

    pub(super) fn examples(&self) -> Examples<'_, 'a> {
        Examples { schemas: self }
    }

    fn plain_field(&mut self, field: &FieldDescriptor) -> Value {
        let rules = self.rules_of(field);
        let (mut schema, keywords) = self.form(field, rules.map(|rules| &rules.form));
        let admits_zero_too = rules.is_some_and(|it| it.ignores_zero && constraints::refuses_zero(&it.form));
        if admits_zero_too && let Some(zero) = zero_of(field) {
            schema["anyOf"] = json!([{"const": zero}, keywords]);
        } else {
            merge(&mut schema, keywords);
        }
        if rules.is_some_and(|rules| rules.is_required) {
            merge(&mut schema, presence_of(field));
        }
        schema
    }

    /// The field's type, and what its rules add.
    fn form(&mut self, field: &FieldDescriptor, form: Option<&Form>) -> (Value, Keywords) {
        match (field.kind(), form) {
            (Kind::Message(entry), form) if field.is_map() => {
                let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
                let mut schema = json!({"type": "object"});
                let mut keywords = Keywords::new();
                let mut names = key_pattern(&key);
                let mut values = self.value(&value);
                if let Some(Form::Map { count, key: key_rules, value: value_rules, .. }) = form {
                    keywords = constraints::of_count(*count, ["minProperties", "maxProperties"]);
                    names.extend(constraints::of_value(&key, key_rules));
                    merge(&mut values, constraints::of_value(&value, value_rules));
                }
                schema["additionalProperties"] = values;
                if !names.is_empty() {
                    schema["propertyNames"] = Value::Object(names);
                }
                (schema, keywords)
            }
            (kind, form) if field.cardinality() == Cardinality::Repeated => {
                let mut items = self.value(&kind);
                let mut keywords = Keywords::new();
                if let Some(Form::List { count, item, .. }) = form {
                    keywords = constraints::of_count(*count, ["minItems", "maxItems"]);
                    merge(&mut items, constraints::of_value(&kind, item));
                }
                (json!({"type": "array", "items": items}), keywords)
            }
            (kind, Some(Form::Single(rules))) => (self.limited(&kind, rules), constraints::of_value(&kind, rules)),
            (kind, _) => (self.value(&kind), Keywords::new()),
        }
    }

    /// A value whose rules say that it is a number in fact: bounds leave no room for what is none.
    fn limited(&mut self, kind: &Kind, rules: &ValueRules) -> Value {
        match (kind, rules) {
            (Kind::Double, ValueRules::Number(_)) => json!({"type": "number", "format": "double"}),
            (Kind::Float, ValueRules::Number(_)) => json!({"type": "number", "format": "float"}),
            _ => self.value(kind),
        }
    }

    fn value(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Double => well_known::double("double"),
            Kind::Float => well_known::double("float"),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
            Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "format": "uint32", "minimum": 0}),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => well_known::int64(true),
            Kind::Uint64 | Kind::Fixed64 => well_known::int64(false),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => well_known::bytes(),
            Kind::Enum(descriptor) => self.enumeration(descriptor),
            Kind::Message(message) => self.message(message),
        }
    }

    fn enumeration(&mut self, descriptor: &EnumDescriptor) -> Value {
        let name = descriptor.full_name();
        if name == "google.protobuf.NullValue" {
            return json!({"type": "null"});
        }
        if !self.components.contains_key(name) {
            let schema = self.enum_component(descriptor);
            self.components.insert(name.to_owned(), schema);
        }
        reference(name)
    }

    fn enum_component(&self, descriptor: &EnumDescriptor) -> Value {
        let names: Vec<String> = descriptor.values().map(|value| value.name().to_owned()).collect();
        let own = self.comments.of(&descriptor.parent_file(), descriptor.path()).map(str::to_owned);
        let values = descriptor.values().filter_map(|value| {
            let comment = self.comments.of(&value.parent_enum().parent_file(), value.path())?;
            Some(format!("* `{}`: {}", value.name(), comment.replace('\n', "\n  ")))
        });
        let values = Some(values.collect::<Vec<_>>().join("\n")).filter(|values| !values.is_empty());
        let mut schema = json!({"type": "string", "enum": names});
        let parts: Vec<String> = [own, values].into_iter().flatten().collect();
        if !parts.is_empty() {
            schema["description"] = json!(parts.join("\n\n"));
        }
        schema
    }
}

pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Whether the contract advises against it.
pub(super) fn is_deprecated(field: &FieldDescriptor) -> bool {
    field.field_descriptor_proto().options.as_ref().is_some_and(prost_types::FieldOptions::deprecated)
}

pub(super) fn merge(schema: &mut Value, keywords: Keywords) {
    if let Some(schema) = schema.as_object_mut() {
        schema.extend(keywords);
    }
}

/// That at most one member of each oneof is there.
fn choices(message: &MessageDescriptor, left_out: &[&str]) -> Vec<Value> {
    let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    oneofs
        .filter_map(|oneof| {
            let members = oneof.fields().filter(|field| !left_out.contains(&field.name()));
            let members: Vec<Value> = members.map(|field| json!({"required": [field.json_name()]})).collect();
            let none = json!({"not": {"anyOf": members.clone()}});
            let is_choice = members.len() > 1;
            is_choice.then(|| json!({"oneOf": members.into_iter().chain([none]).collect::<Vec<_>>()}))
        })
        .collect()
}

/// What a required field without presence must not be.
fn presence_of(field: &FieldDescriptor) -> Keywords {
    let name = match field.kind() {
        _ if field.is_map() => "minProperties",
        _ if field.is_list() => "minItems",
        Kind::String | Kind::Bytes if !field.supports_presence() => "minLength",
        _ => return Keywords::new(),
    };
    Keywords::from_iter([(name.to_owned(), json!(1))])
}

/// The zero value as JSON, of fields whose rules may pass over it.
fn zero_of(field: &FieldDescriptor) -> Option<Value> {
    if field.is_map() {
        return Some(json!({}));
    }
    if field.is_list() {
        return Some(json!([]));
    }
    Some(match field.kind() {
        Kind::String | Kind::Bytes => json!(""),
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => json!("0"),
        Kind::Bool => json!(false),
        Kind::Enum(descriptor) => json!(descriptor.get_value(0)?.name()),
        Kind::Message(_) => return None,
        _ => json!(0),
    })
}

/// Keys of maps are strings in JSON, whatever they are in the contract.
fn key_pattern(kind: &Kind) -> Keywords {
    let pattern = match kind {
        Kind::String => return Keywords::new(),
        Kind::Bool => "^(true|false)$",
        Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => "^[0-9]{1,20}$",
        _ => "^-?[0-9]{1,19}$",
    };
    Keywords::from_iter([("pattern".to_owned(), json!(pattern))])
}

/// The messages and all that they can hold, by name.
fn closure(mut found: Vec<MessageDescriptor>) -> HashSet<String> {
    let mut names = HashSet::new();
    while let Some(message) = found.pop() {
        if names.insert(message.full_name().to_owned()) {
            found.extend(message.fields().filter_map(|field| field.kind().as_message().cloned()));
        }
    }
    names
}
