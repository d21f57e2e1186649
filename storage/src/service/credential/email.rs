//! Addresses and passwords, and the mailed tokens that prove the one and reset the other.

use chrono::{DateTime, TimeDelta, Utc};
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::v1::security_event::Kind as Event;
use uuid::Uuid;

use super::{Credentials, check_hash, check_password_hash, future};
use crate::domain::change::{Action, Resource};
use crate::domain::text::Email;
use crate::service::error::{Error, InField as _};
use crate::service::request::{id, required};
use crate::sql::account_mails::{self, AccountMail, Kind};
use crate::sql::account_tokens::{self, AccountToken, Purpose};
use crate::sql::{Connection, Write, api_tokens, is_unique_violation, security_events, sessions, totp, users};

/// How many mails with a token for one purpose a person is sent within [`MAIL_WINDOW`]; further requests send none.
const MAILS_MAX: i64 = 3;
const MAIL_WINDOW: TimeDelta = TimeDelta::hours(1);
const TOKEN_LENGTH_MAX: usize = 100;

/// A token that is to be mailed, checked.
pub(super) struct NewToken {
    text: String,
    hash: Vec<u8>,
    expire_time: DateTime<Utc>,
}

impl NewToken {
    pub(super) fn parse(field: &str, token: Option<internal::MailedToken>, now: DateTime<Utc>) -> Result<Self, Error> {
        let token = required(field, token)?;
        check_hash("token_hash", &token.token_hash)?;
        if token.token.is_empty() || token.token.len() > TOKEN_LENGTH_MAX {
            return Err(Error::field(format!("{field}.token"), format!("must be 1 to {TOKEN_LENGTH_MAX} bytes long")));
        }
        let expire_time = future("expire_time", token.expire_time, now)?;
        Ok(Self { text: token.token, hash: token.token_hash, expire_time })
    }
}

impl Credentials {
    pub(super) async fn request_email_verification(
        &self,
        request: internal::RequestEmailVerificationRequest,
    ) -> Result<(), Error> {
        let user_id = id("user_id", &request.user_id)?;
        let token = NewToken::parse("verification", request.verification, self.store.time.now())?;
        let other = if request.email.is_empty() { None } else { Some(Email::parse(&request.email).in_field("email")?) };
        if let Some(email) = &other
            && users::find_id(&mut self.store.database.system().await?, email).await?.is_some_and(|id| id != user_id)
        {
            return Err(taken(email));
        }
        let mut write = self.store.write(user_id).await?;
        let user = users::find(write.connection(), user_id).await?.ok_or_else(|| Error::not_found("user", user_id))?;
        let email = match other {
            Some(email) => email,
            None if user.email_verified => return Ok(()),
            None => user.email,
        };
        self.mail_token(&mut write, Purpose::VerifyEmail, email, token).await?;
        write.commit().await?;
        Ok(())
    }

    /// Keeps a token's hash and orders the mail that carries it, unless there were too many lately.
    pub(super) async fn mail_token(
        &self,
        write: &mut Write,
        purpose: Purpose,
        email: Email,
        token: NewToken,
    ) -> Result<(), Error> {
        let (user_id, now) = (write.user_id(), write.now());
        let recent = account_tokens::count_since(write.connection(), user_id, purpose, now - MAIL_WINDOW).await?;
        if recent >= MAILS_MAX {
            return Ok(());
        }
        account_tokens::delete_expired(write.connection(), user_id, now).await?;
        let kept = AccountToken { email: email.clone(), expire_time: token.expire_time };
        account_tokens::insert(write.connection(), user_id, purpose, &token.hash, &kept, now).await?;
        let kind = match purpose {
            Purpose::VerifyEmail => Kind::VerifyEmail,
            Purpose::ResetPassword => Kind::ResetPassword,
        };
        self.order_mail(write, AccountMail { kind, recipient: email, token: Some(token.text) }).await
    }

    async fn order_mail(&self, write: &mut Write, mail: AccountMail) -> Result<(), Error> {
        let (user_id, now, id) = (write.user_id(), write.now(), self.store.time.new_id());
        Ok(account_mails::insert(write.connection(), user_id, id, &mail, now).await?)
    }

    pub(super) async fn verify_email(&self, request: internal::VerifyEmailRequest) -> Result<(), Error> {
        let user_id = self.holder_of(&request.token_hash).await?;
        let mut write = self.store.write(user_id).await?;
        let email = use_token(&mut write, Purpose::VerifyEmail, &request.token_hash).await?;
        let now = write.now();
        let before = users::find(write.connection(), user_id).await?.ok_or(Error::AccountToken)?;
        let changes = before.email.key() != email.key();
        let set = users::set_email(write.connection(), user_id, &email, now).await;
        set.map_err(|error| if is_unique_violation(&error) { taken(&email) } else { error.into() })?;
        let event = if changes { Event::EmailChanged } else { Event::EmailVerified };
        security_events::append(write.connection(), user_id, event, None, now).await?;
        if changes {
            // Whoever reads the old mailbox must not be able to take the account back by it.
            account_tokens::delete_all(write.connection(), user_id, Purpose::ResetPassword).await?;
            let notice = AccountMail { kind: Kind::EmailChanged, recipient: before.email, token: None };
            self.order_mail(&mut write, notice).await?;
        }
        write.record(Resource::User, user_id, Action::Updated);
        write.commit().await?;
        Ok(())
    }

    pub(super) async fn request_password_reset(
        &self,
        request: internal::RequestPasswordResetRequest,
    ) -> Result<(), Error> {
        let token = NewToken::parse("reset", request.reset, self.store.time.now())?;
        check_hash("subject_hash", &request.subject_hash)?;
        let email = Email::parse(&request.email).in_field("email")?;
        let user_id = users::find_id(&mut self.store.database.system().await?, &email).await?;
        let Some(user_id) = user_id else {
            // One transaction that commits, as for an address that has an account.
            return self.record_stray(&request.subject_hash, Event::PasswordResetRequested).await;
        };
        let mut write = self.store.write(user_id).await?;
        let user = users::find(write.connection(), user_id).await?.ok_or_else(|| Error::not_found("user", user_id))?;
        self.mail_token(&mut write, Purpose::ResetPassword, user.email, token).await?;
        let now = write.now();
        security_events::append(write.connection(), user_id, Event::PasswordResetRequested, None, now).await?;
        write.commit().await?;
        Ok(())
    }

    pub(super) async fn reset_password(&self, request: internal::ResetPasswordRequest) -> Result<(), Error> {
        check_password_hash(&request.password_hash)?;
        let user_id = self.holder_of(&request.token_hash).await?;
        let mut write = self.store.write(user_id).await?;
        let now = write.now();
        let email = use_token(&mut write, Purpose::ResetPassword, &request.token_hash).await?;
        let user = users::find(write.connection(), user_id).await?.ok_or(Error::AccountToken)?;
        if !user.email_verified && user.email.key() == email.key() {
            users::set_email(write.connection(), user_id, &user.email, now).await?;
            write.record(Resource::User, user_id, Action::Updated);
        }
        if !user.email_verified {
            // Whoever made the account before its address was proven may be somebody else.
            totp::delete(write.connection(), user_id).await?;
        }
        users::set_password(write.connection(), user_id, &request.password_hash).await?;
        sessions::delete_all(write.connection(), user_id, None).await?;
        api_tokens::delete_all(write.connection(), user_id).await?;
        // A change of the address that is under way may be a thief's.
        account_tokens::delete_all(write.connection(), user_id, Purpose::VerifyEmail).await?;
        security_events::append(write.connection(), user_id, Event::PasswordReset, None, now).await?;
        let notice = AccountMail { kind: Kind::PasswordChanged, recipient: user.email, token: None };
        self.order_mail(&mut write, notice).await?;
        write.commit().await?;
        Ok(())
    }

    pub(super) async fn set_password(&self, request: internal::SetPasswordRequest) -> Result<(), Error> {
        check_password_hash(&request.password_hash)?;
        let user_id = id("user_id", &request.user_id)?;
        let kept = id("kept_session_id", &request.kept_session_id)?;
        let mut write = self.store.write(user_id).await?;
        let now = write.now();
        let user = users::find(write.connection(), user_id).await?.ok_or_else(|| Error::not_found("user", user_id))?;
        users::set_password(write.connection(), user_id, &request.password_hash).await?;
        sessions::delete_all(write.connection(), user_id, Some(kept)).await?;
        for purpose in [Purpose::ResetPassword, Purpose::VerifyEmail] {
            account_tokens::delete_all(write.connection(), user_id, purpose).await?;
        }
        security_events::append(write.connection(), user_id, Event::PasswordChanged, Some(kept), now).await?;
        let notice = AccountMail { kind: Kind::PasswordChanged, recipient: user.email, token: None };
        self.order_mail(&mut write, notice).await?;
        write.commit().await?;
        Ok(())
    }

    async fn holder_of(&self, token_hash: &[u8]) -> Result<Uuid, Error> {
        check_hash("token_hash", token_hash)?;
        let user_id = account_tokens::find_user(&mut self.store.database.system().await?, token_hash).await?;
        user_id.ok_or(Error::AccountToken)
    }
}

/// Answers the address that a token was mailed to, and makes all tokens for its purpose worthless.
async fn use_token(write: &mut Write, purpose: Purpose, token_hash: &[u8]) -> Result<Email, Error> {
    let (user_id, now) = (write.user_id(), write.now());
    let connection: &mut Connection = write.connection();
    let token = account_tokens::find(connection, user_id, purpose, token_hash).await?;
    let token = token.filter(|token| now < token.expire_time).ok_or(Error::AccountToken)?;
    account_tokens::delete_all(connection, user_id, purpose).await?;
    Ok(token.email)
}

fn taken(email: &Email) -> Error {
    Error::AlreadyExists { resource: "user", name: email.as_str().to_owned() }
}
