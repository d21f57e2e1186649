//! Calendar feeds, and the tasks that they show.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Query, dialects, query, query_as, query_scalar};
use crate::calendar::{Entry, Feed};

/// A person's feeds, newest first.
pub async fn list(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Vec<Feed>> {
    query_as(
        "SELECT id, name, style, create_time FROM calendar_feeds WHERE user_id = $1
         ORDER BY create_time DESC, id DESC",
    )
    .bind(user_id)
    .fetch_all(connection)
    .await
}

/// How many feeds a person has.
pub async fn count(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<i64> {
    query_scalar("SELECT COUNT(*) FROM calendar_feeds WHERE user_id = $1").bind(user_id).fetch_one(connection).await
}

/// Adds a feed.
pub async fn insert(connection: &mut Connection, user_id: Uuid, feed: &Feed, secret_hash: &[u8]) -> sqlx::Result<()> {
    query(
        "INSERT INTO calendar_feeds (id, user_id, name, style, secret_hash, create_time)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(feed.id)
    .bind(user_id)
    .bind(feed.name.clone())
    .bind(feed.style)
    .bind(secret_hash)
    .bind(feed.create_time)
    .execute(connection)
    .await
    .map(drop)
}

/// Deletes a feed. Answers whether there was one.
pub async fn delete(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<bool> {
    query("DELETE FROM calendar_feeds WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .execute(connection)
        .await
        .map(|count| count > 0)
}

/// Whose feed has a secret, by the secret's hash.
pub async fn find_user(connection: &mut Connection, secret_hash: &[u8]) -> sqlx::Result<Option<Uuid>> {
    let user_id: Option<Option<Uuid>> = query_scalar(dialects!(
        sqlite: "SELECT user_id FROM calendar_feeds WHERE secret_hash = $1",
        postgres: "SELECT focusflow.user_of_calendar_feed($1)",
    ))
    .bind(secret_hash)
    .fetch_optional(connection)
    .await?;
    Ok(user_id.flatten())
}

/// The person's feed that has a secret, unless they have asked for their account's end.
pub async fn find(connection: &mut Connection, user_id: Uuid, secret_hash: &[u8]) -> sqlx::Result<Option<Feed>> {
    query_as(
        "SELECT id, name, style, create_time FROM calendar_feeds WHERE user_id = $1 AND secret_hash = $2
         AND EXISTS (SELECT 1 FROM users WHERE users.id = $1 AND users.delete_time IS NULL)",
    )
    .bind(user_id)
    .bind(secret_hash)
    .fetch_optional(connection)
    .await
}

/// At most `limit` of a person's tasks that are due from `start` on and before `end`, by due time.
pub async fn entries(
    connection: &mut Connection,
    user_id: Uuid,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<Entry>> {
    entries_query(user_id, start, end, limit).fetch_all(connection).await
}

fn entries_query(user_id: Uuid, start: DateTime<Utc>, end: DateTime<Utc>, limit: i64) -> Query<'static, Entry> {
    query_as(
        "SELECT tasks.id, tasks.parent_id, tasks.title, tasks.description, tasks.priority, tasks.status,
         tasks.estimated_minutes, tasks.due_time, tasks.tags, tasks.version, tasks.complete_time, tasks.create_time,
         tasks.update_time, categories.name AS category_name
         FROM tasks LEFT JOIN categories ON categories.user_id = $1 AND categories.id = tasks.category_id
         WHERE tasks.user_id = $1 AND tasks.due_time >= $2 AND tasks.due_time < $3
         AND tasks.delete_time IS NULL AND tasks.status <> 'CANCELLED' AND NOT tasks.is_template
         ORDER BY tasks.due_time, tasks.id LIMIT $4",
    )
    .bind(user_id)
    .bind(start)
    .bind(end)
    .bind(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::plan;

    #[tokio::test]
    async fn what_is_due_is_read_in_order_from_an_index() {
        let (_directory, mut connection) = plan::sqlite().await;
        let query = entries_query(Uuid::nil(), DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH, 10);
        let plan = plan::of(query, &mut connection).await;
        assert!(plan.contains("idx_tasks_user_due_time") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}
