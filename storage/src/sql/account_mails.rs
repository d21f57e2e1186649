//! Mails about accounts: what they say beside when they are sent, which [`mails`](super::mails) knows.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, mails, query, query_as};
use crate::domain::text::Email;

/// What a mail about an account tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// How to prove the address.
    VerifyEmail,
    /// How to set a password.
    ResetPassword,
    /// That the password was changed.
    PasswordChanged,
    /// That the account has another address now.
    EmailChanged,
}

/// A mail about an account. Not `Debug`, so that no log shows the token.
#[derive(Clone, sqlx::FromRow)]
pub struct AccountMail {
    /// What it tells.
    pub kind: Kind,
    /// Whom it is to, which need not be the account's address.
    pub recipient: Email,
    /// What its link carries, if it has one and was not sent yet.
    pub token: Option<String>,
}

/// Orders a mail, to be sent at once.
pub async fn insert(
    connection: &mut Connection,
    user_id: Uuid,
    id: Uuid,
    mail: &AccountMail,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    mails::insert(connection, user_id, id, now, now).await?;
    query("INSERT INTO account_mails (user_id, mail_id, kind, recipient, token) VALUES ($1, $2, $3, $4, $5)")
        .bind(user_id)
        .bind(id)
        .bind(mail.kind)
        .bind(&mail.recipient)
        .bind(mail.token.clone())
        .execute(connection)
        .await
        .map(drop)
}

/// What a mail says, if it is about the account.
pub async fn find(connection: &mut Connection, user_id: Uuid, mail_id: Uuid) -> sqlx::Result<Option<AccountMail>> {
    query_as("SELECT kind, recipient, token FROM account_mails WHERE user_id = $1 AND mail_id = $2")
        .bind(user_id)
        .bind(mail_id)
        .fetch_optional(connection)
        .await
}

/// Forgets the token of a mail that is not tried again.
pub async fn forget_token(connection: &mut Connection, user_id: Uuid, mail_id: Uuid) -> sqlx::Result<()> {
    query("UPDATE account_mails SET token = NULL WHERE user_id = $1 AND mail_id = $2 AND token IS NOT NULL")
        .bind(user_id)
        .bind(mail_id)
        .execute(connection)
        .await
        .map(drop)
}
