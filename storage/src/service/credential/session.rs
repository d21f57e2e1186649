//! Sessions: opened, refreshed, listed and ended.

use chrono::{DateTime, TimeDelta, Utc};
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::v1;
use focusflow_proto::v1::security_event::Kind as Event;
use uuid::Uuid;

use super::{Credentials, check_hash, future};
use crate::service::error::Error;
use crate::service::request::{id, optional_id, timestamp};
use crate::sql::sessions::{OpenSession, RefreshToken, Session};
use crate::sql::{changes, is_unique_violation, security_events, sessions, users};

const USER_AGENT_LENGTH_MAX: usize = 500;
/// A token that was replaced less than this ago is presented by a client that refreshes twice at once, or that did not
/// hear the answer; later, by someone who has a copy.
const REUSE_GRACE: TimeDelta = TimeDelta::seconds(10);

const UNKNOWN_TOKEN: Error = Error::RefreshToken { reason: "REFRESH_TOKEN_UNKNOWN", problem: "is not known" };
const EXPIRED_TOKEN: Error = Error::RefreshToken { reason: "REFRESH_TOKEN_EXPIRED", problem: "has expired" };
const JUST_REPLACED_TOKEN: Error =
    Error::RefreshToken { reason: "REFRESH_TOKEN_JUST_REPLACED", problem: "was replaced a moment ago" };
const REUSED_TOKEN: Error =
    Error::RefreshToken { reason: "REFRESH_TOKEN_REUSED", problem: "was replaced before: the session has ended" };

impl Credentials {
    pub(super) async fn create_session(&self, request: internal::CreateSessionRequest) -> Result<(), Error> {
        let now = self.store.time.now();
        let session = Session {
            id: id("session_id", &request.session_id)?,
            user_id: id("user_id", &request.user_id)?,
            user_agent: request.user_agent.chars().take(USER_AGENT_LENGTH_MAX).collect(),
            expire_time: future("expire_time", request.expire_time, now)?,
        };
        let user_id = session.user_id;
        check_hash("token_hash", &request.token_hash)?;
        if request.sessions_max < 0 {
            return Err(Error::field("sessions_max", "must not be negative"));
        }

        let mut transaction = self.store.database.begin(user_id).await?;
        // Two that sign in at once would each leave room for themselves only.
        if changes::lock_sequence(&mut transaction, user_id).await?.is_none() {
            return Err(Error::not_found("user", user_id));
        }
        if users::keep(&mut transaction, user_id).await? {
            security_events::append(&mut transaction, user_id, Event::DeletionUndone, None, now).await?;
        }
        if request.sessions_max > 0 {
            let others = i64::from(request.sessions_max) - 1;
            sessions::delete_all_but_recent(&mut transaction, user_id, others).await?;
        }
        sessions::insert(&mut transaction, &session, now).await.map_err(|error| taken(error, session.id))?;
        sessions::insert_token(&mut transaction, user_id, session.id, &request.token_hash, now).await?;
        security_events::append(&mut transaction, user_id, Event::SignedIn, Some(session.id), now).await?;
        Ok(transaction.commit().await?)
    }

    pub(super) async fn rotate_session(
        &self,
        request: internal::RotateSessionRequest,
    ) -> Result<internal::RotateSessionResponse, Error> {
        let now = self.store.time.now();
        check_hash("token_hash", &request.token_hash)?;
        check_hash("next_token_hash", &request.next_token_hash)?;
        let expire_time = future("expire_time", request.expire_time, now)?;

        let user_id = self.user_of_token(&request.token_hash).await?.ok_or(UNKNOWN_TOKEN)?;
        let mut transaction = self.store.database.begin(user_id).await?;
        let token = sessions::lock_token(&mut transaction, user_id, &request.token_hash).await?.ok_or(UNKNOWN_TOKEN)?;
        if let Some((refusal, session_ends)) = judge(token, now) {
            drop(transaction);
            if session_ends {
                self.end_refused(user_id, token, now).await?;
            }
            return Err(refusal);
        }
        let user = users::find(&mut transaction, user_id).await?.ok_or(UNKNOWN_TOKEN)?;
        sessions::replace_token(&mut transaction, user_id, &request.token_hash, now).await?;
        sessions::insert_token(&mut transaction, user_id, token.session_id, &request.next_token_hash, now).await?;
        sessions::extend(&mut transaction, user_id, token.session_id, expire_time, now).await?;
        transaction.commit().await?;
        let session_id = token.session_id.to_string();
        Ok(internal::RotateSessionResponse { user: Some(user.into()), session_id })
    }

    /// Ends the session of a token that was refused. The person is locked before the session, as everywhere.
    async fn end_refused(&self, user_id: Uuid, token: RefreshToken, now: DateTime<Utc>) -> Result<(), Error> {
        let mut transaction = self.store.database.begin(user_id).await?;
        if token.replaced {
            let session = Some(token.session_id);
            security_events::append(&mut transaction, user_id, Event::RefreshTokenReused, session, now).await?;
        }
        sessions::delete(&mut transaction, user_id, token.session_id).await?;
        Ok(transaction.commit().await?)
    }

    pub(super) async fn end_session(&self, request: internal::EndSessionRequest) -> Result<(), Error> {
        check_hash("token_hash", &request.token_hash)?;
        let Some(user_id) = self.user_of_token(&request.token_hash).await? else { return Ok(()) };
        let now = self.store.time.now();
        let mut transaction = self.store.database.begin(user_id).await?;
        changes::lock_sequence(&mut transaction, user_id).await?;
        if let Some(token) = sessions::lock_token(&mut transaction, user_id, &request.token_hash).await? {
            let session = Some(token.session_id);
            security_events::append(&mut transaction, user_id, Event::SignedOut, session, now).await?;
            sessions::delete(&mut transaction, user_id, token.session_id).await?;
        }
        Ok(transaction.commit().await?)
    }

    pub(super) async fn list_sessions(
        &self,
        request: internal::ListSessionsRequest,
    ) -> Result<Vec<OpenSession>, Error> {
        let user_id = id("user_id", &request.user_id)?;
        let mut connection = self.store.database.read(user_id).await?;
        Ok(sessions::list(&mut connection, user_id, self.store.time.now()).await?)
    }

    pub(super) async fn get_session(&self, request: internal::GetSessionRequest) -> Result<OpenSession, Error> {
        let user_id = id("user_id", &request.user_id)?;
        let session_id = id("session_id", &request.session_id)?;
        let mut connection = self.store.database.read(user_id).await?;
        let session = sessions::find(&mut connection, user_id, session_id, self.store.time.now()).await?;
        session.ok_or_else(|| Error::not_found("session", session_id))
    }

    pub(super) async fn revoke_session(&self, request: internal::RevokeSessionRequest) -> Result<(), Error> {
        let user_id = id("user_id", &request.user_id)?;
        let session_id = id("session_id", &request.session_id)?;
        let now = self.store.time.now();
        let mut transaction = self.store.database.begin(user_id).await?;
        security_events::append(&mut transaction, user_id, Event::SessionRevoked, Some(session_id), now).await?;
        if !sessions::delete(&mut transaction, user_id, session_id).await? {
            return Err(Error::not_found("session", session_id));
        }
        Ok(transaction.commit().await?)
    }

    pub(super) async fn revoke_all_sessions(&self, request: internal::RevokeAllSessionsRequest) -> Result<(), Error> {
        let user_id = id("user_id", &request.user_id)?;
        let kept = optional_id("kept_session_id", &request.kept_session_id)?;
        let now = self.store.time.now();
        let mut transaction = self.store.database.begin(user_id).await?;
        security_events::append(&mut transaction, user_id, Event::SessionRevoked, None, now).await?;
        sessions::delete_all(&mut transaction, user_id, kept).await?;
        Ok(transaction.commit().await?)
    }

    async fn user_of_token(&self, token_hash: &[u8]) -> Result<Option<Uuid>, Error> {
        Ok(sessions::find_user(&mut self.store.database.system().await?, token_hash).await?)
    }
}

/// Why a token does not open its session, and whether the session ends for it.
fn judge(token: RefreshToken, now: DateTime<Utc>) -> Option<(Error, bool)> {
    match token {
        // Whoever presents a replaced token has a copy of it, and so may someone else of its successor.
        RefreshToken { replaced: true, replace_time, .. } => {
            let is_recent = replace_time.is_some_and(|time| now < time + REUSE_GRACE);
            Some(if is_recent { (JUST_REPLACED_TOKEN, false) } else { (REUSED_TOKEN, true) })
        }
        RefreshToken { expire_time, .. } => (expire_time <= now).then_some((EXPIRED_TOKEN, true)),
    }
}

fn taken(error: sqlx::Error, id: Uuid) -> Error {
    if is_unique_violation(&error) {
        return Error::AlreadyExists { resource: "session", name: id.to_string() };
    }
    error.into()
}

impl From<OpenSession> for v1::Session {
    fn from(session: OpenSession) -> Self {
        Self {
            id: session.id.to_string(),
            user_agent: session.user_agent,
            create_time: Some(timestamp(session.create_time)),
            last_used_time: Some(timestamp(session.last_use_time)),
            expire_time: Some(timestamp(session.expire_time)),
            current: false,
        }
    }
}
