use focusflow_proto::v1::summarize_time_logs_request::GroupBy;
use focusflow_proto::v1::{SummarizeTimeLogsRequest, Task, TimeTotal, UpdateMeRequest, User};

use crate::support::{Backend, Person, Postgres, Sqlite, World, at, titled, wrong_field};
use rstest::rstest;

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
    let empty = SummarizeTimeLogsRequest { start_time: noon, end_time: noon, group_by: 0 };
    assert_eq!(wrong_field(person.time_logs().summarize_time_logs(empty).await), "end_time");
    let unknown = SummarizeTimeLogsRequest { group_by: 99, ..SummarizeTimeLogsRequest::default() };
    assert_eq!(wrong_field(person.time_logs().summarize_time_logs(unknown).await), "group_by");
}
