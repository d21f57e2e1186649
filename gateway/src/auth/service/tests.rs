//! The service against a storage that lives in memory, under a clock that the test sets.

mod browsers;
mod second_factors;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use focusflow_proto::internal::v1::credential_service_server::{CredentialService, CredentialServiceServer};
use focusflow_proto::internal::v1::{
    Account, CreateAccountRequest, CreateSessionRequest, EndSessionRequest, FindAccountRequest, RotateSessionRequest,
    RotateSessionResponse, Totp,
};
use tonic_types::StatusExt;

use tonic::Code;

use super::*;
use crate::auth::{ACCESS_TOKEN_LIFETIME, PasswordLimits, RefreshToken, TokenError};

const SECRET: &[u8] = b"a secret that is long enough to be one";
const ORIGIN: &str = "https://app.example.org";

/// Storage's duties as the contract words them.
#[derive(Clone, Default)]
struct Storage(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    accounts: HashMap<String, Account>,
    sessions: Vec<StoredSession>,
    last_step: i64,
    recovery_codes: Vec<Vec<u8>>,
    events: Vec<(String, Event)>,
}

impl State {
    fn totp_of(&mut self, user_id: &str) -> &mut Option<Totp> {
        let account = self.accounts.values_mut().find(|account| account.user.as_ref().unwrap().id == user_id);
        &mut account.unwrap().totp
    }
}

struct StoredSession {
    request: CreateSessionRequest,
    replaced: Vec<Vec<u8>>,
}

impl Storage {
    fn sessions_open(&self) -> usize {
        self.0.lock().unwrap().sessions.len()
    }
}

#[tonic::async_trait]
impl CredentialService for Storage {
    async fn create_account(&self, request: Request<CreateAccountRequest>) -> Result<Response<Account>, Status> {
        let CreateAccountRequest { user, password_hash, .. } = request.into_inner();
        let user = User { id: Uuid::now_v7().to_string(), ..user.unwrap_or_default() };
        let mut state = self.0.lock().unwrap();
        if state.accounts.contains_key(&user.email.to_lowercase()) {
            return Err(Status::already_exists("the address has an account"));
        }
        let account = Account { user: Some(user.clone()), password_hash, delete_time: None, totp: None };
        state.accounts.insert(user.email.to_lowercase(), account.clone());
        Ok(Response::new(account))
    }

    async fn find_account(&self, request: Request<FindAccountRequest>) -> Result<Response<Account>, Status> {
        let state = self.0.lock().unwrap();
        let FindAccountRequest { email, user_id } = request.get_ref();
        let is_asked_for = |account: &&Account| account.user.as_ref().unwrap().id == *user_id;
        let by_id = || state.accounts.values().find(is_asked_for);
        let found = state.accounts.get(&email.to_lowercase()).or_else(by_id).cloned();
        found.map(Response::new).ok_or_else(|| Status::not_found("no account"))
    }

    async fn create_session(&self, request: Request<CreateSessionRequest>) -> Result<Response<()>, Status> {
        let session = StoredSession { request: request.into_inner(), replaced: Vec::new() };
        self.0.lock().unwrap().sessions.push(session);
        Ok(Response::new(()))
    }

    async fn rotate_session(
        &self,
        request: Request<RotateSessionRequest>,
    ) -> Result<Response<RotateSessionResponse>, Status> {
        let RotateSessionRequest { token_hash, next_token_hash, .. } = request.into_inner();
        let mut state = self.0.lock().unwrap();
        state.sessions.retain(|session| !session.replaced.contains(&token_hash));
        let State { accounts, sessions, .. } = &mut *state;
        let session = sessions
            .iter_mut()
            .find(|session| session.request.token_hash == token_hash)
            .ok_or_else(|| Status::unauthenticated("unknown"))?;
        session.replaced.push(std::mem::replace(&mut session.request.token_hash, next_token_hash));
        let user = accounts.values().filter_map(|account| account.user.clone());
        let user = user.into_iter().find(|user| user.id == session.request.user_id);
        Ok(Response::new(RotateSessionResponse { user, session_id: session.request.session_id.clone() }))
    }

    async fn enroll_totp(&self, request: Request<internal::EnrollTotpRequest>) -> Result<Response<()>, Status> {
        let internal::EnrollTotpRequest { user_id, encrypted_secret } = request.into_inner();
        let mut state = self.0.lock().unwrap();
        state.last_step = -1;
        *state.totp_of(&user_id) = Some(Totp { encrypted_secret, enabled: false });
        Ok(Response::new(()))
    }

    async fn accept_totp(&self, request: Request<internal::AcceptTotpRequest>) -> Result<Response<()>, Status> {
        let internal::AcceptTotpRequest { user_id, step, recovery_code_hashes, encrypted_secret } =
            request.into_inner();
        let mut state = self.0.lock().unwrap();
        if step <= state.last_step {
            return Err(unauthenticated("TOTP_INVALID", "used before"));
        }
        state.last_step = step;
        if !recovery_code_hashes.is_empty() {
            state.totp_of(&user_id).as_mut().unwrap().enabled = true;
            state.recovery_codes = recovery_code_hashes;
        }
        if !encrypted_secret.is_empty() {
            state.totp_of(&user_id).as_mut().unwrap().encrypted_secret = encrypted_secret;
        }
        Ok(Response::new(()))
    }

    async fn redeem_recovery_code(
        &self,
        request: Request<internal::RedeemRecoveryCodeRequest>,
    ) -> Result<Response<()>, Status> {
        let code_hash = request.into_inner().code_hash;
        let codes = &mut self.0.lock().unwrap().recovery_codes;
        match codes.iter().position(|code| *code == code_hash) {
            Some(index) => {
                codes.remove(index);
                Ok(Response::new(()))
            }
            None => Err(unauthenticated("TOTP_INVALID", "unknown")),
        }
    }

    async fn disable_totp(&self, request: Request<internal::DisableTotpRequest>) -> Result<Response<()>, Status> {
        *self.0.lock().unwrap().totp_of(&request.into_inner().user_id) = None;
        Ok(Response::new(()))
    }

    async fn record_security_event(
        &self,
        request: Request<internal::RecordSecurityEventRequest>,
    ) -> Result<Response<()>, Status> {
        let event = request.into_inner();
        self.0.lock().unwrap().events.push((event.user_id.clone(), event.kind()));
        Ok(Response::new(()))
    }

    async fn end_session(&self, request: Request<EndSessionRequest>) -> Result<Response<()>, Status> {
        let token_hash = request.into_inner().token_hash;
        self.0.lock().unwrap().sessions.retain(|session| session.request.token_hash != token_hash);
        Ok(Response::new(()))
    }
}

/// A clock that the test moves.
struct HandSetClock(Mutex<SystemTime>);

impl Clock for HandSetClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

struct World {
    storage: Storage,
    clock: Arc<HandSetClock>,
    tokens: Arc<AccessTokens>,
    auth: Auth<CredentialServiceServer<Storage>>,
}

impl World {
    fn new() -> Self {
        let storage = Storage::default();
        let clock = Arc::new(HandSetClock(Mutex::new(UNIX_EPOCH + Duration::from_hours(500_000))));
        let tokens = Arc::new(AccessTokens::new(SECRET).unwrap());
        let passwords = PasswordHasher::new(PasswordLimits::default()).unwrap();
        let channel = CredentialServiceServer::new(storage.clone());
        let auth = Auth::new(channel, passwords, Arc::clone(&tokens), &[SECRET], clock.clone()).unwrap();
        let now = Instant::now();
        let guard = SignInGuard::by(Box::new(move || now), true, None);
        let auth = auth.with_guard(guard).with_origins(vec![HeaderValue::from_static(ORIGIN)]);
        Self { storage, clock, tokens, auth }
    }

    /// Lets the service have other secrets, the current one first.
    fn rotate_to(&mut self, secrets: &[&[u8]]) {
        self.auth.vault = Vault::new(secrets).unwrap();
    }

    async fn register(&self) -> Result<AuthResponse, Status> {
        let request = RegisterRequest {
            email: "ada@example.org".to_owned(),
            password: "correct horse".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            time_zone: "Europe/London".to_owned(),
        };
        self.auth.register(Request::new(request)).await.map(Response::into_inner)
    }

    async fn login(&self, email: &str, password: &str) -> Result<AuthResponse, Status> {
        let request = LoginRequest { email: email.to_owned(), password: password.to_owned(), totp_code: String::new() };
        self.auth.login(Request::new(request)).await.map(Response::into_inner)
    }

    async fn refresh(&self, refresh_token: &str) -> Result<AuthResponse, Status> {
        let request = RefreshRequest { refresh_token: refresh_token.to_owned() };
        self.auth.refresh(Request::new(request)).await.map(Response::into_inner)
    }

    async fn logout(&self, refresh_token: &str) -> Result<(), Status> {
        let request = LogoutRequest { refresh_token: refresh_token.to_owned() };
        self.auth.logout(Request::new(request)).await.map(Response::into_inner)
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn field_violations(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map(|details| details.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn who_registers_is_signed_in() {
    let world = World::new();
    let answer = world.register().await.unwrap();
    let user = answer.user.unwrap();
    assert_eq!((user.email.as_str(), user.first_name.as_str()), ("ada@example.org", "Ada"));
    assert_eq!(answer.expires_in, 900);
    let claims = world.tokens.verify(&answer.access_token, world.clock.now()).unwrap();
    assert_eq!(claims.sub.to_string(), user.id);
}

#[tokio::test]
async fn storage_is_never_given_a_password_or_a_token() {
    let world = World::new();
    let answer = world.register().await.unwrap();
    let state = world.storage.0.lock().unwrap();
    assert!(state.accounts["ada@example.org"].password_hash.starts_with("$argon2id$"));
    let session = &state.sessions[0].request;
    assert_eq!(session.token_hash, RefreshToken::parse(&answer.refresh_token).unwrap().hash());
    let lifetime = Duration::from_hours(30 * 24);
    assert_eq!(session.expire_time, Some((world.clock.now() + lifetime).into()));
}

#[tokio::test]
async fn an_address_registers_once() {
    let world = World::new();
    world.register().await.unwrap();
    assert_eq!(world.register().await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn a_bad_registration_names_its_fields_and_creates_nothing() {
    let world = World::new();
    let request = RegisterRequest { email: "ada".to_owned(), time_zone: "Mars".to_owned(), ..Default::default() };
    let status = world.auth.register(Request::new(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(field_violations(&status), ["email", "password", "time_zone"]);
    assert!(world.storage.0.lock().unwrap().accounts.is_empty());
}

#[tokio::test]
async fn the_right_password_signs_in_and_the_address_is_compared_without_case() {
    let world = World::new();
    world.register().await.unwrap();
    let answer = world.login(" Ada@Example.org", "correct horse").await.unwrap();
    assert!(world.tokens.verify(&answer.access_token, world.clock.now()).is_ok());
    assert_eq!(world.storage.sessions_open(), 2);
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_answer_alike() {
    let world = World::new();
    world.register().await.unwrap();
    let wrong = world.login("ada@example.org", "wrong horse").await.unwrap_err();
    let unknown = world.login("eve@example.org", "correct horse").await.unwrap_err();
    assert_eq!(reason(&wrong), "CREDENTIALS_INVALID");
    assert_eq!(
        (wrong.code(), wrong.message(), wrong.details()),
        (unknown.code(), unknown.message(), unknown.details())
    );
}

#[tokio::test]
async fn empty_credentials_are_named() {
    let status = World::new().login("", "").await.unwrap_err();
    assert_eq!(field_violations(&status), ["email", "password"]);
}

#[tokio::test]
async fn a_refresh_answers_the_same_session_with_a_new_pair() {
    let world = World::new();
    let first = world.register().await.unwrap();
    let second = world.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(first.refresh_token, second.refresh_token);
    let session = |token: &str| world.tokens.verify(token, world.clock.now()).unwrap().sid;
    assert_eq!(session(&first.access_token), session(&second.access_token));
    assert!(world.refresh(&second.refresh_token).await.is_ok());
}

#[tokio::test]
async fn a_refresh_token_presented_twice_ends_its_session() {
    let world = World::new();
    let first = world.register().await.unwrap();
    let second = world.refresh(&first.refresh_token).await.unwrap();
    let status = world.refresh(&first.refresh_token).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "REFRESH_TOKEN_INVALID"));
    assert_eq!(world.refresh(&second.refresh_token).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn text_that_is_no_refresh_token_is_refused_without_asking_storage() {
    let status = World::new().refresh("not one").await.unwrap_err();
    assert_eq!(reason(&status), "REFRESH_TOKEN_INVALID");
}

#[tokio::test]
async fn a_logout_ends_the_session_and_succeeds_again() {
    let world = World::new();
    let answer = world.register().await.unwrap();
    world.logout(&answer.refresh_token).await.unwrap();
    world.logout(&answer.refresh_token).await.unwrap();
    world.logout("no token of ours").await.unwrap();
    assert_eq!(world.storage.sessions_open(), 0);
    assert_eq!(world.refresh(&answer.refresh_token).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn an_access_token_expires_and_a_refresh_gives_one_that_does_not() {
    let world = World::new();
    let answer = world.register().await.unwrap();
    *world.clock.0.lock().unwrap() += ACCESS_TOKEN_LIFETIME;
    let verified = world.tokens.verify(&answer.access_token, world.clock.now());
    assert_eq!(verified.unwrap_err(), TokenError::Expired);
    let refreshed = world.refresh(&answer.refresh_token).await.unwrap();
    assert!(world.tokens.verify(&refreshed.access_token, world.clock.now()).is_ok());
}

#[tokio::test]
async fn failed_sign_ins_are_written_down_whether_or_not_there_is_an_account() {
    let world = World::new();
    let id = world.register().await.unwrap().user.unwrap().id;
    world.login("ada@example.org", "wrong horse").await.unwrap_err();
    world.login("eve@example.org", "wrong horse").await.unwrap_err();
    let events = &world.storage.0.lock().unwrap().events;
    assert_eq!(*events, [(id, Event::SignInFailed), (String::new(), Event::SignInFailed)]);
}

#[tokio::test]
async fn a_guesser_has_to_wait_for_known_and_unknown_addresses_alike() {
    let world = World::new();
    world.register().await.unwrap();
    let mut refusals = Vec::new();
    for email in ["ada@example.org", "eve@example.org"] {
        let refusal = loop {
            let status = world.login(email, "wrong horse").await.unwrap_err();
            if reason(&status) != "CREDENTIALS_INVALID" {
                break status;
            }
        };
        refusals.push((reason(&refusal), refusal.message().to_owned()));
    }
    assert_eq!(refusals[0].0, "SIGN_IN_DELAYED");
    assert_eq!(refusals[0], refusals[1]);
    let right = world.login("ada@example.org", "correct horse").await.unwrap_err();
    assert_eq!(reason(&right), "SIGN_IN_DELAYED", "whatever the password");
}
