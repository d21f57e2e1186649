//! API tokens, which are kept as hashes.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Connection, dialects, query, query_as, query_scalar};
use crate::domain::text::ApiTokenName;

/// A key that a person has given to a program of theirs.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ApiToken {
    /// Its id.
    pub id: Uuid,
    /// What the person calls it.
    pub name: ApiTokenName,
    /// What it may do; empty is everything.
    pub scopes: Json<Vec<String>>,
    /// When it stops working; `None`: never.
    pub expire_time: Option<DateTime<Utc>>,
    /// When it was last presented, to the minute; `None`: never.
    pub last_use_time: Option<DateTime<Utc>>,
    /// When it was made.
    pub create_time: DateTime<Utc>,
}

macro_rules! select_token {
    ($tail:literal) => {
        concat!(
            "SELECT api_tokens.id, name, scopes, expire_time, last_use_time, api_tokens.create_time FROM api_tokens ",
            $tail
        )
    };
}

/// A person's tokens, newest first.
pub async fn list(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Vec<ApiToken>> {
    query_as(select_token!("WHERE user_id = $1 ORDER BY create_time DESC, id DESC"))
        .bind(user_id)
        .fetch_all(connection)
        .await
}

/// How many tokens a person has.
pub async fn count(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<i64> {
    query_scalar("SELECT COUNT(*) FROM api_tokens WHERE user_id = $1").bind(user_id).fetch_one(connection).await
}

/// Adds a token.
pub async fn insert(
    connection: &mut Connection,
    user_id: Uuid,
    token: &ApiToken,
    token_hash: &[u8],
) -> sqlx::Result<()> {
    query(
        "INSERT INTO api_tokens (id, user_id, name, scopes, token_hash, expire_time, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(token.id)
    .bind(user_id)
    .bind(token.name.clone())
    .bind(token.scopes.clone())
    .bind(token_hash)
    .bind(token.expire_time)
    .bind(token.create_time)
    .execute(connection)
    .await
    .map(drop)
}

/// Ends all tokens of a person.
pub async fn delete_all(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<()> {
    query("DELETE FROM api_tokens WHERE user_id = $1").bind(user_id).execute(connection).await.map(drop)
}

/// Deletes a token. Answers whether there was one.
pub async fn delete(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<bool> {
    query("DELETE FROM api_tokens WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .execute(connection)
        .await
        .map(|rows| rows > 0)
}

/// Whose a token is, by its hash.
pub async fn find_user(connection: &mut Connection, token_hash: &[u8]) -> sqlx::Result<Option<Uuid>> {
    let user_id: Option<Option<Uuid>> = query_scalar(dialects!(
        sqlite: "SELECT user_id FROM api_tokens WHERE token_hash = $1",
        postgres: "SELECT focusflow.user_of_api_token($1)",
    ))
    .bind(token_hash)
    .fetch_optional(connection)
    .await?;
    Ok(user_id.flatten())
}

/// A person's token by its hash, unless the person has asked for the account's end.
pub async fn find(connection: &mut Connection, user_id: Uuid, token_hash: &[u8]) -> sqlx::Result<Option<ApiToken>> {
    query_as(select_token!(
        "JOIN users ON users.id = user_id WHERE user_id = $1 AND token_hash = $2 AND delete_time IS NULL"
    ))
    .bind(user_id)
    .bind(token_hash)
    .fetch_optional(connection)
    .await
}

/// Notes that a token was used at `now`.
pub async fn note_use(connection: &mut Connection, user_id: Uuid, id: Uuid, now: DateTime<Utc>) -> sqlx::Result<()> {
    query("UPDATE api_tokens SET last_use_time = $3 WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
}
