//! One binding of one RPC: what it takes, what it answers, who may call it.

use focusflow_mesh::policy::{Auth, MethodPolicy};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::etags::Etags;
use super::path::{OpenPath, field_named};
use super::schema::Schemas;
use super::{BEARER, errors, parameters};
use crate::transcode::rule::Rule;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";
const ANY_MEDIA_TYPE: &str = "*/*";
const HTTP_BODY: &str = "google.api.HttpBody";

/// The schema of each record of a stream; OpenAPI 3.2 has it without the prefix.
const ITEM_SCHEMA: &str = "x-itemSchema";

/// A verb and a path that lead to an RPC.
pub(super) struct Binding<'b> {
    pub(super) method: &'b MethodDescriptor,
    pub(super) policy: &'b MethodPolicy,
    /// What an API token must be allowed to do.
    pub(super) scope: Option<&'b str>,
    pub(super) rule: &'b Rule,
    pub(super) path: &'b OpenPath,
    pub(super) etags: Etags,
}

impl Binding<'_> {
    /// All but the operation's id.
    pub(super) fn operation(&self, schemas: &mut Schemas<'_>, comments: &Comments) -> Map<String, Value> {
        let mut operation = Map::new();
        let mut put = |name: &str, value: Value| operation.insert(name.to_owned(), value);
        put("tags", json!([self.method.parent_service().full_name()]));
        if let Some(comment) = comments.of(&self.method.parent_service().parent_file(), self.method.path()) {
            put("summary", json!(summary(comment)));
            put("description", json!(comment));
        }
        if self.is_deprecated() {
            put("deprecated", json!(true));
        }
        let parameters = self.parameters(schemas);
        if !parameters.is_empty() {
            put("parameters", json!(parameters));
        }
        if let Some(body) = self.request_body(schemas) {
            put("requestBody", body);
        }
        put("responses", self.responses(schemas));
        put("security", self.security());
        operation
    }

    fn is_deprecated(&self) -> bool {
        let options = self.method.method_descriptor_proto().options.as_ref();
        options.is_some_and(prost_types::MethodOptions::deprecated)
    }

    fn security(&self) -> Value {
        match (self.policy.auth, self.scope) {
            (Auth::User, scope) => json!([{BEARER: scope.into_iter().collect::<Vec<_>>()}]),
            _ => json!([]),
        }
    }

    fn parameters(&self, schemas: &mut Schemas<'_>) -> Vec<Value> {
        let mut parameters = parameters::of_path(schemas, self.path);
        if self.rule.body != "*" {
            let body = self.body_field().map(|field| field.name().to_owned());
            let is_elsewhere =
                |path: &str| body.as_deref() == Some(path) || self.path.bound.iter().any(|bound| bound == path);
            parameters.extend(parameters::of_query(schemas, &self.method.input(), &is_elsewhere));
        }
        parameters.extend(self.etags.parameters());
        parameters
    }

    /// The field that the HTTP body fills; `None` if it fills the whole request, or there is none.
    fn body_field(&self) -> Option<FieldDescriptor> {
        field_named(&self.method.input(), &self.rule.body)
    }

    fn request_body(&self, schemas: &mut Schemas<'_>) -> Option<Value> {
        let input = self.method.input();
        match (self.rule.body.as_str(), self.body_field()) {
            ("", _) => None,
            ("*", _) => {
                let left_out: Vec<&str> = self.path.bound.iter().map(String::as_str).collect();
                Some(self.message_body(schemas, &input, &left_out, false))
            }
            (_, Some(field)) => {
                let is_required = schemas.is_required(&field);
                let Kind::Message(message) = field.kind() else { return Some(field_body(schemas, &field)) };
                if field.is_list() || field.is_map() {
                    return Some(field_body(schemas, &field));
                }
                Some(self.message_body(schemas, &message, &self.bound_within(schemas, &field, &message), is_required))
            }
            (_, None) => None,
        }
    }

    /// Fields of the body's message that the path fills and that therefore need not be in it though they are required.
    fn bound_within(&self, schemas: &Schemas<'_>, field: &FieldDescriptor, message: &MessageDescriptor) -> Vec<&str> {
        let within = |bound: &'_ String| bound.strip_prefix(field.name()).is_some_and(|rest| rest.starts_with('.'));
        let bound = self.path.bound.iter().filter(|bound| within(bound)).map(|bound| &bound[field.name().len() + 1..]);
        bound.filter(|name| message.get_field_by_name(name).is_some_and(|inner| schemas.is_required(&inner))).collect()
    }

    fn message_body(
        &self,
        schemas: &mut Schemas<'_>,
        message: &MessageDescriptor,
        left_out: &[&str],
        is_required: bool,
    ) -> Value {
        if message.full_name() == HTTP_BODY {
            return json!({"description": "The bytes, of any media type.", "content": {ANY_MEDIA_TYPE: {}}});
        }
        let schema = if left_out.is_empty() { schemas.message(message) } else { schemas.object(message, left_out) };
        let example = schemas.examples().of_request(message, left_out);
        if self.method.is_client_streaming() {
            return json!({
                "description": "One JSON value per line; each is a message of the stream.",
                "content": {NDJSON: {"schema": {"type": "string"}, ITEM_SCHEMA: schema}},
            });
        }
        let needs_fields =
            message.fields().any(|field| !left_out.contains(&field.name()) && schemas.is_required(&field));
        json!({
            "required": is_required || needs_fields,
            "content": {JSON: {"schema": schema, "example": example}},
        })
    }

    fn responses(&self, schemas: &mut Schemas<'_>) -> Value {
        let names_something = !self.path.parameters.is_empty();
        let mut responses = errors::of_operation(self.policy, names_something, self.etags.can_differ());
        let content = self.content(schemas);
        let description =
            if self.method.is_server_streaming() { "What the stream says, as it comes." } else { "It went well." };
        let mut answer = json!({"description": description, "content": content});
        if let Some(headers) = self.etags.headers() {
            answer["headers"] = headers;
        }
        responses.insert("200".to_owned(), answer);
        self.etags.add_not_modified(&mut responses);
        Value::Object(responses)
    }

    fn content(&self, schemas: &mut Schemas<'_>) -> Value {
        let output = self.method.output();
        let field = field_named(&output, &self.rule.response_body);
        let message = match &field {
            None => Some(output.clone()),
            Some(field) if !field.is_list() && !field.is_map() => field.kind().as_message().cloned(),
            Some(_) => None,
        };
        if message.as_ref().is_some_and(|message| message.full_name() == HTTP_BODY) {
            return json!({ANY_MEDIA_TYPE: {}});
        }
        let (schema, example) = match &field {
            None => (schemas.message(&output), schemas.examples().of_answer(&output)),
            Some(field) => (field_answer(schemas, field), schemas.examples().field(field, 2)),
        };
        if !self.method.is_server_streaming() {
            return json!({JSON: {"schema": schema, "example": example}});
        }
        let failure = json!({
            "type": "object",
            "description": "The last record of a stream that failed.",
            "properties": {"error": super::schema::reference(errors::STATUS)},
            "required": ["error"],
        });
        let record = json!({"anyOf": [schema, failure]});
        json!({
            NDJSON: {"schema": {"type": "string"}, ITEM_SCHEMA: record},
            JSON: {"schema": {"type": "array", "items": record}},
            EVENTS: {"schema": {"type": "string"}, ITEM_SCHEMA: record},
        })
    }
}

/// A field's value in the place of an answer, which is null where the field is not set.
fn field_answer(schemas: &mut Schemas<'_>, field: &FieldDescriptor) -> Value {
    let schema = schemas.field(field);
    if field.supports_presence() { json!({"anyOf": [schema, {"type": "null"}]}) } else { schema }
}

/// A field that is no message as the whole body.
fn field_body(schemas: &mut Schemas<'_>, field: &FieldDescriptor) -> Value {
    let is_required = schemas.is_required(field);
    let example = schemas.examples().field(field, 2);
    json!({"required": is_required, "content": {JSON: {"schema": schemas.field(field), "example": example}}})
}

/// The first sentence, on one line.
fn summary(comment: &str) -> String {
    let paragraph = comment.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let end = paragraph.find(". ").unwrap_or(paragraph.len());
    paragraph[..end].trim_end_matches('.').to_owned()
}
