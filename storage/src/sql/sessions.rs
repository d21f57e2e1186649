//! Sessions and their refresh tokens, which are kept as hashes.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Connection;

/// A signed-in client.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What the client called itself.
    pub user_agent: String,
    /// When it ends, unless refreshed.
    pub expire_time: DateTime<Utc>,
}

/// A refresh token and the session that it belongs to.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct RefreshToken {
    /// The session.
    pub session_id: Uuid,
    /// Whose session it is.
    pub user_id: Uuid,
    /// Whether a successor has taken its place.
    pub replaced: bool,
    /// When the session ends, unless refreshed.
    pub expire_time: DateTime<Utc>,
}

/// Adds a session.
pub async fn insert(connection: &mut Connection, session: &Session, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO sessions (id, user_id, user_agent, expire_time, create_time) VALUES ($1, $2, $3, $4, $5)")
        .bind(session.id)
        .bind(session.user_id)
        .bind(&session.user_agent)
        .bind(session.expire_time)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
}

/// Moves the end of a session.
pub async fn extend(connection: &mut Connection, id: Uuid, expire_time: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("UPDATE sessions SET expire_time = $2 WHERE id = $1")
        .bind(id)
        .bind(expire_time)
        .execute(connection)
        .await
        .map(drop)
}

/// Ends a session; its tokens go with it.
pub async fn delete(connection: &mut Connection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE id = $1").bind(id).execute(connection).await.map(drop)
}

/// Ends the sessions that nobody refreshed in time. Answers how many.
pub async fn delete_expired(connection: &mut Connection, now: DateTime<Utc>) -> sqlx::Result<u64> {
    sqlx::query("DELETE FROM sessions WHERE expire_time <= $1")
        .bind(now)
        .execute(connection)
        .await
        .map(|done| done.rows_affected())
}

/// A refresh token by its hash.
pub async fn find_token(connection: &mut Connection, token_hash: &[u8]) -> sqlx::Result<Option<RefreshToken>> {
    sqlx::query_as(
        "SELECT session_id, user_id, replaced, expire_time FROM refresh_tokens
         JOIN sessions ON sessions.id = refresh_tokens.session_id WHERE token_hash = $1",
    )
    .bind(token_hash)
    .fetch_optional(connection)
    .await
}

/// Adds a session's current refresh token.
pub async fn insert_token(
    connection: &mut Connection,
    session_id: Uuid,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO refresh_tokens (token_hash, session_id, replaced, create_time) VALUES ($1, $2, $3, $4)")
        .bind(token_hash)
        .bind(session_id)
        .bind(false)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
}

/// Marks a refresh token as replaced.
pub async fn replace_token(connection: &mut Connection, token_hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query("UPDATE refresh_tokens SET replaced = $2 WHERE token_hash = $1")
        .bind(token_hash)
        .bind(true)
        .execute(connection)
        .await
        .map(drop)
}
