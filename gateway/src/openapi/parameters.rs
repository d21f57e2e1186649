//! What a request says in its path and its query.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

use super::path::{OpenPath, PathParameter, dotted};
use super::schema::{Schemas, is_deprecated};
use super::well_known;

/// The parameters of the path.
pub(super) fn of_path(schemas: &mut Schemas<'_>, path: &OpenPath) -> Vec<Value> {
    path.parameters.iter().map(|parameter| path_parameter(schemas, parameter)).collect()
}

fn path_parameter(schemas: &mut Schemas<'_>, parameter: &PathParameter) -> Value {
    let whole = parameter.field.as_ref().filter(|_| parameter.is_whole);
    let mut schema = whole.map_or_else(|| json!({"type": "string"}), |field| schemas.field(field));
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    // An empty segment is no segment.
    if schema["type"] == "string" && schema.get("format").is_none() && schema.get("minLength").is_none() {
        schema["minLength"] = json!(1);
    }
    let mut value = json!({"name": parameter.name, "in": "path", "required": true, "schema": schema});
    let rest = parameter.is_rest.then(|| "All that is left of the path; slashes are not encoded.".to_owned());
    let own = description.and_then(|text| text.as_str().map(str::to_owned));
    let parts: Vec<String> = [own, rest].into_iter().flatten().collect();
    if !parts.is_empty() {
        value["description"] = json!(parts.join("\n\n"));
    }
    value
}

/// The fields that are neither in the path nor in the body, and that text can fill.
pub(super) fn of_query(
    schemas: &mut Schemas<'_>,
    input: &MessageDescriptor,
    is_elsewhere: &dyn Fn(&str) -> bool,
) -> Vec<Value> {
    let mut query = Query { schemas, is_elsewhere, parameters: Vec::new() };
    query.message(input, &mut Vec::new(), true);
    query.parameters
}

struct Query<'q, 'a> {
    schemas: &'q mut Schemas<'a>,
    /// By the field's declared path.
    is_elsewhere: &'q dyn Fn(&str) -> bool,
    parameters: Vec<Value>,
}

impl Query<'_, '_> {
    /// `is_there`: whether the message is there whatever the query says, so that its required fields are, too.
    fn message(&mut self, message: &MessageDescriptor, way: &mut Vec<FieldDescriptor>, is_there: bool) {
        for field in message.fields() {
            way.push(field.clone());
            if !(self.is_elsewhere)(&dotted(way, FieldDescriptor::name)) {
                self.field(&field, way, is_there);
            }
            way.pop();
        }
    }

    fn field(&mut self, field: &FieldDescriptor, way: &mut Vec<FieldDescriptor>, is_there: bool) {
        let is_required = is_there && self.schemas.is_required(field);
        match field.kind() {
            _ if field.is_map() => {}
            Kind::Message(message) if well_known::is_text(message.full_name()) => self.push(field, way, is_required),
            // A message within itself would never end.
            Kind::Message(message) if !field.is_list() && !is_on(way, &message) => {
                self.message(&message, way, is_required);
            }
            Kind::Message(_) => {}
            _ => self.push(field, way, is_required),
        }
    }

    fn push(&mut self, field: &FieldDescriptor, way: &[FieldDescriptor], is_required: bool) {
        let mut schema = self.schemas.field(field);
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter = json!({"name": dotted(way, FieldDescriptor::json_name), "in": "query", "schema": schema});
        if let Some(description) = description {
            parameter["description"] = description;
        }
        if is_required {
            parameter["required"] = json!(true);
        }
        if is_deprecated(field) {
            parameter["deprecated"] = json!(true);
        }
        if field.is_list() {
            parameter["style"] = json!("form");
            parameter["explode"] = json!(true);
        }
        self.parameters.push(parameter);
    }
}

fn is_on(way: &[FieldDescriptor], message: &MessageDescriptor) -> bool {
    way.iter().any(|field| field.parent_message() == message)
}
