//! A person's tasks as a calendar (iCalendar, RFC 5545), in UTC.
//!
//! Occurrences of a series are tasks, each with its own time, so each is shown by itself and no rule is.

use chrono::{DateTime, TimeDelta, Utc};
use icalendar::{Calendar, Class, Component as _, Event, EventLike, EventStatus, Property, Todo, TodoStatus};
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::Problem;
use crate::domain::task::{Priority, Status};
use crate::domain::text::{CategoryName, Tag};

const PRODUCT: &str = "-//FocusFlow//Calendar//EN";
/// How long a task without an estimate is shown.
const DEFAULT_MINUTES: i32 = 30;
/// No program shows an event of more than a day well.
const MINUTES_MAX: i32 = 24 * 60;
const REFRESH: TimeDelta = TimeDelta::minutes(15);
const NAME_LENGTH_MAX: usize = 100;

/// What a task is in the calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Style {
    /// An event that ends when the task is due.
    Events,
    /// A to-do.
    Todos,
}

/// A URL under which a calendar program finds a person's tasks.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Feed {
    /// Its id.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// What a task is in it.
    pub style: Style,
    /// When it was created.
    pub create_time: DateTime<Utc>,
}

/// A task that is due at some time.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Entry {
    /// Its id.
    pub id: Uuid,
    /// The task that it is a part of.
    pub parent_id: Option<Uuid>,
    /// What it is called.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// How much it matters.
    pub priority: Priority,
    /// How far it is.
    pub status: Status,
    /// What it is expected to take.
    pub estimated_minutes: i32,
    /// When it is due.
    pub due_time: DateTime<Utc>,
    /// Its tags.
    pub tags: Json<Vec<Tag>>,
    /// Counts its writes.
    pub version: i64,
    /// When it was completed.
    pub complete_time: Option<DateTime<Utc>>,
    /// When it was created.
    pub create_time: DateTime<Utc>,
    /// When it was last written.
    pub update_time: DateTime<Utc>,
    /// The category that it is in.
    pub category_name: Option<CategoryName>,
}

/// The name of a feed: one line of up to 100 characters.
pub fn feed_name(text: &str) -> Result<String, Problem> {
    let name = text.trim();
    if name.chars().count() > NAME_LENGTH_MAX || name.chars().any(char::is_control) {
        return Err(Problem::new(format!("must be one line of at most {NAME_LENGTH_MAX} characters")));
    }
    Ok(name.to_owned())
}

/// The calendar of some tasks.
pub fn render(feed: &Feed, entries: &[Entry]) -> String {
    let mut calendar = Calendar::empty();
    for (name, value) in [("VERSION", "2.0"), ("PRODID", PRODUCT), ("CALSCALE", "GREGORIAN"), ("METHOD", "PUBLISH")] {
        calendar.append_property(Property::new(name, value));
    }
    calendar.name(if feed.name.is_empty() { "FocusFlow" } else { &feed.name }).ttl(&REFRESH);
    for entry in entries {
        match feed.style {
            Style::Events => calendar.push(event(entry)),
            Style::Todos => calendar.push(todo(entry)),
        };
    }
    calendar.to_string()
}

fn event(entry: &Entry) -> Event {
    let minutes = if entry.estimated_minutes > 0 { entry.estimated_minutes } else { DEFAULT_MINUTES };
    let start = entry.due_time - TimeDelta::minutes(minutes.min(MINUTES_MAX).into());
    let title =
        if entry.status == Status::Completed { format!("\u{2713} {}", entry.title) } else { entry.title.clone() };
    let mut event = Event::new();
    describe(&mut event, entry, &title);
    // A task does not keep its person from meeting someone.
    event.starts(start).ends(entry.due_time).status(EventStatus::Confirmed).add_property("TRANSP", "TRANSPARENT");
    event.done()
}

fn todo(entry: &Entry) -> Todo {
    let mut todo = Todo::new();
    describe(&mut todo, entry, &entry.title);
    todo.due(entry.due_time).priority(priority(entry.priority)).status(match entry.status {
        Status::Pending => TodoStatus::NeedsAction,
        Status::InProgress => TodoStatus::InProcess,
        Status::Completed => TodoStatus::Completed,
        Status::Cancelled => TodoStatus::Cancelled,
    });
    if let Some(time) = entry.complete_time {
        todo.completed(time).percent_complete(100);
    }
    if let Some(parent) = entry.parent_id {
        todo.add_property("RELATED-TO", uid(parent));
    }
    todo.done()
}

fn describe<C: EventLike>(component: &mut C, entry: &Entry, title: &str) {
    let uid = uid(entry.id);
    component
        .uid(&uid)
        // What is published was made when it was last written: the same task is the same text every time.
        .timestamp(entry.update_time)
        .created(entry.create_time)
        .last_modified(entry.update_time)
        .sequence(u32::try_from(entry.version.saturating_sub(1)).unwrap_or(u32::MAX))
        .class(Class::Private)
        .summary(title);
    if !entry.description.is_empty() {
        component.description(&line_breaks(&entry.description));
    }
    let groups: Vec<&str> =
        entry.category_name.iter().map(CategoryName::as_str).chain(entry.tags.iter().map(Tag::as_str)).collect();
    if !groups.is_empty() {
        component.categories(groups);
    }
}

fn uid(id: Uuid) -> String {
    format!("{id}@focusflow")
}

/// From 1, the highest, to 9.
fn priority(priority: Priority) -> u32 {
    match priority {
        Priority::Urgent => 1,
        Priority::High => 3,
        Priority::Medium => 5,
        Priority::Low => 9,
    }
}

/// Text has no carriage returns in iCalendar, where they end a line of the file.
fn line_breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
