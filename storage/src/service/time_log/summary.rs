//! Totals of logged time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use focusflow_proto::v1;
use focusflow_proto::v1::rounding::Mode;
use focusflow_proto::v1::summarize_time_logs_request::GroupBy as WireGroupBy;
use uuid::Uuid;

use crate::domain::totals::{self, GroupBy, Rounding, RoundingMode, TaskFacts, Total};
use crate::domain::user::User;
use crate::service::Store;
use crate::service::error::{Error, InField as _};
use crate::service::request::optional_time;
use crate::sql::{Connection, time_logs, users};

/// An answer has no pages, so it has an end. This many are ten years of a busy person's tasks.
const TOTALS_MAX: usize = 20_000;

/// Adds up the person's finished logs; a running timer counts once it is stopped.
pub(super) async fn summarize(
    store: &Store,
    user_id: Uuid,
    request: &v1::SummarizeTimeLogsRequest,
) -> Result<v1::SummarizeTimeLogsResponse, Error> {
    let start = optional_time("start_time", request.start_time)?;
    let end = optional_time("end_time", request.end_time)?;
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        return Err(Error::field("end_time", "must be later than the start time"));
    }
    let group_by = group_by(request.group_by)?;
    let rounding = request.rounding.map(rounding).transpose()?;

    // On PostgreSQL the replica can do this, if it has all that the person wrote.
    let wants_tags = group_by == GroupBy::Tag;
    let read = store.database.report(user_id, |connection| Box::pin(read(connection, user_id, start, end, wants_tags)));
    let (user, found, tags) = read.await?;
    let user = user.ok_or_else(|| Error::not_found("user", user_id))?;

    // Ten years of logs are some milliseconds of work, too long to keep other requests of this thread waiting.
    let rule = user.day_rule();
    let totals = tokio::task::spawn_blocking(move || {
        let tasks = task_facts(&found, tags);
        let logs: Vec<_> = found.iter().filter_map(|found| totals::clip(found.log, start, end)).collect();
        totals::summarize(&logs, &tasks, group_by, rule, rounding)
    });
    let totals = totals.await.map_err(|_| sqlx::Error::PoolClosed)?;
    check_count(totals.len())?;
    Ok(v1::SummarizeTimeLogsResponse { totals: totals.into_iter().map(Into::into).collect() })
}

/// The person, their finished logs, and the tags of those logs' tasks if they are wanted.
async fn read(
    connection: &mut Connection,
    user_id: Uuid,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    wants_tags: bool,
) -> sqlx::Result<(Option<User>, Vec<time_logs::Finished>, Vec<(Uuid, String)>)> {
    let user = users::find(connection, user_id).await?;
    let found = time_logs::finished_between(connection, user_id, start, end).await?;
    let tags = if wants_tags { time_logs::tags_between(connection, user_id, start, end).await? } else { Vec::new() };
    Ok((user, found, tags))
}

fn check_count(totals: usize) -> Result<(), Error> {
    if totals > TOTALS_MAX { Err(Error::TooManyTotals { max: TOTALS_MAX }) } else { Ok(()) }
}

fn task_facts(found: &[time_logs::Finished], tags: Vec<(Uuid, String)>) -> BTreeMap<Uuid, TaskFacts> {
    let mut facts = BTreeMap::<Uuid, TaskFacts>::new();
    for found in found {
        let Some(task_id) = found.log.task_id else { continue };
        facts.entry(task_id).or_insert_with(|| TaskFacts {
            category_id: found.category_id,
            estimated_minutes: found.estimated_minutes.unwrap_or_default(),
            logged_micros: found.logged_micros.unwrap_or_default(),
            tags: Vec::new(),
        });
    }
    for (task_id, tag) in tags {
        facts.entry(task_id).or_default().tags.push(tag);
    }
    facts
}

fn group_by(value: i32) -> Result<GroupBy, Error> {
    match WireGroupBy::try_from(value) {
        Ok(WireGroupBy::Unspecified | WireGroupBy::Day) => Ok(GroupBy::Day),
        Ok(WireGroupBy::Week) => Ok(GroupBy::Week),
        Ok(WireGroupBy::Month) => Ok(GroupBy::Month),
        Ok(WireGroupBy::Tag) => Ok(GroupBy::Tag),
        Ok(WireGroupBy::Category) => Ok(GroupBy::Category),
        Ok(WireGroupBy::Task) => Ok(GroupBy::Task),
        Err(_) => Err(Error::field("group_by", format!("has no value {value}"))),
    }
}

fn rounding(rounding: v1::Rounding) -> Result<Rounding, Error> {
    let mode = match Mode::try_from(rounding.mode) {
        Ok(Mode::Unspecified | Mode::Nearest) => RoundingMode::Nearest,
        Ok(Mode::Up) => RoundingMode::Up,
        Ok(Mode::Down) => RoundingMode::Down,
        Err(_) => return Err(Error::field("rounding.mode", format!("has no value {}", rounding.mode))),
    };
    Rounding::parse(rounding.minutes, mode).in_field("rounding.minutes")
}

fn count(things: usize) -> i32 {
    i32::try_from(things).unwrap_or(i32::MAX)
}

impl From<Total> for v1::TimeTotal {
    fn from(total: Total) -> Self {
        Self {
            estimate_ratio: total.estimate_ratio(),
            key: total.key,
            minutes: total.minutes,
            rounded_minutes: total.rounded_minutes,
            log_count: count(total.log_count),
            task_count: count(total.task_count),
            estimated_task_count: count(total.estimated_task_count),
            estimated_minutes: total.estimated_minutes,
            actual_minutes: total.actual_minutes,
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn more_totals_than_an_answer_holds_are_refused_with_the_limit() {
        assert!(check_count(TOTALS_MAX).is_ok());
        let status = Status::from(check_count(TOTALS_MAX + 1).unwrap_err());
        assert_eq!(status.code(), Code::FailedPrecondition);
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.metadata["limit"].as_str()), ("LIMIT_REACHED", "20000"));
    }
}
