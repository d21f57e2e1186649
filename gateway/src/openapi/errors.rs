//! How an operation fails: one shape, and the HTTP statuses that its RPC can lead to.

use focusflow_mesh::policy::{Auth, Idempotency, MethodPolicy};
use serde_json::{Map, Value, json};

use super::schema::Schemas;

/// What every failure is.
pub(super) const STATUS: &str = "google.rpc.Status";

/// The statuses that are described once, and what each means.
const KNOWN: [(&str, &str, &str); 7] = [
    ("BadRequest", "400", "The request is not what the contract says; `BadRequest` names the fields."),
    ("Unauthorized", "401", "No token, or one that is not good (any more)."),
    ("Forbidden", "403", "The token does not allow it."),
    ("NotFound", "404", "There is no such thing, or it is somebody else's."),
    ("Conflict", "409", "It is there already, or it has changed meanwhile."),
    ("PreconditionFailed", "412", "It is not the version that `If-Match` names."),
    ("TooManyRequests", "429", "Too much at once; `Retry-After` says when to come back."),
];

/// The responses that operations refer to.
pub(super) fn responses(schemas: &mut Schemas<'_>) -> Value {
    let schema = match schemas.pool.get_message_by_name(STATUS) {
        Some(status) => schemas.message(&status),
        None => json!({"type": "object"}),
    };
    let mut responses = Map::new();
    for (name, status, description) in KNOWN {
        let mut response = json!({"description": description, "content": {"application/json": {"schema": schema}}});
        if let Some((header, meaning)) = header_of(status) {
            response["headers"] = json!({header: {"description": meaning, "schema": {"type": "string"}}});
        }
        responses.insert(name.to_owned(), response);
    }
    let example = json!({
        "code": 5,
        "message": "there is nothing of this id",
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "NOT_FOUND",
            "domain": "example",
            "metadata": {},
        }],
    });
    let any = json!({
        "description": "It failed. `code` is a `google.rpc.Code`, `message` is for people, `details` are for programs.",
        "content": {"application/json": {"schema": schema, "example": example}},
    });
    responses.insert("Error".to_owned(), any);
    Value::Object(responses)
}

/// How an operation of this policy can fail.
pub(super) fn of_operation(policy: &MethodPolicy, names_something: bool, has_etag: bool) -> Map<String, Value> {
    let is_persons = policy.auth == Auth::User;
    let changes = policy.idempotency != Idempotency::NoSideEffects;
    let can_come = |status: &str| match status {
        "401" | "403" => is_persons,
        "404" => names_something,
        "409" => changes,
        "412" => has_etag,
        _ => true,
    };
    let known = KNOWN.iter().filter(|(_, status, _)| can_come(status));
    let known = known.map(|(name, status, _)| ((*status).to_owned(), reference(name)));
    known.chain([("default".to_owned(), reference("Error"))]).collect()
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/responses/{name}")})
}

fn header_of(status: &str) -> Option<(&'static str, &'static str)> {
    match status {
        "401" => Some(("WWW-Authenticate", "`Bearer`, and what is wrong with the token.")),
        "429" => Some(("Retry-After", "Seconds.")),
        _ => None,
    }
}
