//! Whether the session of an access token is still open.
//!
//! The token itself says until when it is good at most. That its session has ended is known to storage, which is asked
//! about a session every [`REMEMBERED`] at most: so long does a token outlive its session or its account.

use std::time::Duration;

use focusflow_mesh::context::Context;
use focusflow_proto::internal::v1::GetSessionRequest;
use focusflow_proto::internal::v1::credential_service_client::CredentialServiceClient;
use moka::sync::Cache;
use tonic::{Code, Request};
use uuid::Uuid;

use super::TokenError;
use super::service::Storage;

/// How long an answer is taken for true.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(5);
const SESSIONS_MAX: u64 = 100_000;

/// Asks storage about sessions.
#[derive(Clone)]
pub(crate) struct Sessions<C> {
    storage: CredentialServiceClient<C>,
    open: Cache<(Uuid, Uuid), bool>,
}

impl<C: Storage> Sessions<C> {
    pub(crate) fn new(storage: C) -> Self {
        let open = Cache::builder().max_capacity(SESSIONS_MAX).time_to_live(REMEMBERED).build();
        Self { storage: CredentialServiceClient::new(storage), open }
    }

    /// Refuses a session that has ended. One that storage cannot be asked about passes: what it may do needs storage too.
    pub(crate) async fn check(&self, user_id: Uuid, session_id: Uuid, context: &Context) -> Result<(), TokenError> {
        let is_open = match self.open.get(&(user_id, session_id)) {
            Some(is_open) => is_open,
            None => self.ask(user_id, session_id, context).await,
        };
        if is_open { Ok(()) } else { Err(TokenError::Revoked) }
    }

    async fn ask(&self, user_id: Uuid, session_id: Uuid, context: &Context) -> bool {
        let question = GetSessionRequest { user_id: user_id.to_string(), session_id: session_id.to_string() };
        let mut request = Request::new(question);
        request.extensions_mut().insert(context.clone());
        let answer = self.storage.clone().get_session(request).await;
        let is_open = !answer.is_err_and(|status| status.code() == Code::NotFound);
        self.open.insert((user_id, session_id), is_open);
        is_open
    }
}
