//! Sessions and API tokens, as the gateway keeps them here.

use chrono::TimeDelta;
use focusflow_proto::internal::v1::{
    CreateApiTokenRequest, CreateSessionRequest, DeleteApiTokenRequest, EndSessionRequest, FindApiTokenRequest,
    FindApiTokenResponse, GetSessionRequest, ListApiTokensRequest, ListSessionsRequest, RevokeAllSessionsRequest,
    RevokeSessionRequest, RotateSessionRequest, RotateSessionResponse,
};
use focusflow_proto::v1::{ApiToken, DeleteMeRequest, Session};
use rstest::rstest;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{Backend, Person, Postgres, Sqlite, World, later, refusal, wrong_field};

fn hash(byte: u8) -> Vec<u8> {
    vec![byte; 32]
}

fn session(person: Uuid, token: u8) -> CreateSessionRequest {
    CreateSessionRequest {
        session_id: Uuid::now_v7().to_string(),
        user_id: person.to_string(),
        token_hash: hash(token),
        user_agent: "test".into(),
        expire_time: Some(later(60)),
        sessions_max: 0,
    }
}

/// Opens a session for an hour and answers its id.
pub(crate) async fn open_session(world: &World, person: Uuid, token: u8) -> String {
    let request = session(person, token);
    let id = request.session_id.clone();
    world.credentials().create_session(request).await.unwrap();
    id
}

/// Refreshes a session, which then lasts for another hour.
pub(crate) async fn rotate(world: &World, token: u8, next: u8) -> Result<RotateSessionResponse, Status> {
    let request =
        RotateSessionRequest { token_hash: hash(token), next_token_hash: hash(next), expire_time: Some(later(120)) };
    world.credentials().rotate_session(request).await.map(tonic::Response::into_inner)
}

async fn sessions(world: &World, person: &Person) -> Vec<Session> {
    let request = ListSessionsRequest { user_id: person.id.to_string() };
    world.credentials().list_sessions(request).await.unwrap().into_inner().sessions
}

async fn session_ids(world: &World, person: &Person) -> Vec<String> {
    sessions(world, person).await.into_iter().map(|session| session.id).collect()
}

#[rstest]
#[tokio::test]
async fn a_refresh_token_is_good_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let id = open_session(&world, person.id, 1).await;
    let answer = rotate(&world, 1, 2).await.unwrap();
    assert_eq!((answer.session_id, answer.user.unwrap().id), (id, person.id.to_string()));
    rotate(&world, 2, 3).await.unwrap();

    world.clock.advance(TimeDelta::seconds(10));
    let reused = (Code::Unauthenticated, "REFRESH_TOKEN_REUSED".to_owned());
    assert_eq!(refusal(rotate(&world, 1, 4).await), reused);
    let ended = (Code::Unauthenticated, "REFRESH_TOKEN_UNKNOWN".to_owned());
    assert_eq!(refusal(rotate(&world, 3, 5).await), ended, "reuse ends the session for everyone");
}

#[rstest]
#[tokio::test]
async fn of_two_refreshes_at_once_one_is_refused_and_the_session_goes_on(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    open_session(&world, person.id, 1).await;
    let (one, other) = tokio::join!(rotate(&world, 1, 2), rotate(&world, 1, 3));
    let next = if one.is_ok() { 2 } else { 3 };
    let refused = (Code::Unauthenticated, "REFRESH_TOKEN_JUST_REPLACED".to_owned());
    assert_eq!(refusal(if one.is_ok() { other } else { one }), refused);
    world.clock.advance(TimeDelta::milliseconds(9_999));
    assert_eq!(refusal(rotate(&world, 1, 4).await), refused);
    rotate(&world, next, 5).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_session_ends_when_its_time_is_over(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let id = open_session(&world, person.id, 1).await;
    world.clock.advance(TimeDelta::minutes(60));
    assert!(sessions(&world, &person).await.is_empty());
    let find = GetSessionRequest { user_id: person.id.to_string(), session_id: id };
    assert_eq!(refusal(world.credentials().get_session(find).await).0, Code::NotFound);
    assert_eq!(refusal(rotate(&world, 1, 2).await), (Code::Unauthenticated, "REFRESH_TOKEN_EXPIRED".to_owned()));
}

#[rstest]
#[tokio::test]
async fn a_session_is_ended_once_and_ending_it_again_succeeds(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    open_session(&world, person.id, 1).await;
    for _ in 0..2 {
        world.credentials().end_session(EndSessionRequest { token_hash: hash(1) }).await.unwrap();
    }
    assert_eq!(refusal(rotate(&world, 1, 2).await), (Code::Unauthenticated, "REFRESH_TOKEN_UNKNOWN".to_owned()));
}

#[rstest]
#[tokio::test]
async fn sessions_are_listed_by_their_last_use_and_revoked(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, thief) = (world.person().await, world.person().await);
    let mut ids = Vec::new();
    for token in 1..=3 {
        ids.push(open_session(&world, person.id, token).await);
        world.clock.advance(TimeDelta::minutes(1));
    }
    rotate(&world, 1, 9).await.unwrap();
    let [first, second, third] = [&ids[0], &ids[1], &ids[2]];
    assert_eq!(session_ids(&world, &person).await, [first, third, second].map(String::clone));
    let used = &sessions(&world, &person).await[0];
    assert_eq!((used.create_time, used.last_used_time), (Some(later(0)), Some(later(3))));
    assert_eq!((used.user_agent.as_str(), used.expire_time), ("test", Some(later(120))));

    let revoke = |user: &Person, id: &str| RevokeSessionRequest { user_id: user.id.to_string(), session_id: id.into() };
    let stolen = world.credentials().revoke_session(revoke(&thief, second)).await;
    assert_eq!(refusal(stolen).0, Code::NotFound);
    world.credentials().revoke_session(revoke(&person, second)).await.unwrap();
    assert_eq!(refusal(rotate(&world, 2, 8).await).1, "REFRESH_TOKEN_UNKNOWN");
    assert_eq!(refusal(world.credentials().revoke_session(revoke(&person, second)).await).0, Code::NotFound);

    let all = |kept: &str| RevokeAllSessionsRequest { user_id: person.id.to_string(), kept_session_id: kept.into() };
    world.credentials().revoke_all_sessions(all(third)).await.unwrap();
    assert_eq!(session_ids(&world, &person).await, std::slice::from_ref(third));
    world.credentials().revoke_all_sessions(all("")).await.unwrap();
    assert!(sessions(&world, &person).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn one_session_too_many_ends_that_which_was_not_used_for_longest(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, other) = (world.person().await, world.person().await);
    open_session(&world, other.id, 100).await;
    let mut ids = Vec::new();
    for token in 1..=5 {
        ids.push(open_session(&world, person.id, token).await);
        world.clock.advance(TimeDelta::minutes(1));
    }
    rotate(&world, 1, 11).await.unwrap();
    world.clock.advance(TimeDelta::minutes(1));
    let sixth = CreateSessionRequest { sessions_max: 5, ..session(person.id, 6) };
    let id = sixth.session_id.clone();
    world.credentials().create_session(sixth).await.unwrap();
    let left = [&id, &ids[0], &ids[4], &ids[3], &ids[2]].map(String::clone);
    assert_eq!(session_ids(&world, &person).await, left, "the second was used last of all");
    assert_eq!(sessions(&world, &other).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_wrong_session_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let good = session(person.id, 1);
    let cases = [
        (CreateSessionRequest { session_id: "1".into(), ..good.clone() }, "session_id"),
        (CreateSessionRequest { user_id: String::new(), ..good.clone() }, "user_id"),
        (CreateSessionRequest { token_hash: vec![1; 31], ..good.clone() }, "token_hash"),
        (CreateSessionRequest { expire_time: Some(later(0)), ..good.clone() }, "expire_time"),
        (CreateSessionRequest { expire_time: None, ..good.clone() }, "expire_time"),
        (CreateSessionRequest { sessions_max: -1, ..good }, "sessions_max"),
    ];
    for (request, field) in cases {
        assert_eq!(wrong_field(world.credentials().create_session(request).await), field);
    }
}

async fn create_token(world: &World, person: Uuid, api_token: ApiToken, token: u8) -> Result<ApiToken, Status> {
    let request =
        CreateApiTokenRequest { user_id: person.to_string(), api_token: Some(api_token), token_hash: hash(token) };
    world.credentials().create_api_token(request).await.map(tonic::Response::into_inner)
}

async fn find_token(world: &World, token: u8) -> Result<FindApiTokenResponse, Status> {
    let request = FindApiTokenRequest { token_hash: hash(token) };
    world.credentials().find_api_token(request).await.map(tonic::Response::into_inner)
}

async fn tokens(world: &World, person: &Person) -> Vec<ApiToken> {
    let request = ListApiTokensRequest { user_id: person.id.to_string() };
    world.credentials().list_api_tokens(request).await.unwrap().into_inner().api_tokens
}

fn named(name: &str) -> ApiToken {
    ApiToken { name: name.into(), ..ApiToken::default() }
}

#[rstest]
#[tokio::test]
async fn an_api_token_says_whose_it_is_until_it_is_deleted(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, thief) = (world.person().await, world.person().await);
    let scoped = ApiToken { scopes: vec!["tasks:read".into()], ..named("Backup") };
    let made = create_token(&world, person.id, scoped, 1).await.unwrap();
    world.clock.advance(TimeDelta::seconds(1));
    let second = create_token(&world, person.id, named("Script"), 2).await.unwrap();
    assert_eq!(tokens(&world, &person).await, [second, made.clone()]);
    assert!(tokens(&world, &thief).await.is_empty());

    let found = find_token(&world, 1).await.unwrap();
    assert_eq!((found.user_id, found.scopes), (person.id.to_string(), vec!["tasks:read".to_owned()]));
    assert_eq!(refusal(find_token(&world, 3).await).0, Code::NotFound);

    let delete = |user: &Person| DeleteApiTokenRequest { user_id: user.id.to_string(), api_token_id: made.id.clone() };
    assert_eq!(refusal(world.credentials().delete_api_token(delete(&thief)).await).0, Code::NotFound);
    world.credentials().delete_api_token(delete(&person)).await.unwrap();
    assert_eq!(refusal(find_token(&world, 1).await).0, Code::NotFound);
    assert_eq!(refusal(world.credentials().delete_api_token(delete(&person)).await).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn the_last_use_of_an_api_token_is_known_to_the_minute(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    create_token(&world, person.id, named("Script"), 1).await.unwrap();
    let last_use = async || tokens(&world, &person).await[0].last_used_time;
    assert_eq!(last_use().await, None);
    for (seconds, minute) in [(0, 0), (59, 0), (1, 1)] {
        world.clock.advance(TimeDelta::seconds(seconds));
        find_token(&world, 1).await.unwrap();
        assert_eq!(last_use().await, Some(later(minute)));
    }
}

#[rstest]
#[tokio::test]
async fn an_api_token_works_neither_after_its_end_nor_while_the_account_is_leaving(
    #[values(Sqlite, Postgres)] on: Backend,
) {
    let world = World::start(on).await;
    let person = world.person().await;
    let ending = ApiToken { expire_time: Some(later(10)), ..named("For a while") };
    create_token(&world, person.id, ending, 1).await.unwrap();
    create_token(&world, person.id, named("For good"), 2).await.unwrap();
    world.clock.advance(TimeDelta::minutes(10));
    assert_eq!(refusal(find_token(&world, 1).await).0, Code::NotFound);
    assert!(find_token(&world, 2).await.is_ok());

    person.user().delete_me(DeleteMeRequest {}).await.unwrap();
    assert_eq!(refusal(find_token(&world, 2).await).0, Code::NotFound);
    world.clock.advance(TimeDelta::minutes(-5));
    open_session(&world, person.id, 3).await;
    assert!(find_token(&world, 2).await.is_ok(), "who comes back finds their programs at work");
}

#[rstest]
#[tokio::test]
async fn a_wrong_api_token_names_its_field_and_there_are_fifty(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let cases = [
        (named(""), "api_token.name"),
        (named(&"x".repeat(101)), "api_token.name"),
        (ApiToken { expire_time: Some(later(0)), ..named("Late") }, "api_token.expire_time"),
        (ApiToken { scopes: vec!["tasks:read".into(), String::new()], ..named("Empty") }, "api_token.scopes[1]"),
        (ApiToken { scopes: vec!["tasks:read".into(); 51], ..named("Many") }, "api_token.scopes"),
    ];
    for (token, field) in cases {
        assert_eq!(wrong_field(create_token(&world, person.id, token, 1).await), field);
    }
    for token in 1..=50 {
        create_token(&world, person.id, named("One of many"), token).await.unwrap();
    }
    let one_more = create_token(&world, person.id, named("One too many"), 51).await;
    assert_eq!(refusal(one_more), (Code::FailedPrecondition, "LIMIT_REACHED".to_owned()));
    let nobody = create_token(&world, Uuid::now_v7(), named("Nobody's"), 52).await;
    assert_eq!(refusal(nobody).0, Code::NotFound);
}
