//! What tasks were before they were changed. A trigger on `tasks` writes it.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Connection, query_as};
use crate::domain::recurrence::Recurrence;
use crate::domain::task::{EstimatedMinutes, Priority, Status, Tags, Task};
use crate::domain::text::{Tag, TaskDescription, TaskTitle};

/// Versions of a task that are as the rest of the statement says.
macro_rules! select_revision {
    ($rest:literal) => {
        concat!(
            "SELECT revision AS version, category_id, parent_id, title, description, priority, status,
             estimated_minutes, logged_micros, due_time, tags, recurrence, postponement_count, complete_time,
             delete_time, update_time FROM task_revisions WHERE user_id = $1 AND task_id = $2 AND ",
            $rest
        )
    };
}

/// A version of a task that has been replaced.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Revision {
    version: i64,
    category_id: Option<Uuid>,
    parent_id: Option<Uuid>,
    title: TaskTitle,
    description: TaskDescription,
    priority: Priority,
    status: Status,
    estimated_minutes: EstimatedMinutes,
    logged_micros: i64,
    due_time: Option<DateTime<Utc>>,
    #[sqlx(try_from = "Json<Vec<Tag>>")]
    tags: Tags,
    #[sqlx(json(nullable))]
    recurrence: Option<Recurrence>,
    /// `None` in rows of a version that kept neither this nor the recurrence.
    postponement_count: Option<i32>,
    complete_time: Option<DateTime<Utc>>,
    delete_time: Option<DateTime<Utc>>,
    update_time: DateTime<Utc>,
}

impl Revision {
    /// The task as it was, with what versions do not keep as in `current`.
    pub fn into_task(self, current: &Task) -> Task {
        let recurrence = match self.postponement_count {
            Some(_) => self.recurrence,
            None => current.recurrence.clone(),
        };
        Task {
            category_id: self.category_id,
            parent_id: self.parent_id,
            title: self.title,
            description: self.description,
            priority: self.priority,
            status: self.status,
            estimated_minutes: self.estimated_minutes,
            logged_micros: self.logged_micros,
            due_time: self.due_time,
            tags: self.tags,
            recurrence,
            postponement_count: self.postponement_count.unwrap_or(current.postponement_count),
            version: self.version,
            complete_time: self.complete_time,
            delete_time: self.delete_time,
            update_time: self.update_time,
            ..current.clone()
        }
    }
}

/// At most `limit` versions of a task before version `before`, newest first.
pub async fn list(
    connection: &mut Connection,
    user_id: Uuid,
    task_id: Uuid,
    before: i64,
    limit: i64,
) -> sqlx::Result<Vec<Revision>> {
    query_as(select_revision!("revision < $3 ORDER BY revision DESC LIMIT $4"))
        .bind(user_id)
        .bind(task_id)
        .bind(before)
        .bind(limit)
        .fetch_all(connection)
        .await
}

/// One version of a task before its current one.
pub async fn find(
    connection: &mut Connection,
    user_id: Uuid,
    task_id: Uuid,
    revision: i64,
) -> sqlx::Result<Option<Revision>> {
    query_as(select_revision!("revision = $3"))
        .bind(user_id)
        .bind(task_id)
        .bind(revision)
        .fetch_optional(connection)
        .await
}
