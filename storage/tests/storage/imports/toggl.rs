use focusflow_proto::v1::import_source::Format;
use focusflow_proto::v1::task::Status as TaskStatus;
use focusflow_proto::v1::{ImportSource, ListCategoriesRequest, OverlapPolicy};
use rstest::rstest;

use super::{Summary, import_file, logs, spans, tasks};
use crate::support::{Backend, Person, Postgres, Sqlite, World, at};

const HEADER: &str = "User,Email,Client,Project,Task,Description,Billable,Start date,Start time,End date,End time,Duration,Tags,Amount ()\n";

fn source() -> ImportSource {
    ImportSource { format: Format::Toggl.into(), ..ImportSource::default() }
}

async fn import_as(person: &Person, source: ImportSource, rows: &str) -> Summary {
    import_file(person, source, format!("\u{FEFF}{HEADER}{rows}").as_bytes()).await.unwrap()
}

async fn import(person: &Person, rows: &str) -> Summary {
    import_as(person, source(), rows).await
}

#[rstest]
#[tokio::test]
async fn entries_of_the_same_work_are_one_task(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let rows = "A,a,,Site,,Docs,No,2024-07-01,09:00:00,2024-07-01,10:00:00,01:00:00,deep,\n\
                A,a,,Site,,Docs,No,2024-07-01,10:00:00,2024-07-01,10:30:00,00:30:00,deep,\n\
                A,a,,,,,No,2024-07-01,23:00:00,2024-07-02,01:00:00,02:00:00,,\n";
    assert_eq!(import(&person, rows).await.counts(), (3, 0, 0));
    let [docs] = tasks(&person).await.try_into().unwrap();
    assert_eq!((docs.title.as_str(), docs.actual_minutes, docs.status()), ("Docs", 90, TaskStatus::Completed));
    assert_eq!(
        (docs.tags.as_slice(), docs.complete_time),
        (["deep".to_owned()].as_slice(), Some(at("2024-07-01T08:30:00Z")))
    );
    let categories = person.categories().list_categories(ListCategoriesRequest::default()).await.unwrap().into_inner();
    assert!(categories.categories.iter().any(|category| category.id == docs.category_id && category.name == "Site"));

    let logs = logs(&person).await;
    assert_eq!(logs.iter().map(|log| log.task_id.is_empty()).collect::<Vec<_>>(), [false, false, true]);
    assert!(logs.iter().all(|log| log.manual));

    assert_eq!(import(&person, rows).await.counts(), (0, 3, 0));
    let more = "A,a,,Site,,Docs,No,2024-07-03,09:00:00,2024-07-03,10:00:00,01:00:00,deep,\n";
    assert_eq!(import(&person, more).await.counts(), (1, 0, 0));
    let [docs] = tasks(&person).await.try_into().unwrap();
    assert_eq!((docs.actual_minutes, docs.complete_time), (150, Some(at("2024-07-03T08:00:00Z"))));
}

#[rstest]
#[tokio::test]
async fn an_entry_in_the_way_is_skipped_or_trimmed_and_named(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let rows = "A,a,,,,First,No,2024-07-01,09:00:00,2024-07-01,10:00:00,01:00:00,,\n\
                A,a,,,,Second,No,2024-07-01,09:30:00,2024-07-01,10:30:00,01:00:00,,\n\
                A,a,,,,Third,No,2024-07-01,09:10:00,2024-07-01,09:20:00,00:10:00,,\n";
    let person = world.person().await;
    let refused = import(&person, rows).await;
    assert_eq!(refused.counts(), (1, 0, 2));
    assert_eq!(refused.errors.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4]);

    let person = world.person().await;
    let policy = ImportSource { overlap_policy: OverlapPolicy::Trim.into(), ..source() };
    let trimmed = import_as(&person, policy, rows).await;
    assert_eq!(trimmed.counts(), (2, 0, 1));
    assert_eq!((trimmed.notices[0].0, trimmed.errors[0].0), (3, 4));
    let [first, second] = spans(&logs(&person).await).try_into().unwrap();
    assert_eq!((first.1, second.0, second.1 - second.0), (second.0, at("2024-07-01T08:00:00Z").seconds, 1800));
}

#[rstest]
#[tokio::test]
async fn what_was_in_the_way_can_go_and_the_entry_come(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let own = person.log("", "2024-07-01T07:00:00Z", "2024-07-01T08:00:00Z").await.unwrap();
    let row = "A,a,,,,x,No,2024-07-01,09:00:00,2024-07-01,10:00:00,01:00:00,,\n";
    assert_eq!(import(&person, row).await.counts(), (0, 0, 1));
    let delete = focusflow_proto::v1::DeleteTimeLogRequest { id: own.id };
    person.time_logs().delete_time_log(delete).await.unwrap();
    assert_eq!(import(&person, row).await.counts(), (1, 0, 0));
}

#[rstest]
#[tokio::test]
async fn local_times_are_meant_in_the_zone_that_the_client_names(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let tokyo = ImportSource { time_zone: "Asia/Tokyo".into(), ..source() };
    let rows = "A,a,,,,x,No,2024-07-01,09:00:00,2024-07-01,10:00:00,01:00:00,,\n";
    import_as(&person, tokyo, rows).await;
    assert_eq!(logs(&person).await[0].start_time, Some(at("2024-07-01T00:00:00Z")));
}

#[rstest]
#[tokio::test]
async fn a_running_entry_is_named_and_skipped(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let summary = import(&person, "A,a,,,,x,No,2024-07-01,09:00:00,,,-1,,\n").await;
    assert_eq!(summary.counts(), (0, 0, 1));
    assert!(summary.errors[0].1.contains("still running"), "{summary:?}");
}

#[rstest]
#[tokio::test]
async fn time_that_is_still_to_come_is_named_and_left_out(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let rows = "A,a,,,,Docs,No,2030-07-01,09:00:00,2030-07-01,10:00:00,01:00:00,,\n";
    let summary = import(&person, rows).await;
    assert_eq!(summary.errors, [(2, "End time: must be at most 7 days from now".to_owned())]);
    assert!(tasks(&person).await.is_empty() && logs(&person).await.is_empty());
}
