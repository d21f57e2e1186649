use chrono::TimeDelta;
use focusflow_proto::v1::change::{Action, Resource};
use focusflow_proto::v1::habit::Period;
use focusflow_proto::v1::{
    CreateHabitRequest, DeleteCategoryRequest, DeleteHabitLogRequest, DeleteHabitRequest, GetHabitRequest,
    GetVacationsRequest, Habit, HabitLog, ListCategoriesRequest, ListHabitLogsRequest, ListHabitLogsResponse,
    ListHabitsRequest, SetHabitLogRequest, SetVacationsRequest, UpdateHabitRequest, UpdateMeRequest, User, Vacation,
    Vacations,
};
use rstest::rstest;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{Backend, Person, Postgres, Sqlite, World, fact, refusal, update_mask, wrong_field};

/// The account and its first categories.
const INITIAL_CHANGES: usize = 5;

fn named(name: &str) -> Habit {
    Habit { name: name.into(), ..Habit::default() }
}

async fn create(person: &Person, habit: Habit) -> Result<Habit, Status> {
    let request = CreateHabitRequest { habit: Some(habit), request_id: String::new() };
    person.habits().create_habit(request).await.map(tonic::Response::into_inner)
}

async fn get(person: &Person, id: &str) -> Result<Habit, Status> {
    person.habits().get_habit(GetHabitRequest { id: id.into() }).await.map(tonic::Response::into_inner)
}

async fn update(person: &Person, habit: Habit, mask: &[&str]) -> Result<Habit, Status> {
    let request = UpdateHabitRequest { habit: Some(habit), update_mask: update_mask(mask) };
    person.habits().update_habit(request).await.map(tonic::Response::into_inner)
}

async fn list(person: &Person, show_archived: bool) -> Vec<Habit> {
    person.habits().list_habits(ListHabitsRequest { show_archived }).await.unwrap().into_inner().habits
}

fn day_log(habit_id: &str, local_date: &str, count: i32) -> HabitLog {
    HabitLog { habit_id: habit_id.into(), local_date: local_date.into(), count, ..HabitLog::default() }
}

async fn set_log(person: &Person, log: HabitLog) -> Result<HabitLog, Status> {
    let request = SetHabitLogRequest { habit_log: Some(log) };
    person.habits().set_habit_log(request).await.map(tonic::Response::into_inner)
}

/// Does it once on each of these days of June 2026.
async fn done(person: &Person, id: &str, days: impl IntoIterator<Item = u32>) {
    for day in days {
        set_log(person, day_log(id, &format!("2026-06-{day:02}"), 1)).await.unwrap();
    }
}

async fn list_logs(person: &Person, request: ListHabitLogsRequest) -> Result<ListHabitLogsResponse, Status> {
    person.habits().list_habit_logs(request).await.map(tonic::Response::into_inner)
}

async fn set_vacations(person: &Person, vacations: &[(&str, &str)]) -> Result<Vacations, Status> {
    let vacation = |(first, last): &(&str, &str)| Vacation { start_date: (*first).into(), end_date: (*last).into() };
    let vacations = Some(Vacations { vacations: vacations.iter().map(vacation).collect() });
    person.habits().set_vacations(SetVacationsRequest { vacations }).await.map(tonic::Response::into_inner)
}

async fn move_to(person: &Person, time_zone: &str, day_start_minutes: i32) {
    let user = User { time_zone: time_zone.into(), day_start_minutes, ..User::default() };
    let mask = update_mask(&["time_zone", "day_start_minutes"]);
    person.user().update_me(UpdateMeRequest { user: Some(user), update_mask: mask }).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_habit_is_created_read_changed_and_deleted(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let created = create(&person, named("  Read ")).await.unwrap();
    assert_eq!((created.name.as_str(), created.target_count, created.period()), ("Read", 1, Period::Day));
    assert_eq!((created.current_streak, created.longest_streak, created.strength), (0, 0, 0.0));
    assert_eq!(get(&person, &created.id).await.unwrap(), created);

    let weekly = Habit { target_count: 3, period: Period::Week.into(), ..created.clone() };
    let changed = update(&person, weekly, &["target_count", "period"]).await.unwrap();
    assert_eq!((changed.target_count, changed.period()), (3, Period::Week));
    assert_ne!(changed.etag, created.etag);
    let same = update(&person, changed.clone(), &[]).await.unwrap();
    assert_eq!(same, changed, "what changes nothing is no write");

    let request = DeleteHabitRequest { id: created.id.clone(), etag: created.etag };
    let status = person.habits().delete_habit(request).await.unwrap_err();
    assert_eq!(fact(&status, "current_etag"), changed.etag);
    assert_eq!(refusal::<()>(Err(status)), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let request = DeleteHabitRequest { id: created.id.clone(), etag: changed.etag };
    person.habits().delete_habit(request).await.unwrap();
    assert_eq!(refusal(get(&person, &created.id).await).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn a_stale_etag_changes_nothing(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let created = create(&person, named("Read")).await.unwrap();
    let renamed = update(&person, Habit { name: "Write".into(), ..created.clone() }, &[]).await.unwrap();
    let status = update(&person, Habit { name: "Sing".into(), ..created }, &[]).await.unwrap_err();
    assert_eq!(fact(&status, "current_etag"), renamed.etag);
    assert_eq!(get(&person, &renamed.id).await.unwrap().name, "Write");
}

#[rstest]
#[tokio::test]
async fn a_create_with_one_request_id_creates_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let request = CreateHabitRequest { habit: Some(named("Read")), request_id: Uuid::now_v7().to_string() };
    let first = person.habits().create_habit(request.clone()).await.unwrap().into_inner();
    let again = person.habits().create_habit(request).await.unwrap().into_inner();
    assert_eq!((again, list(&person, true).await.len()), (first, 1));
}

#[rstest]
#[tokio::test]
async fn habits_are_listed_by_name_without_those_in_the_archive(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for name in ["write", "Read", "sing"] {
        create(&person, named(name)).await.unwrap();
    }
    let archived = create(&person, Habit { archived: true, ..named("Old") }).await.unwrap();
    let names = |habits: Vec<Habit>| habits.into_iter().map(|habit| habit.name).collect::<Vec<_>>();
    assert_eq!(names(list(&person, false).await), ["Read", "sing", "write"]);
    assert_eq!(names(list(&person, true).await), ["Old", "Read", "sing", "write"]);
    assert!(archived.archived);
}

#[rstest]
#[tokio::test]
async fn a_day_has_one_log_however_often_it_is_set(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = create(&person, named("Read")).await.unwrap();
    let first = set_log(&person, day_log(&habit.id, "2026-06-14", 1)).await.unwrap();
    let same = set_log(&person, day_log(&habit.id, "2026-06-14", 1)).await.unwrap();
    assert_eq!(same, first);
    world.clock.advance(TimeDelta::minutes(1));
    let corrected = set_log(&person, day_log(&habit.id, "2026-06-14", 3)).await.unwrap();
    assert_eq!((&corrected.id, corrected.count, corrected.create_time), (&first.id, 3, first.create_time));

    let request = ListHabitLogsRequest { habit_id: habit.id.clone(), ..ListHabitLogsRequest::default() };
    assert_eq!(list_logs(&person, request).await.unwrap().habit_logs, [corrected]);
    let changes = person.changes_so_far(INITIAL_CHANGES + 5).await;
    let kinds: Vec<_> = changes[INITIAL_CHANGES..].iter().map(|change| (change.resource(), change.action())).collect();
    let expected = [
        (Resource::Habit, Action::Created),
        (Resource::HabitLog, Action::Created),
        (Resource::Habit, Action::Updated),
        (Resource::HabitLog, Action::Updated),
        (Resource::Habit, Action::Updated),
    ];
    assert_eq!(kinds, expected, "setting the same again is no write");
    assert_eq!(changes[INITIAL_CHANGES + 1].resource_id, first.id);
}

#[rstest]
#[tokio::test]
async fn devices_that_set_a_day_at_once_leave_one_log(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = create(&person, named("Read")).await.unwrap();
    let devices: Vec<_> = (0..8)
        .map(|count| {
            let (device, log) = (person.clone(), day_log(&habit.id, "2026-06-15", count));
            tokio::spawn(async move { set_log(&device, log).await.unwrap().id })
        })
        .collect();
    let mut ids = Vec::new();
    for device in devices {
        ids.push(device.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "all of them wrote the same log");
}

#[rstest]
#[tokio::test]
async fn a_log_that_is_taken_back_is_gone(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = create(&person, named("Read")).await.unwrap();
    done(&person, &habit.id, [15]).await;
    let request = DeleteHabitLogRequest { habit_id: habit.id.clone(), local_date: "2026-06-15".into() };
    person.habits().delete_habit_log(request.clone()).await.unwrap();
    assert_eq!(refusal(person.habits().delete_habit_log(request).await).0, Code::NotFound);
    assert_eq!(get(&person, &habit.id).await.unwrap().longest_streak, 0);
}

#[rstest]
#[tokio::test]
async fn logs_are_listed_by_day_in_pages(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let (habit, other) = (create(&person, named("Read")).await.unwrap(), create(&person, named("Run")).await.unwrap());
    done(&person, &habit.id, [3, 1, 2, 9, 5]).await;
    done(&person, &other.id, [4]).await;
    let days = |response: &ListHabitLogsResponse| -> Vec<String> {
        response.habit_logs.iter().map(|log| log.local_date[8..].to_owned()).collect()
    };
    let whole = ListHabitLogsRequest { habit_id: habit.id.clone(), ..ListHabitLogsRequest::default() };
    assert_eq!(days(&list_logs(&person, whole.clone()).await.unwrap()), ["01", "02", "03", "05", "09"]);

    let part = ListHabitLogsRequest { start_date: "2026-06-02".into(), end_date: "2026-06-05".into(), ..whole };
    let part = ListHabitLogsRequest { page_size: 2, ..part };
    let first = list_logs(&person, part.clone()).await.unwrap();
    let next = ListHabitLogsRequest { page_token: first.next_page_token.clone(), ..part };
    let second = list_logs(&person, next.clone()).await.unwrap();
    assert_eq!((days(&first), days(&second)), (vec!["02".into(), "03".into()], vec!["05".to_owned()]));
    assert_eq!(second.next_page_token, "");
    let of_another = ListHabitLogsRequest { habit_id: other.id, ..next };
    assert_eq!(wrong_field(list_logs(&person, of_another).await), "page_token");
}

#[rstest]
#[tokio::test]
async fn skipping_a_day_keeps_the_streak(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = create(&person, named("Read")).await.unwrap();
    done(&person, &habit.id, [10, 11, 13, 14]).await;
    assert_eq!(get(&person, &habit.id).await.unwrap().current_streak, 2);
    set_log(&person, HabitLog { skipped: true, ..day_log(&habit.id, "2026-06-12", 0) }).await.unwrap();
    let skipped = get(&person, &habit.id).await.unwrap();
    assert_eq!((skipped.current_streak, skipped.longest_streak), (4, 4));
    // Four days done: 1 - 0.5^(4/13). Today, the 15th, is not over.
    assert!((skipped.strength - (1.0 - 0.5_f64.powf(4.0 / 13.0))).abs() < 1e-12);
}

#[rstest]
#[tokio::test]
async fn a_vacation_keeps_streak_and_strength_of_every_habit(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habits = [create(&person, named("Read")).await.unwrap(), create(&person, named("Run")).await.unwrap()]
        .map(|habit| habit.id);
    for id in &habits {
        done(&person, id, [1, 2, 3, 13, 14]).await;
    }
    let vacations =
        set_vacations(&person, &[("2026-06-08", "2026-06-12"), ("2026-06-04", "2026-06-07")]).await.unwrap();
    assert_eq!(vacations.vacations, [Vacation { start_date: "2026-06-04".into(), end_date: "2026-06-12".into() }]);
    for habit in list(&person, false).await {
        assert_eq!((habit.current_streak, habit.longest_streak), (5, 5), "{}", habit.name);
        assert!((habit.strength - (1.0 - 0.5_f64.powf(5.0 / 13.0))).abs() < 1e-12);
        assert_eq!(get(&person, &habit.id).await.unwrap(), habit, "one habit is measured as all are");
    }
    let kept = person.habits().get_vacations(GetVacationsRequest {}).await.unwrap().into_inner();
    assert_eq!(kept, vacations);
    assert_eq!(set_vacations(&person, &[]).await.unwrap(), Vacations::default());
    assert_eq!(get(&person, &habits[0]).await.unwrap().current_streak, 2);
}

#[rstest]
#[tokio::test]
async fn a_day_that_is_not_over_is_not_missed(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = create(&person, named("Read")).await.unwrap();
    done(&person, &habit.id, [13, 14]).await;
    let streak = async || get(&person, &habit.id).await.unwrap().current_streak;
    assert_eq!(streak().await, 2);
    // 23:59 in Berlin, then midnight.
    world.clock.advance(TimeDelta::minutes(11 * 60 + 59));
    assert_eq!(streak().await, 2);
    world.clock.advance(TimeDelta::minutes(1));
    assert_eq!(streak().await, 0);
    assert_eq!(get(&person, &habit.id).await.unwrap().longest_streak, 2);
}

#[rstest]
#[tokio::test]
async fn the_night_before_the_day_starts_belongs_to_yesterday(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    move_to(&person, "Europe/Berlin", 4 * 60).await;
    let habit = create(&person, named("Read")).await.unwrap();
    // 03:59 on the 16th in Berlin is still the 15th.
    world.clock.advance(TimeDelta::minutes(15 * 60 + 59));
    assert_eq!(wrong_field(set_log(&person, day_log(&habit.id, "2026-06-16", 1)).await), "habit_log.local_date");
    done(&person, &habit.id, [15]).await;
    world.clock.advance(TimeDelta::minutes(1));
    done(&person, &habit.id, [16]).await;
    assert_eq!(get(&person, &habit.id).await.unwrap().current_streak, 2);
}

#[rstest]
#[tokio::test]
async fn who_moves_around_the_world_keeps_what_they_did(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = create(&person, named("Read")).await.unwrap();
    // 10:30 UTC on the 15th: the 16th in Kiritimati, the 14th in Midway.
    world.clock.advance(TimeDelta::minutes(30));
    move_to(&person, "Pacific/Kiritimati", 0).await;
    done(&person, &habit.id, [14, 15, 16]).await;
    move_to(&person, "Pacific/Midway", 0).await;
    assert_eq!(get(&person, &habit.id).await.unwrap().current_streak, 3, "nothing that was logged is forgotten");
    let twice = set_log(&person, day_log(&habit.id, "2026-06-16", 2)).await.unwrap();
    assert_eq!(twice.count, 2, "what was logged can be corrected");
    assert_eq!(wrong_field(set_log(&person, day_log(&habit.id, "2026-06-17", 1)).await), "habit_log.local_date");

    // Back east two days later, the 17th was never lived through where it was asked for: skipping it heals the streak.
    world.clock.advance(TimeDelta::days(2));
    move_to(&person, "Pacific/Kiritimati", 0).await;
    assert_eq!(get(&person, &habit.id).await.unwrap().current_streak, 0);
    set_log(&person, HabitLog { skipped: true, ..day_log(&habit.id, "2026-06-17", 0) }).await.unwrap();
    assert_eq!(get(&person, &habit.id).await.unwrap().current_streak, 3);
}

#[rstest]
#[tokio::test]
async fn days_are_counted_across_both_clock_changes(#[values(Sqlite, Postgres)] on: Backend) {
    // Berlin put its clocks back on 26 October 2025 and forward on 29 March 2026.
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = create(&person, named("Read")).await.unwrap();
    for (month, days) in [("2025-10", 24..=28), ("2026-03", 27..=31)] {
        for day in days {
            set_log(&person, day_log(&habit.id, &format!("{month}-{day}"), 1)).await.unwrap();
        }
    }
    assert_eq!(get(&person, &habit.id).await.unwrap().longest_streak, 5);
}

#[rstest]
#[tokio::test]
async fn a_weekly_habit_counts_weeks(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = Habit { target_count: 3, period: Period::Week.into(), ..named("Run") };
    let habit = create(&person, habit).await.unwrap();
    // Weeks begin on the 1st, 8th and 15th, which is today.
    done(&person, &habit.id, [1, 3, 5, 8, 14]).await;
    assert_eq!(get(&person, &habit.id).await.unwrap().current_streak, 0);
    set_log(&person, day_log(&habit.id, "2026-06-08", 2)).await.unwrap();
    let met = get(&person, &habit.id).await.unwrap();
    assert_eq!((met.current_streak, met.longest_streak), (2, 2));
}

#[rstest]
#[tokio::test]
async fn the_days_in_the_archive_are_not_missed(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = create(&person, named("Read")).await.unwrap();
    done(&person, &habit.id, [13, 14]).await;
    let archive = async |archived: bool| {
        update(&person, Habit { id: habit.id.clone(), archived, ..Habit::default() }, &["archived"]).await.unwrap()
    };
    archive(true).await;
    world.clock.advance(TimeDelta::days(30));
    let kept = get(&person, &habit.id).await.unwrap();
    assert_eq!((kept.current_streak, kept.archived), (2, true));
    let taken_back = archive(false).await;
    assert_eq!((taken_back.current_streak, taken_back.strength), (kept.current_streak, kept.strength));
    world.clock.advance(TimeDelta::days(1));
    assert_eq!(get(&person, &habit.id).await.unwrap().current_streak, 0, "it is due again");
}

#[rstest]
#[tokio::test]
async fn a_habit_outlives_its_category(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let categories = person.categories().list_categories(ListCategoriesRequest {}).await.unwrap().into_inner();
    let category_id = categories.categories[0].id.clone();
    let habit = create(&person, Habit { category_id: category_id.clone(), ..named("Read") }).await.unwrap();
    person.categories().delete_category(DeleteCategoryRequest { id: category_id, etag: String::new() }).await.unwrap();
    let alone = get(&person, &habit.id).await.unwrap();
    assert_eq!(alone.category_id, "");
    assert_ne!(alone.etag, habit.etag);
    let changes = person.changes_so_far(INITIAL_CHANGES + 3).await;
    let kinds: Vec<_> = changes[INITIAL_CHANGES..].iter().map(|change| (change.resource(), change.action())).collect();
    let expected =
        [(Resource::Habit, Action::Created), (Resource::Habit, Action::Updated), (Resource::Category, Action::Deleted)];
    assert_eq!(kinds, expected);
}

#[rstest]
#[tokio::test]
async fn another_persons_habits_are_not_found(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let (person, thief) = (world.person().await, world.person().await);
    let categories = person.categories().list_categories(ListCategoriesRequest {}).await.unwrap().into_inner();
    let habit = create(&person, named("Mine")).await.unwrap();
    done(&person, &habit.id, [14]).await;
    set_vacations(&person, &[("2026-07-01", "2026-07-02")]).await.unwrap();
    let not_found = Code::NotFound;

    assert_eq!(refusal(get(&thief, &habit.id).await).0, not_found);
    assert_eq!(refusal(update(&thief, Habit { name: "Theirs".into(), ..habit.clone() }, &[]).await).0, not_found);
    let request = DeleteHabitRequest { id: habit.id.clone(), etag: String::new() };
    assert_eq!(refusal(thief.habits().delete_habit(request).await).0, not_found);
    assert_eq!(refusal(set_log(&thief, day_log(&habit.id, "2026-06-14", 7)).await).0, not_found);
    let request = DeleteHabitLogRequest { habit_id: habit.id.clone(), local_date: "2026-06-14".into() };
    assert_eq!(refusal(thief.habits().delete_habit_log(request).await).0, not_found);
    let request = ListHabitLogsRequest { habit_id: habit.id.clone(), ..ListHabitLogsRequest::default() };
    assert_eq!(refusal(list_logs(&thief, request).await).0, not_found);
    let in_their_category = Habit { category_id: categories.categories[0].id.clone(), ..named("Theirs") };
    assert_eq!(refusal(create(&thief, in_their_category).await).0, not_found);

    assert!(list(&thief, true).await.is_empty());
    let vacations = thief.habits().get_vacations(GetVacationsRequest {}).await.unwrap().into_inner();
    assert_eq!(vacations, Vacations::default());
    set_vacations(&thief, &[]).await.unwrap();
    assert_eq!(person.habits().get_vacations(GetVacationsRequest {}).await.unwrap().into_inner().vacations.len(), 1);
    assert_eq!(get(&person, &habit.id).await.unwrap().longest_streak, 1);
}

#[rstest]
#[tokio::test]
async fn a_wrong_habit_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let cases = [
        (named(" "), "habit.name"),
        (named(&"x".repeat(201)), "habit.name"),
        (Habit { description: "x".repeat(5_001), ..named("Read") }, "habit.description"),
        (Habit { target_count: -1, ..named("Read") }, "habit.target_count"),
        (Habit { target_count: 100_001, ..named("Read") }, "habit.target_count"),
        (Habit { period: 9, ..named("Read") }, "habit.period"),
        (Habit { category_id: "work".into(), ..named("Read") }, "habit.category_id"),
    ];
    for (habit, field) in cases {
        assert_eq!(wrong_field(create(&person, habit).await), field);
    }
    let habit = create(&person, named("Read")).await.unwrap();
    assert_eq!(wrong_field(update(&person, habit.clone(), &["colour"]).await), "update_mask");
    let none = Habit { target_count: 0, ..habit };
    assert_eq!(wrong_field(update(&person, none, &["target_count"]).await), "habit.target_count");
    assert_eq!(wrong_field(person.habits().create_habit(CreateHabitRequest::default()).await), "habit");
    let request = CreateHabitRequest { habit: Some(named("Read")), request_id: "x".into() };
    assert_eq!(wrong_field(person.habits().create_habit(request).await), "request_id");
}

#[rstest]
#[tokio::test]
async fn a_wrong_log_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let habit = create(&person, named("Read")).await.unwrap();
    let good = day_log(&habit.id, "2026-06-15", 1);
    let cases = [
        (HabitLog { habit_id: "read".into(), ..good.clone() }, "habit_log.habit_id"),
        (HabitLog { local_date: "2026-06-16".into(), ..good.clone() }, "habit_log.local_date"),
        (HabitLog { local_date: "2026-6-15".into(), ..good.clone() }, "habit_log.local_date"),
        (HabitLog { local_date: "1969-12-31".into(), ..good.clone() }, "habit_log.local_date"),
        (HabitLog { count: -1, ..good.clone() }, "habit_log.count"),
        (HabitLog { count: 1_000_001, ..good.clone() }, "habit_log.count"),
        (HabitLog { skipped: true, ..good.clone() }, "habit_log.count"),
        (HabitLog { notes: "x".repeat(5_001), ..good }, "habit_log.notes"),
    ];
    for (log, field) in cases {
        assert_eq!(wrong_field(set_log(&person, log).await), field);
    }
    let backwards = ListHabitLogsRequest {
        habit_id: habit.id,
        start_date: "2026-06-02".into(),
        end_date: "2026-06-01".into(),
        ..ListHabitLogsRequest::default()
    };
    assert_eq!(wrong_field(list_logs(&person, backwards).await), "end_date");
}

#[rstest]
#[tokio::test]
async fn a_wrong_vacation_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let good = ("2026-07-01", "2026-07-01");
    let backwards = set_vacations(&person, &[good, ("2026-07-03", "2026-07-02")]).await;
    assert_eq!(wrong_field(backwards), "vacations.vacations[1].end_date");
    let no_date = set_vacations(&person, &[("July", "2026-07-02")]).await;
    assert_eq!(wrong_field(no_date), "vacations.vacations[0].start_date");
    assert_eq!(wrong_field(set_vacations(&person, &[good; 501]).await), "vacations.vacations");
}

#[rstest]
#[tokio::test]
async fn the_201st_habit_is_refused(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for number in 0..200 {
        create(&person, named(&format!("Habit {number}"))).await.unwrap();
    }
    let status = create(&person, named("One more")).await.unwrap_err();
    assert_eq!(fact(&status, "limit"), "200");
    assert_eq!(refusal::<()>(Err(status)), (Code::FailedPrecondition, "LIMIT_REACHED".to_owned()));
}
