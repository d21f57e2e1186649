use chrono::TimeDelta;
use focusflow_proto::internal::v1::{
    CreateAccountRequest, CreateSessionRequest, EndSessionRequest, FindAccountRequest, RotateSessionRequest,
    RotateSessionResponse,
};
use focusflow_proto::v1::{GetMeRequest, ListCategoriesRequest, UpdateMeRequest, User, WorkingHours};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{
    Backend, PASSWORD_HASH, Person, Postgres, Sqlite, World, later, refusal, update_mask, wrong_field,
};
use rstest::rstest;

fn ada() -> User {
    User {
        email: "Ada@Example.org".into(),
        first_name: "Ada".into(),
        time_zone: "Europe/London".into(),
        ..User::default()
    }
}

async fn register(world: &World, user: User) -> Result<User, Status> {
    let request = CreateAccountRequest { user: Some(user), password_hash: PASSWORD_HASH.into() };
    world.credentials().create_account(request).await.map(|account| account.into_inner().user.unwrap())
}

async fn update(person: &Person, user: User, mask: &[&str]) -> Result<User, Status> {
    let request = UpdateMeRequest { user: Some(user), update_mask: update_mask(mask) };
    person.user().update_me(request).await.map(tonic::Response::into_inner)
}

#[rstest]
#[tokio::test]
async fn a_new_account_has_four_categories_and_working_hours(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let user = register(&world, ada()).await.unwrap();
    let person = world.somebody(user.id.parse().unwrap());

    let me = person.user().get_me(GetMeRequest {}).await.unwrap().into_inner();
    assert_eq!(me, user);
    assert_eq!((me.email.as_str(), me.time_zone.as_str()), ("Ada@Example.org", "Europe/London"));
    let hours = me.working_hours.unwrap();
    assert_eq!((hours.start_minutes, hours.end_minutes, hours.weekdays), (540, 1020, vec![1, 2, 3, 4, 5]));

    let categories = person.categories().list_categories(ListCategoriesRequest {}).await.unwrap().into_inner();
    let names: Vec<_> = categories.categories.iter().map(|category| category.name.as_str()).collect();
    assert_eq!(names, ["Health", "Learning", "Personal", "Work"]);
}

#[rstest]
#[tokio::test]
async fn an_address_has_one_account_whatever_its_case(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    register(&world, ada()).await.unwrap();
    let again = User { email: "ada@EXAMPLE.ORG".into(), ..ada() };
    assert_eq!(refusal(register(&world, again).await).0, Code::AlreadyExists);

    let find = |email: &str| FindAccountRequest { email: email.into() };
    let found = world.credentials().find_account(find("ADA@example.org")).await.unwrap().into_inner();
    assert_eq!(found.password_hash, PASSWORD_HASH);
    let missing = world.credentials().find_account(find("nobody@example.org")).await;
    assert_eq!(refusal(missing).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn a_wrong_account_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let cases = [
        (User { email: "ada".into(), ..ada() }, "user.email"),
        (User { first_name: "x".repeat(101), ..ada() }, "user.first_name"),
        (User { time_zone: "Mars/Olympus".into(), ..ada() }, "user.time_zone"),
        (User { day_start_minutes: 720, ..ada() }, "user.day_start_minutes"),
        (User { working_hours: Some(WorkingHours::default()), ..ada() }, "user.working_hours"),
    ];
    for (user, field) in cases {
        assert_eq!(wrong_field(register(&world, user).await), field);
    }
    let request = CreateAccountRequest { user: Some(ada()), password_hash: "secret".into() };
    assert_eq!(wrong_field(world.credentials().create_account(request).await), "password_hash");
}

#[rstest]
#[tokio::test]
async fn a_person_changes_their_settings_and_nothing_else(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let before = person.user().get_me(GetMeRequest {}).await.unwrap().into_inner();
    world.clock.advance(TimeDelta::minutes(1));

    let values = User {
        first_name: "Augusta".into(),
        email: before.email.to_uppercase(),
        email_verified: true,
        ..User::default()
    };
    let after = update(&person, values, &[]).await.unwrap();
    let expected = User { first_name: "Augusta".into(), update_time: after.update_time, ..before.clone() };
    assert_eq!(after, expected);
    assert_ne!(after.update_time, before.update_time);

    let cleared = update(&person, User::default(), &["last_name", "working_hours", "tier"]).await.unwrap();
    assert_eq!((cleared.last_name.as_str(), cleared.tier), ("", before.tier));
}

#[rstest]
#[tokio::test]
async fn a_mask_that_names_parts_of_the_working_hours_changes_those(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let late = WorkingHours { start_minutes: 1100, end_minutes: 1300, weekdays: vec![6] };
    let values = User { working_hours: Some(late), ..User::default() };
    let mask = ["working_hours.start_minutes", "working_hours.end_minutes"];
    let after = update(&person, values, &mask).await.unwrap().working_hours.unwrap();
    assert_eq!((after.start_minutes, after.end_minutes), (1100, 1300), "the new start suits the new end only");
    assert_eq!(after.weekdays, [1, 2, 3, 4, 5]);
}

#[rstest]
#[tokio::test]
async fn a_wrong_setting_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let zone = User { time_zone: "Nowhere".into(), ..User::default() };
    assert_eq!(wrong_field(update(&person, zone, &[]).await), "user.time_zone");
    assert_eq!(wrong_field(update(&person, User::default(), &["nick_name"]).await), "update_mask");
    let address = User { email: "other@example.org".into(), ..User::default() };
    assert_eq!(wrong_field(update(&person, address, &[]).await), "user.email");
    let too_late = WorkingHours { start_minutes: 1020, ..WorkingHours::default() };
    let hours = User { working_hours: Some(too_late), ..User::default() };
    assert_eq!(wrong_field(update(&person, hours, &["working_hours.start_minutes"]).await), "user.working_hours");
    let nobody = world.somebody(Uuid::now_v7());
    assert_eq!(refusal(nobody.user().get_me(GetMeRequest {}).await).0, Code::NotFound);
}

struct Session<'a> {
    world: &'a World,
    id: Uuid,
}

fn hash(byte: u8) -> Vec<u8> {
    vec![byte; 32]
}

impl<'a> Session<'a> {
    async fn open(world: &'a World, person: &Person, token: u8) -> Self {
        let id = Uuid::now_v7();
        let request = CreateSessionRequest {
            session_id: id.to_string(),
            user_id: person.id.to_string(),
            token_hash: hash(token),
            user_agent: "test".into(),
            expire_time: Some(later(60)),
        };
        world.credentials().create_session(request).await.unwrap();
        Self { world, id }
    }

    async fn rotate(&self, token: u8, next: u8) -> Result<RotateSessionResponse, Status> {
        let request = RotateSessionRequest {
            token_hash: hash(token),
            next_token_hash: hash(next),
            expire_time: Some(later(120)),
        };
        self.world.credentials().rotate_session(request).await.map(tonic::Response::into_inner)
    }
}

#[rstest]
#[tokio::test]
async fn a_refresh_token_is_good_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let session = Session::open(&world, &person, 1).await;
    let answer = session.rotate(1, 2).await.unwrap();
    assert_eq!((answer.session_id, answer.user.unwrap().id), (session.id.to_string(), person.id.to_string()));
    session.rotate(2, 3).await.unwrap();

    let reused = (Code::Unauthenticated, "REFRESH_TOKEN_REUSED".to_owned());
    assert_eq!(refusal(session.rotate(1, 4).await), reused);
    let ended = (Code::Unauthenticated, "REFRESH_TOKEN_UNKNOWN".to_owned());
    assert_eq!(refusal(session.rotate(3, 5).await), ended, "reuse ends the session for everyone");
}

#[rstest]
#[tokio::test]
async fn a_session_ends_when_its_time_is_over(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let session = Session::open(&world, &person, 1).await;
    world.clock.advance(TimeDelta::minutes(60));
    assert_eq!(refusal(session.rotate(1, 2).await), (Code::Unauthenticated, "REFRESH_TOKEN_EXPIRED".to_owned()));
}

#[rstest]
#[tokio::test]
async fn a_session_is_ended_once_and_ending_it_again_succeeds(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let session = Session::open(&world, &person, 1).await;
    for _ in 0..2 {
        world.credentials().end_session(EndSessionRequest { token_hash: hash(1) }).await.unwrap();
    }
    assert_eq!(refusal(session.rotate(1, 2).await), (Code::Unauthenticated, "REFRESH_TOKEN_UNKNOWN".to_owned()));
}

#[rstest]
#[tokio::test]
async fn a_wrong_session_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let good = CreateSessionRequest {
        session_id: Uuid::now_v7().to_string(),
        user_id: person.id.to_string(),
        token_hash: hash(1),
        user_agent: String::new(),
        expire_time: Some(later(60)),
    };
    let cases = [
        (CreateSessionRequest { session_id: "1".into(), ..good.clone() }, "session_id"),
        (CreateSessionRequest { user_id: String::new(), ..good.clone() }, "user_id"),
        (CreateSessionRequest { token_hash: vec![1; 31], ..good.clone() }, "token_hash"),
        (CreateSessionRequest { expire_time: Some(later(0)), ..good.clone() }, "expire_time"),
        (CreateSessionRequest { expire_time: None, ..good }, "expire_time"),
    ];
    for (request, field) in cases {
        assert_eq!(wrong_field(world.credentials().create_session(request).await), field);
    }
}
