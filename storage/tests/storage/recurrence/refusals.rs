use focusflow_proto::v1::Task;
use focusflow_proto::v1::task::{RecurrenceMode, Status as TaskStatus};
use rstest::rstest;

use super::{create, listed, occurrences, series};
use crate::support::{Backend, Postgres, Sqlite, World, titled, wrong_field};

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
