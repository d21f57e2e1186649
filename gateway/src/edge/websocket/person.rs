//! Whose socket it is.

use std::time::Duration;

use focusflow_mesh::context::Context;
use focusflow_mesh::deadline;
use focusflow_mesh::refusal::permission_denied;
use http::HeaderValue;
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use crate::auth::TokenError;
use crate::edge::Inner;
use crate::limits::Caller;

/// A socket's token. Each call presents it as a request over another protocol would, so that what is checked of a
/// request is checked of a call.
pub(super) struct Token {
    /// `None`: the socket is nobody's.
    pub(super) authorization: Option<HeaderValue>,
    pub(super) user_id: Option<Uuid>,
    /// `None`: it does not expire by itself.
    pub(super) lasts: Option<Duration>,
    pub(super) expires: Option<Instant>,
}

impl Token {
    /// Checks a token, within a time in which whoever has to be asked about it must answer.
    pub(super) async fn check(inner: &Inner, token: &str, time: Duration, caller: &Caller) -> Result<Self, Status> {
        if token.is_empty() {
            return Ok(Self { authorization: None, user_id: None, lasts: None, expires: None });
        }
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Status::from(TokenError::Invalid))?;
        authorization.set_sensitive(true);
        let context = Context { deadline: deadline::after(time), ..Context::root() };
        let holder = inner.admission.holder(token, &context, caller).await?;
        Ok(Self {
            authorization: Some(authorization),
            user_id: Some(holder.user_id),
            lasts: holder.lasts,
            expires: holder.lasts.and_then(deadline::after),
        })
    }

    /// Whether it may take this one's place: calls that are under way stay their person's.
    pub(super) fn check_successor(&self, successor: &Self) -> Result<(), Status> {
        if self.user_id.is_none() || self.user_id == successor.user_id {
            return Ok(());
        }
        let message = "the token is not of the person whose socket this is; open another socket";
        Err(permission_denied("TOKEN_OF_ANOTHER", message))
    }

    /// What `Ready` says about it, in whole seconds that it lasts at least; 0: it does not expire.
    pub(super) fn seconds(&self) -> u32 {
        self.lasts.map_or(0, |lasts| u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX).max(1))
    }
}
