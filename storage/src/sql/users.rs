//! Accounts.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Connection, dialects, query, query_as, query_scalar};
use crate::domain::text::Email;
use crate::domain::user::User;

macro_rules! select_user {
    ($more:literal, $tail:literal) => {
        concat!(
            "SELECT id, email, first_name, last_name, time_zone, day_start_minutes, work_start_minutes, ",
            "work_end_minutes, work_weekdays, tier, email_verified, create_time, update_time",
            $more,
            " FROM users ",
            $tail
        )
    };
}

/// A person and the hash of their password. Not `Debug`, so that no log shows the hash.
#[derive(Clone, sqlx::FromRow)]
pub struct Account {
    /// The person.
    #[sqlx(flatten)]
    pub user: User,
    /// PHC string.
    pub password_hash: String,
    /// When the person asked for the account's end, if they did.
    pub delete_time: Option<DateTime<Utc>>,
}

/// What has expired, by kind.
#[derive(Clone, Copy, Debug)]
pub struct Expired {
    /// Sessions that ended until then.
    pub sessions_before: DateTime<Utc>,
    /// Request ids that were used until then.
    pub requests_before: DateTime<Utc>,
    /// Tasks that were moved to the trash until then.
    pub trash_before: DateTime<Utc>,
}

/// A person by id.
pub async fn find(connection: &mut Connection, id: Uuid) -> sqlx::Result<Option<User>> {
    query_as(select_user!("", "WHERE id = $1")).bind(id).fetch_optional(connection).await
}

/// Whose account an address is, compared without case.
pub async fn find_id(connection: &mut Connection, email: &Email) -> sqlx::Result<Option<Uuid>> {
    let id: Option<Option<Uuid>> = query_scalar(dialects!(
        sqlite: "SELECT id FROM users WHERE email_key = $1",
        postgres: "SELECT focusflow.user_of_email($1)",
    ))
    .bind(email.key())
    .fetch_optional(connection)
    .await?;
    Ok(id.flatten())
}

/// A person's account.
pub async fn find_account(connection: &mut Connection, id: Uuid) -> sqlx::Result<Option<Account>> {
    query_as(select_user!(", password_hash, delete_time", "WHERE id = $1")).bind(id).fetch_optional(connection).await
}

/// Adds an account. Answers whether the address was free.
pub async fn insert(connection: &mut Connection, account: &Account) -> sqlx::Result<bool> {
    let Account { user, password_hash, .. } = account;
    query(
        "INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, time_zone, day_start_minutes,
         work_start_minutes, work_end_minutes, work_weekdays, tier, email_verified, change_number, create_time,
         update_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15)
         ON CONFLICT DO NOTHING",
    )
    .bind(user.id)
    .bind(&user.email)
    .bind(user.email.key())
    .bind(password_hash)
    .bind(&user.first_name)
    .bind(&user.last_name)
    .bind(user.time_zone.name())
    .bind(user.day_start)
    .bind(user.working_hours.start_minutes())
    .bind(user.working_hours.end_minutes())
    .bind(Json(user.working_hours.weekdays()))
    .bind(user.tier)
    .bind(user.email_verified)
    .bind(user.create_time)
    .bind(user.update_time)
    .execute(connection)
    .await
    .map(|rows| rows == 1)
}

/// Writes a person's names and settings.
pub async fn update(connection: &mut Connection, user: &User) -> sqlx::Result<()> {
    query(
        "UPDATE users SET first_name = $2, last_name = $3, time_zone = $4, day_start_minutes = $5,
         work_start_minutes = $6, work_end_minutes = $7, work_weekdays = $8, update_time = $9 WHERE id = $1",
    )
    .bind(user.id)
    .bind(&user.first_name)
    .bind(&user.last_name)
    .bind(user.time_zone.name())
    .bind(user.day_start)
    .bind(user.working_hours.start_minutes())
    .bind(user.working_hours.end_minutes())
    .bind(Json(user.working_hours.weekdays()))
    .bind(user.update_time)
    .execute(connection)
    .await
    .map(drop)
}

/// Sets a person's password hash.
pub async fn set_password(connection: &mut Connection, id: Uuid, password_hash: &str) -> sqlx::Result<()> {
    query("UPDATE users SET password_hash = $2 WHERE id = $1")
        .bind(id)
        .bind(password_hash)
        .execute(connection)
        .await
        .map(drop)
}

/// Makes a proven address a person's. Fails on the unique index if it is another's.
pub async fn set_email(
    connection: &mut Connection,
    id: Uuid,
    email: &Email,
    update_time: DateTime<Utc>,
) -> sqlx::Result<()> {
    query("UPDATE users SET email = $2, email_key = $3, email_verified = $4, update_time = $5 WHERE id = $1")
        .bind(id)
        .bind(email)
        .bind(email.key())
        .bind(true)
        .bind(update_time)
        .execute(connection)
        .await
        .map(drop)
}

/// Asks for an account's end at `now`. Answers whether that was not done before.
pub async fn ask_for_end(connection: &mut Connection, id: Uuid, now: DateTime<Utc>) -> sqlx::Result<bool> {
    query("UPDATE users SET delete_time = $2 WHERE id = $1 AND delete_time IS NULL")
        .bind(id)
        .bind(now)
        .execute(connection)
        .await
        .map(|rows| rows > 0)
}

/// Takes the request for an account's end back. Answers whether there was one.
pub async fn keep(connection: &mut Connection, id: Uuid) -> sqlx::Result<bool> {
    query("UPDATE users SET delete_time = NULL WHERE id = $1 AND delete_time IS NOT NULL")
        .bind(id)
        .execute(connection)
        .await
        .map(|rows| rows > 0)
}

/// At most `limit` people who asked for their account's end at `before` or earlier.
pub async fn to_purge(connection: &mut Connection, before: DateTime<Utc>, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    query_scalar(dialects!(
        sqlite: "SELECT id FROM users WHERE delete_time <= $1 ORDER BY delete_time LIMIT $2",
        postgres: "SELECT focusflow.users_to_purge($1, $2)",
    ))
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Deletes a person with all that is theirs, if they asked for it at `before` or earlier. Answers whether they did.
pub async fn purge(connection: &mut Connection, id: Uuid, before: DateTime<Utc>) -> sqlx::Result<bool> {
    query("DELETE FROM users WHERE id = $1 AND delete_time <= $2")
        .bind(id)
        .bind(before)
        .execute(connection)
        .await
        .map(|rows| rows > 0)
}

/// At most `limit` people after `after`, by id, who have sessions, request ids or trash that have expired.
pub async fn to_sweep(
    connection: &mut Connection,
    expired: Expired,
    after: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    query_scalar(dialects!(
        sqlite: "SELECT user_id FROM (
                     SELECT user_id FROM sessions WHERE expire_time <= $1
                     UNION SELECT user_id FROM request_ids WHERE create_time <= $2
                     UNION SELECT user_id FROM tasks WHERE delete_time <= $3
                 ) WHERE user_id > $4 ORDER BY user_id LIMIT $5",
        postgres: "SELECT focusflow.users_to_sweep($1, $2, $3, $4, $5)",
    ))
    .bind(expired.sessions_before)
    .bind(expired.requests_before)
    .bind(expired.trash_before)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await
}
