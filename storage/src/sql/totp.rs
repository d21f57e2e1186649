//! Second factors: a secret that storage cannot read, and the hashes of recovery codes.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, query, query_as};

/// Earlier than any time step.
const NO_STEP: i64 = -1;

/// A person's second factor.
#[derive(Clone, sqlx::FromRow)]
pub struct Totp {
    /// As the gateway encrypted it.
    pub encrypted_secret: Vec<u8>,
    /// When it was switched on.
    pub confirm_time: Option<DateTime<Utc>>,
}

/// A person's second factor, on or not.
pub async fn find(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Option<Totp>> {
    query_as("SELECT encrypted_secret, confirm_time FROM totp WHERE user_id = $1")
        .bind(user_id)
        .fetch_optional(connection)
        .await
}

/// Keeps a secret that is to be confirmed, in place of an earlier one. Answers whether it could: not if one is on.
pub async fn enroll(connection: &mut Connection, user_id: Uuid, encrypted_secret: &[u8]) -> sqlx::Result<bool> {
    query(
        "INSERT INTO totp (user_id, encrypted_secret, last_step) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET encrypted_secret = excluded.encrypted_secret,
         last_step = excluded.last_step WHERE totp.confirm_time IS NULL",
    )
    .bind(user_id)
    .bind(encrypted_secret)
    .bind(NO_STEP)
    .execute(connection)
    .await
    .map(|rows| rows > 0)
}

/// Notes that the code of a time step was used. Answers whether it could: not if it, or a later one, was before.
pub async fn accept(connection: &mut Connection, user_id: Uuid, step: i64) -> sqlx::Result<bool> {
    query("UPDATE totp SET last_step = $2 WHERE user_id = $1 AND last_step < $2")
        .bind(user_id)
        .bind(step)
        .execute(connection)
        .await
        .map(|rows| rows > 0)
}

/// Keeps the secret of a second factor as it is encrypted now.
pub async fn renew(connection: &mut Connection, user_id: Uuid, encrypted_secret: &[u8]) -> sqlx::Result<()> {
    query("UPDATE totp SET encrypted_secret = $2 WHERE user_id = $1 AND confirm_time IS NOT NULL")
        .bind(user_id)
        .bind(encrypted_secret)
        .execute(connection)
        .await
        .map(drop)
}

/// Switches a second factor on. Answers whether it was off.
pub async fn confirm(connection: &mut Connection, user_id: Uuid, now: DateTime<Utc>) -> sqlx::Result<bool> {
    query("UPDATE totp SET confirm_time = $2 WHERE user_id = $1 AND confirm_time IS NULL")
        .bind(user_id)
        .bind(now)
        .execute(connection)
        .await
        .map(|rows| rows > 0)
}

/// Deletes a second factor with its recovery codes. Answers whether there was one.
pub async fn delete(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<bool> {
    query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user_id).execute(connection).await?;
    query("DELETE FROM totp WHERE user_id = $1").bind(user_id).execute(connection).await.map(|rows| rows > 0)
}

/// Adds a recovery code.
pub async fn insert_recovery_code(connection: &mut Connection, user_id: Uuid, code_hash: &[u8]) -> sqlx::Result<()> {
    query("INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(user_id)
        .bind(code_hash)
        .execute(connection)
        .await
        .map(drop)
}

/// Uses a recovery code up. Answers whether the person had it.
pub async fn redeem(connection: &mut Connection, user_id: Uuid, code_hash: &[u8]) -> sqlx::Result<bool> {
    query("DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2")
        .bind(user_id)
        .bind(code_hash)
        .execute(connection)
        .await
        .map(|rows| rows > 0)
}
