//! The part of AIP-160 that lists of tasks understand: comparisons joined by AND.
//!
//! `status = PENDING AND tags:writing AND category_id = "0199…"`. What else AIP-160 has is refused by name rather than
//! ignored, since a filter that shows too much is worse than none.

use uuid::Uuid;

use super::error::Error;
use crate::domain::task::{Condition, Priority, Status};
use crate::domain::text::Tag;

const FIELD: &str = "filter";
const CONDITIONS_MAX: usize = 20;

#[derive(Clone, Debug, Eq, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Equals,
    Has,
}

/// Reads a filter; empty, it has no conditions.
pub(super) fn parse(filter: &str) -> Result<Vec<Condition>, Error> {
    let tokens = tokens(filter)?;
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let comparisons: Vec<&[Token]> = tokens.split(|token| *token == Token::Word("AND".to_owned())).collect();
    if comparisons.len() > CONDITIONS_MAX {
        return Err(problem(format!("must have at most {CONDITIONS_MAX} conditions")));
    }
    comparisons.into_iter().map(condition).collect()
}

fn condition(tokens: &[Token]) -> Result<Condition, Error> {
    let [Token::Word(field), operator @ (Token::Equals | Token::Has), Token::Word(value) | Token::Quoted(value)] =
        tokens
    else {
        return Err(problem("must be conditions such as `status = PENDING`, joined by AND"));
    };
    match (field.as_str(), operator) {
        ("status", Token::Equals) => status(value).map(Condition::Status),
        ("priority", Token::Equals) => priority(value).map(Condition::Priority),
        ("category_id", Token::Equals) => optional_id(field, value).map(Condition::Category),
        ("parent_id", Token::Equals) => optional_id(field, value).map(Condition::Parent),
        ("tags", Token::Has) => {
            Tag::parse(value).map(Condition::Tag).map_err(|error| problem(format!("tags: {error}")))
        }
        _ => Err(problem(format!(
            "cannot compare `{field}` so: it takes `=` on status, priority, category_id and parent_id, and `:` on tags"
        ))),
    }
}

fn status(value: &str) -> Result<Status, Error> {
    match value {
        "PENDING" => Ok(Status::Pending),
        "IN_PROGRESS" => Ok(Status::InProgress),
        "COMPLETED" => Ok(Status::Completed),
        "CANCELLED" => Ok(Status::Cancelled),
        _ => Err(problem(format!("names the status `{value}`, which there is not"))),
    }
}

fn priority(value: &str) -> Result<Priority, Error> {
    match value {
        "LOW" => Ok(Priority::Low),
        "MEDIUM" => Ok(Priority::Medium),
        "HIGH" => Ok(Priority::High),
        "URGENT" => Ok(Priority::Urgent),
        _ => Err(problem(format!("names the priority `{value}`, which there is not"))),
    }
}

fn optional_id(field: &str, value: &str) -> Result<Option<Uuid>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    Uuid::parse_str(value).map(Some).map_err(|_| problem(format!("{field} must be compared with a UUID")))
}

fn tokens(filter: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut rest = filter.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '=' => (Token::Equals, &rest[1..]),
            ':' => (Token::Has, &rest[1..]),
            '"' => {
                let (quoted, after) =
                    rest[1..].split_once('"').ok_or_else(|| problem("has a quote that does not end"))?;
                (Token::Quoted(quoted.to_owned()), after)
            }
            '(' | ')' | '<' | '>' | '!' | '*' | ',' | '\'' | '\\' => {
                return Err(problem(format!("must not contain `{first}`: it is not supported by this version")));
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "=:\"()<>!*,'\\".contains(c)).unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), &rest[end..])
            }
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn problem(description: impl Into<String>) -> Error {
    Error::field(FIELD, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_joined_by_and() {
        let id = Uuid::from_u128(1);
        let filter = format!("status = IN_PROGRESS AND tags:\"deep work\" AND category_id={id} AND parent_id = \"\"");
        let expected = [
            Condition::Status(Status::InProgress),
            Condition::Tag(Tag::parse("deep work").unwrap()),
            Condition::Category(Some(id)),
            Condition::Parent(None),
        ];
        assert_eq!(parse(&filter).unwrap(), expected);
        assert_eq!(parse("  ").unwrap(), []);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let cases = [
            ("status", "must be conditions"),
            ("status = DONE", "`DONE`"),
            ("status : PENDING", "cannot compare `status`"),
            ("colour = RED", "cannot compare `colour`"),
            ("status = PENDING OR status = COMPLETED", "must be conditions"),
            ("NOT status = PENDING", "must be conditions"),
            ("estimated_minutes > 5", "`>`"),
            ("(status = PENDING)", "`(`"),
            ("tags:\"open", "quote"),
            ("category_id = x", "UUID"),
            ("status = PENDING AND", "must be conditions"),
        ];
        for (filter, expected) in cases {
            let error = parse(filter).unwrap_err().to_string();
            assert!(error.starts_with("filter: ") && error.contains(expected), "{filter}: {error}");
        }
    }
}
