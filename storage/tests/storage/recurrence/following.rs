use chrono::TimeDelta;
use focusflow_proto::v1::task::Status as TaskStatus;
use focusflow_proto::v1::{Task, UpdateFollowingTasksRequest};
use rstest::rstest;
use tonic::{Code, Status};

use super::{complete, create, dates, occurrences};
use crate::support::{Backend, Person, Postgres, Sqlite, World, at, refusal, titled, update_mask, wrong_field};

pub(super) async fn update_following(person: &Person, task: Task, mask: &[&str]) -> Result<Task, Status> {
    let request = UpdateFollowingTasksRequest { task: Some(task), update_mask: update_mask(mask) };
    person.tasks().update_following_tasks(request).await.map(tonic::Response::into_inner)
}

#[rstest]
#[tokio::test]
async fn this_and_following_are_a_series_of_their_own(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let old = create(&person, "Old", "FREQ=DAILY;COUNT=6").await;
    let before = occurrences(&person, &old.id).await;
    complete(&person, &before[4].id).await.unwrap();
    let edited = Task { description: "By hand".into(), ..before[3].clone() };
    person.update_task(edited, &["description"]).await.unwrap();

    let change = Task { title: "New".into(), ..before[2].clone() };
    let new = update_following(&person, change, &["title"]).await.unwrap();
    assert_ne!(new.id, old.id);
    assert_eq!((new.recurrence.as_str(), new.recurrence_start.as_str()), ("FREQ=DAILY;COUNT=4", "2026-06-17T09:00:00"));
    let old = person.get_task(&old.id).await.unwrap();
    assert_eq!(old.recurrence, "FREQ=DAILY;UNTIL=20260616");
    assert_eq!(dates(&occurrences(&person, &old.id).await), ["2026-06-15", "2026-06-16"]);

    let after = occurrences(&person, &new.id).await;
    assert_eq!(dates(&after), ["2026-06-17", "2026-06-18", "2026-06-19", "2026-06-20"]);
    let ids = |tasks: &[Task]| tasks.iter().map(|task| task.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before[2..]), "they are the same tasks");
    let titles: Vec<_> = after.iter().map(|task| task.title.as_str()).collect();
    assert_eq!(titles, ["New", "Old", "Old", "New"], "edited and done ones stay as they are");
    assert_eq!(after[2].status(), TaskStatus::Completed);
}

#[rstest]
#[tokio::test]
async fn following_ones_move_to_another_rule_and_time(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let old = create(&person, "Move", "FREQ=DAILY").await;
    let third = occurrences(&person, &old.id).await.remove(2);
    let change = Task {
        recurrence: "FREQ=WEEKLY;BYDAY=WE,FR".into(),
        due_time: Some(at("2026-06-17T16:00:00Z")),
        ..third.clone()
    };
    let new = update_following(&person, change, &["recurrence", "due_time"]).await.unwrap();
    let tasks = occurrences(&person, &new.id).await;
    assert_eq!(dates(&tasks)[..3], ["2026-06-17", "2026-06-19", "2026-06-24"]);
    assert!(tasks.iter().all(|task| task.due_time.unwrap().seconds % 86_400 == 16 * 3_600));
    assert_eq!(tasks[0].id, third.id);
    assert_eq!(dates(&occurrences(&person, &old.id).await), ["2026-06-15", "2026-06-16"]);

    world.clock.advance(TimeDelta::days(1));
    let kept = person.update_task(Task { title: "Kept".into(), ..new }, &["title"]).await.unwrap();
    let titles: Vec<_> = occurrences(&person, &kept.id).await.into_iter().map(|task| task.title).collect();
    assert!(titles.iter().all(|title| title == "Kept"));
}

#[rstest]
#[tokio::test]
async fn all_from_the_first_on_are_the_series_itself(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let series = create(&person, "All", "FREQ=DAILY;COUNT=3").await;
    let first = occurrences(&person, &series.id).await.remove(0);
    let same = update_following(&person, Task { title: "Renamed".into(), ..first }, &["title"]).await.unwrap();
    assert_eq!(same.id, series.id);
    assert!(occurrences(&person, &series.id).await.iter().all(|task| task.title == "Renamed"));
}

#[rstest]
#[tokio::test]
async fn only_occurrences_have_followers(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, other) = (world.person().await, world.person().await);
    let plain = person.task("Plain").await;
    let refused = refusal(update_following(&person, plain.clone(), &["title"]).await);
    assert_eq!(refused, (Code::FailedPrecondition, "TASK_NOT_AN_OCCURRENCE".to_owned()));
    let series = create(&person, "Series", "FREQ=DAILY;COUNT=3").await;
    let second = occurrences(&person, &series.id).await.remove(1);
    let stale = Task { etag: "\"9\"".into(), ..second.clone() };
    assert_eq!(refusal(update_following(&person, stale, &["title"]).await).0, Code::Aborted);
    let bad = Task { recurrence: "FREQ=HOURLY".into(), ..second.clone() };
    assert_eq!(wrong_field(update_following(&person, bad, &["recurrence"]).await), "task.recurrence");
    assert_eq!(refusal(update_following(&other, second, &["title"]).await).0, Code::NotFound);
    assert_eq!(wrong_field(update_following(&person, titled("x"), &["title"]).await), "task.id");
    assert_eq!(occurrences(&person, &series.id).await.len(), 3, "a refusal changes nothing");
}
