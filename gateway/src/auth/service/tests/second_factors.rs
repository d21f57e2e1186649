//! Codes by time and recovery codes.

use focusflow_proto::v1::{ConfirmTotpRequest, DisableTotpRequest, EnrollTotpRequest};
use totp_rs::{Builder, Secret};

use super::*;

const STEP: Duration = Duration::from_secs(30);

/// Someone with an authenticator.
struct Authenticated {
    world: World,
    user_id: Uuid,
    authenticator: totp_rs::Totp,
    recovery_codes: Vec<String>,
}

impl Authenticated {
    async fn new() -> Self {
        let world = World::new();
        let user_id = world.register().await.unwrap().user.unwrap().id.parse().unwrap();
        let enrolled = world.auth.enroll_totp(signed_in(user_id, EnrollTotpRequest {})).await.unwrap().into_inner();
        assert!(enrolled.uri.starts_with("otpauth://totp/FocusFlow:"), "{}", enrolled.uri);
        let secret = Secret::try_from_base32(&enrolled.secret).unwrap();
        let authenticator = Builder::new().with_secret(secret).build().unwrap();
        let mut person = Self { world, user_id, authenticator, recovery_codes: Vec::new() };
        let confirmation = signed_in(user_id, ConfirmTotpRequest { code: person.code() });
        person.recovery_codes = person.world.auth.confirm_totp(confirmation).await.unwrap().into_inner().recovery_codes;
        person.pass(STEP);
        person
    }

    fn code(&self) -> String {
        let now = self.world.clock.now().duration_since(UNIX_EPOCH).unwrap();
        self.authenticator.generate(now.as_secs()).to_string()
    }

    fn pass(&self, time: Duration) {
        *self.world.clock.0.lock().unwrap() += time;
    }

    async fn login(&self, code: &str) -> Result<AuthResponse, String> {
        let request = LoginRequest {
            email: "ada@example.org".to_owned(),
            password: "correct horse".to_owned(),
            totp_code: code.to_owned(),
        };
        let answer = self.world.auth.login(Request::new(request)).await;
        answer.map(Response::into_inner).map_err(|status| reason(&status))
    }
}

fn signed_in<T>(user_id: Uuid, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(context::Context { user_id: Some(user_id), ..context::Context::root() });
    request.extensions_mut().insert(SessionId(Uuid::now_v7()));
    request
}

#[tokio::test]
async fn the_right_password_alone_does_not_sign_in() {
    let person = Authenticated::new().await;
    assert_eq!(person.login("").await.unwrap_err(), "TOTP_REQUIRED");
    assert_eq!(person.login("000000").await.unwrap_err(), "TOTP_INVALID");
    assert!(person.login(&person.code()).await.is_ok());
    let wrong = person.world.login("ada@example.org", "wrong horse").await.unwrap_err();
    assert_eq!(reason(&wrong), "CREDENTIALS_INVALID", "nothing of the second factor shows");
}

#[tokio::test]
async fn a_code_is_good_once_and_one_step_early_or_late() {
    let person = Authenticated::new().await;
    let code = person.code();
    person.pass(STEP);
    assert!(person.login(&code).await.is_ok());
    assert_eq!(person.login(&code).await.unwrap_err(), "TOTP_INVALID");
    let late = person.code();
    person.pass(2 * STEP);
    assert_eq!(person.login(&late).await.unwrap_err(), "TOTP_INVALID");
}

#[tokio::test]
async fn a_recovery_code_is_good_once_in_any_case() {
    let person = Authenticated::new().await;
    assert_eq!(person.recovery_codes.len(), 10);
    let code = person.recovery_codes[3].to_lowercase();
    assert!(person.login(&code).await.is_ok());
    assert_eq!(person.login(&code).await.unwrap_err(), "TOTP_INVALID");
    assert!(person.login(&person.recovery_codes[4].replace('-', "")).await.is_ok());
}

#[tokio::test]
async fn storage_never_sees_the_secret_or_a_recovery_code() {
    let person = Authenticated::new().await;
    let mut state = person.world.storage.0.lock().unwrap();
    let kept = state.totp_of(&person.user_id.to_string()).clone().unwrap().encrypted_secret;
    let secret = person.authenticator.secret().as_bytes();
    assert!(!kept.windows(secret.len()).any(|window| window == secret));
    assert!(state.recovery_codes.iter().all(|hash| hash.len() == 32));
}

#[tokio::test]
async fn who_signs_in_after_a_rotation_of_keys_needs_the_old_one_no_more() {
    const NEW_SECRET: &[u8] = &[7; 32];
    let mut person = Authenticated::new().await;
    person.world.rotate_to(&[NEW_SECRET, SECRET]);
    assert!(person.login(&person.code()).await.is_ok());
    person.world.rotate_to(&[NEW_SECRET]);
    person.pass(STEP);
    assert!(person.login(&person.code()).await.is_ok());
}

#[tokio::test]
async fn switching_it_off_takes_a_code() {
    let person = Authenticated::new().await;
    let disable = |code: &str| signed_in(person.user_id, DisableTotpRequest { code: code.to_owned() });
    let status = person.world.auth.disable_totp(disable("000000")).await.unwrap_err();
    assert_eq!(reason(&status), "TOTP_INVALID");
    person.world.auth.disable_totp(disable(&person.code())).await.unwrap();
    assert!(person.login("").await.is_ok());
}

#[tokio::test]
async fn who_guesses_codes_has_to_wait() {
    let person = Authenticated::new().await;
    let refusal = loop {
        match person.login("000000").await.unwrap_err() {
            refusal if refusal == "TOTP_INVALID" => {}
            refusal => break refusal,
        }
    };
    assert_eq!(refusal, "SIGN_IN_DELAYED");
    let events = &person.world.storage.0.lock().unwrap().events;
    assert!(events.contains(&(person.user_id.to_string(), Event::SignInDelayed)));
}
