use focusflow_proto::v1::rounding::Mode;
use focusflow_proto::v1::summarize_time_logs_request::GroupBy;
use focusflow_proto::v1::{
    GetTimeLogRequest, Rounding, SummarizeTimeLogsRequest, Task, TimeTotal, UpdateMeRequest, User,
};

use crate::support::{Backend, Person, Postgres, Sqlite, World, at, titled, wrong_field};
use rstest::rstest;
use tonic::Status;

async fn totals(person: &Person, group_by: GroupBy) -> Vec<TimeTotal> {
    let request = SummarizeTimeLogsRequest { group_by: group_by.into(), ..SummarizeTimeLogsRequest::default() };
    person.time_logs().summarize_time_logs(request).await.unwrap().into_inner().totals
}

fn keys_and_minutes(totals: &[TimeTotal]) -> Vec<(&str, f64)> {
    totals.iter().map(|total| (total.key.as_str(), total.minutes)).collect()
}

#[rstest]
#[tokio::test]
async fn a_log_across_midnight_counts_on_both_local_days(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    // 23:30 to 01:00 in Berlin.
    person.log("", "2026-06-10T21:30:00Z", "2026-06-10T23:00:00Z").await.unwrap();
    assert_eq!(keys_and_minutes(&totals(&person, GroupBy::Day).await), [("2026-06-10", 30.0), ("2026-06-11", 60.0)]);

    let settings = User { day_start_minutes: 4 * 60, ..User::default() };
    person.user().update_me(UpdateMeRequest { user: Some(settings), update_mask: None }).await.unwrap();
    let later_day = totals(&person, GroupBy::Unspecified).await;
    assert_eq!(keys_and_minutes(&later_day), [("2026-06-10", 90.0)], "the night belongs to the evening");
}

#[rstest]
#[tokio::test]
async fn totals_are_kept_by_week_month_tag_category_and_task(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let categories = person.categories().list_categories(focusflow_proto::v1::ListCategoriesRequest {}).await.unwrap();
    let category_id = categories.into_inner().categories[0].id.clone();
    let tagged = |tags: &[&str], estimated_minutes: i32, category_id: &str| Task {
        tags: tags.iter().map(ToString::to_string).collect(),
        estimated_minutes,
        category_id: category_id.into(),
        ..titled("Task")
    };
    let first = person.create_task(tagged(&["Deep", "work"], 30, &category_id)).await.unwrap();
    let second = person.create_task(tagged(&["work"], 15, "")).await.unwrap();
    person.log(&first.id, "2026-05-31T08:00:00Z", "2026-05-31T08:30:00Z").await.unwrap();
    person.log(&first.id, "2026-06-01T08:00:00Z", "2026-06-01T08:10:00Z").await.unwrap();
    person.log(&second.id, "2026-06-02T08:00:00Z", "2026-06-02T09:00:00Z").await.unwrap();
    person.log("", "2026-06-03T08:00:00Z", "2026-06-03T08:05:00Z").await.unwrap();
    person.start_timer(&second.id).await.unwrap();

    let by = async |group_by| totals(&person, group_by).await;
    assert_eq!(keys_and_minutes(&by(GroupBy::Week).await), [("2026-W22", 30.0), ("2026-W23", 75.0)]);
    assert_eq!(keys_and_minutes(&by(GroupBy::Month).await), [("2026-05", 30.0), ("2026-06", 75.0)]);
    let tags = by(GroupBy::Tag).await;
    assert_eq!(keys_and_minutes(&tags), [("work", 100.0), ("deep", 40.0), ("", 5.0)]);
    assert_eq!((tags[0].log_count, tags[0].task_count, tags[0].estimated_minutes), (3, 2, 45.0));
    assert_eq!(keys_and_minutes(&by(GroupBy::Category).await), [("", 65.0), (category_id.as_str(), 40.0)]);
    let tasks = by(GroupBy::Task).await;
    assert_eq!(keys_and_minutes(&tasks), [(second.id.as_str(), 60.0), (first.id.as_str(), 40.0), ("", 5.0)]);
}

#[rstest]
#[tokio::test]
async fn only_the_part_within_the_bounds_counts(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    person.log("", "2026-06-10T08:00:00Z", "2026-06-10T10:00:00Z").await.unwrap();
    person.log("", "2026-06-10T10:00:00Z", "2026-06-10T11:00:00Z").await.unwrap();
    let request = SummarizeTimeLogsRequest {
        start_time: Some(at("2026-06-10T09:30:00Z")),
        end_time: Some(at("2026-06-10T10:15:00Z")),
        group_by: GroupBy::Day.into(),
        rounding: None,
    };
    let totals = person.time_logs().summarize_time_logs(request).await.unwrap().into_inner().totals;
    assert_eq!(keys_and_minutes(&totals), [("2026-06-10", 45.0)]);
    assert_eq!(totals[0].log_count, 2);
}

#[rstest]
#[tokio::test]
async fn wrong_bounds_are_named(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let noon = Some(at("2026-06-10T12:00:00Z"));
    let empty = SummarizeTimeLogsRequest { start_time: noon, end_time: noon, ..SummarizeTimeLogsRequest::default() };
    assert_eq!(wrong_field(person.time_logs().summarize_time_logs(empty).await), "end_time");
    let unknown = SummarizeTimeLogsRequest { group_by: 99, ..SummarizeTimeLogsRequest::default() };
    assert_eq!(wrong_field(person.time_logs().summarize_time_logs(unknown).await), "group_by");
}

async fn rounded(person: &Person, minutes: i32, mode: i32) -> Result<Vec<TimeTotal>, Status> {
    let rounding = Some(Rounding { minutes, mode });
    let request = SummarizeTimeLogsRequest { rounding, ..SummarizeTimeLogsRequest::default() };
    person.time_logs().summarize_time_logs(request).await.map(|response| response.into_inner().totals)
}

#[rstest]
#[tokio::test]
async fn totals_are_rounded_on_request_and_logs_never(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Timed").await;
    let log = person.log(&task.id, "2026-06-10T08:00:00Z", "2026-06-10T08:07:00Z").await.unwrap();
    person.log(&task.id, "2026-06-10T09:00:00Z", "2026-06-10T09:07:00Z").await.unwrap();
    for (mode, expected) in [(Mode::Unspecified, 10.0), (Mode::Nearest, 10.0), (Mode::Up, 20.0), (Mode::Down, 10.0)] {
        let totals = rounded(&person, 10, mode.into()).await.unwrap();
        assert_eq!((totals[0].minutes, totals[0].rounded_minutes), (14.0, expected), "{mode:?}");
    }
    let both = |totals: Vec<TimeTotal>| (totals[0].minutes, totals[0].rounded_minutes);
    assert_eq!(both(rounded(&person, 7, Mode::Up.into()).await.unwrap()), (14.0, 14.0), "a multiple stays");
    assert_eq!(both(totals(&person, GroupBy::Day).await), (14.0, 14.0), "without a request nothing is rounded");
    assert_eq!(person.get_task(&task.id).await.unwrap().actual_minutes, 14);
    let kept = person.time_logs().get_time_log(GetTimeLogRequest { id: log.id.clone() }).await.unwrap().into_inner();
    assert_eq!(kept, log);

    for minutes in [0, -5, 1441] {
        assert_eq!(wrong_field(rounded(&person, minutes, 0).await), "rounding.minutes");
    }
    assert_eq!(wrong_field(rounded(&person, 10, 9).await), "rounding.mode");
}

#[rstest]
#[tokio::test]
async fn estimates_are_set_against_what_their_tasks_took(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = async |title: &str, estimated_minutes: i32| {
        let tags = vec!["deep".to_owned()];
        person.create_task(Task { estimated_minutes, tags, ..titled(title) }).await.unwrap().id
    };
    let (short, long, open) = (task("Short", 40).await, task("Long", 60).await, task("Open", 0).await);
    person.log(&short, "2026-06-09T08:00:00Z", "2026-06-09T08:30:00Z").await.unwrap();
    person.log(&short, "2026-06-10T08:00:00Z", "2026-06-10T08:30:00Z").await.unwrap();
    person.log(&long, "2026-06-10T09:00:00Z", "2026-06-10T10:30:00Z").await.unwrap();
    person.log(&open, "2026-06-10T11:00:00Z", "2026-06-10T12:00:00Z").await.unwrap();
    let facts = |total: &TimeTotal| {
        let TimeTotal { estimated_task_count, estimated_minutes, actual_minutes, estimate_ratio, .. } = *total;
        (estimated_task_count, estimated_minutes, actual_minutes, estimate_ratio)
    };

    let tags = totals(&person, GroupBy::Tag).await;
    assert_eq!((tags[0].task_count, facts(&tags[0])), (3, (2, 100.0, 150.0, 1.5)));
    let tasks = totals(&person, GroupBy::Task).await;
    let of = |id: &str| facts(tasks.iter().find(|total| total.key == id).unwrap());
    assert_eq!(of(&short), (1, 40.0, 60.0, 1.5));
    assert_eq!(of(&long), (1, 60.0, 90.0, 1.5));
    assert_eq!(of(&open), (0, 0.0, 0.0, 0.0));
    let days = totals(&person, GroupBy::Day).await;
    assert_eq!((days[0].minutes, facts(&days[0])), (30.0, (1, 40.0, 60.0, 1.5)), "an estimate is of the whole task");
}
