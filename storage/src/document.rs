//! The document in which a person's data leaves FocusFlow and comes back.
//!
//! A JSON object: `format`, `version`, `exportTime` and `user`, then one list for each [`Section`], an object per row.
//! A section says which table it is and what its columns are, and this is all that there is to say about it: reading,
//! writing and checking go by it. What one row refers to comes before it wherever possible.

mod profile;
mod row;
mod sections;
pub mod splitter;

pub use self::profile::Profile;
pub use self::row::{Row, Value};
pub use self::sections::{CATEGORIES, SECTIONS, TASKS, TIME_LOGS};
use chrono::NaiveDate;

use crate::domain::Problem;
use crate::domain::change::Resource;

/// The value of `format`.
pub const FORMAT: &str = "focusflow";
/// The value of `version`.
pub const VERSION: i64 = 1;

/// One of the document's lists.
#[derive(Debug)]
pub struct Section {
    /// The list's name.
    pub name: &'static str,
    /// The table that it is.
    pub table: &'static str,
    /// As what its rows are told to those who watch the person.
    pub resource: Option<Resource>,
    /// The table's columns, other than `user_id`.
    pub columns: &'static [Column],
    /// The columns by which the table is read, in the order of one of its indexes.
    pub order: &'static [&'static str],
}

/// A column of a table.
#[derive(Debug)]
pub struct Column {
    /// Its name in the table; in the document in camelCase.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be absent.
    pub is_optional: bool,
    /// Where its value comes from.
    pub origin: Origin,
}

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The row's own id.
    Id,
    /// The id of a row of this table.
    Reference(&'static str),
    /// The id of something that may be gone.
    Mention(&'static str),
    /// Text under a rule.
    Text(fn(&str) -> Result<String, Problem>),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A 32-bit number under a rule.
    Integer(fn(i32) -> Result<(), Problem>),
    /// A 64-bit number.
    Long,
    /// A truth value.
    Flag,
    /// An instant.
    Time,
    /// A local day, this one or later.
    Date(NaiveDate),
    /// JSON under a rule.
    Json(fn(serde_json::Value) -> Result<serde_json::Value, Problem>),
}

/// Where a column's value comes from when a document is read.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// The document has it.
    Document,
    /// The document has it, unless it was written before there was such a column; then it is zero.
    LaterDocument,
    /// The text of another column, folded.
    Folded(&'static str),
    /// The microseconds from one time to another.
    Micros(&'static str, &'static str),
    /// It is zero until what it sums up is there.
    Zero,
}

impl Section {
    /// Where a column stands in a [`Row`].
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|it| it.name == column)
    }

    /// Where the row's own id stands, if it has one.
    pub fn id_place(&self) -> Option<usize> {
        self.columns.iter().position(|it| matches!(it.kind, Kind::Id))
    }
}

impl Column {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, is_optional: false, origin: Origin::Document }
    }

    const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, is_optional: true, origin: Origin::Document }
    }

    const fn from(name: &'static str, kind: Kind, origin: Origin) -> Self {
        Self { name, kind, is_optional: false, origin }
    }

    /// Whether documents have it.
    pub fn is_in_document(&self) -> bool {
        matches!(self.origin, Origin::Document | Origin::LaterDocument)
    }

    /// Its name in documents.
    pub fn key(&self) -> String {
        let mut words = self.name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |key, word| {
            let (head, tail) = word.split_at(word.len().min(1));
            key + &head.to_ascii_uppercase() + tail
        })
    }
}
