//! What accounts are proven and recovered by: mailed tokens, second factors; and the record of it.

use chrono::TimeDelta;
use focusflow_proto::internal::v1::{
    AcceptTotpRequest, Account, CreateAccountRequest, CreateApiTokenRequest, CreateSessionRequest, DisableTotpRequest,
    EnrollTotpRequest, FindAccountRequest, FindApiTokenRequest, GetSessionRequest, ListSecurityEventsRequest,
    MailedToken, RecordSecurityEventRequest, RedeemRecoveryCodeRequest, RequestEmailVerificationRequest,
    RequestPasswordResetRequest, ResetPasswordRequest, SetPasswordRequest, VerifyEmailRequest,
};
use focusflow_proto::v1::security_event::Kind;
use focusflow_proto::v1::{ApiToken, GetMeRequest, User};
use rstest::rstest;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::smtp::SmtpServer;
use crate::support::{Backend, Machine, PASSWORD_HASH, Postgres, Sqlite, World, later};

const NEW_HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$bmV3";

/// Someone who has just registered, and the mails that they get.
struct Registered {
    world: World,
    server: SmtpServer,
    id: String,
    email: String,
}

impl Registered {
    async fn new(on: Backend) -> Self {
        let server = SmtpServer::start().await;
        let world = World::start_on(Machine::with_mail(on, &server).await.into()).await;
        let email = format!("{}@example.org", Uuid::now_v7());
        let user = User { email: email.clone(), time_zone: "UTC".into(), ..User::default() };
        let request = CreateAccountRequest {
            user: Some(user),
            password_hash: PASSWORD_HASH.into(),
            verification: Some(token("registration")),
        };
        let account = world.credentials().create_account(request).await.unwrap().into_inner();
        Self { world, server, id: account.user.unwrap().id, email }
    }

    async fn account(&self) -> Account {
        let request = FindAccountRequest { user_id: self.id.clone(), ..Default::default() };
        self.world.credentials().find_account(request).await.unwrap().into_inner()
    }

    async fn verify(&self, text: &str) -> Result<(), Status> {
        let request = VerifyEmailRequest { token_hash: hash(text) };
        self.world.credentials().verify_email(request).await.map(drop)
    }

    async fn request_change(&self, email: &str, text: &str) {
        let request = RequestEmailVerificationRequest {
            user_id: self.id.clone(),
            email: email.into(),
            verification: Some(token(text)),
        };
        self.world.credentials().request_email_verification(request).await.unwrap();
    }

    async fn request_reset(&self, email: &str, text: &str) {
        let request = RequestPasswordResetRequest {
            email: email.into(),
            reset: Some(token(text)),
            subject_hash: hash("subject"),
        };
        self.world.credentials().request_password_reset(request).await.unwrap();
    }

    async fn reset(&self, text: &str) -> Result<(), Status> {
        let request = ResetPasswordRequest { token_hash: hash(text), password_hash: NEW_HASH.into() };
        self.world.credentials().reset_password(request).await.map(drop)
    }

    async fn session(&self) -> String {
        let session_id = Uuid::now_v7().to_string();
        let request = CreateSessionRequest {
            session_id: session_id.clone(),
            user_id: self.id.clone(),
            token_hash: hash(&session_id),
            expire_time: Some(later(60)),
            ..Default::default()
        };
        self.world.credentials().create_session(request).await.unwrap();
        session_id
    }

    async fn is_open(&self, session_id: &str) -> bool {
        let request = GetSessionRequest { user_id: self.id.clone(), session_id: session_id.into() };
        self.world.credentials().get_session(request).await.is_ok()
    }

    async fn events(&self, page_size: i32, page_token: &str) -> (Vec<(i64, Kind)>, String) {
        let (user_id, page_token) = (self.id.clone(), page_token.to_owned());
        let request = ListSecurityEventsRequest { user_id, page_size, page_token };
        let answer = self.world.credentials().list_security_events(request).await.unwrap().into_inner();
        assert!(answer.security_events.iter().all(|event| event.hash.len() == 32));
        let events = answer.security_events.iter().map(|event| (event.number, event.kind())).collect();
        (events, answer.next_page_token)
    }

    async fn kinds(&self) -> Vec<Kind> {
        self.events(0, "").await.0.into_iter().map(|(_, kind)| kind).collect()
    }
}

fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

fn token(text: &str) -> MailedToken {
    MailedToken { token: text.into(), token_hash: hash(text), expire_time: Some(later(60)) }
}

fn reason(status: &Status) -> String {
    use tonic_types::StatusExt as _;
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[rstest]
#[tokio::test]
async fn the_token_of_the_mail_proves_the_address_once(#[values(Sqlite, Postgres)] on: Backend) {
    let mut person = Registered::new(on).await;
    let mail = person.server.mail().await;
    assert_eq!(mail.recipient, person.email);
    let link = "https://app.focusflow.test/verify-email#token=registration";
    assert!(mail.text.contains(link) && mail.html.contains(link), "{}", mail.text);
    assert!(!person.account().await.user.unwrap().email_verified);
    person.verify("registration").await.unwrap();
    assert!(person.account().await.user.unwrap().email_verified);
    for used_or_unknown in ["registration", "another"] {
        assert_eq!(reason(&person.verify(used_or_unknown).await.unwrap_err()), "TOKEN_INVALID");
    }
    assert_eq!(person.kinds().await, [Kind::EmailVerified, Kind::Registered]);
}

#[rstest]
#[tokio::test]
async fn another_address_is_the_accounts_when_it_is_proven(#[values(Sqlite, Postgres)] on: Backend) {
    let mut person = Registered::new(on).await;
    let new = format!("new-{}", person.email);
    let user_id = person.id.clone();
    let request = |email: &str| RequestEmailVerificationRequest {
        user_id: user_id.clone(),
        email: email.into(),
        verification: Some(token("change")),
    };
    person.world.credentials().request_email_verification(request(&new)).await.unwrap();
    assert_eq!(person.account().await.user.unwrap().email, person.email);
    person.verify("change").await.unwrap();
    let user = person.account().await.user.unwrap();
    assert_eq!((user.email.as_str(), user.email_verified), (new.as_str(), true));
    let recipients = [person.server.mail().await, person.server.mail().await, person.server.mail().await];
    let recipients = recipients.map(|mail| (mail.recipient, mail.headers["subject"].clone()));
    assert!(recipients.contains(&(new, "Confirm your e-mail address".to_owned())));
    assert!(recipients.contains(&(person.email.clone(), "Your e-mail address was changed".to_owned())));

    let other = person.world.person().await.user().get_me(GetMeRequest {}).await.unwrap().into_inner();
    let status = person.world.credentials().request_email_verification(request(&other.email)).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
}

#[rstest]
#[tokio::test]
async fn a_reset_sets_the_password_once_and_ends_all_sessions(#[values(Sqlite, Postgres)] on: Backend) {
    let person = Registered::new(on).await;
    let session = person.session().await;
    person.request_reset(&person.email.to_uppercase(), "reset").await;
    assert!(person.is_open(&session).await, "asking changes nothing");
    person.reset("reset").await.unwrap();
    assert_eq!(person.account().await.password_hash, NEW_HASH);
    assert!(!person.is_open(&session).await);
    assert_eq!(reason(&person.reset("reset").await.unwrap_err()), "TOKEN_INVALID");
    let kinds = person.kinds().await;
    assert_eq!(kinds[..2], [Kind::PasswordReset, Kind::PasswordResetRequested]);
}

#[rstest]
#[tokio::test]
async fn a_new_password_stops_a_change_of_the_address_that_is_under_way(#[values(Sqlite, Postgres)] on: Backend) {
    let person = Registered::new(on).await;
    person.verify("registration").await.unwrap();
    person.request_change("thief-1@example.org", "first").await;
    person.request_reset(&person.email, "reset").await;
    person.reset("reset").await.unwrap();
    assert_eq!(reason(&person.verify("first").await.unwrap_err()), "TOKEN_INVALID");

    let kept_session_id = person.session().await;
    person.request_change("thief-2@example.org", "second").await;
    let request = SetPasswordRequest { user_id: person.id.clone(), password_hash: NEW_HASH.into(), kept_session_id };
    person.world.credentials().set_password(request).await.unwrap();
    assert_eq!(reason(&person.verify("second").await.unwrap_err()), "TOKEN_INVALID");
    assert_eq!(person.account().await.user.unwrap().email, person.email);
}

#[rstest]
#[tokio::test]
async fn a_reset_ends_what_somebody_else_may_have_set_up(#[values(Sqlite, Postgres)] on: Backend) {
    let person = Registered::new(on).await;
    let mut storage = person.world.credentials();
    let user_id = person.id.clone();
    let enroll = EnrollTotpRequest { user_id: user_id.clone(), encrypted_secret: vec![1; 60] };
    storage.enroll_totp(enroll).await.unwrap();
    let api_token = ApiToken { name: "Theirs".into(), scopes: vec!["tasks:read".into()], ..Default::default() };
    let request = CreateApiTokenRequest { user_id, api_token: Some(api_token), token_hash: hash("ff_theirs") };
    storage.create_api_token(request).await.unwrap();
    let find = FindApiTokenRequest { token_hash: hash("ff_theirs") };
    storage.find_api_token(find.clone()).await.unwrap();

    person.request_reset(&person.email, "reset").await;
    person.reset("reset").await.unwrap();
    assert!(storage.find_api_token(find).await.is_err());
    assert!(person.account().await.totp.is_none(), "the address was not proven when it was set up");
}

#[rstest]
#[tokio::test]
async fn a_token_is_good_for_its_purpose_and_until_it_expires(#[values(Sqlite, Postgres)] on: Backend) {
    let person = Registered::new(on).await;
    assert_eq!(reason(&person.reset("registration").await.unwrap_err()), "TOKEN_INVALID");
    person.request_reset(&person.email, "reset").await;
    person.world.clock.advance(TimeDelta::minutes(60));
    assert_eq!(reason(&person.reset("reset").await.unwrap_err()), "TOKEN_INVALID");
}

#[rstest]
#[tokio::test]
async fn an_unknown_address_is_answered_alike_and_mails_are_few(#[values(Sqlite, Postgres)] on: Backend) {
    let mut person = Registered::new(on).await;
    assert_eq!(person.server.mail().await.headers["subject"], "Confirm your e-mail address");
    person.request_reset("nobody@example.org", "nobody").await;
    assert_eq!(reason(&person.reset("nobody").await.unwrap_err()), "TOKEN_INVALID");
    for attempt in 0..5 {
        person.request_reset(&person.email, &format!("reset {attempt}")).await;
    }
    assert!(person.reset("reset 3").await.is_err(), "the fourth within an hour was not made");
    assert!(person.reset("reset 2").await.is_ok());
}

#[rstest]
#[tokio::test]
async fn a_change_of_password_keeps_the_session_it_was_made_in(#[values(Sqlite, Postgres)] on: Backend) {
    let person = Registered::new(on).await;
    let (kept, other) = (person.session().await, person.session().await);
    person.request_reset(&person.email, "reset").await;
    let request = SetPasswordRequest {
        user_id: person.id.clone(),
        password_hash: NEW_HASH.into(),
        kept_session_id: kept.clone(),
    };
    person.world.credentials().set_password(request).await.unwrap();
    assert!(person.is_open(&kept).await && !person.is_open(&other).await);
    assert!(person.reset("reset").await.is_err(), "what was mailed before is worthless");
}

#[rstest]
#[tokio::test]
async fn a_code_is_taken_once_and_a_second_factor_is_not_replaced_while_it_is_on(
    #[values(Sqlite, Postgres)] on: Backend,
) {
    let person = Registered::new(on).await;
    let mut storage = person.world.credentials();
    let user_id = person.id.clone();
    let enroll = EnrollTotpRequest { user_id: user_id.clone(), encrypted_secret: vec![1; 60] };
    storage.enroll_totp(enroll.clone()).await.unwrap();
    assert!(!person.account().await.totp.unwrap().enabled);
    let accept = |step: i64, codes: &[&str]| AcceptTotpRequest {
        user_id: user_id.clone(),
        step,
        recovery_code_hashes: codes.iter().map(|code| hash(code)).collect(),
        encrypted_secret: Vec::new(),
    };
    storage.accept_totp(accept(10, &["one", "two"])).await.unwrap();
    assert!(person.account().await.totp.unwrap().enabled);
    for step in [10, 9] {
        assert_eq!(reason(&storage.accept_totp(accept(step, &[])).await.unwrap_err()), "TOTP_INVALID");
    }
    storage.accept_totp(accept(11, &[])).await.unwrap();
    storage.accept_totp(AcceptTotpRequest { encrypted_secret: vec![2; 60], ..accept(12, &[]) }).await.unwrap();
    assert_eq!(person.account().await.totp.unwrap().encrypted_secret, vec![2; 60]);
    assert_eq!(reason(&storage.enroll_totp(enroll).await.unwrap_err()), "TOTP_ENABLED");

    let redeem = RedeemRecoveryCodeRequest { user_id: user_id.clone(), code_hash: hash("one") };
    storage.redeem_recovery_code(redeem.clone()).await.unwrap();
    assert_eq!(reason(&storage.redeem_recovery_code(redeem).await.unwrap_err()), "TOTP_INVALID");
    storage.disable_totp(DisableTotpRequest { user_id }).await.unwrap();
    assert!(person.account().await.totp.is_none());
    let kinds = person.kinds().await;
    assert_eq!(kinds[..3], [Kind::TotpDisabled, Kind::RecoveryCodeUsed, Kind::TotpEnabled]);
}

#[rstest]
#[tokio::test]
async fn events_are_numbered_without_gaps_and_listed_by_pages(#[values(Sqlite, Postgres)] on: Backend) {
    let person = Registered::new(on).await;
    let record = |user_id: &str, kind: Kind| RecordSecurityEventRequest {
        user_id: user_id.into(),
        subject_hash: hash("subject"),
        kind: kind.into(),
    };
    let mut storage = person.world.credentials();
    for _ in 0..4 {
        storage.record_security_event(record(&person.id, Kind::SignInFailed)).await.unwrap();
        storage.record_security_event(record("", Kind::SignInFailed)).await.unwrap();
    }
    let (first, next) = person.events(3, "").await;
    assert_eq!(first.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [5, 4, 3]);
    let (second, end) = person.events(3, &next).await;
    assert_eq!(second, [(2, Kind::SignInFailed), (1, Kind::Registered)]);
    assert_eq!(end, "");
    let status = storage.record_security_event(record(&person.id, Kind::Unspecified)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}
