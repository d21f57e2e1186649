use focusflow_proto::v1::{Task, UpdateMeRequest, User};
use rstest::rstest;

use super::{dates, occurrences};
use crate::support::{Backend, Machine, Person, Postgres, Sqlite, World, at, titled, update_mask};

pub(super) async fn move_to(person: &Person, zone: &str) {
    let user = User { time_zone: zone.into(), ..User::default() };
    let request = UpdateMeRequest { user: Some(user), update_mask: update_mask(&["time_zone"]) };
    person.user().update_me(request).await.unwrap();
}

/// When the occurrences of a daily series are due that starts so by the clocks of a zone.
async fn due_times(on: Backend, now: &str, zone: &str, start: &str) -> Vec<prost_types::Timestamp> {
    let world = World::start_at(Machine::new(on).await.into(), now).await;
    let person = world.person().await;
    move_to(&person, zone).await;
    let task = Task { recurrence: "FREQ=DAILY;COUNT=3".into(), recurrence_start: start.into(), ..titled("Daily") };
    let series = person.create_task(task).await.unwrap();
    occurrences(&person, &series.id).await.into_iter().map(|task| task.due_time.unwrap()).collect()
}

#[rstest]
#[case("2026-03-27T10:00:00Z", "Europe/Berlin", "2026-03-28T09:00:00",
    ["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"])]
#[case("2026-03-27T10:00:00Z", "Europe/Berlin", "2026-03-28T02:30:00",
    ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"])]
#[case("2026-10-23T10:00:00Z", "Europe/Berlin", "2026-10-24T09:00:00",
    ["2026-10-24T07:00:00Z", "2026-10-25T08:00:00Z", "2026-10-26T08:00:00Z"])]
#[case("2026-10-23T10:00:00Z", "Europe/Berlin", "2026-10-24T02:30:00",
    ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"])]
#[case("2026-03-06T10:00:00Z", "America/New_York", "2026-03-07T09:00:00",
    ["2026-03-07T14:00:00Z", "2026-03-08T13:00:00Z", "2026-03-09T13:00:00Z"])]
#[case("2026-03-06T10:00:00Z", "America/New_York", "2026-03-07T02:30:00",
    ["2026-03-07T07:30:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"])]
#[case("2026-10-30T10:00:00Z", "America/New_York", "2026-10-31T09:00:00",
    ["2026-10-31T13:00:00Z", "2026-11-01T14:00:00Z", "2026-11-02T14:00:00Z"])]
#[case("2026-10-30T10:00:00Z", "America/New_York", "2026-10-31T01:30:00",
    ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"])]
#[tokio::test]
async fn the_wall_clock_decides_when_the_clocks_change(
    #[values(Sqlite, Postgres)] on: Backend,
    #[case] now: &str,
    #[case] zone: &str,
    #[case] start: &str,
    #[case] expected: [&str; 3],
) {
    assert_eq!(due_times(on, now, zone, start).await, expected.map(at));
}

#[rstest]
#[tokio::test]
async fn untouched_occurrences_follow_their_person_to_another_zone(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = Task {
        recurrence: "FREQ=DAILY;COUNT=3".into(),
        recurrence_start: "2026-06-15T09:00:00".into(),
        ..titled("Breakfast")
    };
    let series = person.create_task(task).await.unwrap();
    let before = occurrences(&person, &series.id).await;
    let edited = Task { due_time: Some(at("2026-06-16T12:00:00Z")), ..before[1].clone() };
    person.update_task(edited, &["due_time"]).await.unwrap();

    move_to(&person, "America/New_York").await;
    let due: Vec<_> = occurrences(&person, &series.id).await.into_iter().map(|task| task.due_time.unwrap()).collect();
    assert_eq!(due, ["2026-06-15T13:00:00Z", "2026-06-16T12:00:00Z", "2026-06-17T13:00:00Z"].map(at));
    let series = person.get_task(&series.id).await.unwrap();
    assert_eq!(series.recurrence_start, "2026-06-15T09:00:00");
    assert_eq!(series.due_time, Some(at("2026-06-15T13:00:00Z")));
}

#[rstest]
#[tokio::test]
async fn today_is_the_persons(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    for (zone, today) in [("Pacific/Kiritimati", "2026-06-16"), ("Pacific/Midway", "2026-06-14")] {
        let person = world.person().await;
        move_to(&person, zone).await;
        let task = Task { recurrence: "FREQ=DAILY;COUNT=1".into(), ..titled("Today") };
        let series = person.create_task(task).await.unwrap();
        assert_eq!(dates(&occurrences(&person, &series.id).await), [today], "{zone}");
    }
}
