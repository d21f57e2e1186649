use std::sync::Arc;

use chrono::TimeDelta;
use focusflow_proto::internal::v1::{CreateAccountRequest, FindAccountRequest};
use focusflow_proto::v1::{
    DeleteMeRequest, GetMeRequest, ListCategoriesRequest, ListTasksRequest, UpdateMeRequest, User, WorkingHours,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::sessions::{open_session, rotate};
use crate::support::{
    Backend, PASSWORD_HASH, Person, Postgres, Sqlite, World, later, refusal, titled, update_mask, wrong_field,
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
    let request = CreateAccountRequest { user: Some(user), password_hash: PASSWORD_HASH.into(), verification: None };
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

    let find = |email: &str| FindAccountRequest { email: email.into(), ..Default::default() };
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
    let request = CreateAccountRequest { user: Some(ada()), password_hash: "secret".into(), verification: None };
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

#[rstest]
#[tokio::test]
async fn an_account_whose_end_was_asked_for_is_kept_by_signing_in(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let find = async || {
        let email = person.user().get_me(GetMeRequest {}).await.unwrap().into_inner().email;
        world.credentials().find_account(FindAccountRequest { email, ..Default::default() }).await.unwrap().into_inner()
    };
    assert_eq!(find().await.delete_time, None);
    let first = open_session(&world, person.id, 1).await;
    person.user().delete_me(DeleteMeRequest {}).await.unwrap();
    assert_eq!(find().await.delete_time, Some(later(0)));
    let refreshed = rotate(&world, 1, 2).await;
    assert_eq!(refusal(refreshed).1, "REFRESH_TOKEN_UNKNOWN", "{first} has ended");

    world.clock.advance(TimeDelta::minutes(30));
    person.user().delete_me(DeleteMeRequest {}).await.unwrap();
    assert_eq!(find().await.delete_time, Some(later(0)), "asking again does not begin the grace period again");
    open_session(&world, person.id, 3).await;
    assert_eq!(find().await.delete_time, None);
}

#[rstest]
#[tokio::test]
async fn an_account_ends_for_good_when_the_grace_period_is_over(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (leaving, staying, late) = (world.person().await, world.person().await, world.person().await);
    for person in [&leaving, &staying, &late] {
        let task = person.task("Mine").await;
        person.log(&task.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    }
    leaving.user().delete_me(DeleteMeRequest {}).await.unwrap();
    world.clock.advance(TimeDelta::seconds(1));
    late.user().delete_me(DeleteMeRequest {}).await.unwrap();
    world.clock.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    let (clock, ids) = (Arc::clone(&world.clock), [leaving.id, staying.id, late.id]);
    drop((leaving, staying, late));
    let (machine, _) = world.stop().await;

    // The sweep begins with the process.
    let world = World::start_by(machine, clock).await;
    let [leaving, staying, late] = ids.map(|id| world.somebody(id));
    while leaving.user().get_me(GetMeRequest {}).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for person in [staying, late] {
        assert!(person.user().get_me(GetMeRequest {}).await.is_ok());
        assert_eq!(person.list_tasks(ListTasksRequest::default()).await.unwrap().tasks.len(), 1);
    }
    assert_eq!(refusal(leaving.create_task(titled("Gone")).await).0, Code::NotFound);
}
