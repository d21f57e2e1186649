use chrono::TimeDelta;
use focusflow_proto::v1::{
    CreateTimeLogRequest, DeleteTimeLogRequest, GetRunningTimeLogRequest, GetTimeLogRequest, ListTimeLogsRequest,
    ListTimeLogsResponse, OverlapPolicy, StartTimeLogRequest, StopTimeLogRequest, TimeLog, UpdateTimeLogRequest,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{
    Backend, NOW, Person, Postgres, Sqlite, World, at, fact, later, refusal, update_mask, wrong_field,
};
use rstest::rstest;

async fn update(person: &Person, time_log: TimeLog, mask: &[&str]) -> Result<TimeLog, Status> {
    let request = UpdateTimeLogRequest {
        time_log: Some(time_log),
        update_mask: update_mask(mask),
        overlap_policy: OverlapPolicy::Unspecified.into(),
    };
    person.time_logs().update_time_log(request).await.map(tonic::Response::into_inner)
}

async fn list(person: &Person, request: ListTimeLogsRequest) -> ListTimeLogsResponse {
    person.time_logs().list_time_logs(request).await.unwrap().into_inner()
}

#[rstest]
#[tokio::test]
async fn a_timer_runs_from_start_to_stop(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Timed").await;
    let started = person.start_timer(&task.id).await.unwrap();
    assert_eq!((started.start_time, started.end_time, started.manual), (Some(at(NOW)), None, false));
    let running = person.time_logs().get_running_time_log(GetRunningTimeLogRequest {}).await.unwrap().into_inner();
    assert_eq!(running, started);
    assert_eq!(person.get_task(&task.id).await.unwrap().actual_minutes, 0, "a running log does not count yet");

    world.clock.advance(TimeDelta::seconds(90));
    let stopped = person.stop_timer().await.unwrap();
    assert_eq!(stopped.end_time, Some(at("2026-06-15T10:01:30Z")));
    assert_eq!(person.get_task(&task.id).await.unwrap().actual_minutes, 2);
    let none = person.time_logs().get_running_time_log(GetRunningTimeLogRequest {}).await;
    assert_eq!(refusal(none).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn a_second_timer_is_refused_and_told_of_the_first(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let first = person.start_timer("").await.unwrap();
    let status = person.start_timer("").await.unwrap_err();
    assert_eq!(fact(&status, "time_log_id"), first.id);
    assert_eq!(refusal::<()>(Err(status)), (Code::FailedPrecondition, "TIMER_RUNNING".to_owned()));
    world.person().await.start_timer("").await.unwrap();
}

#[rstest]
#[tokio::test]
async fn of_many_devices_that_start_at_once_one_does(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let devices: Vec<_> = (0..10)
        .map(|_| {
            let device = person.clone();
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
    assert_eq!(started.len(), 1);
    assert!(refused.iter().all(|id| *id == started[0]), "each refusal names the one that runs");
}

#[rstest]
#[tokio::test]
async fn a_start_with_one_request_id_starts_once(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let request = StartTimeLogRequest { request_id: Uuid::now_v7().to_string(), ..StartTimeLogRequest::default() };
    let first = person.time_logs().start_time_log(request.clone()).await.unwrap().into_inner();
    let again = person.time_logs().start_time_log(request).await.unwrap().into_inner();
    assert_eq!(again, first);
}

#[rstest]
#[tokio::test]
async fn only_the_timer_that_is_named_is_stopped(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let stop = async |id: &str| {
        let request = StopTimeLogRequest { id: id.into(), end_time: None };
        person.time_logs().stop_time_log(request).await.map(tonic::Response::into_inner)
    };
    let not_running = (Code::FailedPrecondition, "TIMER_NOT_RUNNING".to_owned());
    assert_eq!(refusal(stop("").await), not_running);
    let entered = person.log("", "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    let running = person.start_timer("").await.unwrap();
    assert_eq!(refusal(stop(&entered.id).await), not_running);
    assert_eq!(refusal(stop(&Uuid::now_v7().to_string()).await).0, Code::NotFound);
    assert_eq!(stop(&running.id).await.unwrap().id, running.id);
}

#[rstest]
#[tokio::test]
async fn a_log_that_would_overlap_is_refused_and_told_of_the_other(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let morning = person.log("", "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    assert!(morning.manual);
    person.log("", "2026-06-15T09:00:00Z", "2026-06-15T09:30:00Z").await.expect("touching is not overlapping");
    person.log("", "2026-06-15T07:00:00Z", "2026-06-15T08:00:00Z").await.expect("on either side");

    for (start, end) in [("07:59", "08:01"), ("08:15", "08:30"), ("06:00", "12:00"), ("08:00", "09:00")] {
        let (start, end) = (format!("2026-06-15T{start}:00Z"), format!("2026-06-15T{end}:00Z"));
        let status = person.log("", &start, &end).await.unwrap_err();
        assert_eq!(refusal::<()>(Err(status)), (Code::FailedPrecondition, "TIME_LOG_OVERLAP".to_owned()));
    }
    let status = person.log("", "2026-06-15T08:30:00Z", "2026-06-15T10:00:00Z").await.unwrap_err();
    assert_eq!(fact(&status, "time_log_id"), morning.id);
    world.person().await.log("", "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_running_timer_overlaps_what_comes_after_its_start(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let running = person.start_timer("").await.unwrap();
    let status = person.log("", "2026-06-15T11:00:00Z", "2026-06-15T12:00:00Z").await.unwrap_err();
    assert_eq!(fact(&status, "time_log_id"), running.id);
    person.log("", "2026-06-15T09:00:00Z", NOW).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_timer_does_not_start_within_a_log(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let around = person.log("", "2026-06-15T09:30:00Z", "2026-06-15T10:30:00Z").await.unwrap();
    let status = person.start_timer("").await.unwrap_err();
    assert_eq!(fact(&status, "time_log_id"), around.id);
    assert_eq!(refusal(person.stop_timer().await).1, "TIMER_NOT_RUNNING", "a refused start leaves nothing");
}

#[rstest]
#[tokio::test]
async fn a_timer_ends_where_a_log_entered_ahead_of_time_begins(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    person.log("", "2026-06-15T10:30:00Z", "2026-06-15T11:00:00Z").await.unwrap();
    person.start_timer("").await.unwrap();
    world.clock.advance(TimeDelta::minutes(45));
    assert_eq!(person.stop_timer().await.unwrap().end_time, Some(at("2026-06-15T10:30:00Z")));
}

#[rstest]
#[tokio::test]
async fn a_timer_does_not_end_at_a_log_that_takes_no_time(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    person.start_timer("").await.unwrap();
    world.clock.advance(TimeDelta::hours(-1));
    let empty = person.stop_timer().await.unwrap();
    assert_eq!(empty.end_time, empty.start_time, "the clock was put back");

    person.start_timer("").await.unwrap();
    world.clock.advance(TimeDelta::hours(2));
    assert_eq!(person.stop_timer().await.unwrap().end_time, Some(later(60)));
}

#[rstest]
#[tokio::test]
async fn trimming_keeps_the_part_that_is_free(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    person.log("", "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    let trim = async |start: &str, end: &str| person.log_with("", start, end, OverlapPolicy::Trim).await;
    let trimmed = trim("2026-06-15T08:30:00Z", "2026-06-15T09:45:00Z").await.unwrap();
    assert_eq!(trimmed.start_time, Some(at("2026-06-15T09:00:00Z")));
    assert_eq!(trimmed.end_time, Some(at("2026-06-15T09:45:00Z")));
    let nothing_free = trim("2026-06-15T08:30:00Z", "2026-06-15T09:15:00Z").await;
    assert_eq!(refusal(nothing_free).1, "TIME_LOG_OVERLAP");
}

#[rstest]
#[tokio::test]
async fn changing_a_log_adds_its_task_up_anew(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let (first, second) = (person.task("First").await, person.task("Second").await);
    let log = person.log(&first.id, "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    person.log(&first.id, "2026-06-15T09:00:00Z", "2026-06-15T09:10:00Z").await.unwrap();
    let minutes = async |id: &str| person.get_task(id).await.unwrap().actual_minutes;
    assert_eq!(minutes(&first.id).await, 70);

    let shorter = TimeLog { end_time: Some(at("2026-06-15T08:30:00Z")), ..log.clone() };
    update(&person, shorter, &["end_time"]).await.unwrap();
    assert_eq!(minutes(&first.id).await, 40);

    let moved = TimeLog { task_id: second.id.clone(), ..log.clone() };
    update(&person, moved, &["task_id"]).await.unwrap();
    assert_eq!((minutes(&first.id).await, minutes(&second.id).await), (10, 30));

    person.time_logs().delete_time_log(DeleteTimeLogRequest { id: log.id.clone() }).await.unwrap();
    assert_eq!(minutes(&second.id).await, 0);
    let gone = person.time_logs().get_time_log(GetTimeLogRequest { id: log.id }).await;
    assert_eq!(refusal(gone).0, Code::NotFound);
}

#[rstest]
#[tokio::test]
async fn a_log_is_moved_only_to_where_it_is_free(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let log = person.log("", "2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z").await.unwrap();
    let other = person.log("", "2026-06-15T09:00:00Z", "2026-06-15T10:00:00Z").await.unwrap();
    let longer = TimeLog { end_time: Some(at("2026-06-15T09:01:00Z")), ..log.clone() };
    let status = update(&person, longer, &["end_time"]).await.unwrap_err();
    assert_eq!(fact(&status, "time_log_id"), other.id);
    let earlier = TimeLog { start_time: Some(at("2026-06-15T07:00:00Z")), ..log };
    assert_eq!(update(&person, earlier.clone(), &["start_time"]).await.unwrap().start_time, earlier.start_time);
}

#[rstest]
#[tokio::test]
async fn a_running_timer_can_be_ended_and_not_be_made_to_run_again(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Timed").await;
    let running = person.start_timer(&task.id).await.unwrap();
    let ended = TimeLog { end_time: Some(later(5)), ..running.clone() };
    assert_eq!(update(&person, ended, &["end_time"]).await.unwrap().end_time, Some(later(5)));
    assert_eq!(person.get_task(&task.id).await.unwrap().actual_minutes, 5);
    let again = update(&person, TimeLog { end_time: None, ..running }, &["end_time"]).await;
    assert_eq!(wrong_field(again), "time_log.end_time");
}

#[rstest]
#[tokio::test]
async fn logs_are_listed_latest_first_by_interval_and_task(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let task = person.task("Timed").await;
    for hour in 0..6 {
        let task_id = if hour % 2 == 0 { task.id.as_str() } else { "" };
        let (start, end) = (format!("2026-06-14T{hour:02}:00:00Z"), format!("2026-06-14T{:02}:00:00Z", hour + 1));
        person.log(task_id, &start, &end).await.unwrap();
    }
    let hours = |response: &ListTimeLogsResponse| -> Vec<i64> {
        let midnight = at("2026-06-14T00:00:00Z").seconds;
        response.time_logs.iter().map(|log| (log.start_time.unwrap().seconds - midnight) / 3600).collect()
    };
    assert_eq!(hours(&list(&person, ListTimeLogsRequest::default()).await), [5, 4, 3, 2, 1, 0]);

    let within = ListTimeLogsRequest {
        start_time: Some(at("2026-06-14T01:30:00Z")),
        end_time: Some(at("2026-06-14T04:00:00Z")),
        ..ListTimeLogsRequest::default()
    };
    assert_eq!(hours(&list(&person, within).await), [3, 2, 1], "what reaches into it counts, what touches it does not");
    let of_task = ListTimeLogsRequest { task_id: task.id, page_size: 2, ..ListTimeLogsRequest::default() };
    let first = list(&person, of_task.clone()).await;
    let second = list(&person, ListTimeLogsRequest { page_token: first.next_page_token.clone(), ..of_task }).await;
    assert_eq!((hours(&first), hours(&second)), (vec![4, 2], vec![0]));
    assert_eq!(second.next_page_token, "");
}

#[rstest]
#[tokio::test]
async fn a_wrong_log_names_its_field(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    let person = world.person().await;
    let good = TimeLog { start_time: Some(later(-60)), end_time: Some(later(0)), ..TimeLog::default() };
    let cases = [
        (TimeLog { start_time: None, ..good.clone() }, "time_log.start_time"),
        (TimeLog { end_time: None, ..good.clone() }, "time_log.end_time"),
        (TimeLog { end_time: Some(later(-60)), ..good.clone() }, "time_log.end_time"),
        (TimeLog { end_time: Some(later(60 * 24 * 400)), ..good.clone() }, "time_log.end_time"),
        (TimeLog { notes: "x".repeat(5_001), ..good.clone() }, "time_log.notes"),
        (TimeLog { task_id: "task".into(), ..good.clone() }, "time_log.task_id"),
    ];
    let create = async |time_log: Option<TimeLog>, request_id: &str, overlap_policy: i32| {
        let request = CreateTimeLogRequest { time_log, request_id: request_id.into(), overlap_policy };
        person.time_logs().create_time_log(request).await
    };
    for (log, field) in cases {
        assert_eq!(wrong_field(create(Some(log), "", 0).await), field);
    }
    assert_eq!(wrong_field(create(None, "", 0).await), "time_log");
    assert_eq!(wrong_field(create(Some(good.clone()), "x", 0).await), "request_id");
    assert_eq!(wrong_field(create(Some(good), "", 7).await), "overlap_policy");
    assert_eq!(wrong_field(person.start_timer("task").await), "task_id");
}
