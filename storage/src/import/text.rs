//! Text that others wrote under other rules, brought under ours.

use chrono::{Datelike, NaiveDate};

use crate::domain::Problem;
use crate::domain::text::{CategoryName, TaskTitle};

const TAG_LENGTH_MAX: usize = 100;

/// A tag without the markers that ours cannot have; `None` if nothing is left.
pub(super) fn tag_of(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|character| !matches!(character, '@' | '#' | ',')).collect();
    let text: String = one_line(&text).chars().take(TAG_LENGTH_MAX).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A title; line breaks become spaces.
pub(super) fn title_of(text: &str) -> Result<TaskTitle, Problem> {
    TaskTitle::parse(&one_line(text))
}

/// The name of a project as a category's; `None` if it is empty.
pub(super) fn project_name(text: &str) -> Result<Option<CategoryName>, Problem> {
    let text = one_line(text);
    if text.is_empty() { Ok(None) } else { CategoryName::parse(&text).map(Some) }
}

/// A day in ISO form, of the years that people live in.
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| (1900..=2200).contains(&day.year()))
}

fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    text.trim().to_owned()
}
