//! Tasks and their tags.

mod listing;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

pub use self::listing::{Listing, list};
use super::{Connection, Dialect, QueryBuilder, query, query_as, query_scalar, search};
use crate::domain::task::{Tags, Task};
use crate::page::Position;

macro_rules! columns {
    () => {
        "id, category_id, parent_id, title, description, priority, status, estimated_minutes, logged_micros, due_time,
         tags, recurrence, series_id, occurrence_date, is_edited, is_template, postponement_count, version,
         complete_time, delete_time, create_time, update_time"
    };
}

/// Tasks that are as the rest of the statement says.
macro_rules! select_task {
    ($rest:expr) => {
        concat!("SELECT ", $crate::sql::tasks::columns!(), " FROM tasks ", $rest)
    };
}
pub(in crate::sql) use columns;
pub(in crate::sql) use select_task;

/// Rows per statement of an import. Their binds stay far below what any database takes.
const ROWS_PER_INSERT: usize = 50;
const TAGS_PER_INSERT: usize = 100;

/// A task whose outcome is known, as models read it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Finished {
    /// Its id.
    pub id: Uuid,
    /// What it was called.
    pub title: String,
    /// Its tags.
    pub tags: Json<Vec<String>>,
    /// The category that it was in.
    pub category_id: Option<Uuid>,
    /// What it was expected to take.
    pub estimated_minutes: i32,
    /// What it took.
    pub logged_micros: i64,
    /// When it was completed.
    pub complete_time: DateTime<Utc>,
}

/// One of a person's tasks, in the trash or not.
pub async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<Option<Task>> {
    query_as(select_task!("WHERE user_id = $1 AND id = $2")).bind(user_id).bind(id).fetch_optional(connection).await
}

/// Whether `ancestor_id` is `id` or one of the tasks that `id` is a part of.
pub async fn has_ancestor(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    ancestor_id: Uuid,
) -> sqlx::Result<bool> {
    query_scalar(
        "WITH RECURSIVE ancestors (id, parent_id) AS (
             SELECT id, parent_id FROM tasks WHERE user_id = $1 AND id = $2
             UNION
             SELECT tasks.id, tasks.parent_id FROM tasks JOIN ancestors ON tasks.id = ancestors.parent_id
             WHERE tasks.user_id = $1
         )
         SELECT EXISTS (SELECT 1 FROM ancestors WHERE id = $3)",
    )
    .bind(user_id)
    .bind(id)
    .bind(ancestor_id)
    .fetch_one(connection)
    .await
}

/// Adds tasks with their tags.
pub async fn insert(connection: &mut Connection, user_id: Uuid, tasks: &[Task]) -> sqlx::Result<()> {
    for chunk in tasks.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::default();
        let is_one_statement = connection.dialect() == Dialect::Postgres;
        if is_one_statement {
            insert.push("WITH documents AS (");
            search::push_put_tasks(&mut insert, user_id, chunk);
            insert.push(") ");
        }
        insert.push(concat!("INSERT INTO tasks (user_id, ", columns!(), ") "));
        insert.push_values(chunk, |row, task| {
            row.push_bind(user_id)
                .push_bind(task.id)
                .push_bind(task.category_id)
                .push_bind(task.parent_id)
                .push_bind(task.title.as_str())
                .push_bind(task.description.as_str())
                .push_bind(task.priority)
                .push_bind(task.status)
                .push_bind(task.estimated_minutes)
                .push_bind(task.logged_micros)
                .push_bind(task.due_time)
                .push_bind(Json(task.tags.as_slice()))
                .push_bind(task.recurrence.as_ref().map(Json))
                .push_bind(task.series_id)
                .push_bind(task.occurrence_date)
                .push_bind(task.is_edited)
                .push_bind(task.is_template)
                .push_bind(task.postponement_count)
                .push_bind(task.version)
                .push_bind(task.complete_time)
                .push_bind(task.delete_time)
                .push_bind(task.create_time)
                .push_bind(task.update_time);
        });
        // Odd lengths are not worth a place among the prepared statements.
        let is_common = chunk.len() == ROWS_PER_INSERT || chunk.len() == 1;
        insert.build().persistent(is_common).execute(&mut *connection).await?;
        if !is_one_statement {
            search::put_tasks(connection, user_id, chunk).await?;
        }
    }
    insert_tags(connection, user_id, tasks.iter().map(|task| (task.id, &task.tags))).await
}

/// Writes a task in the place of `before`. What it is an occurrence of stays as it is.
pub async fn update(connection: &mut Connection, user_id: Uuid, before: &Task, task: &Task) -> sqlx::Result<()> {
    query(
        "UPDATE tasks SET category_id = $3, parent_id = $4, title = $5, description = $6, priority = $7, status = $8,
         estimated_minutes = $9, due_time = $10, tags = $11, version = $12, complete_time = $13, delete_time = $14,
         update_time = $15, recurrence = $16, is_edited = $17, is_template = $18, postponement_count = $19
         WHERE user_id = $1 AND id = $2",
    )
    .bind(user_id)
    .bind(task.id)
    .bind(task.category_id)
    .bind(task.parent_id)
    .bind(task.title.as_str())
    .bind(task.description.as_str())
    .bind(task.priority)
    .bind(task.status)
    .bind(task.estimated_minutes)
    .bind(task.due_time)
    .bind(Json(task.tags.as_slice()))
    .bind(task.version)
    .bind(task.complete_time)
    .bind(task.delete_time)
    .bind(task.update_time)
    .bind(task.recurrence.as_ref().map(Json))
    .bind(task.is_edited)
    .bind(task.is_template)
    .bind(task.postponement_count)
    .execute(&mut *connection)
    .await?;
    if (&task.title, &task.description) != (&before.title, &before.description) {
        search::put_tasks(connection, user_id, std::slice::from_ref(task)).await?;
    }
    if task.tags != before.tags {
        replace_tags(connection, user_id, task.id, &task.tags).await?;
    }
    Ok(())
}

/// Finds a task by these tags, and by no others.
pub(super) async fn replace_tags(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    tags: &Tags,
) -> sqlx::Result<()> {
    query("DELETE FROM task_tags WHERE user_id = $1 AND task_id = $2")
        .bind(user_id)
        .bind(id)
        .execute(&mut *connection)
        .await?;
    insert_tags(connection, user_id, [(id, tags)].into_iter()).await
}

async fn insert_tags(
    connection: &mut Connection,
    user_id: Uuid,
    tasks: impl Iterator<Item = (Uuid, &Tags)>,
) -> sqlx::Result<()> {
    let rows: Vec<(Uuid, String)> =
        tasks.flat_map(|(id, tags)| tags.as_slice().iter().map(move |tag| (id, tag.key()))).collect();
    for chunk in rows.chunks(TAGS_PER_INSERT) {
        let mut insert = QueryBuilder::new("INSERT INTO task_tags (user_id, task_id, tag) ");
        insert.push_values(chunk, |row, (task_id, tag)| {
            row.push_bind(user_id).push_bind(*task_id).push_bind(tag.as_str());
        });
        // Tags that were different under older rules of folding are one now.
        insert.push(" ON CONFLICT DO NOTHING");
        insert.build().persistent(chunk.len() == TAGS_PER_INSERT).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Takes a category off at most `limit` of a person's tasks. Answers which.
pub async fn clear_category(
    connection: &mut Connection,
    user_id: Uuid,
    category_id: Uuid,
    now: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    query_scalar(
        "UPDATE tasks SET category_id = NULL, version = version + 1, update_time = $3 WHERE user_id = $1
         AND id IN (SELECT id FROM tasks WHERE user_id = $1 AND category_id = $2 LIMIT $4) RETURNING id",
    )
    .bind(user_id)
    .bind(category_id)
    .bind(now)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Adds up a task's finished logs anew.
pub async fn sum_logs(connection: &mut Connection, user_id: Uuid, id: Uuid, now: DateTime<Utc>) -> sqlx::Result<()> {
    query(
        "UPDATE tasks SET version = version + 1, update_time = $3, logged_micros = (
             SELECT CAST(COALESCE(SUM(duration_micros), 0) AS BIGINT) FROM time_logs
             WHERE user_id = $1 AND task_id = $2 AND NOT forgotten
         ) WHERE user_id = $1 AND id = $2",
    )
    .bind(user_id)
    .bind(id)
    .bind(now)
    .execute(connection)
    .await
    .map(drop)
}

/// At most `limit` of a person's finished tasks that have an estimate and logged time, from the oldest completion
/// after `after` on.
pub async fn finished(
    connection: &mut Connection,
    user_id: Uuid,
    after: Position,
    limit: i64,
) -> sqlx::Result<Vec<Finished>> {
    query_as(
        "SELECT id, title, tags, category_id, estimated_minutes, logged_micros, complete_time FROM tasks
         WHERE user_id = $1 AND (complete_time, id) > ($2, $3)
         AND complete_time IS NOT NULL AND estimated_minutes > 0 AND logged_micros > 0 AND delete_time IS NULL
         ORDER BY complete_time, id LIMIT $4",
    )
    .bind(user_id)
    .bind(after.time)
    .bind(after.id)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Deletes for good at most `limit` of a person's tasks that have been in the trash since `before` or longer. What
/// logs, parts or occurrences still refer to stays, out of sight: without it they would be different from what their
/// person was told. Answers how many.
pub async fn delete_trashed(
    connection: &mut Connection,
    user_id: Uuid,
    before: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<u64> {
    query(
        "DELETE FROM tasks WHERE user_id = $1 AND id IN (
             SELECT id FROM tasks AS trashed WHERE user_id = $1 AND delete_time <= $2
             AND NOT EXISTS (SELECT 1 FROM time_logs WHERE time_logs.user_id = $1 AND time_logs.task_id = trashed.id)
             AND NOT EXISTS (SELECT 1 FROM tasks AS parts WHERE parts.user_id = $1 AND parts.parent_id = trashed.id)
             AND NOT EXISTS (SELECT 1 FROM tasks AS made WHERE made.user_id = $1 AND made.series_id = trashed.id)
             LIMIT $3
         )",
    )
    .bind(user_id)
    .bind(before)
    .bind(limit)
    .execute(connection)
    .await
}
