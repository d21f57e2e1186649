mod completion;
mod following;
mod refusals;
mod trash;
mod zones;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{Days, NaiveDate, TimeDelta};
use focusflow_proto::v1;
use focusflow_proto::v1::task::Status as TaskStatus;
use focusflow_proto::v1::{
    CompleteTaskRequest, DeleteTaskRequest, ListTasksRequest, PostponeTaskRequest, Task, UndeleteTaskRequest,
};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::{Backend, Person, Postgres, Sqlite, World, at, refusal, titled, wrong_field};

/// The day of [`crate::support::NOW`], at nine in Berlin.
const NINE: &str = "2026-06-15T07:00:00Z";

/// A series that starts at nine today.
fn series(title: &str, rule: &str) -> Task {
    Task { recurrence: rule.into(), due_time: Some(at(NINE)), ..titled(title) }
}

async fn create(person: &Person, title: &str, rule: &str) -> Task {
    person.create_task(series(title, rule)).await.unwrap()
}

/// The occurrences of a series, by date.
async fn occurrences(person: &Person, series_id: &str) -> Vec<Task> {
    let mut tasks: Vec<_> = listed(person).await.into_iter().filter(|task| task.series_id == series_id).collect();
    tasks.sort_by(|one, other| one.occurrence_date.cmp(&other.occurrence_date));
    tasks
}

async fn listed(person: &Person) -> Vec<Task> {
    let request = ListTasksRequest { page_size: 1000, ..ListTasksRequest::default() };
    person.list_tasks(request).await.unwrap().tasks
}

fn dates(occurrences: &[Task]) -> Vec<&str> {
    occurrences.iter().map(|task| task.occurrence_date.as_str()).collect()
}

/// So many days in a row.
fn days(first: &str, count: u64) -> Vec<String> {
    let first: NaiveDate = first.parse().unwrap();
    (0..count).map(|offset| (first + Days::new(offset)).to_string()).collect()
}

fn on<'a>(occurrences: &'a [Task], date: &str) -> &'a Task {
    occurrences.iter().find(|task| task.occurrence_date == date).unwrap()
}

async fn complete(person: &Person, id: &str) -> Result<Task, Status> {
    let request = CompleteTaskRequest { id: id.into(), etag: String::new() };
    person.tasks().complete_task(request).await.map(tonic::Response::into_inner)
}

async fn delete(person: &Person, id: &str) {
    person.tasks().delete_task(DeleteTaskRequest { id: id.into(), etag: String::new() }).await.unwrap();
}

async fn undelete(person: &Person, id: &str) -> Task {
    person.tasks().undelete_task(UndeleteTaskRequest { id: id.into(), etag: String::new() }).await.unwrap().into_inner()
}

async fn postpone(person: &Person, id: &str, due_time: &str) -> Result<Task, Status> {
    let request = PostponeTaskRequest { id: id.into(), due_time: Some(at(due_time)), etag: String::new() };
    person.tasks().postpone_task(request).await.map(tonic::Response::into_inner)
}

/// Waits until a person's changes are as many.
/// Waits until there are this many changes of other things than notifications, which follow tasks.
async fn wait_for_changes(person: &Person, count: usize) {
    let mut stream = person.changes().watch(v1::WatchRequest { since: 0 }).await.unwrap().into_inner();
    let mut seen = 0;
    while seen < count {
        let change = stream.message().await.unwrap().unwrap().change.unwrap();
        seen += usize::from(change.resource() != v1::change::Resource::Notification);
    }
}

#[rstest]
#[tokio::test]
async fn a_series_has_its_next_month_and_is_itself_not_listed(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let given = Task { tags: vec!["garden".into()], estimated_minutes: 10, ..series("Water", "freq=daily") };
    let made = person.create_task(given).await.unwrap();
    assert_eq!((made.recurrence.as_str(), made.recurrence_start.as_str()), ("FREQ=DAILY", "2026-06-15T09:00:00"));

    let tasks = occurrences(&person, &made.id).await;
    assert_eq!(dates(&tasks), days("2026-06-15", 31));
    assert_eq!(listed(&person).await.len(), 31, "the series is not among them");
    let first = &tasks[0];
    assert_eq!((first.title.as_str(), first.estimated_minutes, first.status()), ("Water", 10, TaskStatus::Pending));
    assert_eq!((first.tags.as_slice(), first.due_time), (["garden".to_owned()].as_slice(), Some(at(NINE))));
    assert!(first.recurrence.is_empty());

    let with_series = ListTasksRequest { page_size: 1000, show_series: true, ..ListTasksRequest::default() };
    assert_eq!(person.list_tasks(with_series).await.unwrap().tasks.len(), 32);
    // An account begins with five changes; each task has its own.
    assert_eq!(person.changes_so_far(5 + 32).await.len(), 37);
}

#[rstest]
#[tokio::test]
async fn the_next_occurrence_is_there_however_far_it_is(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let yearly = create(&person, "Renew", "FREQ=YEARLY").await;
    assert_eq!(dates(&occurrences(&person, &yearly.id).await), ["2026-06-15", "2027-06-15"]);
    let next = occurrences(&person, &yearly.id).await.remove(1);
    delete(&person, &next.id).await;
    assert_eq!(dates(&occurrences(&person, &yearly.id).await), ["2026-06-15", "2028-06-15"]);
}

#[rstest]
#[tokio::test]
async fn a_month_offline_misses_nothing_and_makes_nothing_twice(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = create(&person, "Daily", "FREQ=DAILY").await;
    let weekly = create(&person, "Weekly", "FREQ=WEEKLY;BYDAY=MO").await;
    let (id, before) = (person.id, listed(&person).await.len() + 2);
    drop(person);
    let (machine, _) = world.stop().await;

    let world = World::start_at(machine, "2026-08-20T10:00:00Z").await;
    let person = world.somebody(id);
    // 66 days later: as many more of the daily one, and nine Mondays.
    wait_for_changes(&person, 5 + before + 66 + 9).await;
    assert_eq!(dates(&occurrences(&person, &daily.id).await), days("2026-06-15", 97));
    let mondays = occurrences(&person, &weekly.id).await;
    assert_eq!((mondays.len(), mondays.last().unwrap().occurrence_date.as_str()), (14, "2026-09-14"));
    assert!(mondays.iter().all(|task| task.status() == TaskStatus::Pending), "those that are past are overdue");

    let (machine, _) = {
        drop(person);
        world.stop().await
    };
    let world = World::start_at(machine, "2026-08-20T11:00:00Z").await;
    let person = world.somebody(id);
    person.task("Last").await;
    assert_eq!(listed(&person).await.len(), 97 + 14 + 1);
}

#[rstest]
#[tokio::test]
async fn replicas_that_make_at_once_make_each_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let people = [world.person().await, world.person().await, world.person().await];
    for person in &people {
        create(person, "Daily", "FREQ=DAILY").await;
    }
    let ids = people.clone().map(|person| person.id);
    drop(people);
    let (machine, _) = world.stop().await;

    let start = || World::start_at(Arc::clone(&machine), "2026-07-15T10:00:00Z");
    let replicas = tokio::join!(start(), start(), start());
    for id in ids {
        let person = replicas.0.somebody(id);
        let other = replicas.1.somebody(id);
        wait_for_changes(&person, 5 + 32 + 30).await;
        // What comes after is numbered after: nothing else has been written.
        other.task("After").await;
        let changes = person.changes_so_far(5 + 32 + 30 + 1).await;
        assert_eq!(changes.last().unwrap().number, 68);
        let tasks = listed(&person).await;
        let distinct: BTreeSet<_> = tasks.iter().map(|task| &task.occurrence_date).collect();
        assert_eq!((tasks.len(), distinct.len()), (62, 62));
    }
}

#[rstest]
#[tokio::test]
async fn completing_one_leaves_the_others(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = create(&person, "Daily", "FREQ=DAILY;COUNT=3").await;
    let before = occurrences(&person, &daily.id).await;
    let done = complete(&person, &before[1].id).await.unwrap();
    let after = occurrences(&person, &daily.id).await;
    assert_eq!(after, [before[0].clone(), done, before[2].clone()]);
    assert_eq!(refusal(complete(&person, &daily.id).await), (Code::FailedPrecondition, "TASK_IS_SERIES".to_owned()));
}

#[rstest]
#[tokio::test]
async fn an_edited_occurrence_survives_a_change_of_its_series(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = create(&person, "Daily", "FREQ=DAILY;COUNT=5").await;
    let before = occurrences(&person, &daily.id).await;
    let edited = Task { title: "Special".into(), ..before[1].clone() };
    person.update_task(edited, &["title"]).await.unwrap();
    complete(&person, &before[0].id).await.unwrap();
    let postponed = postpone(&person, &before[2].id, "2026-06-17T15:00:00Z").await.unwrap();
    assert_eq!(postponed.postponement_count, 1);
    person.log(&before[3].id, "2026-06-15T09:00:00Z", "2026-06-15T09:10:00Z").await.unwrap();

    let renamed = Task { title: "Renamed".into(), ..daily.clone() };
    let renamed = person.update_task(renamed, &["title"]).await.unwrap();
    let after = occurrences(&person, &daily.id).await;
    let titles: Vec<_> = after.iter().map(|task| task.title.as_str()).collect();
    assert_eq!(titles, ["Daily", "Special", "Daily", "Daily", "Renamed"]);

    let thrice = Task { recurrence: "FREQ=DAILY;INTERVAL=2;COUNT=3".into(), ..renamed };
    person.update_task(thrice, &["recurrence"]).await.unwrap();
    let after = occurrences(&person, &daily.id).await;
    assert_eq!(dates(&after), ["2026-06-15", "2026-06-16", "2026-06-17", "2026-06-18", "2026-06-19"]);
    assert_eq!(on_title(&after, "2026-06-19"), "Renamed");
}

fn on_title<'a>(tasks: &'a [Task], date: &str) -> &'a str {
    on(tasks, date).title.as_str()
}

#[rstest]
#[tokio::test]
async fn a_new_rule_unmakes_and_makes_what_nobody_has_touched(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = create(&person, "Daily", "FREQ=DAILY;COUNT=4").await;
    world.clock.advance(TimeDelta::days(2));
    let weekly = Task { recurrence: "FREQ=WEEKLY;COUNT=4;BYDAY=MO,WE".into(), ..daily.clone() };
    let weekly = person.update_task(weekly, &["recurrence"]).await.unwrap();
    let expected = ["2026-06-15", "2026-06-16", "2026-06-17", "2026-06-22", "2026-06-24"];
    assert_eq!(dates(&occurrences(&person, &daily.id).await), expected, "the past stays");

    let later = Task { recurrence_start: "2026-06-15T10:30:00".into(), ..weekly };
    let later = person.update_task(later, &["recurrence_start"]).await.unwrap();
    assert_eq!(later.due_time, Some(at("2026-06-15T08:30:00Z")));
    let tasks = occurrences(&person, &daily.id).await;
    assert_eq!(on_due(&tasks, "2026-06-16"), at("2026-06-16T07:00:00Z"), "the past stays");
    assert_eq!(on_due(&tasks, "2026-06-24"), at("2026-06-24T08:30:00Z"));
}

fn on_due(tasks: &[Task], date: &str) -> prost_types::Timestamp {
    on(tasks, date).due_time.unwrap()
}

#[rstest]
#[tokio::test]
async fn a_deleted_occurrence_is_left_out_until_it_is_taken_back(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = create(&person, "Daily", "FREQ=DAILY;COUNT=3").await;
    let second = occurrences(&person, &daily.id).await.remove(1);
    delete(&person, &second.id).await;
    assert_eq!(person.get_task(&daily.id).await.unwrap().exception_dates, ["2026-06-16"]);
    assert_eq!(dates(&occurrences(&person, &daily.id).await), ["2026-06-15", "2026-06-17"]);
    undelete(&person, &second.id).await;
    let daily = person.get_task(&daily.id).await.unwrap();
    assert!(daily.exception_dates.is_empty());
    assert_eq!(dates(&occurrences(&person, &daily.id).await), ["2026-06-15", "2026-06-16", "2026-06-17"]);

    let excepted = Task { exception_dates: vec!["2026-06-17".into()], ..daily.clone() };
    person.update_task(excepted, &["exception_dates"]).await.unwrap();
    assert_eq!(dates(&occurrences(&person, &daily.id).await), ["2026-06-15", "2026-06-16"]);
}

#[rstest]
#[tokio::test]
async fn deleting_a_series_keeps_what_was_done(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = create(&person, "Daily", "FREQ=DAILY").await;
    let first = occurrences(&person, &daily.id).await.remove(0);
    let done = complete(&person, &first.id).await.unwrap();
    world.clock.advance(TimeDelta::minutes(1));
    delete(&person, &daily.id).await;
    assert_eq!(listed(&person).await, [done]);
    undelete(&person, &daily.id).await;
    assert_eq!(dates(&occurrences(&person, &daily.id).await), days("2026-06-15", 31));
}

#[rstest]
#[tokio::test]
async fn the_parts_of_a_series_are_copied_onto_its_occurrences(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let trip = create(&person, "Trip", "FREQ=WEEKLY;COUNT=2").await;
    let part = person.create_task(Task { parent_id: trip.id.clone(), ..titled("Pack") }).await.unwrap();
    let trips = occurrences(&person, &trip.id).await;
    let packs = occurrences(&person, &part.id).await;
    assert_eq!(packs.iter().map(|pack| &pack.parent_id).collect::<Vec<_>>(), [&trips[0].id, &trips[1].id]);

    complete(&person, &packs[0].id).await.unwrap();
    person.update_task(Task { title: "Pack light".into(), ..part.clone() }, &["title"]).await.unwrap();
    let titles: Vec<_> = occurrences(&person, &part.id).await.into_iter().map(|pack| pack.title).collect();
    assert_eq!(titles, ["Pack", "Pack light"]);

    let longer = Task { recurrence: "FREQ=WEEKLY;COUNT=3".into(), ..person.get_task(&trip.id).await.unwrap() };
    person.update_task(longer, &["recurrence"]).await.unwrap();
    assert_eq!(dates(&occurrences(&person, &part.id).await), ["2026-06-15", "2026-06-22", "2026-06-29"]);

    delete(&person, &trips[1].id).await;
    assert_eq!(dates(&occurrences(&person, &part.id).await), ["2026-06-15", "2026-06-29"]);
    undelete(&person, &trips[1].id).await;
    assert_eq!(occurrences(&person, &part.id).await.len(), 3);
    let hidden: Vec<_> = listed(&person).await.into_iter().filter(|task| task.id == part.id).collect();
    assert!(hidden.is_empty(), "the part itself is not listed");
}

#[rstest]
#[tokio::test]
async fn a_plain_task_becomes_a_series(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let plain = person.task("Plain").await;
    let daily = Task { recurrence: "FREQ=DAILY;COUNT=2".into(), ..plain };
    let daily = person.update_task(daily, &["recurrence"]).await.unwrap();
    assert_eq!(daily.recurrence_start, "2026-06-15", "today, without a time");
    let tasks = occurrences(&person, &daily.id).await;
    assert_eq!(dates(&tasks), ["2026-06-15", "2026-06-16"]);
    assert_eq!(tasks[0].due_time, None);
}

#[rstest]
#[tokio::test]
async fn postponing_counts_and_only_moves_later(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.create_task(Task { due_time: Some(at(NINE)), ..titled("Later") }).await.unwrap();
    let once = postpone(&person, &task.id, "2026-06-16T07:00:00Z").await.unwrap();
    assert_eq!((once.postponement_count, once.due_time), (1, Some(at("2026-06-16T07:00:00Z"))));
    assert_eq!(postpone(&person, &task.id, "2026-06-16T07:00:00Z").await.unwrap(), once, "the request can be repeated");
    assert_eq!(wrong_field(postpone(&person, &task.id, NINE).await), "due_time");
    let unset = PostponeTaskRequest { id: task.id.clone(), ..PostponeTaskRequest::default() };
    assert_eq!(wrong_field(person.tasks().postpone_task(unset).await), "due_time");
    complete(&person, &task.id).await.unwrap();
    let finished = postpone(&person, &task.id, "2026-06-17T07:00:00Z").await;
    assert_eq!(refusal(finished), (Code::FailedPrecondition, "TASK_FINISHED".to_owned()));
    let daily = create(&person, "Daily", "FREQ=DAILY;COUNT=1").await;
    let series = postpone(&person, &daily.id, "2026-06-17T07:00:00Z").await;
    assert_eq!(refusal(series), (Code::FailedPrecondition, "TASK_IS_SERIES".to_owned()));
}
