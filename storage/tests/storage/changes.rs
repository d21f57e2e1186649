use focusflow_proto::v1::change::{Action, Resource};
use focusflow_proto::v1::{DeleteTaskRequest, Task, WatchRequest, WatchResponse};
use tonic::{Code, Streaming};

use crate::support::{Backend, Person, Postgres, RedisServer, Sqlite, World, fact, refusal, wrong_field};
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

#[rstest]
#[tokio::test]
async fn a_number_beyond_the_last_is_refused_with_the_last(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let status = person.changes().watch(WatchRequest { since: 6 }).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert_eq!((fact(&status, "field"), fact(&status, "last_number")), ("since".to_owned(), "5".to_owned()));
    person.task("One").await;
    person.changes().watch(WatchRequest { since: 6 }).await.unwrap();
}

#[tokio::test]
async fn a_watcher_learns_of_other_processes_without_redis() {
    let world = World::start(Postgres).await;
    let other = world.replica().await;
    let person = world.person().await;
    let mut stream = person.changes().watch(WatchRequest { since: 5 }).await.unwrap().into_inner();
    for number in 6..=7 {
        other.somebody(person.id).task("Elsewhere").await;
        assert_eq!(next(&mut stream).await, (number, Resource::Task, Action::Created));
    }
}

/// Redis in the life of a test.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Redis {
    Absent,
    There,
    /// There, and killed again and again.
    Killed,
}

/// Tasks that each of two writers creates while a client watches.
const TASKS_PER_WRITER: usize = 150;
/// How often the client looks whether there is something for it, at most, before its connection is cut.
const LOOKS_MAX: u32 = 600;

async fn write_tasks(person: Person) {
    for number in 0..TASKS_PER_WRITER {
        person.task(&number.to_string()).await;
    }
}

/// Watches until the connection is cut, at some moment, and adds the numbers that come to those `seen`.
async fn watch_for_a_moment(person: &Person, seen: &mut Vec<i64>) {
    let since = seen.last().copied().unwrap_or_default();
    let mut stream = person.changes().watch(WatchRequest { since }).await.unwrap().into_inner();
    let looks = rand::random_range(0..LOOKS_MAX);
    let cut = async {
        for _ in 0..looks {
            tokio::task::yield_now().await;
        }
    };
    tokio::pin!(cut);
    loop {
        tokio::select! {
            () = &mut cut => return,
            (number, ..) = next(&mut stream) => seen.push(number),
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_client_that_is_cut_off_at_any_moment_sees_every_change_once(
    #[values(Redis::Absent, Redis::There, Redis::Killed)] with: Redis,
) {
    let mut redis = RedisServer::start().await;
    let (one, other) = if with == Redis::Absent {
        let one = World::start(Postgres).await;
        let other = one.replica().await;
        (one, other)
    } else {
        let one = World::start_with(Postgres, &redis).await;
        let other = one.replica_with(&redis).await;
        (one, other)
    };
    let id = one.person().await.id;
    let people = [one.somebody(id), other.somebody(id)];
    let writers = people.clone().map(|person| tokio::spawn(write_tasks(person)));

    let (mut seen, mut is_up) = (Vec::new(), true);
    let last = INITIAL_CHANGES + 2 * TASKS_PER_WRITER;
    for cuts in 1.. {
        if seen.len() >= last {
            break;
        }
        watch_for_a_moment(&people[usize::from(rand::random::<bool>())], &mut seen).await;
        if with == Redis::Killed && cuts % 10 == 0 {
            if is_up {
                redis.kill();
            } else {
                redis.restart().await;
            }
            is_up = !is_up;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen, (1..=i64::try_from(last).unwrap()).collect::<Vec<_>>());
}
