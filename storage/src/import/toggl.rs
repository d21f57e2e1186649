//! Toggl Track's detailed CSV: one time entry per row, in local time without a zone.
//!
//! Entries of one client, project, title and set of tags are one task, done by its last entry. The project becomes its
//! category. What Toggl calls the task is the title where it is given, and the entry's description a note then.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::columns::Columns;
use super::csv::Fields;
use super::row::{RowError, RowKey, key, problem, quote};
use super::text::{project_name, tag_of, title_of};
use super::wall_clock::{WallClock, WallInterval, time_of_day};
use crate::domain::task::Tags;
use crate::domain::text::{CategoryName, Notes, TaskTitle};
use crate::domain::time_log::Interval;

const COLUMNS: [&str; 10] = [
    "Client",
    "Project",
    "Task",
    "Description",
    "Start date",
    "Start time",
    "End date",
    "End time",
    "Duration",
    "Tags",
];
const START_DATE: usize = 4;
const START_TIME: usize = 5;
const END_DATE: usize = 6;
const END_TIME: usize = 7;
const DURATION: usize = 8;

/// Reads a file's rows.
#[derive(Clone, Debug)]
pub struct Reader {
    columns: Columns<{ COLUMNS.len() }>,
    clock: WallClock,
}

/// A time entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it was.
    pub interval: Interval,
    /// What it was spent on; `None` if the entry says nothing at all.
    pub work: Option<Work>,
    /// What the person remarked.
    pub notes: Notes,
}

/// What entries are spent on: those with equal work belong to one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// What the task will be called.
    pub title: TaskTitle,
    /// The project.
    pub project: Option<CategoryName>,
    /// Its tags, the client among them.
    pub tags: Tags,
}

impl Reader {
    /// Reads the first row.
    pub fn new(header: Fields<'_>, clock: WallClock) -> Result<Self, RowError> {
        let columns = Columns::find(header, COLUMNS)?;
        columns.require(&[START_DATE, START_TIME])?;
        if !(columns.has(END_DATE) && columns.has(END_TIME)) {
            columns.require(&[DURATION])?;
        }
        Ok(Self { columns, clock })
    }

    /// Reads a row.
    pub fn entry(&self, fields: Fields<'_>) -> Result<Entry, RowError> {
        let texts = self.columns.texts(fields)?;
        let [client, project, task, description, start_date, start_time, end_date, end_time, duration, tags] = texts;
        let (start, end) = self.interval([start_date, start_time, end_date, end_time, duration])?;
        let interval = Interval::parse(start, end).map_err(|error| problem("End time", error))?;
        let notes = if task.is_empty() { "" } else { description };
        let title = [task, description, project].into_iter().find(|text| !text.is_empty());
        let work = title.map(|title| work(client, project, title, tags)).transpose()?;
        let notes = Notes::parse(notes).map_err(|error| problem("Description", error))?;
        Ok(Entry { interval, work, notes })
    }

    fn interval(&self, texts: [&str; 5]) -> Result<(DateTime<Utc>, DateTime<Utc>), RowError> {
        let [start_date, start_time, end_date, end_time, duration] = texts;
        let start = wall_time(COLUMNS[START_DATE], start_date, COLUMNS[START_TIME], start_time)?;
        let length = length(duration)?;
        let end = match (end_date, end_time) {
            ("", "") => None,
            _ => Some(wall_time(COLUMNS[END_DATE], end_date, COLUMNS[END_TIME], end_time)?),
        };
        let interval = self.clock.interval(WallInterval { start, end, length });
        interval.ok_or_else(|| problem("End time", "is missing: the entry is still running"))
    }
}

impl Work {
    /// The key of the task that entries with this work belong to.
    pub fn key(&self) -> RowKey {
        let project = self.project.as_ref().map(CategoryName::as_str).unwrap_or_default();
        let mut tags: Vec<String> = self.tags.as_slice().iter().map(crate::domain::text::Tag::key).collect();
        tags.sort_unstable();
        let fields = [self.title.as_str(), project].into_iter().chain(tags.iter().map(String::as_str));
        key(fields.map(str::as_bytes))
    }
}

fn work(client: &str, project: &str, title: &str, tags: &str) -> Result<Work, RowError> {
    let tags: Vec<_> = tags.split(',').chain([client]).filter_map(tag_of).collect();
    Ok(Work {
        title: title_of(title).map_err(|error| problem("Description", error))?,
        project: project_name(project).map_err(|error| problem("Project", error))?,
        tags: Tags::parse(&tags)
            .map_err(|(index, error)| problem("Tags", format_args!("tag {} {error}", index + 1)))?,
    })
}

fn wall_time(date_column: &str, date: &str, time_column: &str, time: &str) -> Result<NaiveDateTime, RowError> {
    Ok(day(date_column, date)?.and_time(clock_time(time_column, time)?))
}

fn day(column: &str, text: &str) -> Result<NaiveDate, RowError> {
    super::text::day(text)
        .ok_or_else(|| problem(column, format_args!("must be a day such as 2024-04-09, not `{}`", quote(text))))
}

fn clock_time(column: &str, text: &str) -> Result<NaiveTime, RowError> {
    time_of_day(text)
        .ok_or_else(|| problem(column, format_args!("must be a time such as 14:05:00, not `{}`", quote(text))))
}

/// `HH:MM:SS`, with as many hours as there were; `None` if it is not said.
fn length(text: &str) -> Result<Option<TimeDelta>, RowError> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('-') {
        return Err(problem("Duration", "is negative: the entry is still running"));
    }
    let parts: Option<Vec<u32>> = text.split(':').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some(&[hours, minutes @ 0..60, seconds @ 0..60]) => {
            let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
            Ok(Some(TimeDelta::seconds(seconds)))
        }
        _ => Err(problem("Duration", format_args!("must be hours, minutes and seconds, not `{}`", quote(text)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::csv::with_fields;

    const HEADER: &str = "User,Email,Client,Project,Task,Description,Billable,Start date,Start time,End date,End time,\
                          Duration,Tags,Amount ()";

    fn reader(header: &str) -> Result<Reader, RowError> {
        with_fields(header, |fields| Reader::new(fields, WallClock::new(chrono_tz::Europe::Berlin)))
    }

    fn entry(row: &str) -> Result<Entry, RowError> {
        with_fields(row, |fields| reader(HEADER).unwrap().entry(fields))
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn an_entry_is_time_spent_on_a_task() {
        let entry = entry(
            "Ada,a@b.c,ACME,Website,,Write docs,No,2024-07-01,09:00:00,2024-07-01,10:30:00,\
             01:30:00,\"deep, @writing\",",
        )
        .unwrap();
        assert_eq!(entry.interval.start(), utc("2024-07-01T07:00:00Z"));
        assert_eq!(entry.interval.end(), utc("2024-07-01T08:30:00Z"));
        let work = entry.work.unwrap();
        assert_eq!((work.title.as_str(), work.project.unwrap().as_str()), ("Write docs", "Website"));
        assert_eq!(work.tags, Tags::parse(&["deep", "writing", "ACME"]).unwrap());
        assert_eq!(entry.notes.as_str(), "");
    }

    #[test]
    fn a_task_gives_the_title_and_the_description_is_a_note() {
        let entry = entry("Ada,a,,P,Docs,chapter 2,No,2024-07-01,09:00:00,2024-07-01,10:30:00,01:30:00,,").unwrap();
        assert_eq!((entry.work.unwrap().title.as_str(), entry.notes.as_str()), ("Docs", "chapter 2"));
    }

    #[test]
    fn columns_may_come_in_any_order_and_case() {
        let reader = reader("duration,START TIME,Start date,Description").unwrap();
        let entry = with_fields("25:00:00,23:30:00,2024-07-01,Night", |fields| reader.entry(fields)).unwrap();
        assert_eq!(entry.interval.end(), utc("2024-07-02T22:30:00Z"), "over midnight, in one piece");
    }

    #[test]
    fn an_entry_of_the_hour_that_comes_twice_is_where_its_duration_puts_it() {
        let row = "a,a,,,,x,No,2023-10-29,02:30:00,2023-10-29,02:45:00,01:15:00,,";
        assert_eq!(entry(row).unwrap().interval.start(), utc("2023-10-29T00:30:00Z"));
        assert_eq!(entry(row).unwrap().interval.end(), utc("2023-10-29T01:45:00Z"));
    }

    #[test]
    fn an_entry_that_says_nothing_is_time_without_a_task() {
        assert_eq!(entry("a,a,,,,,No,2024-07-01,09:00:00,2024-07-01,10:30:00,,,").unwrap().work, None);
    }

    #[test]
    fn the_same_work_has_the_same_key_whatever_the_order_of_its_tags() {
        let key = |tags: &str| {
            let row = format!("a,a,,P,,x,No,2024-07-01,09:00:00,2024-07-01,10:30:00,,\"{tags}\",");
            entry(&row).unwrap().work.unwrap().key()
        };
        assert_eq!(key("a,b"), key("B,A"));
        assert_ne!(key("a,b"), key("a"));
    }

    #[test]
    fn a_broken_row_names_its_column() {
        let cases = [
            ("a,a,,,,x,No,2024-02-30,09:00:00,2024-07-01,10:30:00,,,", "Start date: must be a day"),
            ("a,a,,,,x,No,2024-07-01,9 o'clock,2024-07-01,10:30:00,,,", "Start time: must be a time"),
            ("a,a,,,,x,No,2024-07-01,09:00:00,2024-07-01,08:30:00,,,", "End time: must be later"),
            ("a,a,,,,x,No,2024-07-01,09:00:00,,,-1,,", "Duration: is negative: the entry is still running"),
            ("a,a,,,,x,No,2024-07-01,09:00:00,,,,,", "End time: is missing: the entry is still running"),
            ("a,a,,,,x,No,2024-07-01,09:00:00,2024-07-01,10:30:00,long,,", "Duration: must be hours"),
            ("a,a,,,,x,No,2024-07-01,09:00:00", "the row must have 14 columns"),
        ];
        for (row, expected) in cases {
            let error = entry(row).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{row}: {error}");
        }
        assert!(reader("Description,Start date").unwrap_err().to_string().ends_with("Start time"));
        assert!(reader("Start date,Start time").unwrap_err().to_string().ends_with("Duration"));
    }
}
