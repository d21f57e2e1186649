//! Path, query string and body to one request message.
//!
//! The message is the parts' wire bytes one after another: protobuf merges messages that come in pieces and lets the
//! last value of a field win. So the body goes first and the path last, and a path's variable wins over the body.

use std::ops::Range;

use super::field_path::{FieldPath, PathError};
use super::plan::{Field, Form, Kind, MessageIndex, Plan, Shape};
use super::rule::Rule;
use super::template::{Template, Variable};
use super::update_mask;
use super::wire::put_bytes;
use super::{Incoming, RequestError, percent, query};

const HTTP_BODY: &str = "google.api.HttpBody";

/// How one route's requests become messages.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) input: MessageIndex,
    pub(super) body: Body,
    /// Whether the HTTP body goes to a `google.api.HttpBody`, as it is.
    pub(super) takes_raw_body: bool,
    variables: Vec<BoundVariable>,
    /// The place of an update mask that is to be derived from a PATCH's body.
    derived_mask: Option<usize>,
}

/// Where the HTTP body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// Nowhere: there is none.
    None,
    /// It is the whole request message.
    Whole,
    /// To the field at this place.
    Field(usize),
}

/// A part of the path and the field that it fills.
#[derive(Debug)]
struct BoundVariable {
    field: FieldPath,
    segments: Range<usize>,
    ends_open: bool,
    is_multi_segment: bool,
}

/// Why a rule does not fit its request message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// `body` names no field.
    #[error("the body's field {0:?} is unknown")]
    UnknownBody(String),
    /// A variable names no field that a path can fill.
    #[error("the variable {name:?} {source}")]
    Variable {
        /// The variable's field path.
        name: String,
        /// What is wrong with it.
        source: PathError,
    },
}

impl Binding {
    pub(super) fn new(
        plan: &Plan,
        input: MessageIndex,
        verb: &str,
        template: &Template,
        rule: &Rule,
    ) -> Result<Self, BindingError> {
        let message = plan.message(input);
        let body = match rule.body.as_str() {
            "" => Body::None,
            "*" => Body::Whole,
            name => Body::Field(message.place_of_name(name).ok_or_else(|| BindingError::UnknownBody(name.to_owned()))?),
        };
        let takes_raw_body = match body {
            Body::None => false,
            Body::Whole => message.name == HTTP_BODY,
            Body::Field(place) => message.fields[place].is_message_named(plan, HTTP_BODY),
        };
        let variables = template.variables.iter().map(|variable| BoundVariable::new(plan, input, template, variable));
        let derived_mask = match body {
            Body::Field(place)
                if ["PATCH", "POST"].contains(&verb) && message.fields[place].as_plain_message(plan).is_some() =>
            {
                message.place_of_name("update_mask").filter(|&place| is_mask(plan, &message.fields[place]))
            }
            _ => None,
        };
        Ok(Self { input, body, takes_raw_body, variables: variables.collect::<Result<_, _>>()?, derived_mask })
    }

    /// The request message's wire bytes.
    pub(super) fn message(&self, plan: &Plan, path: &str, incoming: Incoming<'_>) -> Result<Vec<u8>, RequestError> {
        let mut out = Vec::with_capacity(incoming.body.len() + path.len() + 16);
        self.put_body(plan, incoming, &mut out)?;
        let given = query::put(plan, self, incoming.query.unwrap_or_default(), &mut out)?;
        if let (Some(mask), Body::Field(body)) = (self.derived_mask, self.body)
            && !given.iter().any(|field| field.first_place() == Some(mask))
        {
            self.put_derived_mask(plan, mask, body, incoming.body, &mut out);
        }
        self.put_variables(plan, path, &mut out)?;
        Ok(out)
    }

    /// Whether the path fills this field.
    pub(super) fn is_in_path(&self, field: &FieldPath) -> bool {
        self.variables.iter().any(|variable| variable.field == *field)
    }

    /// Whether the path names something within the body's field, as `{task.id}` does.
    pub(super) fn has_variable_in_body(&self) -> bool {
        let Body::Field(body) = self.body else { return false };
        self.variables.iter().any(|variable| variable.field.first_place() == Some(body))
    }

    fn put_body(&self, plan: &Plan, incoming: Incoming<'_>, out: &mut Vec<u8>) -> Result<(), RequestError> {
        let message = plan.message(self.input);
        // A client that has nothing to say may leave out the braces as well.
        let is_empty = incoming.body.trim_ascii().is_empty();
        match self.body {
            Body::None if is_empty => Ok(()),
            Body::None => Err(RequestError::new("", "this method takes no body")),
            Body::Whole if self.takes_raw_body => {
                put_http_body(incoming, out);
                Ok(())
            }
            Body::Field(place) if self.takes_raw_body => {
                let mut payload = Vec::with_capacity(incoming.body.len() + 64);
                put_http_body(incoming, &mut payload);
                put_bytes(out, message.fields[place].number, &payload);
                Ok(())
            }
            _ if is_empty => Ok(()),
            Body::Whole => {
                *out = plan.decode(self.input, incoming.body)?;
                Ok(())
            }
            Body::Field(place) => plan.decode_field(&message.fields[place], incoming.body, out),
        }
    }

    fn put_derived_mask(&self, plan: &Plan, mask: usize, body: usize, json: &[u8], out: &mut Vec<u8>) {
        let fields = &plan.message(self.input).fields;
        let Some(resource) = fields[body].as_plain_message(plan) else { return };
        let in_path: Vec<_> = self
            .variables
            .iter()
            .filter(|variable| variable.field.first_place() == Some(body))
            .map(|variable| variable.field.names_from(plan, 1))
            .collect();
        let mut payload = Vec::new();
        for path in update_mask::derive(plan, resource, json) {
            if !in_path.contains(&path) {
                put_bytes(&mut payload, 1, path.as_bytes());
            }
        }
        if !payload.is_empty() {
            put_bytes(out, fields[mask].number, &payload);
        }
    }

    fn put_variables(&self, plan: &Plan, path: &str, out: &mut Vec<u8>) -> Result<(), RequestError> {
        if self.variables.is_empty() {
            return Ok(());
        }
        let segments: Vec<_> = path.split('/').skip(1).collect();
        for variable in &self.variables {
            variable
                .put(plan, &segments, out)
                .map_err(|description| RequestError::new(variable.field.names_from(plan, 0), description))?;
        }
        Ok(())
    }
}

impl BoundVariable {
    fn new(plan: &Plan, input: MessageIndex, template: &Template, variable: &Variable) -> Result<Self, BindingError> {
        let names = variable.field_path.iter().map(String::as_str);
        let field = FieldPath::resolve(plan, input, names)
            .map_err(|source| BindingError::Variable { name: variable.field_path.join("."), source })?;
        Ok(Self {
            field,
            segments: variable.segments.clone(),
            ends_open: variable.is_open_ended(template),
            is_multi_segment: variable.is_multi_segment,
        })
    }

    fn put(&self, plan: &Plan, segments: &[&str], out: &mut Vec<u8>) -> Result<(), String> {
        let taken = if self.ends_open {
            segments.get(self.segments.start..).unwrap_or_default()
        } else {
            segments.get(self.segments.clone()).unwrap_or_default()
        };
        let raw = taken.join("/");
        let text =
            if self.is_multi_segment { percent::decode_keeping_slashes(&raw) } else { percent::decode_all(&raw) };
        let text = text.ok_or_else(|| "its percent-encoding is broken".to_owned())?;
        match self.field.leaf(plan).map(|field| field.form) {
            // Beyond the letter of google.api.http, as grpc-gateway has it: a list in one segment.
            Some(Form::List { .. }) => text.split(',').try_for_each(|element| self.field.put(plan, out, element)),
            _ => self.field.put(plan, out, &text),
        }
    }
}

fn is_mask(plan: &Plan, field: &Field) -> bool {
    matches!(field.kind, Kind::Message(index) if plan.message(index).shape == Shape::FieldMask)
        && field.form == Form::Explicit
}

fn put_http_body(incoming: Incoming<'_>, out: &mut Vec<u8>) {
    if let Some(content_type) = incoming.content_type {
        put_bytes(out, 1, content_type.as_bytes());
    }
    put_bytes(out, 2, incoming.body);
}
