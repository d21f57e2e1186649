//! What the words of the product mean, without a database or a wire: values that are parsed once and then trusted,
//! and the rules between them. Time and ids are arguments.

pub mod category;
pub mod change;
pub mod dates;
pub mod day;
pub mod filter;
pub mod habit;
pub mod listing;
pub mod notification;
pub mod recurrence;
pub mod report;
pub mod task;
pub mod text;
pub mod time_log;
pub mod totals;
pub mod user;
pub mod usual_length;
pub mod words;

/// Why a value is refused, as a phrase that follows the name of its field.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

impl Problem {
    pub(crate) fn new(description: impl Into<String>) -> Self {
        Self(description.into())
    }
}
