//! What comes back from the trash after its series, or its person's zone, has changed.

use focusflow_proto::v1::Task;
use rstest::rstest;

use super::following::update_following;
use super::zones::move_to;
use super::{create, delete, occurrences, undelete};
use crate::support::{Backend, Postgres, Sqlite, World, at, titled};

#[rstest]
#[tokio::test]
async fn an_occurrence_comes_back_as_its_series_is_now(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = create(&person, "Old", "FREQ=DAILY;COUNT=3").await;
    let part = person.create_task(Task { parent_id: series.id.clone(), ..titled("Old part") }).await.unwrap();
    let [_, second, third] = occurrences(&person, &series.id).await.try_into().unwrap();
    let edited = Task { title: "By hand".into(), ..third.clone() };
    person.update_task(edited, &["title"]).await.unwrap();
    delete(&person, &second.id).await;
    delete(&person, &third.id).await;
    let renamed = Task { id: series.id.clone(), title: "New".into(), ..Task::default() };
    person.update_task(renamed, &["title"]).await.unwrap();
    person.update_task(Task { title: "New part".into(), ..part.clone() }, &["title"]).await.unwrap();
    move_to(&person, "America/New_York").await;

    let back = undelete(&person, &second.id).await;
    assert_eq!((back.title.as_str(), back.due_time), ("New", Some(at("2026-06-16T13:00:00Z"))));
    assert_eq!(back, person.get_task(&second.id).await.unwrap());
    let copies = occurrences(&person, &part.id).await;
    let copy = copies.iter().find(|copy| copy.parent_id == second.id).unwrap();
    assert_eq!(copy.title, "New part");
    let back = undelete(&person, &third.id).await;
    assert_eq!((back.title.as_str(), back.due_time), ("By hand", third.due_time), "it is its person's");
}

#[rstest]
#[tokio::test]
async fn a_series_comes_back_to_where_its_person_is_now(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = create(&person, "Breakfast", "FREQ=DAILY;COUNT=2").await;
    delete(&person, &series.id).await;
    move_to(&person, "America/New_York").await;

    let back = undelete(&person, &series.id).await;
    assert_eq!(back.due_time, Some(at("2026-06-15T13:00:00Z")));
    assert_eq!(back.recurrence_start, series.recurrence_start);
    assert_eq!(back, person.get_task(&series.id).await.unwrap());
    let due: Vec<_> = occurrences(&person, &series.id).await.into_iter().map(|task| task.due_time.unwrap()).collect();
    assert_eq!(due, ["2026-06-15T13:00:00Z", "2026-06-16T13:00:00Z"].map(at));
}

#[rstest]
#[tokio::test]
async fn one_that_a_new_series_took_over_comes_back_as_that_says(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = create(&person, "Old", "FREQ=DAILY;COUNT=3").await;
    let [_, second, third] = occurrences(&person, &series.id).await.try_into().unwrap();
    delete(&person, &third.id).await;
    let new = update_following(&person, Task { title: "New".into(), ..second }, &["title"]).await.unwrap();
    let back = undelete(&person, &third.id).await;
    assert_eq!((back.title.as_str(), back.series_id), ("New", new.id));
}
