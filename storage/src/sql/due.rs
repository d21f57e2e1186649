//! Work that is due, of all people: jobs find out whose, claim it, and do it as those people.
//!
//! A claim keeps other replicas away until a time. Whoever made it and was killed has lost it by then.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, dialects, query_as, query_scalar};

/// A claim on rows whose time has come.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Rows that were due by then.
    pub now: DateTime<Utc>,
    /// Nobody else takes them before this.
    pub until: DateTime<Utc>,
    /// At most this many rows.
    pub count_max: i64,
}

/// A mail to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::FromRow)]
pub struct DueMail {
    /// Whose.
    pub user_id: Uuid,
    /// Which.
    pub id: Uuid,
}

/// Since when the oldest notification is due that is due at `now`.
pub async fn oldest_notification(
    connection: &mut Connection,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    let text = dialects!(
        sqlite: "SELECT due_time FROM notifications WHERE due_time <= $1 ORDER BY due_time LIMIT 1",
        postgres: "SELECT focusflow.oldest_due('notifications', $1)",
    );
    oldest(connection, text, now).await
}

/// Since when the oldest mail is due that is due at `now`.
pub async fn oldest_mail(connection: &mut Connection, now: DateTime<Utc>) -> sqlx::Result<Option<DateTime<Utc>>> {
    let text = dialects!(
        sqlite: "SELECT due_time FROM mails WHERE due_time <= $1 ORDER BY due_time LIMIT 1",
        postgres: "SELECT focusflow.oldest_due('mails', $1)",
    );
    oldest(connection, text, now).await
}

/// Since when the oldest look at a person's habits is due that is due at `now`.
pub async fn oldest_habit_plan(connection: &mut Connection, now: DateTime<Utc>) -> sqlx::Result<Option<DateTime<Utc>>> {
    let text = dialects!(
        sqlite: "SELECT due_time FROM habit_plans WHERE due_time <= $1 ORDER BY due_time LIMIT 1",
        postgres: "SELECT focusflow.oldest_due('habit_plans', $1)",
    );
    oldest(connection, text, now).await
}

async fn oldest(
    connection: &mut Connection,
    text: super::Text,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    let oldest: Option<Option<DateTime<Utc>>> = query_scalar(text).bind(now).fetch_optional(connection).await?;
    Ok(oldest.flatten())
}

/// Claims notifications. Answers whose they are.
pub async fn claim_notifications(connection: &mut Connection, claim: Claim) -> sqlx::Result<Vec<Uuid>> {
    let text = dialects!(
        sqlite: "UPDATE notifications SET claim_time = $2 WHERE id IN (
             SELECT id FROM notifications WHERE due_time <= $1 AND (claim_time IS NULL OR claim_time <= $1)
             ORDER BY due_time LIMIT $3
         ) RETURNING user_id",
        postgres: "SELECT * FROM focusflow.claim_notifications($1, $2, $3)",
    );
    people(connection, text, claim).await
}

/// Claims looks at people's habits. Answers whose they are.
pub async fn claim_habit_plans(connection: &mut Connection, claim: Claim) -> sqlx::Result<Vec<Uuid>> {
    let text = dialects!(
        sqlite: "UPDATE habit_plans SET claim_time = $2 WHERE user_id IN (
             SELECT user_id FROM habit_plans WHERE due_time <= $1 AND (claim_time IS NULL OR claim_time <= $1)
             ORDER BY due_time LIMIT $3
         ) RETURNING user_id",
        postgres: "SELECT * FROM focusflow.claim_habit_plans($1, $2, $3)",
    );
    people(connection, text, claim).await
}

async fn people(connection: &mut Connection, text: super::Text, claim: Claim) -> sqlx::Result<Vec<Uuid>> {
    let mut people: Vec<Uuid> =
        query_scalar(text).bind(claim.now).bind(claim.until).bind(claim.count_max).fetch_all(connection).await?;
    people.sort_unstable();
    people.dedup();
    Ok(people)
}

/// Claims mails.
pub async fn claim_mails(connection: &mut Connection, claim: Claim) -> sqlx::Result<Vec<DueMail>> {
    query_as(dialects!(
        sqlite: "UPDATE mails SET claim_time = $2 WHERE id IN (
             SELECT id FROM mails WHERE due_time <= $1 AND (claim_time IS NULL OR claim_time <= $1)
             ORDER BY due_time LIMIT $3
         ) RETURNING user_id, id",
        postgres: "SELECT user_id, id FROM focusflow.claim_mails($1, $2, $3)",
    ))
    .bind(claim.now)
    .bind(claim.until)
    .bind(claim.count_max)
    .fetch_all(connection)
    .await
}

/// Whose notifications were sent by `sent_before`, for some of the oldest.
pub async fn people_with_old_notifications(
    connection: &mut Connection,
    sent_before: DateTime<Utc>,
    count_max: i64,
) -> sqlx::Result<Vec<Uuid>> {
    query_scalar(dialects!(
        sqlite: "SELECT DISTINCT user_id FROM (
             SELECT user_id FROM notifications WHERE send_time <= $1 ORDER BY send_time LIMIT $2
         )",
        postgres: "SELECT * FROM focusflow.users_with_old_notifications($1, $2)",
    ))
    .bind(sent_before)
    .bind(count_max)
    .fetch_all(connection)
    .await
}
