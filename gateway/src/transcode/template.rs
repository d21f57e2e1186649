//! Path templates of `google.api.http`.
//!
//! ```text
//! Template = "/" Segments [ ":" Verb ]
//! Segments = Segment { "/" Segment }
//! Segment  = "*" | "**" | Literal | "{" FieldPath [ "=" Segments ] "}"
//! ```

use std::ops::Range;

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
    /// The custom verb after the last colon.
    pub(crate) verb: Option<String>,
    pub(crate) variables: Vec<Variable>,
}

/// What one segment of a path must be; `AnyRest` takes all that are left.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    Literal(String),
    Any,
    AnyRest,
}

/// A part of the path that fills a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The field's path, from the request message inwards.
    pub(crate) field_path: Vec<String>,
    /// The segments that it takes.
    pub(crate) segments: Range<usize>,
    /// Whether it is written as several segments; such a value keeps its `%2F`, which is no separator.
    pub(crate) is_multi_segment: bool,
}

/// Why a template cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Paths begin with a slash.
    #[error("does not begin with \"/\"")]
    NoLeadingSlash,
    /// Two slashes side by side, or one at the end.
    #[error("has an empty segment")]
    EmptySegment,
    /// `**` takes the rest of the path, so nothing but a verb may follow.
    #[error("has segments after \"**\"")]
    SegmentsAfterRest,
    /// `{` without `}`.
    #[error("has a variable that does not end")]
    UnclosedVariable,
    /// A variable within another, or a brace in a literal.
    #[error("has a brace where none may be")]
    StrayBrace,
    /// `{}` or `{a..b}`.
    #[error("has a variable without a field's name")]
    NoFieldName,
    /// A variable named twice.
    #[error("names the variable {0:?} twice")]
    DuplicateVariable(String),
    /// A colon with nothing after it.
    #[error("has an empty verb")]
    EmptyVerb,
}

impl std::str::FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let path = text.strip_prefix('/').ok_or(TemplateError::NoLeadingSlash)?;
        let (path, verb) = split_verb(path)?;
        let mut template = Self { segments: Vec::new(), verb, variables: Vec::new() };
        if !path.is_empty() || template.verb.is_some() {
            for part in split_outside_braces(path)? {
                template.push_part(part)?;
            }
        }
        match template.segments.iter().position(|segment| *segment == Segment::AnyRest) {
            Some(place) if place + 1 < template.segments.len() => Err(TemplateError::SegmentsAfterRest),
            _ => Ok(template),
        }
    }
}

impl Template {
    fn push_part(&mut self, part: &str) -> Result<(), TemplateError> {
        let Some(inner) = part.strip_prefix('{') else {
            self.segments.push(Segment::parse(part)?);
            return Ok(());
        };
        let inner = inner.strip_suffix('}').ok_or(TemplateError::UnclosedVariable)?;
        let (name, pattern) = inner.split_once('=').unwrap_or((inner, "*"));
        let start = self.segments.len();
        for segment in pattern.split('/') {
            self.segments.push(Segment::parse(segment)?);
        }
        let segments = start..self.segments.len();
        let is_multi_segment = segments.len() > 1 || self.segments[start] == Segment::AnyRest;
        let field_path: Vec<_> = name.split('.').map(str::to_owned).collect();
        if field_path.iter().any(|name| !is_identifier(name)) {
            return Err(TemplateError::NoFieldName);
        }
        if self.variables.iter().any(|variable| variable.field_path == field_path) {
            return Err(TemplateError::DuplicateVariable(name.to_owned()));
        }
        self.variables.push(Variable { field_path, segments, is_multi_segment });
        Ok(())
    }
}

impl Variable {
    /// Whether it takes all that is left of a path.
    pub(crate) fn is_open_ended(&self, template: &Template) -> bool {
        template.segments[self.segments.clone()].last() == Some(&Segment::AnyRest)
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, TemplateError> {
        match text {
            "" => Err(TemplateError::EmptySegment),
            "*" => Ok(Self::Any),
            "**" => Ok(Self::AnyRest),
            _ if text.contains(['{', '}']) => Err(TemplateError::StrayBrace),
            _ => Ok(Self::Literal(text.to_owned())),
        }
    }
}

/// Splits off the verb: what follows the last colon that is in no variable and before no slash.
fn split_verb(path: &str) -> Result<(&str, Option<String>), TemplateError> {
    let tail_start = path.rfind(['/', '}']).map_or(0, |place| place + 1);
    match path[tail_start..].rfind(':') {
        None => Ok((path, None)),
        Some(place) => {
            let colon = tail_start + place;
            let verb = &path[colon + 1..];
            if verb.is_empty() { Err(TemplateError::EmptyVerb) } else { Ok((&path[..colon], Some(verb.to_owned()))) }
        }
    }
}

/// Splits at the slashes that are in no variable.
fn split_outside_braces(path: &str) -> Result<Vec<&str>, TemplateError> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut is_inside = false;
    for (place, byte) in path.bytes().enumerate() {
        match byte {
            b'{' if is_inside => return Err(TemplateError::StrayBrace),
            b'{' => is_inside = true,
            b'}' if !is_inside => return Err(TemplateError::StrayBrace),
            b'}' => is_inside = false,
            b'/' if !is_inside => {
                parts.push(&path[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    if is_inside {
        return Err(TemplateError::UnclosedVariable);
    }
    parts.push(&path[start..]);
    Ok(parts)
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Template {
        text.parse().unwrap()
    }

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.to_owned())
    }

    #[test]
    fn every_form_of_the_grammar_is_read() {
        assert_eq!(parse("/").segments, []);
        assert_eq!(parse("/v1/*/**").segments, [literal("v1"), Segment::Any, Segment::AnyRest]);
        let template = parse("/v1/{task.id}/notes:restore");
        assert_eq!(template.segments, [literal("v1"), Segment::Any, literal("notes")]);
        assert_eq!(template.verb.as_deref(), Some("restore"));
        assert_eq!(template.variables[0].field_path, ["task", "id"]);
        assert_eq!(template.variables[0].segments, 1..2);
        assert!(!template.variables[0].is_multi_segment);
    }

    #[test]
    fn variables_may_span_segments() {
        let template = parse("/v1/{name=shelves/*/books/**}:archive");
        assert_eq!(
            template.segments,
            [literal("v1"), literal("shelves"), Segment::Any, literal("books"), Segment::AnyRest]
        );
        assert_eq!(template.variables[0].segments, 1..5);
        assert!(template.variables[0].is_multi_segment);
        assert!(parse("/v1/{name=**}").variables[0].is_multi_segment);
    }

    #[test]
    fn broken_templates_are_refused_by_name() {
        for (text, error) in [
            ("v1", TemplateError::NoLeadingSlash),
            ("/v1//a", TemplateError::EmptySegment),
            ("/v1/", TemplateError::EmptySegment),
            ("/:go", TemplateError::EmptySegment),
            ("/v1/**/a", TemplateError::SegmentsAfterRest),
            ("/v1/{a=**}/{b}", TemplateError::SegmentsAfterRest),
            ("/v1/{a", TemplateError::UnclosedVariable),
            ("/v1/{a}b", TemplateError::UnclosedVariable),
            ("/v1/a}", TemplateError::StrayBrace),
            ("/v1/a{b}", TemplateError::StrayBrace),
            ("/v1/{a={b}}", TemplateError::StrayBrace),
            ("/v1/{}", TemplateError::NoFieldName),
            ("/v1/{a..b}", TemplateError::NoFieldName),
            ("/v1/{a-b}", TemplateError::NoFieldName),
            ("/v1/{a}/{a}", TemplateError::DuplicateVariable("a".to_owned())),
            ("/v1/a:", TemplateError::EmptyVerb),
        ] {
            assert_eq!(text.parse::<Template>(), Err(error), "{text}");
        }
    }
}
