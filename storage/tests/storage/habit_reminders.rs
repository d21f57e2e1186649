use chrono::TimeDelta;
use focusflow_proto::v1::notification::Kind;
use focusflow_proto::v1::{
    CreateHabitRequest, DeleteHabitRequest, GetHabitRemindersRequest, Habit, HabitLog, HabitReminder, HabitReminders,
    NotificationSettings, SetHabitLogRequest, SetHabitRemindersRequest,
};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::{Backend, Person, Postgres, Sqlite, World, refusal, wrong_field};

async fn habit(person: &Person, name: &str) -> String {
    let habit = Habit { name: name.into(), ..Habit::default() };
    let request = CreateHabitRequest { habit: Some(habit), request_id: String::new() };
    person.habits().create_habit(request).await.unwrap().into_inner().id
}

async fn done(person: &Person, habit_id: &str, day: &str) {
    let log = HabitLog { habit_id: habit_id.into(), local_date: day.into(), count: 1, ..HabitLog::default() };
    person.habits().set_habit_log(SetHabitLogRequest { habit_log: Some(log) }).await.unwrap();
}

fn at(minutes: i32) -> HabitReminder {
    HabitReminder { minutes, weekdays: vec![] }
}

async fn set(person: &Person, habit_id: &str, reminders: Vec<HabitReminder>) -> Result<HabitReminders, Status> {
    let habit_reminders = Some(HabitReminders { habit_id: habit_id.into(), reminders });
    let request = SetHabitRemindersRequest { habit_reminders };
    person.notifications().set_habit_reminders(request).await.map(tonic::Response::into_inner)
}

/// Kinds, titles and minutes after `NOW`, the latest first.
async fn told(person: &Person, count: usize) -> Vec<(Kind, String, i64)> {
    let now = crate::support::later(0).seconds;
    let sent = person.sent_notifications(count).await;
    let facts = |found: &focusflow_proto::v1::Notification| {
        (found.kind(), found.title.clone(), (found.schedule_time.unwrap().seconds - now) / 60)
    };
    sent.iter().map(facts).collect()
}

#[rstest]
#[tokio::test]
async fn a_habit_that_is_not_done_is_announced_at_each_of_its_times(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let [read, run] = [habit(&person, "Read").await, habit(&person, "Run").await];
    // It is Monday, 12:00, in Berlin.
    set(&person, &read, vec![at(13 * 60), at(15 * 60)]).await.unwrap();
    set(&person, &run, vec![at(13 * 60)]).await.unwrap();
    done(&person, &run, "2026-06-15").await;

    world.clock.advance(TimeDelta::minutes(61));
    let first = (Kind::HabitReminder, "Read".to_owned(), 60);
    assert_eq!(told(&person, 1).await, std::slice::from_ref(&first));
    world.clock.advance(TimeDelta::minutes(120));
    let second = (Kind::HabitReminder, "Read".to_owned(), 180);
    assert_eq!(told(&person, 2).await, [second, first]);
}

#[rstest]
#[tokio::test]
async fn what_nobody_was_there_to_say_on_the_day_is_not_said_later(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let read = habit(&person, "Read").await;
    set(&person, &read, vec![at(8 * 60), at(9 * 60), at(20 * 60)]).await.unwrap();
    // A month later, at 12:00: of this day's two, the last is said.
    world.clock.advance(TimeDelta::days(30));
    assert_eq!(told(&person, 1).await, [(Kind::HabitReminder, "Read".to_owned(), (30 * 24 - 3) * 60)]);
    world.look_at_what_is_due().await;
    assert_eq!(told(&person, 1).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_streak_that_would_end_with_the_day_is_announced_in_the_evening(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let [read, run, rest] = [habit(&person, "Read").await, habit(&person, "Run").await, habit(&person, "Rest").await];
    for day in ["2026-06-13", "2026-06-14"] {
        done(&person, &read, day).await;
        done(&person, &run, day).await;
    }
    done(&person, &run, "2026-06-15").await;
    done(&person, &rest, "2026-06-14").await;

    // 20:00 in Berlin.
    world.clock.advance(TimeDelta::hours(8));
    assert_eq!(told(&person, 1).await, [(Kind::StreakAlert, "Read".to_owned(), 8 * 60)]);
    assert_eq!(person.all_notifications().await[0].body, "A streak of 2 ends today.");

    let off = NotificationSettings { streak_alerts: false, ..NotificationSettings::default() };
    person.change_notification_settings(off, &["streak_alerts"]).await.unwrap();
    world.clock.advance(TimeDelta::days(1));
    world.look_at_what_is_due().await;
    assert_eq!(person.all_notifications().await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn reminders_of_a_deleted_habit_end_with_it(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let read = habit(&person, "Read").await;
    set(&person, &read, vec![at(13 * 60)]).await.unwrap();
    person.habits().delete_habit(DeleteHabitRequest { id: read.clone(), etag: String::new() }).await.unwrap();
    world.clock.advance(TimeDelta::hours(2));
    world.look_at_what_is_due().await;
    assert_eq!(person.all_notifications().await, []);
    let gone = person.notifications().get_habit_reminders(GetHabitRemindersRequest { habit_id: read }).await;
    assert_eq!(refusal(gone).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn reminders_are_replaced_and_kept_by_time(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, other) = (world.person().await, world.person().await);
    let read = habit(&person, "Read").await;
    set(&person, &read, vec![at(60)]).await.unwrap();
    let friday = HabitReminder { minutes: 30, weekdays: vec![5] };
    let wanted = set(&person, &read, vec![at(1200), friday.clone()]).await.unwrap();
    assert_eq!(wanted.reminders, [friday, at(1200)]);
    let request = GetHabitRemindersRequest { habit_id: read.clone() };
    assert_eq!(person.notifications().get_habit_reminders(request.clone()).await.unwrap().into_inner(), wanted);
    assert_eq!(refusal(other.notifications().get_habit_reminders(request).await).0, Code::NotFound);
    assert_eq!(refusal(set(&other, &read, vec![]).await).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn a_wrong_habit_reminder_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let read = habit(&person, "Read").await;
    let wrong_day = HabitReminder { minutes: 0, weekdays: vec![8] };
    for (reminders, field) in [
        (vec![at(1), at(1440)], "habit_reminders.reminders[1].minutes"),
        (vec![at(1), at(1)], "habit_reminders.reminders[1].minutes"),
        (vec![wrong_day], "habit_reminders.reminders[0].weekdays"),
        ((0..21).map(at).collect(), "habit_reminders.reminders"),
    ] {
        assert_eq!(wrong_field(set(&person, &read, reminders).await), field);
    }
}
