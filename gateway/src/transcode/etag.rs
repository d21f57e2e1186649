//! Where messages carry the etag of a resource (AIP-154): a string field `etag` of an answer, and of a request.

use super::RequestError;
use super::field_path::FieldPath;
use super::plan::{Form, Kind, MessageIndex, Plan};
use super::request::Binding;
use super::rule::Rule;
use super::wire::Payload;

const FIELD: &str = "etag";

/// The two fields of one route.
#[derive(Debug)]
pub(super) struct EtagFields {
    /// Of the answer, as far as it is the HTTP body.
    answer: Option<FieldPath>,
    /// Of the request: what must be current for the request to be done.
    request: Option<FieldPath>,
}

impl EtagFields {
    /// The fields of a unary method; a stream has no one resource.
    pub(super) fn new(
        plan: &Plan,
        (input, output): (MessageIndex, MessageIndex),
        binding: &Binding,
        (verb, rule): (&str, &Rule),
    ) -> Self {
        let answer = find(plan, output, Some(rule.response_body.as_str()).filter(|field| !field.is_empty()));
        let own = find(plan, input, None);
        // The etag of a resource that is yet to be created is not a condition.
        let is_there = matches!(verb, "PATCH" | "PUT") || binding.has_variable_in_body();
        let body = Some(rule.body.as_str()).filter(|body| is_there && !matches!(*body, "" | "*"));
        Self { answer, request: own.or_else(|| find(plan, input, Some(body?))) }
    }

    /// A route whose messages have none.
    pub(super) const fn none() -> Self {
        Self { answer: None, request: None }
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    pub(super) const fn is_taken(&self) -> bool {
        self.request.is_some()
    }

    /// The etag of an answer; `None` if it has none.
    pub(super) fn of_answer<'w>(&self, plan: &Plan, message: &'w [u8]) -> Option<&'w str> {
        text(self.answer.as_ref()?.find(plan, message)?)
    }

    /// Makes a request depend on `etag`; refuses one that says itself that it depends on another.
    pub(super) fn put(&self, plan: &Plan, message: &mut Vec<u8>, etag: &str) -> Result<(), RequestError> {
        let Some(field) = &self.request else { return Ok(()) };
        let refused = |description: String| RequestError::new(field.names_from(plan, 0), description);
        match field.find(plan, message).and_then(text) {
            Some(given) if given == etag => Ok(()),
            Some(given) => Err(refused(format!("is {given}, and the header if-match stands for {etag}"))),
            None => field.put(plan, message, etag).map_err(refused),
        }
    }
}

/// The field `etag` of a message, or of the message in its field `within`.
fn find(plan: &Plan, message: MessageIndex, within: Option<&str>) -> Option<FieldPath> {
    let path = FieldPath::resolve(plan, message, within.into_iter().chain([FIELD])).ok()?;
    let leaf = path.leaf(plan)?;
    let is_one = matches!(leaf.form, Form::Implicit | Form::Explicit);
    (leaf.kind == Kind::String && is_one).then_some(path)
}

fn text((_, payload): (Kind, Payload<'_>)) -> Option<&str> {
    match payload {
        Payload::Length(bytes) => std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty()),
        _ => None,
    }
}
