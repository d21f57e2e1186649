use focusflow_proto::v1::change::{Action, Resource};
use focusflow_proto::v1::{DeleteTaskRequest, Task, WatchRequest, WatchResponse};
use tonic::{Code, Streaming};

use crate::support::{Backend, Postgres, Sqlite, World, refusal, wrong_field};
use rstest::rstest;

/// The account and its first categories.
const INITIAL_CHANGES: usize = 5;

async fn next(stream: &mut Streaming<WatchResponse>) -> (i64, Resource, Action) {
    let change = stream.message().await.unwrap().unwrap().change.unwrap();
    (change.number, change.resource(), change.action())
}

#[rstest]
#[tokio::test]
async fn every_write_has_a_number_and_a_refused_one_has_none(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("One").await;
    person.create_task(Task::default()).await.unwrap_err();
    person.update_task(Task { title: "Two".into(), ..task.clone() }, &["title"]).await.unwrap();
    person.log(&task.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    person.tasks().delete_task(DeleteTaskRequest { id: task.id.clone(), etag: String::new() }).await.unwrap();

    let changes = person.changes_so_far(INITIAL_CHANGES + 5).await;
    let numbers: Vec<_> = changes.iter().map(|change| change.number).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<i64>>());
    let kinds: Vec<_> = changes[INITIAL_CHANGES..].iter().map(|change| (change.resource(), change.action())).collect();
    let expected = [
        (Resource::Task, Action::Created),
        (Resource::Task, Action::Updated),
        (Resource::TimeLog, Action::Created),
        (Resource::Task, Action::Updated),
        (Resource::Task, Action::Deleted),
    ];
    assert_eq!(kinds, expected, "logged time changes its task too");
    assert_eq!(changes[INITIAL_CHANGES].resource_id, task.id);
}

#[rstest]
#[tokio::test]
async fn numbers_have_no_gap_under_writers_at_the_same_time(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let person = person.clone();
            tokio::spawn(async move {
                for number in 0..10 {
                    person.task(&format!("{writer}.{number}")).await;
                }
            })
        })
        .collect();
    let changes = person.changes_so_far(INITIAL_CHANGES + 80).await;
    for writer in writers {
        writer.await.unwrap();
    }
    let numbers: Vec<_> = changes.iter().map(|change| change.number).collect();
    assert_eq!(numbers, (1..=85).collect::<Vec<i64>>());
}

#[rstest]
#[tokio::test]
async fn a_watcher_resumes_after_the_last_number_it_saw(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let mut stream = person.changes().watch(WatchRequest { since: 5 }).await.unwrap().into_inner();
    person.task("One").await;
    assert_eq!(next(&mut stream).await, (6, Resource::Task, Action::Created));
    drop(stream);
    person.task("Two").await;
    person.task("Three").await;

    let mut stream = person.changes().watch(WatchRequest { since: 6 }).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await.0, 7);
    assert_eq!(next(&mut stream).await.0, 8);
    person.task("Four").await;
    assert_eq!(next(&mut stream).await.0, 9);
}

#[rstest]
#[tokio::test]
async fn a_watcher_sees_its_own_person_only(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, other) = (world.person().await, world.person().await);
    let mut stream = person.changes().watch(WatchRequest { since: 5 }).await.unwrap().into_inner();
    other.task("Theirs").await;
    let mine = person.task("Mine").await;
    let change = stream.message().await.unwrap().unwrap().change.unwrap();
    assert_eq!((change.number, change.resource_id), (6, mine.id));
}

#[rstest]
#[tokio::test]
async fn a_shutdown_ends_the_watch_and_says_so(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let mut stream = person.changes().watch(WatchRequest { since: 5 }).await.unwrap().into_inner();
    person.task("One").await;
    next(&mut stream).await;
    let stopping = tokio::spawn(world.stop());
    assert_eq!(refusal(stream.message().await), (Code::Unavailable, "DRAINING".to_owned()));
    drop((stream, person));
    let (_, outcome) = stopping.await.unwrap();
    assert_eq!(outcome, focusflow_mesh::drain::Outcome::Clean);
}

#[rstest]
#[tokio::test]
async fn a_negative_number_is_refused(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    assert_eq!(wrong_field(person.changes().watch(WatchRequest { since: -1 }).await), "since");
}
