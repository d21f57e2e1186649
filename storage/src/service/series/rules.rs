//! What series, their parts and their occurrences may be.

use crate::domain::recurrence::Fault;
use crate::domain::task::{Status, Task};
use crate::service::error::Error;
use crate::sql::{Write, series, tasks};

/// Each has its occurrences, and all of them follow their person to another zone in one write.
const SERIES_MAX: i64 = 500;
/// Each is copied onto every occurrence.
const PARTS_MAX: i64 = 20;

/// Checks a task that is to be written, and notes on it whether it is a template or an edited occurrence.
pub(in crate::service) async fn check(write: &mut Write, before: Option<&Task>, after: &mut Task) -> Result<(), Error> {
    let was_series = before.is_some_and(|before| before.recurrence.is_some());
    let was_part = before.is_some_and(|before| before.is_template) && !was_series;
    if after.recurrence.is_some() && !was_series {
        check_new_series(write, before, after).await?;
    }
    let parent_is_new = before.and_then(|before| before.parent_id) != after.parent_id;
    let becomes_part = parent_is_new && check_new_parent(write, was_part, after).await?;
    if becomes_part && before.is_some() {
        check_new_part(write, after).await?;
    }
    after.is_template = after.recurrence.is_some() || was_part || becomes_part;
    if after.is_template && after.status != Status::Pending {
        return Err(Error::field("task.status", "of a series and its parts is PENDING: occurrences are done instead"));
    }
    after.is_edited |= before.is_some_and(|before| is_edit(before, after));
    Ok(())
}

/// Whether a person changed what an occurrence has from its series.
fn is_edit(before: &Task, after: &Task) -> bool {
    let mut followed = after.clone();
    followed.follow(before);
    after.series_id.is_some()
        && (followed != *after || before.due_time != after.due_time || before.parent_id != after.parent_id)
}

async fn check_new_series(write: &mut Write, before: Option<&Task>, after: &Task) -> Result<(), Error> {
    let user_id = write.user_id();
    if series::count(write.connection(), user_id).await? >= SERIES_MAX {
        return Err(Error::TooMany { things: "series", max: SERIES_MAX });
    }
    let Some(before) = before else { return Ok(()) };
    if before.series_id.is_some() {
        let refusal = "cannot be set on an occurrence: update its series, or this one and those that follow";
        return Err(Error::field("task.recurrence", refusal));
    }
    let has_logs = series::has_logs(write.connection(), user_id, after.id).await?;
    if before.status != Status::Pending || has_logs || before.is_template {
        let refusal = "can be set on a pending task only that is no part of a series, and if no time is logged and no \
                       timer runs for it or its parts";
        return Err(Error::field("task.recurrence", refusal));
    }
    let parts = series::part_count(write.connection(), user_id, after.id).await?;
    if parts > PARTS_MAX || series::has_parts_of_parts(write.connection(), user_id, after.id).await? {
        let refusal = format!("can be set on a task only that has at most {PARTS_MAX} parts, and these none");
        return Err(Error::field("task.recurrence", refusal));
    }
    Ok(())
}

/// Whether the parent is a series, so that the task is a part of it.
async fn check_new_parent(write: &mut Write, was_part: bool, after: &Task) -> Result<bool, Error> {
    let user_id = write.user_id();
    if was_part {
        return Err(Error::field("task.parent_id", "of a part of a series cannot be changed"));
    }
    let Some(parent_id) = after.parent_id else { return Ok(false) };
    let parent = tasks::find(write.connection(), user_id, parent_id).await?;
    let Some(parent) = parent.filter(|parent| parent.is_template) else {
        return match after.recurrence {
            Some(_) => check_not_in_itself(write, after).await.map(|()| false),
            None => Ok(false),
        };
    };
    if parent.recurrence.is_none() {
        return Err(Error::field("task.parent_id", "is a part of a series, which has no parts of its own"));
    }
    if after.recurrence.is_some() {
        return Err(Error::field("task.recurrence", "cannot be set on a part of a series"));
    }
    if series::part_count(write.connection(), user_id, parent_id).await? >= PARTS_MAX {
        return Err(Error::TooMany { things: "parts of the series", max: PARTS_MAX });
    }
    Ok(true)
}

/// Its occurrences have its parent: within one of them, they would be parts of themselves.
async fn check_not_in_itself(write: &mut Write, series: &Task) -> Result<(), Error> {
    let user_id = write.user_id();
    let Some(parent_id) = series.parent_id else { return Ok(()) };
    if series::is_within_occurrence(write.connection(), user_id, parent_id, series.id).await? {
        return Err(Error::field("task.parent_id", "must not be an occurrence of the series or a part of one"));
    }
    Ok(())
}

async fn check_new_part(write: &mut Write, part: &Task) -> Result<(), Error> {
    let user_id = write.user_id();
    let is_plain = part.series_id.is_none() && !series::has_logs(write.connection(), user_id, part.id).await?;
    if !is_plain || series::part_count(write.connection(), user_id, part.id).await? > 0 {
        let refusal = "is a series: its parts have no logged time, no timer, no parts, and are no occurrences";
        return Err(Error::field("task.parent_id", refusal));
    }
    Ok(())
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Rule(problem) => Self::field("task.recurrence", problem.to_string()),
            Fault::Exceptions(problem) => Self::field("task.exception_dates", problem.to_string()),
        }
    }
}
