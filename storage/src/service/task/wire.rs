//! Tasks on the wire.

use chrono::{DateTime, Utc};
use focusflow_proto::v1;

use crate::domain::recurrence::Mode;
use crate::domain::task::{EstimatedMinutes, Priority, Status, TRASH_RETENTION, Tags, Task};
use crate::domain::text::{Tag, TaskDescription, TaskTitle};
use crate::service::error::{Error, InField as _};
use crate::service::request::{Fields, etag, optional_id, optional_time, timestamp};

/// What an update of a task may do to its fields.
pub(in crate::service) const FIELDS: Fields = Fields {
    mutable: &[
        "title",
        "description",
        "category_id",
        "priority",
        "status",
        "estimated_minutes",
        "due_time",
        "tags",
        "parent_id",
        "recurrence",
        "recurrence_mode",
        "recurrence_start",
        "exception_dates",
    ],
    output_only: &[
        "id",
        "actual_minutes",
        "series_id",
        "occurrence_date",
        "postponement_count",
        "complete_time",
        "create_time",
        "update_time",
        "etag",
        "delete_time",
        "expire_time",
    ],
};

/// Whether a field has a value other than its default.
pub(in crate::service) fn is_set(values: &v1::Task, field: &str) -> bool {
    match field {
        "title" => !values.title.is_empty(),
        "description" => !values.description.is_empty(),
        "category_id" => !values.category_id.is_empty(),
        "priority" => values.priority != 0,
        "status" => values.status != 0,
        "estimated_minutes" => values.estimated_minutes != 0,
        "due_time" => values.due_time.is_some(),
        "tags" => !values.tags.is_empty(),
        "parent_id" => !values.parent_id.is_empty(),
        "recurrence" => !values.recurrence.is_empty(),
        "recurrence_mode" => values.recurrence_mode != 0,
        "recurrence_start" => !values.recurrence_start.is_empty(),
        "exception_dates" => !values.exception_dates.is_empty(),
        _ => false,
    }
}

/// Takes all fields that a person decides.
pub(in crate::service) fn set_all(task: &mut Task, values: &v1::Task, now: DateTime<Utc>) -> Result<(), Error> {
    FIELDS.mutable.iter().try_for_each(|field| set(task, field, values, now))
}

/// Takes one field.
pub(in crate::service) fn set(
    task: &mut Task,
    field: &str,
    values: &v1::Task,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    match field {
        "title" => task.title = TaskTitle::parse(&values.title).in_field("task.title")?,
        "description" => {
            task.description = TaskDescription::parse(&values.description).in_field("task.description")?;
        }
        "category_id" => task.category_id = optional_id("task.category_id", &values.category_id)?,
        "priority" => task.priority = priority(values.priority)?,
        "status" => task.set_status(status(values.status)?, now),
        "estimated_minutes" => {
            task.estimated_minutes =
                EstimatedMinutes::parse(values.estimated_minutes).in_field("task.estimated_minutes")?;
        }
        "due_time" => task.due_time = optional_time("task.due_time", values.due_time)?,
        "tags" => task.tags = tags(&values.tags)?,
        "parent_id" => task.parent_id = optional_id("task.parent_id", &values.parent_id)?,
        // Those that say when it comes again are taken together, by `series::set`.
        _ => {}
    }
    Ok(())
}

fn tags(values: &[String]) -> Result<Tags, Error> {
    Tags::parse(values).map_err(|(index, problem)| Error::field(format!("task.tags[{index}]"), problem.to_string()))
}

fn priority(value: i32) -> Result<Priority, Error> {
    match v1::task::Priority::try_from(value) {
        Ok(v1::task::Priority::Unspecified) => Ok(Priority::default()),
        Ok(v1::task::Priority::Low) => Ok(Priority::Low),
        Ok(v1::task::Priority::Medium) => Ok(Priority::Medium),
        Ok(v1::task::Priority::High) => Ok(Priority::High),
        Ok(v1::task::Priority::Urgent) => Ok(Priority::Urgent),
        Err(_) => Err(Error::field("task.priority", format!("has no value {value}"))),
    }
}

fn status(value: i32) -> Result<Status, Error> {
    match v1::task::Status::try_from(value) {
        Ok(v1::task::Status::Unspecified) => Ok(Status::default()),
        Ok(v1::task::Status::Pending) => Ok(Status::Pending),
        Ok(v1::task::Status::InProgress) => Ok(Status::InProgress),
        Ok(v1::task::Status::Completed) => Ok(Status::Completed),
        Ok(v1::task::Status::Cancelled) => Ok(Status::Cancelled),
        Err(_) => Err(Error::field("task.status", format!("has no value {value}"))),
    }
}

impl From<Priority> for v1::task::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Medium => Self::Medium,
            Priority::High => Self::High,
            Priority::Urgent => Self::Urgent,
        }
    }
}

impl From<Status> for v1::task::Status {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::InProgress => Self::InProgress,
            Status::Completed => Self::Completed,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Mode> for v1::task::RecurrenceMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Schedule => Self::Schedule,
            Mode::Completion => Self::Completion,
        }
    }
}

impl From<Task> for v1::Task {
    fn from(task: Task) -> Self {
        let (recurrence, recurrence_mode, recurrence_start, exception_dates) = match &task.recurrence {
            Some(recurrence) => (
                recurrence.rule.to_string(),
                v1::task::RecurrenceMode::from(recurrence.mode).into(),
                recurrence.start.to_string(),
                recurrence.exceptions.iter().map(ToString::to_string).collect(),
            ),
            None => Default::default(),
        };
        Self {
            actual_minutes: task.actual_minutes(),
            id: task.id.to_string(),
            title: task.title.into(),
            description: task.description.into(),
            category_id: task.category_id.map(|id| id.to_string()).unwrap_or_default(),
            priority: v1::task::Priority::from(task.priority).into(),
            status: v1::task::Status::from(task.status).into(),
            estimated_minutes: task.estimated_minutes.minutes(),
            due_time: task.due_time.map(timestamp),
            tags: task.tags.as_slice().iter().map(|tag| Tag::as_str(tag).to_owned()).collect(),
            parent_id: task.parent_id.map(|id| id.to_string()).unwrap_or_default(),
            complete_time: task.complete_time.map(timestamp),
            create_time: Some(timestamp(task.create_time)),
            update_time: Some(timestamp(task.update_time)),
            etag: etag(task.version),
            delete_time: task.delete_time.map(timestamp),
            expire_time: task.delete_time.map(|time| timestamp(time + TRASH_RETENTION)),
            series_id: task.series_id.map(|id| id.to_string()).unwrap_or_default(),
            occurrence_date: task.occurrence_date.map(|date| date.to_string()).unwrap_or_default(),
            postponement_count: task.postponement_count,
            recurrence,
            recurrence_mode,
            recurrence_start,
            exception_dates,
        }
    }
}
