//! What creates with a request id have made.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Connection, query, query_as};

/// How long a request id is remembered.
pub const RETENTION: TimeDelta = TimeDelta::days(1);

/// What a request made.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Made {
    /// The RPC that made it.
    pub method: String,
    /// What it made.
    pub resource_id: Uuid,
    /// The SHA-256 hash of the request; `None` if a version that kept none made it.
    pub request_hash: Option<Vec<u8>>,
}

/// What a request with this id made not long before `now`.
pub async fn find(
    connection: &mut Connection,
    user_id: Uuid,
    request_id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Made>> {
    query_as(
        "SELECT method, resource_id, request_hash FROM request_ids
         WHERE user_id = $1 AND request_id = $2 AND create_time > $3",
    )
    .bind(user_id)
    .bind(request_id)
    .bind(now - RETENTION)
    .fetch_optional(connection)
    .await
}

/// Remembers what a request made, in the place of what one with the same id made long ago.
pub async fn insert(
    connection: &mut Connection,
    user_id: Uuid,
    request_id: Uuid,
    made: &Made,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    query(
        "INSERT INTO request_ids (user_id, request_id, method, resource_id, create_time, request_hash)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id, request_id) DO UPDATE
         SET method = excluded.method, resource_id = excluded.resource_id, create_time = excluded.create_time,
         request_hash = excluded.request_hash",
    )
    .bind(user_id)
    .bind(request_id)
    .bind(&made.method)
    .bind(made.resource_id)
    .bind(now)
    .bind(made.request_hash.clone())
    .execute(connection)
    .await
    .map(drop)
}

/// Forgets at most `limit` of a person's that are too old to be found. Answers how many.
pub async fn delete_expired(
    connection: &mut Connection,
    user_id: Uuid,
    before: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<u64> {
    query(
        "DELETE FROM request_ids WHERE user_id = $1 AND request_id IN (
             SELECT request_id FROM request_ids WHERE user_id = $1 AND create_time <= $2 LIMIT $3
         )",
    )
    .bind(user_id)
    .bind(before)
    .bind(limit)
    .execute(connection)
    .await
}
