//! `focusflow.v1.AuthService`: sign-up, sign-in and the exchange of refresh tokens.
//!
//! Accounts and sessions are storage's; this service hashes, compares and signs. It keeps no state, so that any
//! replica answers any request.

use std::sync::Arc;
use std::time::SystemTime;

use focusflow_mesh::refusal::{internal, invalid_arguments, unauthenticated};
use focusflow_proto::internal::v1::credential_service_client::CredentialServiceClient;
use focusflow_proto::internal::v1::{
    Account, CreateAccountRequest, CreateSessionRequest, EndSessionRequest, FindAccountRequest, RotateSessionRequest,
};
use focusflow_proto::v1::auth_service_server::AuthService;
use focusflow_proto::v1::{AuthResponse, LoginRequest, LogoutRequest, RefreshRequest, RegisterRequest, User};
use http::header::USER_AGENT;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, Bytes, StdError};
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use super::{
    ACCESS_TOKEN_LIFETIME, AccessTokens, Clock, PasswordHasher, REFRESH_TOKEN_LIFETIME, RefreshToken, Registration,
};

/// Longest name of a client that is kept with its session, in characters.
const USER_AGENT_CHARACTERS_MAX: usize = 256;

/// The service over a channel to storage's `CredentialService`.
pub struct Auth<C> {
    credentials: CredentialServiceClient<C>,
    passwords: PasswordHasher,
    tokens: Arc<AccessTokens>,
    clock: Arc<dyn Clock>,
}

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
        Self { credentials: CredentialServiceClient::new(channel), passwords, tokens, clock }
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
        let access_token =
            self.tokens.issue(user_id, session_id, now).map_err(|error| internal("signing an access token", &error))?;
        Ok(Response::new(AuthResponse {
            user: Some(user),
            access_token,
            refresh_token: refresh_token.encode(),
            expires_in: i32::try_from(ACCESS_TOKEN_LIFETIME.as_secs()).unwrap_or(i32::MAX),
        }))
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
    user.ok_or_else(|| internal("reading storage's answer", &BadAnswer::NoUser))
}

fn parse_id(id: &str) -> Result<Uuid, Status> {
    id.parse().map_err(|error| internal("reading storage's answer", &BadAnswer::NoId(id.to_owned(), error)))
}

#[cfg(test)]
mod tests;
