//! Todoist's CSV of a project: tasks, sections and comments, one per row, in the project's order.
//!
//! The file has no ids: a task is a part of the last task before it that is indented less, a comment belongs to the
//! row above, and a section lasts to the next one.

pub mod date;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use self::date::{Recurrence, Reference, When};
use super::columns::Columns;
use super::csv::Fields;
use super::row::{RowError, RowKey, RowKeys, problem, quote};
use super::text::{tag_of, title_of};
use super::wall_clock::WallClock;
use crate::domain::task::{EstimatedMinutes, Priority, Tags};
use crate::domain::text::{TaskDescription, TaskTitle};
use crate::domain::user::WorkingHours;

const COLUMNS: [&str; 12] = [
    "TYPE",
    "CONTENT",
    "DESCRIPTION",
    "PRIORITY",
    "INDENT",
    "RESPONSIBLE",
    "DATE",
    "DATE_LANG",
    "TIMEZONE",
    "DURATION",
    "DURATION_UNIT",
    "DEADLINE",
];
const TYPE: usize = 0;
const CONTENT: usize = 1;
const PRIORITY: usize = 3;
/// Todoist itself has five.
const DEPTH_MAX: usize = 10;

/// Reads a file's rows. What a row means depends on those before it.
#[derive(Debug)]
pub struct Reader {
    columns: Columns<{ COLUMNS.len() }>,
    person: Person,
    keys: RowKeys,
    project: String,
    section: Option<String>,
    /// The task above, of each indentation; `None` where it could not be read.
    above: Vec<Option<RowKey>>,
    /// What a comment belongs to.
    last: Option<RowKey>,
}

/// What the file leaves to the person's settings.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// Where times without a zone are meant.
    pub clock: WallClock,
    /// The minute of the day at which a task is due whose day alone is known.
    pub due_minutes: i32,
    /// What an estimate of one day is.
    pub day_minutes: i32,
    /// The person's day.
    pub today: NaiveDate,
}

/// A row that says something.
#[derive(Debug, PartialEq)]
pub struct Item {
    /// What tells it from other rows.
    pub key: RowKey,
    /// What it says.
    pub content: Content,
}

/// What a row says.
#[derive(Debug, PartialEq)]
pub enum Content {
    /// A task.
    Task(Box<PlannedTask>),
    /// A comment on a task.
    Comment {
        /// The task's row.
        task: RowKey,
        /// The comment.
        text: String,
    },
}

/// A task.
#[derive(Debug, PartialEq)]
pub struct PlannedTask {
    /// The row of the task that it is a part of.
    pub parent: Option<RowKey>,
    /// What it is called.
    pub title: TaskTitle,
    /// What it is about, and what of the row has no other place.
    pub description: TaskDescription,
    /// How much it matters.
    pub priority: Priority,
    /// What it is expected to take.
    pub estimated_minutes: EstimatedMinutes,
    /// Its labels and its section.
    pub tags: Tags,
    /// When it is due.
    pub due_time: Option<DateTime<Utc>>,
    /// How it repeats.
    pub recurrence: Option<Recurrence>,
    /// What of the row was not understood.
    pub notice: Option<String>,
}

impl Person {
    /// The settings of someone who works at these hours, on the day of `now`.
    pub fn new(zone: Tz, hours: &WorkingHours, now: DateTime<Utc>) -> Self {
        let clock = WallClock::new(zone);
        Self {
            clock,
            due_minutes: hours.end_minutes(),
            day_minutes: hours.end_minutes() - hours.start_minutes(),
            today: clock.day(now),
        }
    }
}

impl Reader {
    /// Reads the first row. Rows are told apart within `project`.
    pub fn new(header: Fields<'_>, project: &str, person: Person) -> Result<Self, RowError> {
        let columns = Columns::find(header, COLUMNS)?;
        columns.require(&[TYPE, CONTENT])?;
        Ok(Self {
            columns,
            person,
            keys: RowKeys::default(),
            project: project.to_lowercase(),
            section: None,
            above: Vec::new(),
            last: None,
        })
    }

    /// Reads a row; `None` if it says nothing by itself, as a section does.
    pub fn item(&mut self, fields: Fields<'_>) -> Result<Option<Item>, RowError> {
        let row = self.columns.texts(fields)?;
        match row[TYPE].to_ascii_lowercase().as_str() {
            "task" => self.task(&row).map(Some),
            "note" => self.comment(&row).map(Some),
            "section" => {
                self.section = tag_of(row[CONTENT]);
                self.above.clear();
                Ok(None)
            }
            // A line between groups, or how the project is shown.
            "" | "meta" => Ok(None),
            other => Err(problem("TYPE", format_args!("must be task, section or note, not `{}`", quote(other)))),
        }
    }

    fn task(&mut self, row: &[&str; COLUMNS.len()]) -> Result<Item, RowError> {
        let indent = indent(row[4])?;
        self.above.truncate(indent - 1);
        let parent = self.above.iter().rev().find_map(|above| *above);
        self.last = None;
        // Until the row is read its parts belong to what it would be a part of.
        self.above.resize(indent, None);
        let task = PlannedTask {
            priority: self.priority(row)?,
            ..planned(row, parent, self.section.as_deref(), &self.person)?
        };

        let place = [self.project.as_bytes(), parent.as_ref().map_or(&[], |parent| parent.as_slice())];
        let key = self.keys.next(place.into_iter().chain(row.iter().map(|text| text.as_bytes())));
        self.above[indent - 1] = Some(key);
        self.last = Some(key);
        Ok(Item { key, content: Content::Task(Box::new(task)) })
    }

    fn priority(&self, row: &[&str; COLUMNS.len()]) -> Result<Priority, RowError> {
        if self.columns.has(PRIORITY) { priority(row[PRIORITY]) } else { Ok(Priority::default()) }
    }

    fn comment(&mut self, row: &[&str; COLUMNS.len()]) -> Result<Item, RowError> {
        let task = self.last.ok_or_else(|| problem("TYPE", "is a note, but the row above is no task that was read"))?;
        let text = row[CONTENT].to_owned();
        let key = self.keys.next([task.as_slice(), text.as_bytes()]);
        Ok(Item { key, content: Content::Comment { task, text } })
    }
}

impl PlannedTask {
    /// Adds a comment to a description.
    pub fn with_comment(description: &TaskDescription, text: &str) -> Result<TaskDescription, RowError> {
        let parts = [description.as_str(), text];
        describe(&parts).map_err(|error| problem("CONTENT", error))
    }
}

fn planned(
    row: &[&str; COLUMNS.len()],
    parent: Option<RowKey>,
    section: Option<&str>,
    person: &Person,
) -> Result<PlannedTask, RowError> {
    let [_, content, description, _, _, responsible, date, language, zone, duration, unit, deadline] = *row;
    let (title, labels) = title_and_labels(content)?;
    let person = Person { clock: zone.parse().map_or(person.clock, WallClock::new), ..*person };
    let when = date::parse(date, language, Reference { today: person.today, clock: person.clock });
    let estimate = estimated_minutes(duration, unit, &person);
    let last_day = super::text::day(deadline);

    let unread_date = unread("DATE", date, when.is_some());
    let unread_duration = unread("DURATION", duration, estimate.is_some());
    let responsible = labelled("Responsible", responsible);
    // Without a date the deadline is the due time.
    let deadline = if when.is_none() && date.is_empty() && last_day.is_some() { "" } else { deadline };
    let deadline = labelled("Deadline", deadline);
    let description = describe(&[description, &responsible, &deadline, &unread_date, &unread_duration])
        .map_err(|error| problem("DESCRIPTION", error))?;
    let notice = [unread_date, unread_duration]
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| format!("{text}: not understood, kept in the description"))
        .collect::<Vec<_>>()
        .join("; ");

    Ok(PlannedTask {
        parent,
        title,
        description,
        priority: Priority::default(),
        estimated_minutes: estimate.unwrap_or_default(),
        tags: tags(labels, section)?,
        due_time: due_time(when.as_ref(), last_day.filter(|_| date.is_empty()), &person),
        recurrence: when.and_then(|when| when.recurrence),
        notice: Some(notice).filter(|notice| !notice.is_empty()),
    })
}

/// What is left of the content without its labels. Content of labels alone is the title as it stands.
fn title_and_labels(content: &str) -> Result<(TaskTitle, Vec<String>), RowError> {
    let is_label = |word: &&str| word.strip_prefix('@').is_some_and(|label| tag_of(label).is_some());
    let (labels, words): (Vec<&str>, Vec<&str>) = content.split_whitespace().partition(is_label);
    let title = if words.is_empty() { content.to_owned() } else { words.join(" ") };
    let title = title_of(&title).map_err(|error| problem("CONTENT", error))?;
    Ok((title, labels.into_iter().filter_map(tag_of).collect()))
}

fn tags(mut labels: Vec<String>, section: Option<&str>) -> Result<Tags, RowError> {
    labels.extend(section.map(str::to_owned));
    Tags::parse(&labels).map_err(|(index, error)| problem("CONTENT", format_args!("label {} {error}", index + 1)))
}

/// 1 is the highest, other than in Todoist's API, and what an empty cell means to Todoist.
fn priority(text: &str) -> Result<Priority, RowError> {
    match text {
        "" | "1" => Ok(Priority::Urgent),
        "2" => Ok(Priority::High),
        "3" => Ok(Priority::Medium),
        "4" => Ok(Priority::Low),
        other => Err(problem("PRIORITY", format_args!("must be a number from 1 to 4, not `{}`", quote(other)))),
    }
}

fn indent(text: &str) -> Result<usize, RowError> {
    if text.is_empty() {
        return Ok(1);
    }
    let indent = text.parse().ok().filter(|indent| (1..=DEPTH_MAX).contains(indent));
    indent
        .ok_or_else(|| problem("INDENT", format_args!("must be a number from 1 to {DEPTH_MAX}, not `{}`", quote(text))))
}

/// `None` if it is not understood.
fn estimated_minutes(duration: &str, unit: &str, person: &Person) -> Option<EstimatedMinutes> {
    if duration.is_empty() {
        return Some(EstimatedMinutes::default());
    }
    let number: i32 = duration.parse().ok()?;
    let minutes = match unit.to_ascii_lowercase().as_str() {
        "" | "minute" | "minutes" => number,
        "day" | "days" => number.checked_mul(person.day_minutes)?,
        _ => return None,
    };
    EstimatedMinutes::parse(minutes).ok()
}

fn due_time(when: Option<&When>, last_day: Option<NaiveDate>, person: &Person) -> Option<DateTime<Utc>> {
    let end_of_work = chrono::TimeDelta::minutes(person.due_minutes.into());
    let (day, time) = match when {
        Some(when) => (when.day, when.time),
        None => (last_day?, None),
    };
    let wall = match time {
        Some(time) => day.and_time(time),
        None => day.and_time(chrono::NaiveTime::MIN).checked_add_signed(end_of_work)?,
    };
    Some(person.clock.instant(wall))
}

fn unread(column: &str, text: &str, is_read: bool) -> String {
    if is_read || text.is_empty() { String::new() } else { format!("{column}: {text}") }
}

fn labelled(label: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{label}: {text}") }
}

fn describe(parts: &[&str]) -> Result<TaskDescription, crate::domain::Problem> {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    TaskDescription::parse(&parts.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::csv::with_fields;

    const HEADER: &str = "TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,DATE_LANG,TIMEZONE,\
                          DURATION,DURATION_UNIT,DEADLINE,DEADLINE_LANG";

    fn reader() -> Reader {
        let now = "2026-06-17T10:00:00Z".parse().unwrap();
        let person = Person::new(chrono_tz::Europe::Berlin, &WorkingHours::default(), now);
        with_fields(HEADER, |header| Reader::new(header, "Home", person)).unwrap()
    }

    fn item(reader: &mut Reader, row: &str) -> Result<Option<Item>, RowError> {
        with_fields(row, |fields| reader.item(fields))
    }

    fn task_in(reader: &mut Reader, row: &str) -> (RowKey, PlannedTask) {
        match item(reader, row).unwrap().unwrap() {
            Item { key, content: Content::Task(task) } => (key, *task),
            other => panic!("{other:?}"),
        }
    }

    fn task(row: &str) -> PlannedTask {
        task_in(&mut reader(), row).1
    }

    #[test]
    fn a_row_is_a_task_with_its_labels_as_tags() {
        let task =
            task("task,Write to a@b.c @deep  @work,About it,1,1,Ada (1),,2026-07-01 09:30,en,Asia/Tokyo,45,minute,,");
        assert_eq!(task.title.as_str(), "Write to a@b.c");
        assert_eq!(task.tags, Tags::parse(&["deep", "work"]).unwrap());
        assert_eq!((task.description.as_str(), task.priority), ("About it", Priority::Urgent));
        assert_eq!(task.estimated_minutes.minutes(), 45);
        assert_eq!(task.due_time, Some("2026-07-01T00:30:00Z".parse().unwrap()), "09:30 in Tokyo");
        assert_eq!((task.parent, task.recurrence, task.notice), (None, None, None));
    }

    #[test]
    fn priority_1_is_the_highest_and_that_of_an_empty_cell() {
        let priority = |text: &str| task(&format!("task,x,,{text},1,,,,,,,,,")).priority;
        assert_eq!(
            ["1", "2", "3", "4", ""].map(priority),
            [Priority::Urgent, Priority::High, Priority::Medium, Priority::Low, Priority::Urgent]
        );
    }

    #[test]
    fn a_file_without_priorities_leaves_the_default() {
        let mut reader = with_fields("TYPE,CONTENT", |header| Reader::new(header, "Home", reader().person)).unwrap();
        assert_eq!(task_in(&mut reader, "task,x").1.priority, Priority::default());
    }

    #[test]
    fn a_day_without_a_time_is_due_at_the_end_of_work() {
        let task = task("task,x,,4,1,,,every monday,en,,1,day,,");
        assert_eq!(task.due_time, Some("2026-06-22T15:00:00Z".parse().unwrap()));
        let recurrence = task.recurrence.unwrap();
        assert_eq!((recurrence.rule.as_str(), recurrence.from_completion), ("FREQ=WEEKLY;BYDAY=MO", false));
        assert_eq!(task.estimated_minutes.minutes(), 480, "a working day");
    }

    #[test]
    fn what_is_not_understood_stays_in_the_description_and_is_reported() {
        let task = task("task,x,About,4,1,,Bob (2),jeden Tag,de,,soon,minute,2026-08-01,en");
        assert_eq!(
            task.description.as_str(),
            "About\n\nResponsible: Bob (2)\n\nDeadline: 2026-08-01\n\nDATE: jeden Tag\n\nDURATION: soon"
        );
        assert_eq!(task.due_time, None);
        let notice = task.notice.unwrap();
        assert!(notice.contains("jeden Tag") && notice.contains("soon"), "{notice}");
    }

    #[test]
    fn a_deadline_alone_is_the_due_time() {
        let task = task("task,x,,4,1,,,,,,,,2026-08-01,en");
        assert_eq!(task.due_time, Some("2026-08-01T15:00:00Z".parse().unwrap()));
        assert_eq!(task.description.as_str(), "");
    }

    #[test]
    fn indentation_makes_parts_and_a_section_makes_a_tag() {
        let mut reader = reader();
        let (a, _) = task_in(&mut reader, "task,a,,4,1,,,,,,,,,");
        let (b, part) = task_in(&mut reader, "task,b,,4,2,,,,,,,,,");
        assert_eq!(part.parent, Some(a));
        assert_eq!(task_in(&mut reader, "task,c,,4,4,,,,,,,,,").1.parent, Some(b), "however deep it claims to be");
        assert_eq!(task_in(&mut reader, "task,d,,4,2,,,,,,,,,").1.parent, Some(a));
        assert_eq!(item(&mut reader, "section,Next #1,,,,,,,,,,,,"), Ok(None));
        let (_, first) = task_in(&mut reader, "task,e,,4,2,,,,,,,,,");
        assert_eq!((first.parent, first.tags), (None, Tags::parse(&["Next 1"]).unwrap()));
    }

    #[test]
    fn parts_of_a_row_that_cannot_be_read_are_parts_of_what_is_above_it() {
        let mut reader = reader();
        let (a, _) = task_in(&mut reader, "task,a,,4,1,,,,,,,,,");
        assert!(item(&mut reader, "task,b,,9,2,,,,,,,,,").is_err());
        assert_eq!(task_in(&mut reader, "task,c,,4,3,,,,,,,,,").1.parent, Some(a));
        assert!(item(&mut reader, "task,,,1,1,,,,,,,,,").is_err());
        let error = item(&mut reader, "note,about nothing,,,,,,,,,,,,").unwrap_err();
        assert!(error.to_string().starts_with("TYPE: is a note"), "{error}");
    }

    #[test]
    fn a_note_belongs_to_the_row_above() {
        let mut reader = reader();
        let (a, _) = task_in(&mut reader, "task,a,,4,1,,,,,,,,,");
        let comment = item(&mut reader, "note,\"two\nlines\",,,,,,,,,,,,").unwrap().unwrap();
        assert_eq!(comment.content, Content::Comment { task: a, text: "two\nlines".to_owned() });
        let description = TaskDescription::parse("About").unwrap();
        assert_eq!(PlannedTask::with_comment(&description, "more").unwrap().as_str(), "About\n\nmore");
    }

    #[test]
    fn rows_that_say_nothing_are_passed_over() {
        for row in [",,,,,,,,,,,,,", "meta,view_style=list,,,,,,,,,,,,"] {
            assert_eq!(item(&mut reader(), row), Ok(None));
        }
    }

    #[test]
    fn a_broken_row_names_its_column() {
        for (row, expected) in [
            ("task,,,4,1,,,,,,,,,", "CONTENT: must not be empty"),
            ("task,x,,5,1,,,,,,,,,", "PRIORITY: must be a number from 1 to 4, not `5`"),
            ("task,x,,4,0,,,,,,,,,", "INDENT: must be a number from 1 to 10, not `0`"),
            ("project,x,,4,0,,,,,,,,,", "TYPE: must be task, section or note, not `project`"),
            ("task,x", "the row must have 14 columns, as the file's first, not 2"),
        ] {
            assert_eq!(item(&mut reader(), row).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn equal_tasks_of_two_parents_or_projects_are_different_rows() {
        let mut reader = reader();
        let row = "task,same,,4,2,,,,,,,,,";
        task_in(&mut reader, "task,a,,4,1,,,,,,,,,");
        let (first, _) = task_in(&mut reader, row);
        task_in(&mut reader, "task,b,,4,1,,,,,,,,,");
        assert_ne!(task_in(&mut reader, row).0, first);
    }
}
