//! Query strings: each parameter names a field, by its declared or JSON name, dotted where it is inside a message.

use super::field_path::{FieldPath, PathError};
use super::plan::{Form, Plan};
use super::request::{Binding, Body};
use super::scalar::shortened;
use super::{RequestError, percent};

/// Appends the fields that a query string sets, and returns them.
pub(super) fn put(
    plan: &Plan,
    binding: &Binding,
    query: &str,
    out: &mut Vec<u8>,
) -> Result<Vec<FieldPath>, RequestError> {
    let mut given = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (raw_name, raw_value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let decoded = percent::decode_query(raw_name).zip(percent::decode_query(raw_value));
        let (name, value) = decoded
            .ok_or_else(|| RequestError::new(shortened(raw_name), "the parameter's percent-encoding is broken"))?;
        let field = resolve(plan, binding, &name)?;
        check(plan, &field, &given, &name)?;
        field.put(plan, out, &value).map_err(|description| RequestError::new(name.as_ref(), description))?;
        if !given.contains(&field) {
            given.push(field);
        }
    }
    Ok(given)
}

/// The field of a parameter, unless the rule takes it from elsewhere.
fn resolve(plan: &Plan, binding: &Binding, name: &str) -> Result<FieldPath, RequestError> {
    if binding.body == Body::Whole {
        return Err(RequestError::new(
            shortened(name),
            "this method takes its fields from the body, not from query parameters",
        ));
    }
    let field = FieldPath::resolve(plan, binding.input, name.split('.')).map_err(|error| {
        let description = match error {
            PathError::Unknown => "unknown query parameter".to_owned(),
            other => format!("the query parameter {other}"),
        };
        RequestError::new(shortened(name), description)
    })?;
    if binding.is_in_path(&field) {
        return Err(RequestError::new(name, "is taken from the path, not from a query parameter"));
    }
    if matches!(binding.body, Body::Field(place) if field.first_place() == Some(place)) {
        return Err(RequestError::new(name, "is taken from the body, not from a query parameter"));
    }
    Ok(field)
}

/// Refuses a second value for a single field, and a second member of a oneof.
fn check(plan: &Plan, field: &FieldPath, given: &[FieldPath], name: &str) -> Result<(), RequestError> {
    let is_list = matches!(field.leaf(plan).map(|leaf| leaf.form), Some(Form::List { .. }));
    if !is_list && given.contains(field) {
        return Err(RequestError::new(name, "given twice"));
    }
    match given.iter().find(|other| field.excludes(plan, other)) {
        Some(other) => {
            Err(RequestError::new(name, format!("excludes {}, which is also given", other.names_from(plan, 0))))
        }
        None => Ok(()),
    }
}
