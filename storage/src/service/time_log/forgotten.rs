//! Timers that run too long to be believed: they ask instead of counting.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::time_log::TimeLog;
use crate::domain::usual_length::UsualLength;
use crate::service::error::Error;
use crate::sql::{Connection, time_logs};

/// A log, and what is proposed if it is forgotten.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) log: TimeLog,
    /// When it probably ended; `None` if it is not forgotten.
    pub(super) probable_end: Option<DateTime<Utc>>,
}

impl From<TimeLog> for Shown {
    /// A log that nobody can have forgotten.
    fn from(log: TimeLog) -> Self {
        Self { log, probable_end: None }
    }
}

/// A log as it is shown at `now`.
pub(super) async fn show(
    connection: &mut Connection,
    user_id: Uuid,
    now: DateTime<Utc>,
    log: TimeLog,
) -> Result<Shown, Error> {
    if !is_in_question(&log, now) {
        return Ok(log.into());
    }
    let usual = usual_length(connection, user_id).await?;
    Ok(judge(log, now, usual))
}

/// A person's logs as they are shown at `now`.
pub(super) async fn show_all(
    connection: &mut Connection,
    user_id: Uuid,
    now: DateTime<Utc>,
    logs: Vec<TimeLog>,
) -> Result<Vec<Shown>, Error> {
    if !logs.iter().any(|log| is_in_question(log, now)) {
        return Ok(logs.into_iter().map(Into::into).collect());
    }
    let usual = usual_length(connection, user_id).await?;
    Ok(logs.into_iter().map(|log| judge(log, now, usual)).collect())
}

/// Whether a timer of the person's that ran from `start` to `end` was forgotten.
pub(super) async fn is_forgotten(
    connection: &mut Connection,
    user_id: Uuid,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Result<bool, Error> {
    // Most timers are not worth the query.
    Ok(UsualLength::is_long(start, end) && usual_length(connection, user_id).await?.is_forgotten(start, end))
}

async fn usual_length(connection: &mut Connection, user_id: Uuid) -> Result<UsualLength, Error> {
    Ok(UsualLength::of(time_logs::recent_sessions(connection, user_id).await?))
}

fn is_in_question(log: &TimeLog, now: DateTime<Utc>) -> bool {
    log.forgotten || (log.end_time.is_none() && UsualLength::is_long(log.start_time, now))
}

fn judge(log: TimeLog, now: DateTime<Utc>, usual: UsualLength) -> Shown {
    let is_forgotten = match log.end_time {
        None => usual.is_forgotten(log.start_time, now),
        Some(_) => log.forgotten,
    };
    let latest = log.end_time.unwrap_or(now);
    let probable_end = is_forgotten.then(|| usual.probable_end(log.start_time).min(latest));
    Shown { log, probable_end }
}
