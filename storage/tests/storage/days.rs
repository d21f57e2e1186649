//! One rule says which local day it is, for logs, habits and totals alike.

use chrono::{DateTime, TimeDelta, Utc};
use focusflow_proto::v1::summarize_time_logs_request::GroupBy;
use focusflow_proto::v1::{
    CreateHabitRequest, GetHabitRequest, Habit, HabitLog, SetHabitLogRequest, SummarizeTimeLogsRequest,
    UpdateMeRequest, User,
};
use rstest::rstest;

use crate::support::{Backend, NOW, Person, Postgres, Sqlite, World, update_mask, wrong_field};

const FOUR_IN_THE_MORNING: i32 = 4 * 60;

async fn move_to(person: &Person, time_zone: &str, day_start_minutes: i32) {
    let user = User { time_zone: time_zone.into(), day_start_minutes, ..User::default() };
    let mask = update_mask(&["time_zone", "day_start_minutes"]);
    person.user().update_me(UpdateMeRequest { user: Some(user), update_mask: mask }).await.unwrap();
}

/// Minutes by key.
async fn totals(person: &Person, group_by: GroupBy) -> Vec<(String, f64)> {
    let request = SummarizeTimeLogsRequest { group_by: group_by.into(), ..SummarizeTimeLogsRequest::default() };
    let totals = person.time_logs().summarize_time_logs(request).await.unwrap().into_inner().totals;
    totals.into_iter().map(|total| (total.key, total.minutes)).collect()
}

fn expected(totals: &[(&str, f64)]) -> Vec<(String, f64)> {
    totals.iter().map(|(key, minutes)| ((*key).to_owned(), *minutes)).collect()
}

async fn habit(person: &Person) -> String {
    let habit = Some(Habit { name: "Read".into(), ..Habit::default() });
    let request = CreateHabitRequest { habit, request_id: String::new() };
    person.habits().create_habit(request).await.unwrap().into_inner().id
}

async fn do_on(person: &Person, habit_id: &str, date: &str) -> Result<HabitLog, tonic::Status> {
    let log = HabitLog { habit_id: habit_id.into(), local_date: date.into(), count: 1, ..HabitLog::default() };
    let request = SetHabitLogRequest { habit_log: Some(log) };
    person.habits().set_habit_log(request).await.map(tonic::Response::into_inner)
}

async fn streak(person: &Person, habit_id: &str) -> i32 {
    person.habits().get_habit(GetHabitRequest { id: habit_id.into() }).await.unwrap().into_inner().current_streak
}

fn set_clock(world: &World, from: &str, to: &str) {
    let (from, to): (DateTime<Utc>, DateTime<Utc>) = (from.parse().unwrap(), to.parse().unwrap());
    world.clock.advance(to - from);
}

#[rstest]
#[tokio::test]
async fn the_days_of_the_clock_changes_have_23_and_25_hours(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    // Berlin, midnight to midnight, and an hour of each neighbour.
    person.log("", "2026-03-28T22:00:00Z", "2026-03-29T23:00:00Z").await.unwrap();
    person.log("", "2025-10-25T21:00:00Z", "2025-10-27T00:00:00Z").await.unwrap();
    let by_day = [
        ("2025-10-25", 60.0),
        ("2025-10-26", 25.0 * 60.0),
        ("2025-10-27", 60.0),
        ("2026-03-28", 60.0),
        ("2026-03-29", 23.0 * 60.0),
        ("2026-03-30", 60.0),
    ];
    assert_eq!(totals(&person, GroupBy::Day).await, expected(&by_day));
}

#[rstest]
#[tokio::test]
async fn a_day_that_starts_at_four_keeps_the_night_of_the_change(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    move_to(&person, "Europe/Berlin", FOUR_IN_THE_MORNING).await;
    // 01:00 to 05:00 on the wall, but three hours by the clock that was put forward at 02:00.
    person.log("", "2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z").await.unwrap();
    // 01:00 to 05:00, five hours by the clock that was put back at 03:00.
    person.log("", "2025-10-25T23:00:00Z", "2025-10-26T04:00:00Z").await.unwrap();
    let by_day = [("2025-10-25", 240.0), ("2025-10-26", 60.0), ("2026-03-28", 120.0), ("2026-03-29", 60.0)];
    assert_eq!(totals(&person, GroupBy::Day).await, expected(&by_day));
}

#[rstest]
#[tokio::test]
async fn a_timer_measures_time_and_not_the_wall_clock(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    // 01:30 to 03:30 in Berlin on the night on which 02:00 became 03:00.
    set_clock(&world, NOW, "2026-03-29T00:30:00Z");
    person.start_timer("").await.unwrap();
    world.clock.advance(TimeDelta::hours(1));
    person.stop_timer().await.unwrap();
    assert_eq!(totals(&person, GroupBy::Day).await, expected(&[("2026-03-29", 60.0)]));
}

#[rstest]
#[tokio::test]
async fn a_habit_is_due_by_the_persons_day_on_the_night_of_the_change(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = habit(&person).await;
    set_clock(&world, NOW, "2026-10-24T21:59:59Z");
    for date in ["2026-10-23", "2026-10-24"] {
        do_on(&person, &habit, date).await.unwrap();
    }
    assert_eq!(wrong_field(do_on(&person, &habit, "2026-10-25").await), "habit_log.local_date");
    // The Sunday has 25 hours, and all of them are for it to be done in.
    set_clock(&world, "2026-10-24T21:59:59Z", "2026-10-25T22:59:59Z");
    assert_eq!(streak(&person, &habit).await, 2);
    do_on(&person, &habit, "2026-10-25").await.unwrap();
    assert_eq!(wrong_field(do_on(&person, &habit, "2026-10-26").await), "habit_log.local_date");
    set_clock(&world, "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z");
    do_on(&person, &habit, "2026-10-26").await.unwrap();
    assert_eq!(streak(&person, &habit).await, 4);
}

#[rstest]
#[tokio::test]
async fn one_log_lies_on_the_day_of_where_the_person_is(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    person.log("", "2026-06-14T10:10:00Z", "2026-06-14T10:50:00Z").await.unwrap();
    for (zone, day) in
        [("Pacific/Kiritimati", "2026-06-15"), ("Europe/Berlin", "2026-06-14"), ("Pacific/Midway", "2026-06-13")]
    {
        move_to(&person, zone, 0).await;
        assert_eq!(totals(&person, GroupBy::Day).await, expected(&[(day, 40.0)]), "{zone}");
    }
}

#[rstest]
#[tokio::test]
async fn weeks_and_months_turn_where_the_person_is(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    // Around the last midnight of May in Midway, which is a Sunday's; in Kiritimati it is the 1st of June already.
    person.log("", "2026-06-01T10:30:00Z", "2026-06-01T11:30:00Z").await.unwrap();
    move_to(&person, "Pacific/Midway", 0).await;
    assert_eq!(totals(&person, GroupBy::Week).await, expected(&[("2026-W22", 30.0), ("2026-W23", 30.0)]));
    assert_eq!(totals(&person, GroupBy::Month).await, expected(&[("2026-05", 30.0), ("2026-06", 30.0)]));
    move_to(&person, "Pacific/Midway", FOUR_IN_THE_MORNING).await;
    assert_eq!(totals(&person, GroupBy::Month).await, expected(&[("2026-05", 60.0)]));
    move_to(&person, "Pacific/Kiritimati", 0).await;
    assert_eq!(totals(&person, GroupBy::Week).await, expected(&[("2026-W23", 60.0)]));
}

#[rstest]
#[tokio::test]
async fn a_move_changes_what_today_is_at_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = habit(&person).await;
    // 10:30 UTC on the 15th.
    world.clock.advance(TimeDelta::minutes(30));
    for (zone, today, tomorrow) in [
        ("Pacific/Midway", "2026-06-14", "2026-06-15"),
        ("Europe/Berlin", "2026-06-15", "2026-06-16"),
        ("Pacific/Kiritimati", "2026-06-16", "2026-06-17"),
    ] {
        move_to(&person, zone, 0).await;
        assert_eq!(wrong_field(do_on(&person, &habit, tomorrow).await), "habit_log.local_date", "{zone}");
        do_on(&person, &habit, today).await.unwrap();
    }
    assert_eq!(streak(&person, &habit).await, 3);
}
