//! The running timer: that there is one, how it is relieved by the next, and what happens if it is forgotten.

use chrono::TimeDelta;
use focusflow_proto::v1::{
    GetRunningTimeLogRequest, GetTimeLogRequest, ListTimeLogsRequest, StartTimeLogRequest, StopTimeLogRequest,
    SummarizeTimeLogsRequest, TimeLog, UpdateTimeLogRequest,
};
use focusflow_storage::domain::text::Notes;
use focusflow_storage::domain::time_log::TimeLog as RunningLog;
use focusflow_storage::sql::{Database, DatabaseConfig, time_logs};
use rstest::rstest;
use tonic::{Code, Response, Status};
use uuid::Uuid;

use crate::support::{
    Backend, NOW, Person, Postgres, Sqlite, World, at, fact, later, refusal, update_mask, wrong_field,
};

/// How long who has timed little can leave a timer running.
const LIMIT_MINUTES: i64 = 240;

async fn start_instead(person: &Person) -> Result<TimeLog, Status> {
    let request = StartTimeLogRequest { stop_running: true, ..StartTimeLogRequest::default() };
    person.time_logs().start_time_log(request).await.map(Response::into_inner)
}

async fn stop_at(person: &Person, minutes: i64) -> Result<TimeLog, Status> {
    let request = StopTimeLogRequest { id: String::new(), end_time: Some(later(minutes)) };
    person.time_logs().stop_time_log(request).await.map(Response::into_inner)
}

async fn update(person: &Person, time_log: TimeLog, mask: &[&str]) -> TimeLog {
    let request = UpdateTimeLogRequest {
        time_log: Some(time_log),
        update_mask: update_mask(mask),
        ..UpdateTimeLogRequest::default()
    };
    person.time_logs().update_time_log(request).await.unwrap().into_inner()
}

async fn get(person: &Person, id: &str) -> TimeLog {
    person.time_logs().get_time_log(GetTimeLogRequest { id: id.into() }).await.unwrap().into_inner()
}

async fn running(person: &Person) -> TimeLog {
    person.time_logs().get_running_time_log(GetRunningTimeLogRequest {}).await.unwrap().into_inner()
}

async fn summed_minutes(person: &Person) -> f64 {
    let request = SummarizeTimeLogsRequest::default();
    let totals = person.time_logs().summarize_time_logs(request).await.unwrap().into_inner().totals;
    totals.iter().map(|total| total.minutes).sum()
}

async fn assert_summed(person: &Person, expected: f64) {
    let minutes = summed_minutes(person).await;
    assert!((minutes - expected).abs() < 1e-9, "{minutes}");
}

#[rstest]
#[tokio::test]
async fn a_start_can_relieve_the_timer_that_is_running(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Timed").await;
    let first = person.start_timer(&task.id).await.unwrap();
    world.clock.advance(TimeDelta::minutes(20));
    let second = start_instead(&person).await.unwrap();
    let first = get(&person, &first.id).await;
    assert_eq!((first.end_time, second.start_time), (Some(later(20)), Some(later(20))), "one ends as the other starts");
    assert_eq!(running(&person).await, second);
    assert_eq!(person.get_task(&task.id).await.unwrap().actual_minutes, 20);
}

#[rstest]
#[tokio::test]
async fn devices_that_relieve_each_other_at_once_leave_one_timer(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let replica = world.replica().await;
    let person = world.person().await;
    let elsewhere = replica.somebody(person.id);
    let devices: Vec<_> = (0..10)
        .map(|number| {
            let device = if number % 2 == 0 { person.clone() } else { elsewhere.clone() };
            tokio::spawn(async move { start_instead(&device).await.unwrap() })
        })
        .collect();
    for device in devices {
        device.await.unwrap();
    }
    let logs = person.time_logs().list_time_logs(ListTimeLogsRequest::default()).await.unwrap().into_inner().time_logs;
    assert_eq!(logs.len(), 10);
    assert_eq!(logs.iter().filter(|log| log.end_time.is_none()).count(), 1);
}

#[rstest]
#[tokio::test]
async fn of_devices_that_start_at_once_on_two_replicas_one_does(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let replica = world.replica().await;
    let person = world.person().await;
    let elsewhere = replica.somebody(person.id);
    let devices: Vec<_> = (0..10)
        .map(|number| {
            let device = if number % 2 == 0 { person.clone() } else { elsewhere.clone() };
            tokio::spawn(async move { device.start_timer("").await })
        })
        .collect();
    let mut started = Vec::new();
    let mut refused = Vec::new();
    for device in devices {
        match device.await.unwrap() {
            Ok(log) => started.push(log.id),
            Err(status) => refused.push(fact(&status, "time_log_id")),
        }
    }
    assert_eq!((started.len(), refused.len()), (1, 9));
    assert!(refused.iter().all(|id| *id == started[0]), "each refusal names the one that runs");
}

#[rstest]
#[tokio::test]
async fn the_database_itself_lets_one_timer_run(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let config = DatabaseConfig::new(world.machine.database_url().parse().unwrap());
    let database = Database::open(&config).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (database, user_id) = (database.clone(), person.id);
            // Nothing but the index stands between these: they do not wait for each other as writes of a person do.
            tokio::spawn(async move {
                let mut transaction = database.begin(user_id).await.unwrap();
                let log = running_log();
                let inserted = time_logs::insert_running(&mut transaction, user_id, &log).await.unwrap();
                transaction.commit().await.unwrap();
                inserted
            })
        })
        .collect();
    let mut inserted = 0;
    for writer in writers {
        inserted += usize::from(writer.await.unwrap());
    }
    assert_eq!(inserted, 1);
    database.close().await;
}

fn running_log() -> RunningLog {
    let now = NOW.parse().unwrap();
    RunningLog {
        id: Uuid::now_v7(),
        task_id: None,
        start_time: now,
        end_time: None,
        notes: Notes::default(),
        manual: false,
        forgotten: false,
        create_time: now,
        update_time: now,
    }
}

#[rstest]
#[tokio::test]
async fn a_timer_can_be_stopped_at_an_earlier_time(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    person.start_timer("").await.unwrap();
    world.clock.advance(TimeDelta::minutes(60));
    assert_eq!(wrong_field(stop_at(&person, 61).await), "end_time");
    assert_eq!(wrong_field(stop_at(&person, 0).await), "end_time");
    assert_eq!(stop_at(&person, 45).await.unwrap().end_time, Some(later(45)));
}

#[rstest]
#[tokio::test]
async fn a_timer_is_not_stopped_within_another_log(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let ahead = person.log("", "2026-06-15T10:30:00Z", "2026-06-15T11:00:00Z").await.unwrap();
    person.start_timer("").await.unwrap();
    world.clock.advance(TimeDelta::minutes(60));
    let status = stop_at(&person, 40).await.unwrap_err();
    assert_eq!(fact(&status, "time_log_id"), ahead.id);
    assert_eq!(stop_at(&person, 30).await.unwrap().end_time, Some(later(30)));
}

#[rstest]
#[tokio::test]
async fn a_timer_that_runs_too_long_is_flagged_and_goes_on(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let started = person.start_timer("").await.unwrap();
    world.clock.advance(TimeDelta::minutes(LIMIT_MINUTES));
    assert_eq!(running(&person).await, started, "up to the limit nothing is asked");

    world.clock.advance(TimeDelta::minutes(1));
    let flagged = running(&person).await;
    assert_eq!((flagged.forgotten, flagged.suggested_end_time), (true, Some(later(LIMIT_MINUTES))));
    assert_eq!(flagged.end_time, None, "nothing ends it by itself");
    assert_eq!(get(&person, &flagged.id).await, flagged);
    let listed = person.time_logs().list_time_logs(ListTimeLogsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.time_logs, [flagged]);
}

#[rstest]
#[tokio::test]
async fn a_forgotten_timer_counts_once_its_end_is_given(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Timed").await;
    person.start_timer(&task.id).await.unwrap();
    world.clock.advance(TimeDelta::hours(14));
    let stopped = stop_at(&person, 50).await.unwrap();
    assert_eq!((stopped.end_time, stopped.forgotten, stopped.suggested_end_time), (Some(later(50)), false, None));
    assert_summed(&person, 50.0).await;
    assert_eq!(person.get_task(&task.id).await.unwrap().actual_minutes, 50);
}

#[rstest]
#[tokio::test]
async fn a_forgotten_timer_that_is_just_stopped_counts_once_it_is_confirmed(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Timed").await;
    let minutes = async || (summed_minutes(&person).await, person.get_task(&task.id).await.unwrap().actual_minutes);
    person.start_timer(&task.id).await.unwrap();
    world.clock.advance(TimeDelta::hours(5));
    let stopped = person.stop_timer().await.unwrap();
    assert_eq!((stopped.end_time, stopped.forgotten), (Some(later(300)), true), "what was measured is kept");
    assert_eq!(minutes().await, (0.0, 0));

    let echoed = update(&person, TimeLog { notes: "Long".into(), ..stopped.clone() }, &["*"]).await;
    assert!(echoed.forgotten, "who sends a log back as it was read confirms nothing");
    let confirmed = update(&person, TimeLog { forgotten: false, ..stopped.clone() }, &["forgotten"]).await;
    assert_eq!((confirmed.forgotten, confirmed.suggested_end_time), (false, None));
    assert_eq!(minutes().await, (300.0, 300));
    let again = update(&person, TimeLog { forgotten: true, ..stopped }, &["forgotten"]).await;
    assert!(!again.forgotten, "nobody but the server finds a log forgotten");
}

#[rstest]
#[tokio::test]
async fn cutting_a_forgotten_log_confirms_it(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    person.start_timer("").await.unwrap();
    world.clock.advance(TimeDelta::hours(5));
    let relieved = start_instead(&person).await.unwrap();
    assert!(!relieved.forgotten);
    let listed = person.time_logs().list_time_logs(ListTimeLogsRequest::default()).await.unwrap().into_inner();
    let forgotten = listed.time_logs.into_iter().find(|log| log.forgotten).unwrap();
    let cut = TimeLog { end_time: Some(later(30)), ..forgotten };
    assert!(!update(&person, cut, &["end_time"]).await.forgotten);
    assert_summed(&person, 30.0).await;
}

#[rstest]
#[tokio::test]
async fn who_times_often_is_measured_by_their_own_sessions(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    for _ in 0..100 {
        person.start_timer("").await.unwrap();
        world.clock.advance(TimeDelta::minutes(25));
        person.stop_timer().await.unwrap();
    }
    let started = person.start_timer("").await.unwrap();
    world.clock.advance(TimeDelta::minutes(120));
    assert!(!running(&person).await.forgotten);
    world.clock.advance(TimeDelta::minutes(1));
    let flagged = running(&person).await;
    assert!(flagged.forgotten, "two hours is long for who works in sessions of 25 minutes");
    let (start, proposed) = (started.start_time.unwrap(), flagged.suggested_end_time.unwrap());
    assert_eq!(proposed.seconds - start.seconds, 25 * 60, "their median length is proposed");
}

#[rstest]
#[tokio::test]
async fn a_log_entered_by_hand_is_never_forgotten(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let day = person.log("", "2026-06-14T00:00:00Z", "2026-06-14T23:00:00Z").await.unwrap();
    assert!(!day.forgotten);
    assert_summed(&person, 23.0 * 60.0).await;
}

#[rstest]
#[tokio::test]
async fn logs_end_at_most_a_week_ahead(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let tomorrow = person.log("", "2026-06-16T08:00:00Z", "2026-06-16T09:00:00Z").await.unwrap();
    let refused = person.log("", "2026-06-22T09:00:00Z", "2026-06-22T10:00:01Z").await;
    assert_eq!(wrong_field(refused), "time_log.end_time");
    person.log("", "2026-06-22T09:00:00Z", "2026-06-22T10:00:00Z").await.unwrap();
    let typo = TimeLog { end_time: Some(at("2027-06-16T09:00:00Z")), ..tomorrow };
    let request = UpdateTimeLogRequest { time_log: Some(typo), ..UpdateTimeLogRequest::default() };
    assert_eq!(wrong_field(person.time_logs().update_time_log(request).await), "time_log.end_time");
}

#[rstest]
#[tokio::test]
async fn a_start_that_relieves_nobody_is_a_start(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let started = start_instead(&person).await.unwrap();
    assert_eq!(started.start_time, Some(at(NOW)));
    let foreign = world.person().await.task("Theirs").await;
    let request = StartTimeLogRequest { task_id: foreign.id, stop_running: true, ..StartTimeLogRequest::default() };
    assert_eq!(refusal(person.time_logs().start_time_log(request).await).0, Code::NotFound);
    assert_eq!(running(&person).await, started, "a refused start stops nothing");
}
