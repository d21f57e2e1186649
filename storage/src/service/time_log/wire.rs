//! Time logs on the wire.

use chrono::{DateTime, Utc};
use focusflow_proto::v1;

use super::forgotten::Shown;
use crate::domain::text::Notes;
use crate::domain::time_log::{Interval, OverlapPolicy, TimeLog};
use crate::service::error::{Error, InField as _};
use crate::service::request::{Fields, optional_id, optional_time, required, timestamp};

/// What an update of a log may do to its fields.
pub(super) const FIELDS: Fields = Fields {
    mutable: &["task_id", "start_time", "end_time", "notes", "forgotten"],
    output_only: &["id", "manual", "create_time", "update_time", "suggested_end_time"],
};

/// Whether a field has a value other than its default.
pub(super) fn is_set(values: &v1::TimeLog, field: &str) -> bool {
    match field {
        "task_id" => !values.task_id.is_empty(),
        "start_time" => values.start_time.is_some(),
        "end_time" => values.end_time.is_some(),
        "notes" => !values.notes.is_empty(),
        _ => false,
    }
}

/// Takes one field.
pub(super) fn set(log: &mut TimeLog, field: &str, values: &v1::TimeLog) -> Result<(), Error> {
    match field {
        "task_id" => log.task_id = optional_id("time_log.task_id", &values.task_id)?,
        "start_time" => {
            let time = optional_time("time_log.start_time", values.start_time)?;
            log.start_time = required("time_log.start_time", time)?;
        }
        "end_time" => match optional_time("time_log.end_time", values.end_time)? {
            None if log.end_time.is_some() => {
                return Err(Error::field("time_log.end_time", "is required: a log that has ended does not run again"));
            }
            end_time => log.end_time = end_time,
        },
        // A running timer is confirmed by stopping it, and what is true already stays so: who sends a whole log back
        // as it was read confirms nothing.
        "forgotten" => log.forgotten &= values.forgotten,
        "notes" => log.notes = Notes::parse(&values.notes).in_field("time_log.notes")?,
        _ => {}
    }
    Ok(())
}

/// The interval of a log.
pub(super) fn interval(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Interval, Error> {
    Interval::parse(start, end).in_field("time_log.end_time")
}

/// What the request says about overlaps.
pub(super) fn overlap_policy(value: i32) -> Result<OverlapPolicy, Error> {
    match v1::OverlapPolicy::try_from(value) {
        Ok(v1::OverlapPolicy::Unspecified | v1::OverlapPolicy::Refuse) => Ok(OverlapPolicy::Refuse),
        Ok(v1::OverlapPolicy::Trim) => Ok(OverlapPolicy::Trim),
        Err(_) => Err(Error::field("overlap_policy", format!("has no value {value}"))),
    }
}

impl From<Shown> for v1::TimeLog {
    fn from(Shown { log, probable_end }: Shown) -> Self {
        Self {
            id: log.id.to_string(),
            task_id: log.task_id.map(|id| id.to_string()).unwrap_or_default(),
            start_time: Some(timestamp(log.start_time)),
            end_time: log.end_time.map(timestamp),
            notes: log.notes.into(),
            manual: log.manual,
            create_time: Some(timestamp(log.create_time)),
            update_time: Some(timestamp(log.update_time)),
            forgotten: probable_end.is_some(),
            suggested_end_time: probable_end.map(timestamp),
        }
    }
}
