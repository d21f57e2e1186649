//! What people are told.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, QueryBuilder, query, query_as, query_scalar};
use crate::domain::notification::Notification;
use crate::domain::text::{NotificationBody, NotificationTitle, TaskTitle};
use crate::page::Position;

macro_rules! select_notification {
    ($tail:literal) => {
        concat!(
            "SELECT id, kind, title, body, task_id, habit_id, occasion, schedule_time, send_time, read_time, ",
            "create_time FROM notifications ",
            $tail
        )
    };
}

/// What a page of notifications shows.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    /// Whose.
    pub user_id: Uuid,
    /// Only what is not read.
    pub unread_only: bool,
    /// Only what was sent.
    pub sent_only: bool,
    /// Notifications that come after this one in the order; `None` is the first page.
    pub after: Option<Position>,
    /// At most this many.
    pub limit: i64,
}

/// A task, as far as its reminder depends on it.
#[derive(Clone, Debug, Eq, PartialEq, sqlx::FromRow)]
pub struct TaskToAnnounce {
    /// Which.
    pub id: Uuid,
    /// What it is called.
    pub title: TaskTitle,
    /// When it is due; `None` if there is nothing to announce.
    pub due_time: Option<DateTime<Utc>>,
}

/// A page of notifications, latest first.
pub async fn list(connection: &mut Connection, listing: Listing) -> sqlx::Result<Vec<Notification>> {
    listing_query(listing).build_query_as().fetch_all(connection).await
}

fn listing_query<'q>(listing: Listing) -> QueryBuilder<'q> {
    let mut query = QueryBuilder::new(select_notification!("WHERE user_id = "));
    query.push_bind(listing.user_id);
    if listing.unread_only {
        query.push(" AND read_time IS NULL");
    }
    if listing.sent_only {
        query.push(" AND due_time IS NULL");
    }
    if let Some(after) = listing.after {
        query.push(" AND (schedule_time, id) < (").push_bind(after.time).push(", ").push_bind(after.id).push(")");
    }
    query.push(" ORDER BY schedule_time DESC, id DESC LIMIT ").push_bind(listing.limit);
    query
}

/// One of a person's notifications.
pub async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<Option<Notification>> {
    query_as(select_notification!("WHERE user_id = $1 AND id = $2"))
        .bind(user_id)
        .bind(id)
        .fetch_optional(connection)
        .await
}

/// How many of those that a person asked for are still to be sent.
pub async fn count_pending(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<i64> {
    query_scalar("SELECT COUNT(*) FROM notifications WHERE user_id = $1 AND due_time IS NOT NULL AND occasion IS NULL")
        .bind(user_id)
        .fetch_one(connection)
        .await
}

/// Schedules a notification. Answers whether there was none of its occasion.
pub async fn insert(connection: &mut Connection, user_id: Uuid, notification: &Notification) -> sqlx::Result<bool> {
    query(
        "INSERT INTO notifications (user_id, id, kind, title, body, task_id, habit_id, occasion, schedule_time,
         due_time, create_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
         ON CONFLICT (user_id, occasion) DO NOTHING",
    )
    .bind(user_id)
    .bind(notification.id)
    .bind(notification.kind)
    .bind(notification.title.clone())
    .bind(notification.body.clone())
    .bind(notification.task_id)
    .bind(notification.habit_id)
    .bind(notification.occasion.clone())
    .bind(notification.schedule_time)
    .bind(notification.create_time)
    .execute(connection)
    .await
    .map(|rows| rows == 1)
}

/// At most `limit` of a person's open tasks that are due after `now`, from the one that is due next on.
pub async fn tasks_due_after(
    connection: &mut Connection,
    user_id: Uuid,
    now: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<TaskToAnnounce>> {
    query_as(
        "SELECT id, title, due_time FROM tasks
         WHERE user_id = $1 AND due_time > $2 AND status IN ('PENDING', 'IN_PROGRESS') AND delete_time IS NULL
         AND recurrence IS NULL AND NOT is_template
         ORDER BY due_time, id LIMIT $3",
    )
    .bind(user_id)
    .bind(now)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// The reminder of a task that the server has scheduled and not yet sent.
pub async fn find_pending_of_task(
    connection: &mut Connection,
    user_id: Uuid,
    task_id: Uuid,
) -> sqlx::Result<Option<Notification>> {
    query_as(select_notification!(
        "WHERE user_id = $1 AND task_id = $2 AND due_time IS NOT NULL AND occasion IS NOT NULL"
    ))
    .bind(user_id)
    .bind(task_id)
    .fetch_optional(connection)
    .await
}

/// Gives a notification another title.
pub async fn set_title(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    title: &NotificationTitle,
) -> sqlx::Result<()> {
    query("UPDATE notifications SET title = $3 WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .bind(title.clone())
        .execute(connection)
        .await
        .map(drop)
}

/// Notes when a notification was read.
pub async fn set_read(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    read_time: DateTime<Utc>,
) -> sqlx::Result<()> {
    query("UPDATE notifications SET read_time = $3 WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .bind(read_time)
        .execute(connection)
        .await
        .map(drop)
}

/// Deletes a notification.
pub async fn delete(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<()> {
    query("DELETE FROM notifications WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .execute(connection)
        .await
        .map(drop)
}

/// At most `limit` of a person's notifications that are due at `now`, the oldest first.
pub async fn due(
    connection: &mut Connection,
    user_id: Uuid,
    now: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<Notification>> {
    query_as(select_notification!("WHERE user_id = $1 AND due_time <= $2 ORDER BY due_time, id LIMIT $3"))
        .bind(user_id)
        .bind(now)
        .bind(limit)
        .fetch_all(connection)
        .await
}

/// Lets what is due at `now` wait until `due_time`.
pub async fn put_off(
    connection: &mut Connection,
    user_id: Uuid,
    now: DateTime<Utc>,
    due_time: DateTime<Utc>,
) -> sqlx::Result<()> {
    query("UPDATE notifications SET due_time = $3, claim_time = NULL WHERE user_id = $1 AND due_time <= $2")
        .bind(user_id)
        .bind(now)
        .bind(due_time)
        .execute(connection)
        .await
        .map(drop)
}

/// Lets what was put off be looked at again at its own time.
pub async fn reset(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<()> {
    query(
        "UPDATE notifications SET due_time = schedule_time, claim_time = NULL
         WHERE user_id = $1 AND due_time IS NOT NULL AND due_time <> schedule_time",
    )
    .bind(user_id)
    .execute(connection)
    .await
    .map(drop)
}

/// Notes that a notification was sent, with what it said, and the mail that tells of it.
pub async fn set_sent(
    connection: &mut Connection,
    user_id: Uuid,
    notification: &Notification,
    mail_id: Option<Uuid>,
) -> sqlx::Result<()> {
    query(
        "UPDATE notifications SET send_time = $3, body = $4, mail_id = $5, due_time = NULL, claim_time = NULL
         WHERE user_id = $1 AND id = $2",
    )
    .bind(user_id)
    .bind(notification.id)
    .bind(notification.send_time)
    .bind(notification.body.clone())
    .bind(mail_id)
    .execute(connection)
    .await
    .map(drop)
}

/// What a mail is to tell of and was not read meanwhile: titles and bodies, in order.
pub async fn unread_of_mail(
    connection: &mut Connection,
    user_id: Uuid,
    mail_id: Uuid,
) -> sqlx::Result<Vec<(NotificationTitle, NotificationBody)>> {
    query_as(
        "SELECT title, body FROM notifications WHERE user_id = $1 AND mail_id = $2 AND read_time IS NULL
         ORDER BY schedule_time, id",
    )
    .bind(user_id)
    .bind(mail_id)
    .fetch_all(connection)
    .await
}

/// Deletes at most `limit` of a person's notifications that were sent by `sent_before`. Answers which.
pub async fn delete_old(
    connection: &mut Connection,
    user_id: Uuid,
    sent_before: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    query_scalar(
        "DELETE FROM notifications WHERE user_id = $1 AND id IN (
             SELECT id FROM notifications WHERE user_id = $1 AND send_time <= $2 LIMIT $3
         ) RETURNING id",
    )
    .bind(user_id)
    .bind(sent_before)
    .bind(limit)
    .fetch_all(connection)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::plan;

    #[tokio::test]
    async fn pages_are_read_in_order_from_an_index() {
        let (_directory, mut connection) = plan::sqlite().await;
        let after = Some(Position { time: DateTime::UNIX_EPOCH, id: Uuid::nil() });
        for (unread_only, sent_only) in [(false, false), (true, false), (false, true), (true, true)] {
            let listing = Listing { user_id: Uuid::nil(), unread_only, sent_only, after, limit: 50 };
            let query = listing_query(listing).build_query_as::<Notification>();
            let plan = plan::of(query, &mut connection).await;
            assert!(plan.contains("USING INDEX idx_notifications_user_"), "{listing:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN"), "{listing:?}: {plan}");
        }
    }
}
