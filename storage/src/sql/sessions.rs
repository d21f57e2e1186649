//! Sessions and their refresh tokens, which are kept as hashes.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, dialects, query, query_as, query_scalar};

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

/// A session that has not ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OpenSession {
    /// Its id.
    pub id: Uuid,
    /// What the client called itself.
    pub user_agent: String,
    /// When it ends, unless refreshed.
    pub expire_time: DateTime<Utc>,
    /// When it was last refreshed, or opened.
    pub last_use_time: DateTime<Utc>,
    /// When it was opened.
    pub create_time: DateTime<Utc>,
}

/// A refresh token and the session that it belongs to.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct RefreshToken {
    /// The session.
    pub session_id: Uuid,
    /// Whether a successor has taken its place.
    pub replaced: bool,
    /// When one did; not known of those that were replaced before this was kept.
    pub replace_time: Option<DateTime<Utc>>,
    /// When the session ends, unless refreshed.
    pub expire_time: DateTime<Utc>,
}

/// Adds a session.
pub async fn insert(connection: &mut Connection, session: &Session, now: DateTime<Utc>) -> sqlx::Result<()> {
    query("INSERT INTO sessions (id, user_id, user_agent, expire_time, create_time) VALUES ($1, $2, $3, $4, $5)")
        .bind(session.id)
        .bind(session.user_id)
        .bind(&session.user_agent)
        .bind(session.expire_time)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
}

/// Notes the use of a session at `now` and moves its end.
pub async fn extend(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    expire_time: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    query("UPDATE sessions SET expire_time = $3, last_use_time = $4 WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .bind(expire_time)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
}

macro_rules! select_open {
    ($tail:literal) => {
        concat!(
            "SELECT id, user_agent, expire_time, COALESCE(last_use_time, create_time) AS last_use_time, create_time
             FROM sessions WHERE user_id = $1 AND expire_time > $2 ",
            $tail
        )
    };
}

/// A person's open sessions, most recently used first.
pub async fn list(connection: &mut Connection, user_id: Uuid, now: DateTime<Utc>) -> sqlx::Result<Vec<OpenSession>> {
    query_as(select_open!("ORDER BY COALESCE(last_use_time, create_time) DESC, id DESC"))
        .bind(user_id)
        .bind(now)
        .fetch_all(connection)
        .await
}

/// One of a person's open sessions.
pub async fn find(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<OpenSession>> {
    query_as(select_open!("AND id = $3")).bind(user_id).bind(now).bind(id).fetch_optional(connection).await
}

/// Ends a session; its tokens go with it. Answers whether there was one.
pub async fn delete(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<bool> {
    query("DELETE FROM sessions WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .execute(connection)
        .await
        .map(|rows| rows > 0)
}

/// Ends all of a person's sessions but `kept`.
pub async fn delete_all(connection: &mut Connection, user_id: Uuid, kept: Option<Uuid>) -> sqlx::Result<()> {
    query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
        .bind(user_id)
        // No session has this id.
        .bind(kept.unwrap_or_default())
        .execute(connection)
        .await
        .map(drop)
}

/// Ends a person's sessions but the `count` that were used or opened last.
pub async fn delete_all_but_recent(connection: &mut Connection, user_id: Uuid, count: i64) -> sqlx::Result<()> {
    query(
        "DELETE FROM sessions WHERE user_id = $1 AND id IN (
             SELECT id FROM sessions WHERE user_id = $1
             ORDER BY COALESCE(last_use_time, create_time) DESC, id DESC LIMIT $2 OFFSET $3
         )",
    )
    .bind(user_id)
    .bind(i64::MAX)
    .bind(count)
    .execute(connection)
    .await
    .map(drop)
}

/// Ends a person's sessions that nobody refreshed in time. Answers how many.
pub async fn delete_expired(connection: &mut Connection, user_id: Uuid, now: DateTime<Utc>) -> sqlx::Result<u64> {
    query("DELETE FROM sessions WHERE user_id = $1 AND expire_time <= $2")
        .bind(user_id)
        .bind(now)
        .execute(connection)
        .await
}

/// Whose session a refresh token belongs to, by the token's hash.
pub async fn find_user(connection: &mut Connection, token_hash: &[u8]) -> sqlx::Result<Option<Uuid>> {
    let user_id: Option<Option<Uuid>> = query_scalar(dialects!(
        sqlite: "SELECT user_id FROM refresh_tokens WHERE token_hash = $1",
        postgres: "SELECT focusflow.user_of_refresh_token($1)",
    ))
    .bind(token_hash)
    .fetch_optional(connection)
    .await?;
    Ok(user_id.flatten())
}

/// A person's refresh token by its hash, which nobody else replaces until the transaction ends.
pub async fn lock_token(
    connection: &mut Connection,
    user_id: Uuid,
    token_hash: &[u8],
) -> sqlx::Result<Option<RefreshToken>> {
    macro_rules! select_token {
        ($lock:literal) => {
            concat!(
                "SELECT session_id, replaced, replace_time, expire_time FROM refresh_tokens JOIN sessions
                 ON sessions.user_id = refresh_tokens.user_id AND sessions.id = refresh_tokens.session_id
                 WHERE refresh_tokens.user_id = $1 AND token_hash = $2",
                $lock
            )
        };
    }
    query_as(dialects!(sqlite: select_token!(""), postgres: select_token!(" FOR UPDATE")))
        .bind(user_id)
        .bind(token_hash)
        .fetch_optional(connection)
        .await
}

/// Adds a session's current refresh token.
pub async fn insert_token(
    connection: &mut Connection,
    user_id: Uuid,
    session_id: Uuid,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    query(
        "INSERT INTO refresh_tokens (token_hash, user_id, session_id, replaced, create_time)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(token_hash)
    .bind(user_id)
    .bind(session_id)
    .bind(false)
    .bind(now)
    .execute(connection)
    .await
    .map(drop)
}

/// Marks a refresh token as replaced.
pub async fn replace_token(
    connection: &mut Connection,
    user_id: Uuid,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    query("UPDATE refresh_tokens SET replaced = $3, replace_time = $4 WHERE user_id = $1 AND token_hash = $2")
        .bind(user_id)
        .bind(token_hash)
        .bind(true)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
}
