//! `focusflow.v1.AuthService`: accounts, sessions, second factors and API tokens.
//!
//! Accounts and sessions are storage's; this service hashes, compares and signs. It keeps no state, so that any
//! replica answers any request.

mod recovery;
mod second_factor;
mod sign_in;

use std::collections::BTreeSet;
use std::sync::Arc;

use focusflow_mesh::context;
use focusflow_mesh::refusal::{self, invalid_arguments, permission_denied, unauthenticated};
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::internal::v1::credential_service_client::CredentialServiceClient;
use focusflow_proto::v1::auth_service_server::AuthService;
use focusflow_proto::v1::security_event::Kind as Event;
use focusflow_proto::v1::{
    AuthResponse, ChangeEmailRequest, ChangePasswordRequest, ConfirmTotpRequest, ConfirmTotpResponse,
    CreateApiTokenRequest, CreateApiTokenResponse, DeleteApiTokenRequest, DisableTotpRequest, EnrollTotpRequest,
    EnrollTotpResponse, ListApiTokensRequest, ListApiTokensResponse, ListSecurityEventsRequest,
    ListSecurityEventsResponse, ListSessionsRequest, ListSessionsResponse, LoginRequest, LogoutRequest, RefreshRequest,
    RegisterRequest, RequestPasswordResetRequest, ResendVerificationRequest, ResetPasswordRequest,
    RevokeAllSessionsRequest, RevokeSessionRequest, User, VerifyEmailRequest,
};
use http::HeaderValue;
use http::header::USER_AGENT;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, Bytes, StdError};
use tonic::{Request, Response, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::vault::{Vault, VaultError};
use super::{AccessTokens, ApiToken, Clock, PasswordHasher, SESSIONS_MAX};
use crate::limits::SignInGuard;

/// Longest name of a client that is kept with its session, in characters.
const USER_AGENT_CHARACTERS_MAX: usize = 256;

/// Storage's word for a token that was traded by the same client, as it seems.
const JUST_REPLACED: &str = "REFRESH_TOKEN_JUST_REPLACED";

/// A channel to storage's `CredentialService`.
pub trait Storage:
    GrpcService<
        Body,
        Error: Into<StdError>,
        Future: Send,
        ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<C> Storage for C where
    C: GrpcService<
            Body,
            Error: Into<StdError>,
            Future: Send,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// The service over a channel to storage's `CredentialService`.
pub struct Auth<C> {
    credentials: CredentialServiceClient<C>,
    passwords: PasswordHasher,
    tokens: Arc<AccessTokens>,
    vault: Vault,
    guard: SignInGuard,
    clock: Arc<dyn Clock>,
    sessions_max: u16,
    scopes: BTreeSet<String>,
    origins: Vec<HeaderValue>,
}

/// The session that a request's access token was issued in. The edge puts it into the request's extensions; a request
/// with an API token has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId(pub Uuid);

impl<C: Storage> Auth<C> {
    /// The service, with what it depends on. `secrets` are those of the key ring, the current one first.
    pub(crate) fn new(
        channel: C,
        passwords: PasswordHasher,
        tokens: Arc<AccessTokens>,
        secrets: &[&[u8]],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VaultError> {
        Ok(Self {
            credentials: CredentialServiceClient::new(channel),
            passwords,
            tokens,
            vault: Vault::new(secrets)?,
            guard: SignInGuard::new(false, None),
            clock,
            sessions_max: SESSIONS_MAX,
            scopes: BTreeSet::new(),
            origins: Vec::new(),
        })
    }

    /// With waits after failed sign-ins.
    #[must_use]
    pub(crate) fn with_guard(self, guard: SignInGuard) -> Self {
        Self { guard, ..self }
    }

    /// With the origins whose pages may have the refresh token in a cookie.
    #[must_use]
    pub(crate) fn with_origins(self, origins: Vec<HeaderValue>) -> Self {
        Self { origins, ..self }
    }

    /// With another limit of sessions per person.
    #[must_use]
    pub fn with_sessions_max(self, sessions_max: u16) -> Self {
        Self { sessions_max, ..self }
    }

    /// With the scopes that API tokens may have.
    #[must_use]
    pub fn with_scopes(self, scopes: BTreeSet<String>) -> Self {
        Self { scopes, ..self }
    }

    fn check_scopes(&self, scopes: &[String]) -> Result<(), Status> {
        let unknown = scopes.iter().enumerate().filter(|(_, scope)| !self.scopes.contains(*scope));
        let problem = |scope: &String| format!("expected a scope as `tasks:read`, found `{scope}`");
        let problems: Vec<_> =
            unknown.map(|(index, scope)| (format!("api_token.scopes[{index}]"), problem(scope))).collect();
        if problems.is_empty() { Ok(()) } else { Err(invalid_arguments(problems)) }
    }

    /// Writes a failure down, and that the next attempt has to wait. Not being able to is no reason to let anybody in,
    /// nor to answer differently.
    async fn record_failure(&self, user_id: String, name: &[u8], kind: Event, begins_wait: bool) {
        let kinds = [Some(kind), begins_wait.then_some(Event::SignInDelayed)];
        for kind in kinds.into_iter().flatten() {
            let event = internal::RecordSecurityEventRequest {
                user_id: user_id.clone(),
                subject_hash: name.to_vec(),
                kind: kind.into(),
            };
            if let Err(status) = self.credentials.clone().record_security_event(event).await {
                tracing::warn!(event.kind = kind.as_str_name(), %status, "a security event was not recorded");
            }
        }
    }
}

#[tonic::async_trait]
impl<C: Storage> AuthService for Auth<C> {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<AuthResponse>, Status> {
        self.sign_up(request).await.map(Response::new)
    }

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<AuthResponse>, Status> {
        self.sign_in(request).await.map(Response::new)
    }

    async fn refresh(&self, request: Request<RefreshRequest>) -> Result<Response<AuthResponse>, Status> {
        self.rotate(request).await.map(Response::new)
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<()>, Status> {
        self.sign_out(request).await
    }

    async fn verify_email(&self, request: Request<VerifyEmailRequest>) -> Result<Response<()>, Status> {
        self.prove_email(request).await.map(Response::new)
    }

    async fn resend_verification(&self, request: Request<ResendVerificationRequest>) -> Result<Response<()>, Status> {
        self.resend(request).await.map(Response::new)
    }

    async fn change_email(&self, request: Request<ChangeEmailRequest>) -> Result<Response<()>, Status> {
        self.move_email(request).await.map(Response::new)
    }

    async fn request_password_reset(
        &self,
        request: Request<RequestPasswordResetRequest>,
    ) -> Result<Response<()>, Status> {
        self.mail_reset(request).await.map(Response::new)
    }

    async fn reset_password(&self, request: Request<ResetPasswordRequest>) -> Result<Response<()>, Status> {
        self.reset(request).await.map(Response::new)
    }

    async fn change_password(&self, request: Request<ChangePasswordRequest>) -> Result<Response<()>, Status> {
        self.replace_password(request).await.map(Response::new)
    }

    async fn enroll_totp(&self, request: Request<EnrollTotpRequest>) -> Result<Response<EnrollTotpResponse>, Status> {
        self.enroll(request).await.map(Response::new)
    }

    async fn confirm_totp(
        &self,
        request: Request<ConfirmTotpRequest>,
    ) -> Result<Response<ConfirmTotpResponse>, Status> {
        self.confirm(request).await.map(Response::new)
    }

    async fn disable_totp(&self, request: Request<DisableTotpRequest>) -> Result<Response<()>, Status> {
        self.disable(request).await.map(Response::new)
    }

    async fn list_security_events(
        &self,
        request: Request<ListSecurityEventsRequest>,
    ) -> Result<Response<ListSecurityEventsResponse>, Status> {
        let (user_id, _) = signed_in(&request)?;
        let ListSecurityEventsRequest { page_size, page_token } = request.into_inner();
        let listing = internal::ListSecurityEventsRequest { user_id, page_size, page_token };
        self.credentials.clone().list_security_events(listing).await
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let (user_id, session_id) = signed_in(&request)?;
        let listing = internal::ListSessionsRequest { user_id };
        let mut sessions = self.credentials.clone().list_sessions(listing).await?.into_inner().sessions;
        for session in &mut sessions {
            session.current = session.id == session_id;
        }
        Ok(Response::new(ListSessionsResponse { sessions }))
    }

    async fn revoke_session(&self, request: Request<RevokeSessionRequest>) -> Result<Response<()>, Status> {
        let (user_id, _) = signed_in(&request)?;
        let session_id = id("id", request.into_inner().id)?;
        self.credentials.clone().revoke_session(internal::RevokeSessionRequest { user_id, session_id }).await
    }

    async fn revoke_all_sessions(&self, request: Request<RevokeAllSessionsRequest>) -> Result<Response<()>, Status> {
        let (user_id, _) = signed_in(&request)?;
        let all = internal::RevokeAllSessionsRequest { user_id, kept_session_id: String::new() };
        self.credentials.clone().revoke_all_sessions(all).await
    }

    async fn create_api_token(
        &self,
        request: Request<CreateApiTokenRequest>,
    ) -> Result<Response<CreateApiTokenResponse>, Status> {
        let (user_id, _) = signed_in(&request)?;
        let api_token = request.into_inner().api_token.unwrap_or_default();
        self.check_scopes(&api_token.scopes)?;
        let secret = ApiToken::generate(&mut rand::rng());
        let creation =
            internal::CreateApiTokenRequest { user_id, api_token: Some(api_token), token_hash: secret.hash() };
        let made = self.credentials.clone().create_api_token(creation).await?.into_inner();
        Ok(Response::new(CreateApiTokenResponse { api_token: Some(made), secret: secret.encode() }))
    }

    async fn list_api_tokens(
        &self,
        request: Request<ListApiTokensRequest>,
    ) -> Result<Response<ListApiTokensResponse>, Status> {
        let (user_id, _) = signed_in(&request)?;
        let listing = internal::ListApiTokensRequest { user_id };
        let api_tokens = self.credentials.clone().list_api_tokens(listing).await?.into_inner().api_tokens;
        Ok(Response::new(ListApiTokensResponse { api_tokens }))
    }

    async fn delete_api_token(&self, request: Request<DeleteApiTokenRequest>) -> Result<Response<()>, Status> {
        let (user_id, _) = signed_in(&request)?;
        let api_token_id = id("id", request.into_inner().id)?;
        self.credentials.clone().delete_api_token(internal::DeleteApiTokenRequest { user_id, api_token_id }).await
    }
}

/// Who asks, and from which session. A program with an API token is not let near sessions and tokens: it could make
/// itself one that outlives its own.
fn signed_in<T>(request: &Request<T>) -> Result<(String, String), Status> {
    let user_id = context::user_id(request)?;
    let SessionId(session_id) = request.extensions().get().ok_or_else(|| {
        let message = "sign in for this: an API token does not manage sessions and tokens";
        permission_denied("SESSION_REQUIRED", message)
    })?;
    Ok((user_id.to_string(), session_id.to_string()))
}

fn id(field: &'static str, text: String) -> Result<String, Status> {
    match text.parse::<Uuid>() {
        Ok(_) => Ok(text),
        Err(_) => Err(invalid_arguments(vec![(field.to_owned(), "expected a UUID".to_owned())])),
    }
}

fn require<const N: usize>(fields: [(&'static str, &String); N]) -> Result<(), Status> {
    let empty: Vec<_> = fields
        .into_iter()
        .filter(|(_, value)| value.is_empty())
        .map(|(field, _)| (field.to_owned(), "expected a value".to_owned()))
        .collect();
    if empty.is_empty() { Ok(()) } else { Err(invalid_arguments(empty)) }
}

fn refresh_token_refused() -> Status {
    let message = "the refresh token is unknown, expired or was used before; sign in again";
    unauthenticated("REFRESH_TOKEN_INVALID", message)
}

fn refresh_token_just_replaced() -> Status {
    let message = "the refresh token was used a moment ago; go on with the pair that was answered then";
    unauthenticated(JUST_REPLACED, message)
}

fn reason_of(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn user_agent<T>(request: &Request<T>) -> String {
    let value = request.metadata().get(USER_AGENT.as_str()).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().chars().take(USER_AGENT_CHARACTERS_MAX).collect()
}

/// Storage answered what its contract does not allow.
#[derive(Debug, thiserror::Error)]
enum BadAnswer {
    #[error("an account without a user")]
    NoUser,
    #[error("{0:?} as an id: {1}")]
    NoId(String, uuid::Error),
}

fn user_of(user: Option<User>) -> Result<User, Status> {
    user.ok_or_else(|| refusal::internal("reading storage's answer", &BadAnswer::NoUser))
}

pub(super) fn parse_id(id: &str) -> Result<Uuid, Status> {
    id.parse().map_err(|error| refusal::internal("reading storage's answer", &BadAnswer::NoId(id.to_owned(), error)))
}

#[cfg(test)]
mod tests;
