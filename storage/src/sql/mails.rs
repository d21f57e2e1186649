//! Mail that is to be sent, and what became of it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, query, query_scalar};

/// Takes a mail that nobody has begun to send for more notifications, and lets it be sent at `due_time` if that is
/// sooner. Answers which; `None` if there is none.
pub async fn join(connection: &mut Connection, user_id: Uuid, due_time: DateTime<Utc>) -> sqlx::Result<Option<Uuid>> {
    // The outer conditions are looked at again if the row was claimed in the meantime.
    query_scalar(
        "UPDATE mails SET due_time = CASE WHEN due_time > $2 THEN $2 ELSE due_time END
         WHERE user_id = $1 AND state = 'PENDING' AND attempt_count = 0 AND claim_time IS NULL AND id = (
             SELECT id FROM mails WHERE user_id = $1 AND state = 'PENDING' AND attempt_count = 0 AND claim_time IS NULL
             AND NOT EXISTS (SELECT 1 FROM account_mails WHERE account_mails.user_id = $1 AND mail_id = mails.id)
             ORDER BY create_time DESC, id DESC LIMIT 1
         ) RETURNING id",
    )
    .bind(user_id)
    .bind(due_time)
    .fetch_optional(connection)
    .await
}

/// When the person's latest mail of notifications was made.
pub async fn last_create_time(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Option<DateTime<Utc>>> {
    query_scalar(
        "SELECT create_time FROM mails WHERE user_id = $1
         AND NOT EXISTS (SELECT 1 FROM account_mails WHERE account_mails.user_id = $1 AND mail_id = mails.id)
         ORDER BY create_time DESC, id DESC LIMIT 1",
    )
    .bind(user_id)
    .fetch_optional(connection)
    .await
}

/// Adds a mail to be sent at `due_time`.
pub async fn insert(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    due_time: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    query(
        "INSERT INTO mails (user_id, id, state, due_time, attempt_count, failure, create_time)
         VALUES ($1, $2, 'PENDING', $3, 0, '', $4)",
    )
    .bind(user_id)
    .bind(id)
    .bind(due_time)
    .bind(now)
    .execute(connection)
    .await
    .map(drop)
}

/// Begins an attempt at a mail that was claimed until `claim_time`. Answers which attempt it is, from 1; `None` if the
/// claim was lost.
pub async fn begin_attempt(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    claim_time: DateTime<Utc>,
) -> sqlx::Result<Option<i32>> {
    query_scalar(
        "UPDATE mails SET attempt_count = attempt_count + 1
         WHERE user_id = $1 AND id = $2 AND state = 'PENDING' AND claim_time = $3 RETURNING attempt_count",
    )
    .bind(user_id)
    .bind(id)
    .bind(claim_time)
    .fetch_optional(connection)
    .await
}

/// Notes that the server has taken a mail.
pub async fn set_sent(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<()> {
    query("UPDATE mails SET state = 'SENT', due_time = NULL, claim_time = NULL WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .execute(connection)
        .await
        .map(drop)
}

/// Gives a mail up.
pub async fn set_failed(connection: &mut Connection, user_id: Uuid, id: Uuid, failure: String) -> sqlx::Result<()> {
    query(
        "UPDATE mails SET state = 'FAILED', due_time = NULL, claim_time = NULL, failure = $3
         WHERE user_id = $1 AND id = $2 AND state = 'PENDING'",
    )
    .bind(user_id)
    .bind(id)
    .bind(failure)
    .execute(connection)
    .await
    .map(drop)
}

/// Lets a mail be tried again at `due_time`.
pub async fn put_off(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    due_time: DateTime<Utc>,
    failure: String,
) -> sqlx::Result<()> {
    query(
        "UPDATE mails SET due_time = $3, claim_time = NULL, failure = $4
         WHERE user_id = $1 AND id = $2 AND state = 'PENDING'",
    )
    .bind(user_id)
    .bind(id)
    .bind(due_time)
    .bind(failure)
    .execute(connection)
    .await
    .map(drop)
}

/// Deletes a mail.
pub async fn delete(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<()> {
    query("DELETE FROM mails WHERE user_id = $1 AND id = $2").bind(user_id).bind(id).execute(connection).await.map(drop)
}

/// Deletes a person's mails that were made by `created_before` and are done with.
pub async fn delete_old(connection: &mut Connection, user_id: Uuid, created_before: DateTime<Utc>) -> sqlx::Result<()> {
    query("DELETE FROM mails WHERE user_id = $1 AND create_time <= $2 AND state <> 'PENDING'")
        .bind(user_id)
        .bind(created_before)
        .execute(connection)
        .await
        .map(drop)
}
