//! Tokens that were mailed to people, which are kept as hashes.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, dialects, query, query_as, query_scalar};
use crate::domain::text::Email;

/// What a mailed token lets its holder do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Purpose {
    /// Prove that an address is theirs.
    VerifyEmail,
    /// Set a password.
    ResetPassword,
}

/// A token that can be used.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AccountToken {
    /// The address that it was mailed to.
    pub email: Email,
    /// When it stops working.
    pub expire_time: DateTime<Utc>,
}

/// Adds a token.
pub async fn insert(
    connection: &mut Connection,
    user_id: Uuid,
    purpose: Purpose,
    token_hash: &[u8],
    token: &AccountToken,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    query(
        "INSERT INTO account_tokens (token_hash, user_id, purpose, email, expire_time, create_time)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(token_hash)
    .bind(user_id)
    .bind(purpose)
    .bind(&token.email)
    .bind(token.expire_time)
    .bind(now)
    .execute(connection)
    .await
    .map(drop)
}

/// How many tokens a person was given for a purpose after `since`.
pub async fn count_since(
    connection: &mut Connection,
    user_id: Uuid,
    purpose: Purpose,
    since: DateTime<Utc>,
) -> sqlx::Result<i64> {
    query_scalar("SELECT COUNT(*) FROM account_tokens WHERE user_id = $1 AND purpose = $2 AND create_time > $3")
        .bind(user_id)
        .bind(purpose)
        .bind(since)
        .fetch_one(connection)
        .await
}

/// Whose a token is, by its hash.
pub async fn find_user(connection: &mut Connection, token_hash: &[u8]) -> sqlx::Result<Option<Uuid>> {
    let user_id: Option<Option<Uuid>> = query_scalar(dialects!(
        sqlite: "SELECT user_id FROM account_tokens WHERE token_hash = $1",
        postgres: "SELECT focusflow.user_of_account_token($1)",
    ))
    .bind(token_hash)
    .fetch_optional(connection)
    .await?;
    Ok(user_id.flatten())
}

/// A person's token for a purpose, by its hash.
pub async fn find(
    connection: &mut Connection,
    user_id: Uuid,
    purpose: Purpose,
    token_hash: &[u8],
) -> sqlx::Result<Option<AccountToken>> {
    query_as("SELECT email, expire_time FROM account_tokens WHERE user_id = $1 AND purpose = $2 AND token_hash = $3")
        .bind(user_id)
        .bind(purpose)
        .bind(token_hash)
        .fetch_optional(connection)
        .await
}

/// Makes all of a person's tokens for a purpose worthless.
pub async fn delete_all(connection: &mut Connection, user_id: Uuid, purpose: Purpose) -> sqlx::Result<()> {
    query("DELETE FROM account_tokens WHERE user_id = $1 AND purpose = $2")
        .bind(user_id)
        .bind(purpose)
        .execute(connection)
        .await
        .map(drop)
}

/// Forgets a person's tokens that have expired by `now`.
pub async fn delete_expired(connection: &mut Connection, user_id: Uuid, now: DateTime<Utc>) -> sqlx::Result<()> {
    query("DELETE FROM account_tokens WHERE user_id = $1 AND expire_time <= $2")
        .bind(user_id)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
}
