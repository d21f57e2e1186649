//! Time logs.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Query, QueryBuilder, query, query_as, query_scalar, search};
use crate::clock::{FIRST_TIME, LAST_TIME};
use crate::domain::time_log::{Occupied, TimeLog};
use crate::domain::totals::LoggedTime;
use crate::page::Position;

const COLUMNS: &str = "id, task_id, start_time, end_time, notes, manual, forgotten, create_time, update_time";

/// Rows per statement of an import.
const ROWS_PER_INSERT: usize = 100;

macro_rules! select_time_log {
    ($tail:literal) => {
        concat!(
            "SELECT id, task_id, start_time, end_time, notes, manual, forgotten, create_time, update_time ",
            "FROM time_logs ",
            $tail
        )
    };
}

/// What a page of logs shows.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Whose.
    pub user_id: Uuid,
    /// Only logs of this task.
    pub task_id: Option<Uuid>,
    /// Only logs that end after this.
    pub ending_after: Option<DateTime<Utc>>,
    /// Only logs that start before this.
    pub starting_before: Option<DateTime<Utc>>,
    /// Logs that come after this one in the order; `None` is the first page.
    pub after: Option<Position>,
    /// At most this many.
    pub limit: i64,
}

/// A page of logs, latest start first.
pub async fn list(connection: &mut Connection, listing: &Listing) -> sqlx::Result<Vec<TimeLog>> {
    listing_query(listing).build_query_as().fetch_all(connection).await
}

fn listing_query(listing: &Listing) -> QueryBuilder<'static> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM time_logs WHERE user_id = ").push_bind(listing.user_id);
    if let Some(task_id) = listing.task_id {
        query.push(" AND task_id = ").push_bind(task_id);
    }
    if let Some(start) = listing.ending_after {
        // As logs do not overlap, of those that start before it only the last can reach beyond it.
        query
            .push(" AND (end_time IS NULL OR end_time > ")
            .push_bind(start)
            .push(") AND start_time >= COALESCE((SELECT MAX(start_time) FROM time_logs WHERE user_id = ")
            .push_bind(listing.user_id)
            .push(" AND start_time <= ")
            .push_bind(start)
            .push(" AND (end_time IS NULL OR end_time > start_time)), ")
            .push_bind(start)
            .push(")");
    }
    if let Some(end) = listing.starting_before {
        query.push(" AND start_time < ").push_bind(end);
    }
    if let Some(after) = listing.after {
        query.push(" AND (start_time, id) < (").push_bind(after.time).push(", ").push_bind(after.id).push(")");
    }
    query.push(" ORDER BY start_time DESC, id DESC LIMIT ").push_bind(listing.limit);
    query
}

/// One of a person's logs.
pub async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<Option<TimeLog>> {
    query_as(select_time_log!("WHERE user_id = $1 AND id = $2")).bind(user_id).bind(id).fetch_optional(connection).await
}

/// A person's running timer.
pub async fn find_running(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Option<TimeLog>> {
    query_as(select_time_log!("WHERE user_id = $1 AND end_time IS NULL")).bind(user_id).fetch_optional(connection).await
}

/// The logs, other than `except`, that may reach into `[start, end)`, in order: those that start in it, and the last
/// that starts before it.
pub async fn around(
    connection: &mut Connection,
    user_id: Uuid,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    except: Option<Uuid>,
) -> sqlx::Result<Vec<Occupied>> {
    query_as(
        "SELECT id, start_time, end_time FROM time_logs
         WHERE user_id = $1 AND start_time < $3 AND id <> $4 AND start_time >= COALESCE((
             SELECT MAX(start_time) FROM time_logs
             WHERE user_id = $1 AND start_time <= $2 AND id <> $4 AND (end_time IS NULL OR end_time > start_time)
         ), $2) ORDER BY start_time, id",
    )
    .bind(user_id)
    .bind(start)
    .bind(end)
    .bind(except.unwrap_or_default())
    .fetch_all(connection)
    .await
}

/// The start of a person's first log, other than `except` and empty ones, that starts after `time`.
pub async fn next_start(
    connection: &mut Connection,
    user_id: Uuid,
    time: DateTime<Utc>,
    except: Uuid,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    query_scalar(
        "SELECT start_time FROM time_logs
         WHERE user_id = $1 AND start_time > $2 AND id <> $3 AND (end_time IS NULL OR end_time > start_time)
         ORDER BY start_time LIMIT 1",
    )
    .bind(user_id)
    .bind(time)
    .bind(except)
    .fetch_optional(connection)
    .await
}

/// The lengths, in microseconds, of those of a person's latest logs that they timed.
pub async fn recent_sessions(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Vec<i64>> {
    // Imported logs may be many; the limit is on what is read, not on what is found.
    query_scalar(
        "SELECT duration_micros FROM (
             SELECT duration_micros, manual, forgotten FROM time_logs
             WHERE user_id = $1 ORDER BY start_time DESC, id DESC LIMIT 1000
         ) AS latest WHERE duration_micros > 0 AND NOT manual AND NOT forgotten",
    )
    .bind(user_id)
    .fetch_all(connection)
    .await
}

/// When each of a person's logs is that ends after `start`.
pub async fn occupied_since(
    connection: &mut Connection,
    user_id: Uuid,
    start: DateTime<Utc>,
) -> sqlx::Result<Vec<Occupied>> {
    query_as(
        "SELECT id, start_time, end_time FROM time_logs
         WHERE user_id = $1 AND (end_time IS NULL OR end_time > $2) ORDER BY start_time",
    )
    .bind(user_id)
    .bind(start)
    .fetch_all(connection)
    .await
}

/// The finished logs of person `$1` that reach into `[$2, $3)` and are not in doubt. As logs do not overlap, of those
/// that start before it only the last can reach into it.
macro_rules! finished_between {
    () => {
        "time_logs.user_id = $1 AND NOT forgotten AND end_time > $2 AND start_time < $3 AND start_time >= COALESCE((
             SELECT MAX(start_time) FROM time_logs
             WHERE user_id = $1 AND start_time <= $2 AND (end_time IS NULL OR end_time > start_time)
         ), $2)"
    };
}

/// A finished log and what totals need to know of its task.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Finished {
    /// The log.
    #[sqlx(flatten)]
    pub log: LoggedTime,
    /// The category that its task is in.
    pub category_id: Option<Uuid>,
    /// What its task is expected to take.
    pub estimated_minutes: Option<i32>,
    /// What its task has taken, all in all.
    pub logged_micros: Option<i64>,
}

/// A person's finished logs that reach into `[start, end)`, uncut.
pub async fn finished_between(
    connection: &mut Connection,
    user_id: Uuid,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
) -> sqlx::Result<Vec<Finished>> {
    finished_query(user_id, start, end).fetch_all(connection).await
}

fn finished_query(user_id: Uuid, start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) -> Query<'static, Finished> {
    query_as(concat!(
        "SELECT task_id, start_time, end_time, category_id, estimated_minutes, logged_micros
         FROM time_logs LEFT JOIN tasks ON tasks.id = time_logs.task_id AND tasks.user_id = $1 WHERE ",
        finished_between!()
    ))
    .bind(user_id)
    .bind(start.unwrap_or(FIRST_TIME))
    .bind(end.unwrap_or(LAST_TIME))
}

/// The tags of the tasks of a person's finished logs that reach into `[start, end)`, in the form under which they are
/// compared.
pub async fn tags_between(
    connection: &mut Connection,
    user_id: Uuid,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
) -> sqlx::Result<Vec<(Uuid, String)>> {
    tags_query(user_id, start, end).fetch_all(connection).await
}

fn tags_query(
    user_id: Uuid,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
) -> Query<'static, (Uuid, String)> {
    query_as(concat!(
        "SELECT task_id, tag FROM task_tags WHERE user_id = $1 AND task_id IN (
             SELECT task_id FROM time_logs WHERE ",
        finished_between!(),
        ") ORDER BY tag"
    ))
    .bind(user_id)
    .bind(start.unwrap_or(FIRST_TIME))
    .bind(end.unwrap_or(LAST_TIME))
}

/// Adds finished logs. They must not overlap each other or those that are there.
pub async fn insert(connection: &mut Connection, user_id: Uuid, logs: &[TimeLog]) -> sqlx::Result<()> {
    for chunk in logs.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::new("INSERT INTO time_logs (user_id, duration_micros, ");
        insert.push(COLUMNS).push(") ");
        insert.push_values(chunk, |row, log| {
            row.push_bind(user_id)
                .push_bind(log.duration_micros())
                .push_bind(log.id)
                .push_bind(log.task_id)
                .push_bind(log.start_time)
                .push_bind(log.end_time)
                .push_bind(log.notes.as_str())
                .push_bind(log.manual)
                .push_bind(log.forgotten)
                .push_bind(log.create_time)
                .push_bind(log.update_time);
        });
        let is_common = chunk.len() == ROWS_PER_INSERT || chunk.len() == 1;
        insert.build().persistent(is_common).execute(&mut *connection).await?;
    }
    search::put_notes(connection, user_id, logs).await
}

/// Adds a running timer. Answers whether it is the person's only one; if not, nothing is added.
pub async fn insert_running(connection: &mut Connection, user_id: Uuid, log: &TimeLog) -> sqlx::Result<bool> {
    let rows = query(
        "INSERT INTO time_logs (id, user_id, task_id, start_time, notes, manual, create_time, update_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (user_id) WHERE end_time IS NULL DO NOTHING",
    )
    .bind(log.id)
    .bind(user_id)
    .bind(log.task_id)
    .bind(log.start_time)
    .bind(&log.notes)
    .bind(log.manual)
    .bind(log.create_time)
    .bind(log.update_time)
    .execute(&mut *connection)
    .await?;
    if rows == 1 {
        search::put_notes(connection, user_id, std::slice::from_ref(log)).await?;
    }
    Ok(rows == 1)
}

/// Writes a log.
pub async fn update(connection: &mut Connection, user_id: Uuid, log: &TimeLog) -> sqlx::Result<()> {
    query(
        "UPDATE time_logs SET task_id = $3, start_time = $4, end_time = $5, duration_micros = $6, notes = $7,
         forgotten = $8, update_time = $9 WHERE user_id = $1 AND id = $2",
    )
    .bind(user_id)
    .bind(log.id)
    .bind(log.task_id)
    .bind(log.start_time)
    .bind(log.end_time)
    .bind(log.duration_micros())
    .bind(&log.notes)
    .bind(log.forgotten)
    .bind(log.update_time)
    .execute(&mut *connection)
    .await?;
    search::replace_notes(connection, user_id, log).await
}

/// Deletes a log.
pub async fn delete(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<()> {
    query("DELETE FROM time_logs WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .execute(connection)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::plan;

    #[tokio::test]
    async fn pages_are_read_in_order_from_an_index() {
        let (time, id) = (DateTime::UNIX_EPOCH, Uuid::nil());
        let (_directory, mut connection) = plan::sqlite().await;
        for (task_id, bound) in [(None, None), (Some(id), None), (None, Some(time)), (Some(id), Some(time))] {
            let listing = Listing {
                user_id: id,
                task_id,
                ending_after: bound,
                starting_before: bound,
                after: Some(Position { time, id }),
                limit: 50,
            };
            let plan = plan::of(listing_query(&listing).build(), &mut connection).await;
            assert!(plan.contains("idx_time_logs_user_date"), "{listing:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN time_logs"), "{listing:?}: {plan}");
        }
    }

    #[tokio::test]
    async fn totals_read_the_logs_of_their_interval_only() {
        let (_directory, mut connection) = plan::sqlite().await;
        let (start, id) = (Some(DateTime::UNIX_EPOCH), Uuid::nil());
        let logs = plan::of(finished_query(id, start, start), &mut connection).await;
        let tags = plan::of(tags_query(id, start, start), &mut connection).await;
        for plan in [logs, tags] {
            // The interval and the last log before it, each by the same index.
            assert_eq!(plan.matches("idx_time_logs_user_date (user_id=? AND start_time").count(), 2, "{plan}");
            assert!(!plan.contains("SCAN"), "{plan}");
        }
    }
}
