//! Sign-up, sign-in, the exchange of refresh tokens, and the cookie that keeps one for a browser.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use focusflow_mesh::refusal::{self, permission_denied, unauthenticated};
use focusflow_proto::internal::v1::{
    Account, CreateAccountRequest, CreateSessionRequest, EndSessionRequest, FindAccountRequest, RotateSessionRequest,
};
use focusflow_proto::v1::security_event::Kind as Event;
use focusflow_proto::v1::{AuthResponse, LoginRequest, LogoutRequest, RefreshRequest, RegisterRequest, User};
use http::HeaderValue;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use super::{
    Auth, JUST_REPLACED, Storage, parse_id, reason_of, refresh_token_just_replaced, refresh_token_refused, require,
    user_agent, user_of,
};
use crate::auth::{ACCESS_TOKEN_LIFETIME, REFRESH_TOKEN_LIFETIME, RefreshToken, Registration};
use crate::limits::{Browser, Caller};

const COOKIE: &str = "focusflow_refresh";
const COOKIE_PATH: &str = "/api/v1/auth";

impl<C: Storage> Auth<C> {
    pub(super) async fn sign_up(&self, request: Request<RegisterRequest>) -> Result<AuthResponse, Status> {
        let (caller, user_agent) = (Caller::of(request.extensions()), user_agent(&request));
        self.check_page(&caller)?;
        let registration = Registration::parse(request.into_inner())?;
        let password_hash = self.passwords.hash(registration.password).await?;
        let verification = Some(self.verification());
        let account = CreateAccountRequest { user: Some(registration.user), password_hash, verification };
        let account = self.credentials.clone().create_account(account).await?.into_inner();
        self.open_session(user_of(account.user)?, user_agent, &caller).await
    }

    pub(super) async fn sign_in(&self, request: Request<LoginRequest>) -> Result<AuthResponse, Status> {
        let (caller, user_agent) = (Caller::of(request.extensions()), user_agent(&request));
        self.check_page(&caller)?;
        let LoginRequest { email, password, totp_code } = request.into_inner();
        require([("email", &email), ("password", &password)])?;
        let name = self.vault.name_of(&email);
        let attempt = self.guard.begin(&account_key(&name), caller.address()).await?;
        let begins_wait = attempt.begins_wait;
        let (account, is_right) = match self.compare(&email, password).await {
            Ok(compared) => compared,
            Err(status) => {
                attempt.withdrawn().await;
                return Err(status);
            }
        };
        let (user, totp) = account.map_or((None, None), |account| (account.user, account.totp));
        if !is_right {
            let user_id = user.map(|user| user.id).unwrap_or_default();
            self.record_failure(user_id, &name, Event::SignInFailed, begins_wait).await;
            return Err(unauthenticated("CREDENTIALS_INVALID", "the address or the password is wrong"));
        }
        let user = user_of(user)?;
        if let Some(totp) = totp.filter(|totp| totp.enabled) {
            // Who has the password is not a guesser of passwords.
            if let Err(status) = self.check_code(&user.id, &totp, &totp_code).await {
                attempt.withdrawn().await;
                return Err(status);
            }
        }
        attempt.succeeded().await;
        self.open_session(user, user_agent, &caller).await
    }

    /// The account of an address, and whether the password is its.
    async fn compare(&self, email: &str, password: String) -> Result<(Option<Account>, bool), Status> {
        let account =
            self.find_account(FindAccountRequest { email: email.trim().to_owned(), ..Default::default() }).await?;
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let is_right = self.passwords.verify(password, hash).await?;
        Ok((account, is_right))
    }

    /// An account, `None` if there is none.
    pub(super) async fn find_account(&self, request: FindAccountRequest) -> Result<Option<Account>, Status> {
        match self.credentials.clone().find_account(request).await {
            Ok(account) => Ok(Some(account.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }

    pub(super) async fn rotate(&self, request: Request<RefreshRequest>) -> Result<AuthResponse, Status> {
        let caller = Caller::of(request.extensions());
        let refresh_token = self.presented(&caller, request.into_inner().refresh_token)?;
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
        self.signed_in(user_of(rotated.user)?, session_id, &next, &caller, now)
    }

    pub(super) async fn sign_out(&self, request: Request<LogoutRequest>) -> Result<Response<()>, Status> {
        let caller = Caller::of(request.extensions());
        let refresh_token = self.presented(&caller, request.into_inner().refresh_token)?;
        if caller.browser().is_some() {
            set_cookie(&caller, "", 0)?;
            if refresh_token.is_empty() {
                return Ok(Response::new(()));
            }
        }
        require([("refresh_token", &refresh_token)])?;
        // Text that no session can have belongs to one that has ended, and ending that succeeds.
        if let Some(token) = RefreshToken::parse(&refresh_token) {
            self.credentials.clone().end_session(EndSessionRequest { token_hash: token.hash() }).await?;
        }
        Ok(Response::new(()))
    }

    async fn open_session(&self, user: User, user_agent: String, caller: &Caller) -> Result<AuthResponse, Status> {
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
        self.signed_in(user, session_id, &refresh_token, caller, now)
    }

    fn signed_in(
        &self,
        user: User,
        session_id: Uuid,
        refresh_token: &RefreshToken,
        caller: &Caller,
        now: SystemTime,
    ) -> Result<AuthResponse, Status> {
        let user_id = parse_id(&user.id)?;
        let access_token = self
            .tokens
            .issue(user_id, session_id, now)
            .map_err(|error| refusal::internal("signing an access token", &error))?;
        let mut refresh_token = refresh_token.encode();
        if caller.browser().is_some() {
            set_cookie(caller, &refresh_token, REFRESH_TOKEN_LIFETIME.as_secs())?;
            refresh_token.clear();
        }
        let expires_in = i32::try_from(ACCESS_TOKEN_LIFETIME.as_secs()).unwrap_or(i32::MAX);
        Ok(AuthResponse { user: Some(user), access_token, refresh_token, expires_in })
    }

    /// Cookies are for our own pages: a stranger's must neither use one nor have one set.
    fn check_page(&self, caller: &Caller) -> Result<(), Status> {
        match caller.browser() {
            Some(browser) if !browser.is_ours(&self.origins) => {
                let message = "the refresh token is kept in a cookie for pages of FRONTEND_URL only; the header origin \
                               or sec-fetch-site must say that this is one";
                Err(permission_denied("ORIGIN_REFUSED", message))
            }
            _ => Ok(()),
        }
    }

    /// The refresh token of the request, or of its cookie.
    fn presented(&self, caller: &Caller, in_body: String) -> Result<String, Status> {
        self.check_page(caller)?;
        match caller.browser() {
            Some(browser) if in_body.is_empty() => Ok(browser.cookie(COOKIE).unwrap_or_default().to_owned()),
            _ => Ok(in_body),
        }
    }
}

/// What failures of an account are counted under.
pub(super) fn account_key(name: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

fn set_cookie(caller: &Caller, value: &str, lifetime_seconds: u64) -> Result<(), Status> {
    let is_local = caller.browser().is_some_and(Browser::is_local);
    let secure = if is_local { "" } else { "; Secure" };
    let cookie =
        format!("{COOKIE}={value}; Path={COOKIE_PATH}; Max-Age={lifetime_seconds}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::from_str(&cookie).map_err(|error| refusal::internal("writing a cookie", &error))?;
    caller.set_cookie(cookie);
    Ok(())
}
