//! The order of a list of tasks, and places in it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::Problem;
use crate::domain::task::{Priority, Status, Task};
use crate::domain::words;

/// By what a list is ordered, first things first. Tasks for which all of it is equal are ordered by id, in the
/// direction of the last key. What a task does not have comes last, in either direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order(Vec<OrderKey>);

/// A field by which a list is ordered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OrderKey {
    /// Which.
    pub field: OrderField,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// The fields by which a list can be ordered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OrderField {
    /// When it was created.
    CreateTime,
    /// When it was last written.
    UpdateTime,
    /// When it is due.
    DueTime,
    /// When it was completed.
    CompleteTime,
    /// How much it matters, the least first.
    Priority,
    /// How far it is: pending, in progress, completed, cancelled.
    Status,
    /// What it is expected to take; no estimate is nothing.
    EstimatedMinutes,
    /// What it is called, without regard to case.
    Title,
}

/// Where a task stands by one key.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub enum Value {
    /// It has no value, which comes last.
    #[serde(rename = "-")]
    None,
    /// A number or a rank.
    #[serde(rename = "n")]
    Number(i64),
    /// An instant.
    #[serde(rename = "t", with = "chrono::serde::ts_microseconds")]
    Time(DateTime<Utc>),
    /// Folded text.
    #[serde(rename = "s")]
    Text(String),
}

/// Where a task stands in an ordered list.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Place {
    /// By each key of the order.
    pub values: Vec<Value>,
    /// Which task.
    pub id: Uuid,
}

const FIELDS: [(&str, OrderField); 8] = [
    ("create_time", OrderField::CreateTime),
    ("update_time", OrderField::UpdateTime),
    ("due_time", OrderField::DueTime),
    ("complete_time", OrderField::CompleteTime),
    ("priority", OrderField::Priority),
    ("status", OrderField::Status),
    ("estimated_minutes", OrderField::EstimatedMinutes),
    ("title", OrderField::Title),
];

impl Default for Order {
    /// Newest first.
    fn default() -> Self {
        Self(vec![OrderKey { field: OrderField::CreateTime, descending: true }])
    }
}

impl Order {
    /// Reads an order as AIP-132 writes it: `due_time, priority desc`. Empty: newest first.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut keys: Vec<OrderKey> = Vec::new();
        for part in text.split(',') {
            let key = OrderKey::parse(part)?;
            if keys.iter().any(|earlier| earlier.field == key.field) {
                return Err(Problem::new(format!("must not name `{}` twice", key.field.name())));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// The keys, at least one.
    pub fn keys(&self) -> &[OrderKey] {
        &self.0
    }

    /// Whether ids descend where all else is equal.
    pub fn ids_descend(&self) -> bool {
        self.0.last().is_some_and(|key| key.descending)
    }

    /// Where `task` stands.
    pub fn place(&self, task: &Task) -> Place {
        Place { values: self.0.iter().map(|key| key.field.value(task)).collect(), id: task.id }
    }
}

impl OrderKey {
    fn parse(text: &str) -> Result<Self, Problem> {
        let mut words = text.split_whitespace();
        let name = words.next().ok_or_else(|| Problem::new("must name a field before and after each comma"))?;
        let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) else {
            let known = FIELDS.map(|(known, _)| known).join(", ");
            return Err(Problem::new(format!("names `{name}`; lists are ordered by {known}")));
        };
        let descending = match (words.next(), words.next()) {
            (None, _) | (Some("asc"), None) => false,
            (Some("desc"), None) => true,
            _ => return Err(Problem::new(format!("must have nothing but `asc` or `desc` after `{name}`"))),
        };
        Ok(Self { field: *field, descending })
    }
}

impl OrderField {
    /// Whether a task may have no value.
    pub fn is_optional(self) -> bool {
        matches!(self, Self::DueTime | Self::CompleteTime | Self::EstimatedMinutes)
    }

    /// What `task` has.
    pub fn value(self, task: &Task) -> Value {
        let time = |time: Option<DateTime<Utc>>| time.map_or(Value::None, Value::Time);
        match self {
            Self::CreateTime => Value::Time(task.create_time),
            Self::UpdateTime => Value::Time(task.update_time),
            Self::DueTime => time(task.due_time),
            Self::CompleteTime => time(task.complete_time),
            Self::Priority => Value::Number(match task.priority {
                Priority::Low => 1,
                Priority::Medium => 2,
                Priority::High => 3,
                Priority::Urgent => 4,
            }),
            Self::Status => Value::Number(match task.status {
                Status::Pending => 1,
                Status::InProgress => 2,
                Status::Completed => 3,
                Status::Cancelled => 4,
            }),
            Self::EstimatedMinutes => match task.estimated_minutes.minutes() {
                0 => Value::None,
                minutes => Value::Number(minutes.into()),
            },
            Self::Title => Value::Text(words::fold(task.title.as_str())),
        }
    }

    fn name(self) -> &'static str {
        FIELDS.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_fields_and_directions() {
        let keys = |text| {
            let order = Order::parse(text).unwrap();
            order.keys().iter().map(|key| (key.field, key.descending)).collect::<Vec<_>>()
        };
        assert_eq!(
            keys(" due_time,priority   desc , title asc"),
            [(OrderField::DueTime, false), (OrderField::Priority, true), (OrderField::Title, false)]
        );
        assert_eq!(keys(""), [(OrderField::CreateTime, true)]);
    }

    #[test]
    fn what_is_no_order_is_refused() {
        let cases = [
            ("colour", "names `colour`; lists are ordered by create_time"),
            ("due_time DESC", "nothing but `asc` or `desc` after `due_time`"),
            ("due_time desc desc", "nothing but"),
            ("due_time,", "before and after each comma"),
            ("title, title desc", "must not name `title` twice"),
        ];
        for (text, expected) in cases {
            let problem = Order::parse(text).unwrap_err().to_string();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
