//! Path templates of `google.api.http` as OpenAPI writes them.
//!
//! A variable of several segments, `{name=shelves/*/books/*}`, has no like in OpenAPI, whose parameters hold no slash.
//! Its literals stay in the path and each of its wildcards becomes a parameter: `/shelves/{name_1}/books/{name_2}`.

use std::collections::HashMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::transcode::template::{Segment, Template, Variable};

/// A path with its parameters.
#[derive(Debug, Clone)]
pub(super) struct OpenPath {
    /// `/api/v1/tasks/{id}`.
    pub(super) text: String,
    /// In the order of the path.
    pub(super) parameters: Vec<PathParameter>,
    /// The declared names of the fields that the path fills, dotted.
    pub(super) bound: Vec<String>,
}

/// One parameter.
#[derive(Debug, Clone)]
pub(super) struct PathParameter {
    pub(super) name: String,
    /// The field that it fills, or fills a part of; `None` for a wildcard that fills none.
    pub(super) field: Option<FieldDescriptor>,
    /// Whether it is the field's whole value.
    pub(super) is_whole: bool,
    /// Whether it stands for all that is left of the path, slashes included.
    pub(super) is_rest: bool,
}

impl OpenPath {
    pub(super) fn new(template: &Template, input: &MessageDescriptor) -> Self {
        let mut path = Self { text: String::new(), parameters: Vec::new(), bound: Vec::new() };
        for (place, segment) in template.segments.iter().enumerate() {
            let variable = template.variables.iter().find(|variable| variable.segments.contains(&place));
            path.text.push('/');
            match segment {
                Segment::Literal(literal) => path.text.push_str(literal),
                Segment::Any | Segment::AnyRest => {
                    path.push_parameter(parameter(template, place, variable, input));
                }
            }
        }
        if path.text.is_empty() {
            path.text.push('/');
        }
        if let Some(verb) = &template.verb {
            path.text.push(':');
            path.text.push_str(verb);
        }
        let declared = |variable: &Variable| dotted(&fields_of(&variable.field_path, input), FieldDescriptor::name);
        path.bound = template.variables.iter().map(declared).collect();
        path
    }

    fn push_parameter(&mut self, parameter: PathParameter) {
        self.text.push('{');
        self.text.push_str(&parameter.name);
        self.text.push('}');
        self.parameters.push(parameter);
    }

    /// The path without its parameters' names.
    fn hierarchy(&self) -> String {
        let mut rest = self.text.as_str();
        let mut hierarchy = String::new();
        for parameter in &self.parameters {
            let name = format!("{{{}}}", parameter.name);
            let (before, after) = rest.split_once(&name).unwrap_or((rest, ""));
            hierarchy.push_str(before);
            hierarchy.push_str("{}");
            rest = after;
        }
        hierarchy + rest
    }
}

/// The names of parameters that each path has: OpenAPI forbids `/tasks/{id}` beside `/tasks/{task.id}`.
#[derive(Debug, Default)]
pub(super) struct PathNames {
    /// The first path of each hierarchy.
    first: HashMap<String, OpenPath>,
}

impl PathNames {
    /// The path with the names of the first one like it.
    pub(super) fn unify(&mut self, mut path: OpenPath) -> OpenPath {
        let first = self.first.entry(path.hierarchy()).or_insert_with(|| path.clone());
        path.text.clone_from(&first.text);
        for (parameter, named) in path.parameters.iter_mut().zip(&first.parameters) {
            parameter.name.clone_from(&named.name);
        }
        path
    }
}

fn parameter(
    template: &Template,
    place: usize,
    variable: Option<&Variable>,
    input: &MessageDescriptor,
) -> PathParameter {
    let is_rest = template.segments[place] == Segment::AnyRest;
    let is_wildcard = |segment: &&Segment| !matches!(segment, Segment::Literal(_));
    let Some(variable) = variable else {
        let number = template.segments[..=place].iter().filter(is_wildcard).count();
        return PathParameter { name: format!("segment_{number}"), field: None, is_whole: false, is_rest };
    };
    let fields = fields_of(&variable.field_path, input);
    let name = name_of(&fields, template);
    let is_whole = variable.segments.len() == 1;
    let name = if is_whole {
        name
    } else {
        let number = template.segments[variable.segments.start..=place].iter().filter(is_wildcard).count();
        format!("{name}_{number}")
    };
    PathParameter { name, field: fields.into_iter().next_back(), is_whole, is_rest }
}

/// The innermost field's name, or all of them where another variable's is the same: `{id}` for `{task.id}`.
fn name_of(fields: &[FieldDescriptor], template: &Template) -> String {
    let innermost = fields.last().map(FieldDescriptor::name);
    let alike = template.variables.iter().filter(|it| it.field_path.last().map(String::as_str) == innermost);
    match fields.last() {
        Some(field) if alike.count() == 1 => field.json_name().to_owned(),
        // Tools that fill templates by their language's own means take no dots.
        _ => dotted(fields, FieldDescriptor::json_name).replace('.', "_"),
    }
}

/// The names of fields that lie within each other.
pub(super) fn dotted(fields: &[FieldDescriptor], name: impl Fn(&FieldDescriptor) -> &str) -> String {
    fields.iter().map(name).collect::<Vec<_>>().join(".")
}

/// The fields that a dotted path leads through.
fn fields_of(names: &[String], input: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let mut message = Some(input.clone());
    let mut fields = Vec::new();
    for name in names {
        let Some(field) = message.as_ref().and_then(|message| field_named(message, name)) else { break };
        message = match field.kind() {
            Kind::Message(inner) => Some(inner),
            _ => None,
        };
        fields.push(field);
    }
    fields
}

/// A field by its declared or its JSON name.
pub(super) fn field_named(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}
