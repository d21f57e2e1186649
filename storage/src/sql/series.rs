//! Series and their occurrences.
//!
//! What occurrences are made of is a template: a series, or a part of one. Templates and occurrences are tasks; the
//! table of this module only says how far each series has been made.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::tasks::select_task;
use super::{Connection, dialects, query, query_as, query_scalar};
use crate::domain::task::Task;

/// How far the occurrences of a series have been made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::FromRow)]
pub struct Progress {
    /// All of this local date and before have been made, or never will be.
    pub made_through: NaiveDate,
    /// When there are more to be made.
    pub next_time: Option<DateTime<Utc>>,
}

/// What a row of `tasks` is if nobody has done anything with it that a change of its template would undo.
macro_rules! untouched {
    () => {
        "status = 'PENDING' AND NOT is_edited AND delete_time IS NULL
         AND NOT EXISTS (SELECT 1 FROM time_logs WHERE time_logs.user_id = $1 AND time_logs.task_id = tasks.id)
         AND NOT EXISTS (
             SELECT 1 FROM tasks AS parts WHERE parts.user_id = $1 AND parts.parent_id = tasks.id
             AND (parts.status <> 'PENDING' OR parts.is_edited OR parts.logged_micros > 0 OR parts.series_id IS NULL)
         )"
    };
}

/// An occurrence that still has to be done.
macro_rules! open {
    () => {
        "user_id = $1 AND series_id = $2 AND status IN ('PENDING', 'IN_PROGRESS') AND delete_time IS NULL"
    };
}

/// How far a series has been made.
pub async fn progress(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<Option<Progress>> {
    query_as("SELECT made_through, next_time FROM series WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .fetch_optional(connection)
        .await
}

/// Notes how far a series has been made.
pub async fn set_progress(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    progress: Progress,
) -> sqlx::Result<()> {
    query(
        "INSERT INTO series (user_id, id, made_through, next_time) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id, id) DO UPDATE
         SET made_through = excluded.made_through, next_time = excluded.next_time",
    )
    .bind(user_id)
    .bind(id)
    .bind(progress.made_through)
    .bind(progress.next_time)
    .execute(connection)
    .await
    .map(drop)
}

/// Has all of a person's series that have not ended looked at again.
pub async fn hurry(connection: &mut Connection, user_id: Uuid, now: DateTime<Utc>) -> sqlx::Result<()> {
    query("UPDATE series SET next_time = $2 WHERE user_id = $1 AND next_time IS NOT NULL")
        .bind(user_id)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
}

/// At most `limit` people after `after`, by id, who have series with occurrences to be made.
pub async fn people(
    connection: &mut Connection,
    now: DateTime<Utc>,
    after: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    query_scalar(dialects!(
        sqlite: "SELECT DISTINCT user_id FROM series
                 WHERE next_time <= $1 AND user_id > $2 ORDER BY user_id LIMIT $3",
        postgres: "SELECT focusflow.users_with_due_series($1, $2, $3)",
    ))
    .bind(now)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// A person's series with occurrences to be made.
pub async fn due(connection: &mut Connection, user_id: Uuid, now: DateTime<Utc>) -> sqlx::Result<Vec<Uuid>> {
    query_scalar("SELECT id FROM series WHERE user_id = $1 AND next_time <= $2 ORDER BY next_time, id")
        .bind(user_id)
        .bind(now)
        .fetch_all(connection)
        .await
}

/// How many series a person has, the trash included.
pub async fn count(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<i64> {
    query_scalar("SELECT COUNT(*) FROM series WHERE user_id = $1").bind(user_id).fetch_one(connection).await
}

/// A person's series that are not in the trash.
pub async fn list(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Vec<Task>> {
    query_as(select_task!(
        "WHERE user_id = $1 AND id IN (SELECT series.id FROM series WHERE series.user_id = $1)
         AND delete_time IS NULL ORDER BY id"
    ))
    .bind(user_id)
    .fetch_all(connection)
    .await
}

/// The parts of a series that are not in the trash.
pub async fn parts(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<Vec<Task>> {
    query_as(select_task!(
        "WHERE user_id = $1 AND parent_id = $2 AND is_template AND delete_time IS NULL ORDER BY create_time, id"
    ))
    .bind(user_id)
    .bind(id)
    .fetch_all(connection)
    .await
}

/// Makes the parts of a task templates.
pub async fn make_parts_templates(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<()> {
    query("UPDATE tasks SET is_template = $3 WHERE user_id = $1 AND parent_id = $2")
        .bind(user_id)
        .bind(id)
        .bind(true)
        .execute(connection)
        .await
        .map(drop)
}

/// Whether parts of a task have parts themselves.
pub async fn has_parts_of_parts(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<bool> {
    query_scalar(
        "SELECT EXISTS (
             SELECT 1 FROM tasks JOIN tasks AS parts ON parts.parent_id = tasks.id
             WHERE tasks.user_id = $1 AND tasks.parent_id = $2 AND parts.user_id = $1
         )",
    )
    .bind(user_id)
    .bind(id)
    .fetch_one(connection)
    .await
}

/// Whether a task or one of its parts has a time log, be it one that runs or one that counts in no total.
pub async fn has_logs(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<bool> {
    query_scalar(
        "SELECT EXISTS (SELECT 1 FROM time_logs WHERE user_id = $1 AND task_id = $2) OR EXISTS (
             SELECT 1 FROM tasks JOIN time_logs ON time_logs.task_id = tasks.id
             WHERE tasks.user_id = $1 AND tasks.parent_id = $2 AND time_logs.user_id = $1
         )",
    )
    .bind(user_id)
    .bind(id)
    .fetch_one(connection)
    .await
}

/// How many parts a task has, the trash included.
pub async fn part_count(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<i64> {
    query_scalar("SELECT COUNT(*) FROM tasks WHERE user_id = $1 AND parent_id = $2")
        .bind(user_id)
        .bind(id)
        .fetch_one(connection)
        .await
}

/// Whether `id` is an occurrence of a series, or a part of one at any depth.
pub async fn is_within_occurrence(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    series_id: Uuid,
) -> sqlx::Result<bool> {
    query_scalar(
        "WITH RECURSIVE ancestors (parent_id, series_id) AS (
             SELECT parent_id, series_id FROM tasks WHERE user_id = $1 AND id = $2
             UNION
             SELECT tasks.parent_id, tasks.series_id FROM tasks JOIN ancestors ON tasks.id = ancestors.parent_id
             WHERE tasks.user_id = $1
         )
         SELECT EXISTS (SELECT 1 FROM ancestors WHERE series_id = $3)",
    )
    .bind(user_id)
    .bind(id)
    .bind(series_id)
    .fetch_one(connection)
    .await
}

/// The dates from `from` on that a template has occurrences on, the trash included.
pub async fn dates(
    connection: &mut Connection,
    user_id: Uuid,
    template_id: Uuid,
    from: NaiveDate,
) -> sqlx::Result<Vec<NaiveDate>> {
    query_scalar("SELECT occurrence_date FROM tasks WHERE user_id = $1 AND series_id = $2 AND occurrence_date >= $3")
        .bind(user_id)
        .bind(template_id)
        .bind(from)
        .fetch_all(connection)
        .await
}

/// The latest date that a template has an occurrence on, without the trash.
pub async fn last_live_date(
    connection: &mut Connection,
    user_id: Uuid,
    template_id: Uuid,
) -> sqlx::Result<Option<NaiveDate>> {
    query_scalar(
        "SELECT occurrence_date FROM tasks WHERE user_id = $1 AND series_id = $2 AND delete_time IS NULL
         ORDER BY occurrence_date DESC LIMIT 1",
    )
    .bind(user_id)
    .bind(template_id)
    .fetch_optional(connection)
    .await
}

/// Whether a template has an occurrence that is not untouched, the trash included.
pub async fn has_touched(connection: &mut Connection, user_id: Uuid, template_id: Uuid) -> sqlx::Result<bool> {
    query_scalar(concat!(
        "SELECT EXISTS (SELECT 1 FROM tasks WHERE user_id = $1 AND series_id = $2 AND NOT (",
        untouched!(),
        "))"
    ))
    .bind(user_id)
    .bind(template_id)
    .fetch_one(connection)
    .await
}

/// As [`dates`], of those that are not untouched.
pub async fn touched_dates(
    connection: &mut Connection,
    user_id: Uuid,
    template_id: Uuid,
    from: NaiveDate,
) -> sqlx::Result<Vec<NaiveDate>> {
    query_scalar(concat!(
        "SELECT occurrence_date FROM tasks
         WHERE user_id = $1 AND series_id = $2 AND occurrence_date >= $3 AND NOT (",
        untouched!(),
        ")"
    ))
    .bind(user_id)
    .bind(template_id)
    .bind(from)
    .fetch_all(connection)
    .await
}

/// When an occurrence of a series was last completed.
pub async fn last_complete_time(
    connection: &mut Connection,
    user_id: Uuid,
    series_id: Uuid,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    query_scalar("SELECT MAX(complete_time) FROM tasks WHERE user_id = $1 AND series_id = $2")
        .bind(user_id)
        .bind(series_id)
        .fetch_one(connection)
        .await
}

/// Whether a series has an occurrence that still has to be done.
pub async fn has_open(connection: &mut Connection, user_id: Uuid, series_id: Uuid) -> sqlx::Result<bool> {
    query_scalar(concat!("SELECT EXISTS (SELECT 1 FROM tasks WHERE ", open!(), ")"))
        .bind(user_id)
        .bind(series_id)
        .fetch_one(connection)
        .await
}

/// As [`has_open`], of those that are not untouched.
pub async fn has_touched_open(connection: &mut Connection, user_id: Uuid, series_id: Uuid) -> sqlx::Result<bool> {
    query_scalar(concat!("SELECT EXISTS (SELECT 1 FROM tasks WHERE ", open!(), " AND NOT (", untouched!(), "))"))
        .bind(user_id)
        .bind(series_id)
        .fetch_one(connection)
        .await
}

/// The occurrences of a template from `from` on that nobody has touched.
pub async fn untouched(
    connection: &mut Connection,
    user_id: Uuid,
    template_id: Uuid,
    from: NaiveDate,
) -> sqlx::Result<Vec<Task>> {
    query_as(concat!(
        select_task!("WHERE user_id = $1 AND series_id = $2 AND occurrence_date >= $3 AND "),
        untouched!(),
        " ORDER BY occurrence_date"
    ))
    .bind(user_id)
    .bind(template_id)
    .bind(from)
    .fetch_all(connection)
    .await
}

/// What goes to the trash together with a task: of a template the pending occurrences from `from` on, of a series also
/// its parts, and the copies of parts with what they are on.
pub async fn to_trash(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    from: NaiveDate,
) -> sqlx::Result<Vec<Task>> {
    query_as(select_task!(
        "WHERE user_id = $1 AND status = 'PENDING' AND delete_time IS NULL AND (
             (series_id = $2 AND occurrence_date >= $3)
             OR (parent_id = $2 AND (is_template OR series_id IS NOT NULL))
             OR (series_id IS NOT NULL AND parent_id IN (
                 SELECT owners.id FROM tasks AS owners WHERE owners.user_id = $1 AND owners.series_id = $2
                 AND owners.occurrence_date >= $3 AND owners.status = 'PENDING' AND owners.delete_time IS NULL
             ))
         ) ORDER BY id"
    ))
    .bind(user_id)
    .bind(id)
    .bind(from)
    .fetch_all(connection)
    .await
}

/// What went to the trash together with a task.
pub async fn trashed_with(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    delete_time: DateTime<Utc>,
) -> sqlx::Result<Vec<Task>> {
    query_as(select_task!(
        "WHERE user_id = $1 AND delete_time = $3 AND (
             series_id = $2
             OR (parent_id = $2 AND (is_template OR series_id IS NOT NULL))
             OR (series_id IS NOT NULL AND parent_id IN (
                 SELECT owners.id FROM tasks AS owners WHERE owners.user_id = $1 AND owners.series_id = $2
             ))
         ) ORDER BY id"
    ))
    .bind(user_id)
    .bind(id)
    .bind(delete_time)
    .fetch_all(connection)
    .await
}

/// Unmakes an untouched occurrence together with the copies of parts on it. Answers what is gone.
pub async fn unmake(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<Vec<Uuid>> {
    let mut gone: Vec<Uuid> = query_scalar("DELETE FROM tasks WHERE user_id = $1 AND parent_id = $2 RETURNING id")
        .bind(user_id)
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    query("DELETE FROM tasks WHERE user_id = $1 AND id = $2").bind(user_id).bind(id).execute(connection).await?;
    gone.push(id);
    Ok(gone)
}

/// Gives the occurrences of a template from `from` on to another one. Answers which.
pub async fn hand_over(
    connection: &mut Connection,
    user_id: Uuid,
    [template_id, to]: [Uuid; 2],
    from: NaiveDate,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Uuid>> {
    query_scalar(
        "UPDATE tasks SET series_id = $3, version = version + 1, update_time = $5
         WHERE user_id = $1 AND series_id = $2 AND occurrence_date >= $4 RETURNING id",
    )
    .bind(user_id)
    .bind(template_id)
    .bind(to)
    .bind(from)
    .bind(now)
    .fetch_all(connection)
    .await
}
