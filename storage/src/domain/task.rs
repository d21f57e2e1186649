//! Tasks: what a person means to do.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::Problem;
use super::recurrence::Recurrence;
use super::text::{Tag, TaskDescription, TaskTitle};

const TAGS_MAX: usize = 50;
const MICROS_PER_MINUTE: i64 = 60_000_000;

/// How long a task can be taken back from the trash.
pub const TRASH_RETENTION: TimeDelta = TimeDelta::days(30);

/// How much a task matters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Priority {
    /// Can wait.
    Low,
    /// The default.
    #[default]
    Medium,
    /// Before others.
    High,
    /// Now.
    Urgent,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Not begun.
    #[default]
    Pending,
    /// Begun.
    InProgress,
    /// Done.
    Completed,
    /// Given up.
    Cancelled,
}

/// What a task is expected to take; 0 is no estimate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
pub struct EstimatedMinutes(i32);

/// The tags of a task: at most 50, no two that differ in case only.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tags(Vec<Tag>);

/// Something to be done.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Task {
    /// Its id.
    pub id: Uuid,
    /// The category that it is in.
    pub category_id: Option<Uuid>,
    /// The task that it is a part of.
    pub parent_id: Option<Uuid>,
    /// What it is called.
    pub title: TaskTitle,
    /// What it is about.
    pub description: TaskDescription,
    /// How much it matters.
    pub priority: Priority,
    /// How far it is.
    pub status: Status,
    /// What it is expected to take.
    pub estimated_minutes: EstimatedMinutes,
    /// The sum of its finished time logs, in microseconds.
    pub logged_micros: i64,
    /// When it is due.
    pub due_time: Option<DateTime<Utc>>,
    /// Its tags, as the person wrote them.
    #[sqlx(try_from = "Json<Vec<Tag>>")]
    pub tags: Tags,
    /// When it comes again. A task that does is a series: occurrences are made of it.
    #[sqlx(json(nullable))]
    pub recurrence: Option<Recurrence>,
    /// The series, or the part of a series, that it is an occurrence of.
    pub series_id: Option<Uuid>,
    /// Its local date, if it is an occurrence.
    pub occurrence_date: Option<NaiveDate>,
    /// Whether it is an occurrence that a person has changed, so that it no longer follows its series.
    pub is_edited: bool,
    /// Whether it is a series or a part of one, which are not done themselves.
    pub is_template: bool,
    /// How often it was put off.
    pub postponement_count: i32,
    /// Counts its writes, from 1.
    pub version: i64,
    /// When it was completed; set exactly if `status` says so.
    pub complete_time: Option<DateTime<Utc>>,
    /// When it was moved to the trash.
    pub delete_time: Option<DateTime<Utc>>,
    /// When it was created.
    pub create_time: DateTime<Utc>,
    /// When it was last written.
    pub update_time: DateTime<Utc>,
}

impl EstimatedMinutes {
    /// Checks that `minutes` is not negative.
    pub fn parse(minutes: i32) -> Result<Self, Problem> {
        if minutes < 0 {
            return Err(Problem::new("must not be negative"));
        }
        Ok(Self(minutes))
    }

    /// Minutes.
    pub fn minutes(self) -> i32 {
        self.0
    }
}

impl Tags {
    /// Checks each tag; of those that differ in case only, the first stays.
    pub fn parse<S: AsRef<str>>(tags: &[S]) -> Result<Self, (usize, Problem)> {
        let mut kept = Vec::with_capacity(tags.len().min(TAGS_MAX));
        let mut keys = HashSet::with_capacity(kept.capacity());
        for (index, tag) in tags.iter().enumerate() {
            let tag = Tag::parse(tag.as_ref()).map_err(|problem| (index, problem))?;
            if !keys.insert(tag.key()) {
                continue;
            }
            if kept.len() == TAGS_MAX {
                return Err((index, Problem::new(format!("must not be there: a task has at most {TAGS_MAX} tags"))));
            }
            kept.push(tag);
        }
        Ok(Self(kept))
    }

    /// The tags, in the person's order.
    pub fn as_slice(&self) -> &[Tag] {
        &self.0
    }
}

impl From<Json<Vec<Tag>>> for Tags {
    fn from(tags: Json<Vec<Tag>>) -> Self {
        Self(tags.0)
    }
}

impl Task {
    /// A task with defaults for everything but its title.
    pub fn new(id: Uuid, title: TaskTitle, now: DateTime<Utc>) -> Self {
        Self {
            id,
            category_id: None,
            parent_id: None,
            title,
            description: TaskDescription::default(),
            priority: Priority::default(),
            status: Status::default(),
            estimated_minutes: EstimatedMinutes::default(),
            logged_micros: 0,
            due_time: None,
            tags: Tags::default(),
            recurrence: None,
            series_id: None,
            occurrence_date: None,
            is_edited: false,
            is_template: false,
            postponement_count: 0,
            version: 1,
            complete_time: None,
            delete_time: None,
            create_time: now,
            update_time: now,
        }
    }

    /// The occurrence of this template on a date.
    #[must_use]
    pub fn occurrence(&self, id: Uuid, date: NaiveDate, now: DateTime<Utc>) -> Self {
        let mut occurrence = Self::new(id, self.title.clone(), now);
        occurrence.series_id = Some(self.id);
        occurrence.occurrence_date = Some(date);
        occurrence.follow(self);
        occurrence
    }

    /// A template that goes on from this one, with nothing logged on it.
    #[must_use]
    pub fn begun_anew(&self, id: Uuid, now: DateTime<Utc>) -> Self {
        Self { id, logged_micros: 0, version: 1, create_time: now, update_time: now, ..self.clone() }
    }

    /// Takes from its template what an occurrence has in common with it. When it is due and what it is a part of are
    /// its own.
    pub fn follow(&mut self, template: &Self) {
        self.title = template.title.clone();
        self.description = template.description.clone();
        self.category_id = template.category_id;
        self.priority = template.priority;
        self.estimated_minutes = template.estimated_minutes;
        self.tags = template.tags.clone();
    }

    /// Whether it still has to be done.
    pub fn is_open(&self) -> bool {
        matches!(self.status, Status::Pending | Status::InProgress) && self.delete_time.is_none()
    }

    /// Puts the task off until `due_time`.
    pub fn postpone(&mut self, due_time: DateTime<Utc>) {
        self.due_time = Some(due_time);
        self.postponement_count = self.postponement_count.saturating_add(1);
    }

    /// Moves the task to `status`. A completed task that stays completed keeps the time at which it was.
    pub fn set_status(&mut self, status: Status, now: DateTime<Utc>) {
        if status != Status::Completed {
            self.complete_time = None;
        } else if self.status != Status::Completed {
            self.complete_time = Some(now);
        }
        self.status = status;
    }

    /// The time logged for it, in whole minutes.
    pub fn actual_minutes(&self) -> i32 {
        let minutes = (self.logged_micros + MICROS_PER_MINUTE / 2) / MICROS_PER_MINUTE;
        i32::try_from(minutes).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task::new(Uuid::nil(), TaskTitle::parse("Write").unwrap(), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn completing_twice_keeps_the_first_time() {
        let first = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        let mut task = task();
        task.set_status(Status::Completed, first);
        task.set_status(Status::Completed, first + TimeDelta::hours(1));
        assert_eq!(task.complete_time, Some(first));
        task.set_status(Status::InProgress, first);
        assert_eq!(task.complete_time, None);
    }

    #[test]
    fn actual_minutes_are_rounded_to_the_nearest() {
        let mut task = task();
        for (seconds, minutes) in [(0, 0), (29, 0), (30, 1), (89, 1), (90, 2)] {
            task.logged_micros = seconds * 1_000_000;
            assert_eq!(task.actual_minutes(), minutes, "{seconds} s");
        }
    }

    #[test]
    fn tags_that_differ_in_case_only_are_one() {
        let tags = Tags::parse(&["Deep", "deep", "home"]).unwrap();
        assert_eq!(tags.as_slice().iter().map(Tag::as_str).collect::<Vec<_>>(), ["Deep", "home"]);
    }

    #[test]
    fn the_51st_tag_and_a_bad_one_are_named_by_index() {
        let many: Vec<String> = (0..51).map(|number| format!("tag{number}")).collect();
        assert!(Tags::parse(&many[..50]).is_ok());
        assert_eq!(Tags::parse(&many).unwrap_err().0, 50);
        assert_eq!(Tags::parse(&["good", "@bad"]).unwrap_err().0, 1);
    }
}
