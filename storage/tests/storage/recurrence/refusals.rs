use focusflow_proto::v1::task::{RecurrenceMode, Status as TaskStatus};
use focusflow_proto::v1::{Task, UpdateTimeLogRequest};
use rstest::rstest;
use tonic::Code;

use super::{create, listed, occurrences, series};
use crate::support::{Backend, Postgres, Sqlite, World, refusal, titled, update_mask, wrong_field};

#[rstest]
#[tokio::test]
async fn a_wrong_series_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = || series("Wrong", "FREQ=DAILY");
    let cases = [
        (series("Wrong", "every day"), "task.recurrence"),
        (series("Wrong", "FREQ=HOURLY"), "task.recurrence"),
        (series("Wrong", "FREQ=DAILY;UNTIL=20200101"), "task.recurrence"),
        (
            Task { recurrence_mode: RecurrenceMode::Completion.into(), ..series("Wrong", "FREQ=DAILY;COUNT=2") },
            "task.recurrence",
        ),
        (Task { recurrence_mode: 9, ..daily() }, "task.recurrence_mode"),
        (Task { recurrence_mode: RecurrenceMode::Schedule.into(), ..titled("Wrong") }, "task.recurrence_mode"),
        (Task { recurrence_start: "tomorrow".into(), ..daily() }, "task.recurrence_start"),
        (Task { recurrence_start: "2026-06-15".into(), ..titled("Wrong") }, "task.recurrence_start"),
        (Task { exception_dates: vec!["2026-06-15".into(), "15.6.".into()], ..daily() }, "task.exception_dates[1]"),
        (Task { exception_dates: vec!["2026-06-15".into()], ..titled("Wrong") }, "task.exception_dates"),
        (Task { status: TaskStatus::Completed.into(), ..daily() }, "task.status"),
    ];
    for (task, field) in cases {
        assert_eq!(wrong_field(person.create_task(task.clone()).await), field, "{task:?}");
    }
    assert!(listed(&person).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn what_a_series_cannot_become_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = create(&person, "Daily", "FREQ=DAILY;COUNT=2").await;
    let occurrence = occurrences(&person, &daily.id).await.remove(0);
    let part = person.create_task(Task { parent_id: daily.id.clone(), ..titled("Part") }).await.unwrap();
    let plain = person.task("Plain").await;
    let child = person.create_task(Task { parent_id: plain.id.clone(), ..titled("Child") }).await.unwrap();
    let begun = person.create_task(Task { status: TaskStatus::InProgress.into(), ..titled("Begun") }).await.unwrap();

    let repeat = "FREQ=DAILY".to_owned();
    let cases = [
        (Task { recurrence: String::new(), ..daily.clone() }, "recurrence"),
        (Task { status: TaskStatus::Completed.into(), ..daily.clone() }, "status"),
        (Task { parent_id: occurrence.id.clone(), ..daily.clone() }, "parent_id"),
        (Task { recurrence: repeat.clone(), ..occurrence.clone() }, "recurrence"),
        (Task { recurrence: repeat.clone(), ..part.clone() }, "recurrence"),
        (Task { parent_id: String::new(), ..part.clone() }, "parent_id"),
        (Task { status: TaskStatus::Completed.into(), ..part.clone() }, "status"),
        (Task { recurrence: repeat, ..begun }, "recurrence"),
        (Task { parent_id: daily.id.clone(), ..plain }, "parent_id"),
        (Task { parent_id: daily.id.clone(), ..occurrence }, "parent_id"),
        (Task { parent_id: part.id, ..child }, "parent_id"),
    ];
    for (task, field) in cases {
        let wrong = wrong_field(person.update_task(task.clone(), &[field]).await);
        assert_eq!(wrong, format!("task.{field}"), "{task:?}");
    }
}

#[rstest]
#[tokio::test]
async fn time_is_spent_on_occurrences_and_not_on_a_series_or_its_parts(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = create(&person, "Daily", "FREQ=DAILY;COUNT=2").await;
    let part = person.create_task(Task { parent_id: daily.id.clone(), ..titled("Part") }).await.unwrap();
    let other =
        person.log(&person.task("Other").await.id, "2026-06-15T06:00:00Z", "2026-06-15T07:00:00Z").await.unwrap();
    let is_series = (Code::FailedPrecondition, "TASK_IS_SERIES".to_owned());
    for template in [&daily, &part] {
        let logged = person.log(&template.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await;
        assert_eq!(refusal(logged), is_series);
        assert_eq!(refusal(person.start_timer(&template.id).await), is_series);
        let mut moved = other.clone();
        moved.task_id.clone_from(&template.id);
        let request = UpdateTimeLogRequest {
            time_log: Some(moved),
            update_mask: update_mask(&["task_id"]),
            ..UpdateTimeLogRequest::default()
        };
        assert_eq!(refusal(person.time_logs().update_time_log(request).await), is_series);
    }
    let occurrence = occurrences(&person, &daily.id).await.remove(0);
    person.log(&occurrence.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
}

#[rstest]
#[tokio::test]
async fn what_time_is_spent_on_becomes_no_series(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let daily = create(&person, "Daily", "FREQ=DAILY;COUNT=2").await;
    let whole = person.task("Whole").await;
    let timed = person.create_task(Task { parent_id: whole.id.clone(), ..titled("Timed") }).await.unwrap();
    person.start_timer(&timed.id).await.unwrap();
    for task in [&timed, &whole] {
        let repeated = Task { recurrence: "FREQ=DAILY".into(), ..task.clone() };
        assert_eq!(wrong_field(person.update_task(repeated, &["recurrence"]).await), "task.recurrence");
    }
    let part = Task { parent_id: daily.id.clone(), ..timed };
    assert_eq!(wrong_field(person.update_task(part, &["parent_id"]).await), "task.parent_id");
}
