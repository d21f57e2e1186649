//! `focusflow.v1.AuthService`: sign-up, sign-in, the exchange of refresh tokens, sessions and API tokens.
//!
//! Accounts and sessions are storage's; this service hashes, compares and signs. It keeps no state, so that any
//! replica answers any request.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use focusflow_mesh::context;
use focusflow_mesh::refusal::{self, invalid_arguments, permission_denied, unauthenticated};
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::internal::v1::credential_service_client::CredentialServiceClient;
use focusflow_proto::internal::v1::{
    Account, CreateAccountRequest, CreateSessionRequest, EndSessionRequest, FindAccountRequest, RotateSessionRequest,
};
use focusflow_proto::v1::auth_service_server::AuthService;
use focusflow_proto::v1::{
    AuthResponse, CreateApiTokenRequest, CreateApiTokenResponse, DeleteApiTokenRequest, ListApiTokensRequest,
    ListApiTokensResponse, ListSessionsRequest, ListSessionsResponse, LoginRequest, LogoutRequest, RefreshRequest,
    RegisterRequest, RevokeAllSessionsRequest, RevokeSessionRequest, User,
};
use http::header::USER_AGENT;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, Bytes, StdError};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::{
    ACCESS_TOKEN_LIFETIME, AccessTokens, ApiToken, Clock, PasswordHasher, REFRESH_TOKEN_LIFETIME, RefreshToken,
    Registration, SESSIONS_MAX,
};

/// Longest name of a client that is kept with its session, in characters.
const USER_AGENT_CHARACTERS_MAX: usize = 256;

/// Storage's word for a token that was traded by the same client, as it seems.
const JUST_REPLACED: &str = "REFRESH_TOKEN_JUST_REPLACED";

/// The service over a channel to storage's `CredentialService`.
pub struct Auth<C> {
    credentials: CredentialServiceClient<C>,
    passwords: PasswordHasher,
    tokens: Arc<AccessTokens>,
    clock: Arc<dyn Clock>,
    sessions_max: u16,
    scopes: BTreeSet<String>,
}

/// The session that a request's access token was issued in. The edge puts it into the request's extensions; a request
/// with an API token has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId(pub Uuid);

impl<C> Auth<C>
where
    C: GrpcService<Body> + Clone + Send + Sync + 'static,
    C::Future: Send,
    C::Error: Into<StdError>,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    /// The service, with what it depends on.
    pub fn new(channel: C, passwords: PasswordHasher, tokens: Arc<AccessTokens>, clock: Arc<dyn Clock>) -> Self {
        let credentials = CredentialServiceClient::new(channel);
        Self { credentials, passwords, tokens, clock, sessions_max: SESSIONS_MAX, scopes: BTreeSet::new() }
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

    async fn open_session(&self, user: User, user_agent: String) -> Result<Response<AuthResponse>, Status> {
        let now = self.clock.now();
        let session_id = Uuid::now_v7();
        let refresh_token = RefreshToken::generate(&mut rand::rng());
        let session = CreateSessionRequest {
            session_id: session_id.to_string(),
            user_id: user.id.clone(),
            token_hash: refresh_token.hash(),
            user_agent,
            expire_time: Some((now + REFRESH_TOKEN_LIFETIME).into()),
            sessions_max: self.sessions_max.into(),
        };
        self.credentials.clone().create_session(session).await?;
        self.signed_in(user, session_id, &refresh_token, now)
    }

    fn signed_in(
        &self,
        user: User,
        session_id: Uuid,
        refresh_token: &RefreshToken,
        now: SystemTime,
    ) -> Result<Response<AuthResponse>, Status> {
        let user_id = parse_id(&user.id)?;
        let access_token = self
            .tokens
            .issue(user_id, session_id, now)
            .map_err(|error| refusal::internal("signing an access token", &error))?;
        Ok(Response::new(AuthResponse {
            user: Some(user),
            access_token,
            refresh_token: refresh_token.encode(),
            expires_in: i32::try_from(ACCESS_TOKEN_LIFETIME.as_secs()).unwrap_or(i32::MAX),
        }))
    }

    fn check_scopes(&self, scopes: &[String]) -> Result<(), Status> {
        let unknown = scopes.iter().enumerate().filter(|(_, scope)| !self.scopes.contains(*scope));
        let problem = |scope: &String| format!("expected a scope as `tasks:read`, found `{scope}`");
        let problems: Vec<_> =
            unknown.map(|(index, scope)| (format!("api_token.scopes[{index}]"), problem(scope))).collect();
        if problems.is_empty() { Ok(()) } else { Err(invalid_arguments(problems)) }
    }

    /// The account of an address, `None` if there is none.
    async fn find_account(&self, email: &str) -> Result<Option<Account>, Status> {
        let request = FindAccountRequest { email: email.trim().to_owned() };
        match self.credentials.clone().find_account(request).await {
            Ok(account) => Ok(Some(account.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }
}

#[tonic::async_trait]
impl<C> AuthService for Auth<C>
where
    C: GrpcService<Body> + Clone + Send + Sync + 'static,
    C::Future: Send,
    C::Error: Into<StdError>,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<AuthResponse>, Status> {
        let user_agent = user_agent(&request);
        let registration = Registration::parse(request.into_inner())?;
        let password_hash = self.passwords.hash(registration.password).await?;
        let account = CreateAccountRequest { user: Some(registration.user), password_hash };
        let account = self.credentials.clone().create_account(account).await?.into_inner();
        self.open_session(user_of(account.user)?, user_agent).await
    }

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<AuthResponse>, Status> {
        let user_agent = user_agent(&request);
        let LoginRequest { email, password, .. } = request.into_inner();
        require([("email", &email), ("password", &password)])?;
        let account = self.find_account(&email).await?;
        let (user, hash) = account.map_or((None, None), |account| (account.user, Some(account.password_hash)));
        if !self.passwords.verify(password, hash).await? {
            let message = "the address or the password is wrong";
            return Err(unauthenticated("CREDENTIALS_INVALID", message));
        }
        self.open_session(user_of(user)?, user_agent).await
    }

    async fn refresh(&self, request: Request<RefreshRequest>) -> Result<Response<AuthResponse>, Status> {
        let RefreshRequest { refresh_token } = request.into_inner();
        require([("refresh_token", &refresh_token)])?;
        let presented = RefreshToken::parse(&refresh_token).ok_or_else(refresh_token_refused)?;
        let next = RefreshToken::generate(&mut rand::rng());
        let now = self.clock.now();
        let rotation = RotateSessionRequest {
            token_hash: presented.hash(),
            next_token_hash: next.hash(),
            expire_time: Some((now + REFRESH_TOKEN_LIFETIME).into()),
        };
        let rotated =
            self.credentials.clone().rotate_session(rotation).await.map_err(|status| match status.code() {
                Code::Unauthenticated if reason_of(&status) == JUST_REPLACED => refresh_token_just_replaced(),
                Code::Unauthenticated => refresh_token_refused(),
                _ => status,
            })?;
        let rotated = rotated.into_inner();
        let session_id = parse_id(&rotated.session_id)?;
        self.signed_in(user_of(rotated.user)?, session_id, &next, now)
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<()>, Status> {
        let LogoutRequest { refresh_token } = request.into_inner();
        require([("refresh_token", &refresh_token)])?;
        // Text that no session can have belongs to one that has ended, and ending that succeeds.
        if let Some(token) = RefreshToken::parse(&refresh_token) {
            self.credentials.clone().end_session(EndSessionRequest { token_hash: token.hash() }).await?;
        }
        Ok(Response::new(()))
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
