use chrono::TimeDelta;
use focusflow_proto::v1::Task;
use focusflow_proto::v1::task::{RecurrenceMode, Status as TaskStatus};
use rstest::rstest;

use super::following::update_following;
use super::{complete, create, dates, delete, occurrences, series, undelete};
use crate::support::{Backend, Person, Postgres, Sqlite, World, at, titled};

async fn from_completion(person: &Person, rule: &str) -> Task {
    let task = Task { recurrence_mode: RecurrenceMode::Completion.into(), ..series("Haircut", rule) };
    person.create_task(task).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn the_next_is_made_when_one_is_done_and_counted_from_then(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = from_completion(&person, "FREQ=DAILY;INTERVAL=3").await;
    let first = occurrences(&person, &series.id).await;
    assert_eq!(dates(&first), ["2026-06-15"], "one is open at a time");

    world.clock.advance(TimeDelta::days(5));
    complete(&person, &first[0].id).await.unwrap();
    complete(&person, &first[0].id).await.unwrap();
    let tasks = occurrences(&person, &series.id).await;
    assert_eq!(dates(&tasks), ["2026-06-15", "2026-06-23"], "three days after the 20th, once");
    assert_eq!(tasks[1].due_time, Some(at("2026-06-23T07:00:00Z")));
}

#[rstest]
#[tokio::test]
async fn one_done_early_is_followed_by_the_next_counted_from_that_day(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = Task {
        recurrence: "FREQ=DAILY;INTERVAL=3".into(),
        recurrence_mode: RecurrenceMode::Completion.into(),
        recurrence_start: "2026-06-25".into(),
        ..titled("Water")
    };
    let series = person.create_task(task).await.unwrap();
    let first = occurrences(&person, &series.id).await.remove(0);
    let done = complete(&person, &first.id).await.unwrap();
    assert_eq!(
        dates(&occurrences(&person, &series.id).await),
        ["2026-06-18", "2026-06-25"],
        "three days after the 15th"
    );

    let reopened = Task { status: TaskStatus::Pending.into(), ..done };
    person.update_task(reopened, &["status"]).await.unwrap();
    assert_eq!(dates(&occurrences(&person, &series.id).await), ["2026-06-25"], "one is open at a time");
    complete(&person, &first.id).await.unwrap();

    let changed = Task { id: series.id.clone(), recurrence: "FREQ=DAILY;INTERVAL=10".into(), ..Task::default() };
    let series = person.update_task(changed, &["recurrence"]).await.unwrap();
    let tasks = occurrences(&person, &series.id).await;
    assert_eq!(dates(&tasks), ["2026-06-25", "2026-07-05"], "the 25th is taken");
}

#[rstest]
#[tokio::test]
async fn changing_one_and_those_that_follow_changes_the_series_itself(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = from_completion(&person, "FREQ=DAILY").await;
    let first = occurrences(&person, &series.id).await.remove(0);
    complete(&person, &first.id).await.unwrap();
    let second = occurrences(&person, &series.id).await.remove(1);
    let changed = update_following(&person, Task { title: "Barber".into(), ..second }, &["title"]).await.unwrap();
    assert_eq!((changed.id.as_str(), changed.recurrence.as_str()), (series.id.as_str(), "FREQ=DAILY"));
    let titles: Vec<_> = occurrences(&person, &series.id).await.into_iter().map(|task| task.title).collect();
    assert_eq!(titles, ["Haircut", "Barber"]);
}

#[rstest]
#[tokio::test]
async fn taking_a_completion_back_takes_the_next_back(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = from_completion(&person, "FREQ=WEEKLY").await;
    let first = occurrences(&person, &series.id).await.remove(0);
    let done = complete(&person, &first.id).await.unwrap();
    let reopened = Task { status: TaskStatus::Pending.into(), ..done };
    person.update_task(reopened, &["status"]).await.unwrap();
    assert_eq!(dates(&occurrences(&person, &series.id).await), ["2026-06-15"]);
    complete(&person, &first.id).await.unwrap();
    assert_eq!(dates(&occurrences(&person, &series.id).await), ["2026-06-15", "2026-06-22"]);
}

#[rstest]
#[tokio::test]
async fn deleting_the_open_one_goes_on_with_the_next(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = from_completion(&person, "FREQ=DAILY;INTERVAL=2").await;
    let first = occurrences(&person, &series.id).await.remove(0);
    delete(&person, &first.id).await;
    assert_eq!(dates(&occurrences(&person, &series.id).await), ["2026-06-17"]);
    undelete(&person, &first.id).await;
    assert_eq!(dates(&occurrences(&person, &series.id).await), ["2026-06-15"]);
}

#[rstest]
#[tokio::test]
async fn several_can_be_done_on_one_day(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = from_completion(&person, "FREQ=DAILY;UNTIL=20260617").await;
    for expected in [1, 2, 3] {
        let tasks = occurrences(&person, &series.id).await;
        assert_eq!(tasks.len(), expected);
        complete(&person, &tasks[expected - 1].id).await.unwrap();
    }
    let tasks = occurrences(&person, &series.id).await;
    assert_eq!(dates(&tasks), ["2026-06-15", "2026-06-16", "2026-06-17"], "it has ended");
}

#[rstest]
#[tokio::test]
async fn a_series_can_change_what_it_repeats_from(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = create(&person, "Change", "FREQ=DAILY").await;
    let completion = Task { recurrence_mode: RecurrenceMode::Completion.into(), ..series };
    let series = person.update_task(completion, &["recurrence_mode"]).await.unwrap();
    assert_eq!(dates(&occurrences(&person, &series.id).await), ["2026-06-15"]);
    let schedule = Task { recurrence_mode: RecurrenceMode::Schedule.into(), ..series };
    let series = person.update_task(schedule, &["recurrence_mode"]).await.unwrap();
    assert_eq!(occurrences(&person, &series.id).await.len(), 31);
}

#[rstest]
#[tokio::test]
async fn a_late_one_follows_its_series(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = from_completion(&person, "FREQ=DAILY").await;
    world.clock.advance(TimeDelta::days(3));
    let renamed = Task { title: "Barber".into(), ..series };
    let series = person.update_task(renamed, &["title"]).await.unwrap();
    let tasks = occurrences(&person, &series.id).await;
    assert_eq!((tasks.len(), tasks[0].title.as_str()), (1, "Barber"));
    delete(&person, &series.id).await;
    assert!(occurrences(&person, &series.id).await.is_empty());
}
