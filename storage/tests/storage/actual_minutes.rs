//! Whatever happens to logs, a task's actual minutes are the sum of them.

use std::collections::HashMap;

use chrono::TimeDelta;
use focusflow_proto::v1::{
    CompleteTaskRequest, DeleteTimeLogRequest, ListTasksRequest, ListTimeLogsRequest, OverlapPolicy,
    StartTimeLogRequest, StopTimeLogRequest, TimeLog, UpdateTimeLogRequest,
};
use prost_types::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::{Backend, Person, Postgres, Sqlite, World, later, update_mask};

const PEOPLE: u64 = 4;
const STEPS: usize = 40;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A person who does things to their logs at random.
struct Fidget<'a> {
    world: &'a World,
    person: Person,
    tasks: Vec<String>,
    /// Minutes since the beginning.
    now: i64,
    random: StdRng,
}

impl Fidget<'_> {
    fn task(&mut self) -> String {
        let none = String::new();
        self.tasks.choose(&mut self.random).filter(|_| self.random.random_ratio(4, 5)).unwrap_or(&none).clone()
    }

    /// Within the last days, and sometimes a little ahead.
    fn interval(&mut self) -> (Timestamp, Timestamp) {
        let start = self.now - self.random.random_range(-60..3_000);
        (later(start), later(start + self.random.random_range(1..180)))
    }

    fn policy(&mut self) -> i32 {
        if self.random.random() { OverlapPolicy::Trim.into() } else { OverlapPolicy::Refuse.into() }
    }

    async fn logs(&self) -> Vec<TimeLog> {
        let request = ListTimeLogsRequest { page_size: 1000, ..ListTimeLogsRequest::default() };
        self.person.time_logs().list_time_logs(request).await.unwrap().into_inner().time_logs
    }

    async fn step(&mut self) {
        let done = match self.random.random_range(0..8) {
            0 | 1 => self.enter().await,
            2 => self.start().await,
            3 => self.stop().await,
            4 | 5 => self.change().await,
            6 => self.delete().await,
            _ => self.complete().await,
        };
        if let Err(status) = done {
            let is_refusal = matches!(status.code(), Code::FailedPrecondition | Code::InvalidArgument);
            assert!(is_refusal, "{status}");
        }
        let minutes = self.random.random_range(0..200);
        self.world.clock.advance(TimeDelta::minutes(minutes));
        self.now += minutes;
    }

    async fn enter(&mut self) -> Result<(), Status> {
        let (start, end) = self.interval();
        let time_log =
            TimeLog { task_id: self.task(), start_time: Some(start), end_time: Some(end), ..TimeLog::default() };
        let request = focusflow_proto::v1::CreateTimeLogRequest {
            time_log: Some(time_log),
            request_id: String::new(),
            overlap_policy: self.policy(),
        };
        self.person.time_logs().create_time_log(request).await.map(drop)
    }

    async fn start(&mut self) -> Result<(), Status> {
        let request = StartTimeLogRequest {
            task_id: self.task(),
            stop_running: self.random.random(),
            ..StartTimeLogRequest::default()
        };
        self.person.time_logs().start_time_log(request).await.map(drop)
    }

    async fn stop(&mut self) -> Result<(), Status> {
        let end = later(self.now - self.random.random_range(0..60));
        let request = StopTimeLogRequest { id: String::new(), end_time: self.random.random::<bool>().then_some(end) };
        self.person.time_logs().stop_time_log(request).await.map(drop)
    }

    async fn change(&mut self) -> Result<(), Status> {
        let logs = self.logs().await;
        let Some(log) = logs.choose(&mut self.random).cloned() else { return Ok(()) };
        let (start, end) = self.interval();
        let changed =
            TimeLog { task_id: self.task(), start_time: Some(start), end_time: Some(end), forgotten: false, ..log };
        let masks: [&[&str]; 4] = [&["task_id"], &["start_time", "end_time"], &["end_time"], &["forgotten"]];
        let request = UpdateTimeLogRequest {
            time_log: Some(changed),
            update_mask: update_mask(masks.choose(&mut self.random).copied().unwrap_or_default()),
            overlap_policy: self.policy(),
        };
        self.person.time_logs().update_time_log(request).await.map(drop)
    }

    async fn delete(&mut self) -> Result<(), Status> {
        let logs = self.logs().await;
        let Some(log) = logs.choose(&mut self.random) else { return Ok(()) };
        self.person.time_logs().delete_time_log(DeleteTimeLogRequest { id: log.id.clone() }).await.map(drop)
    }

    async fn complete(&mut self) -> Result<(), Status> {
        let Some(id) = self.tasks.choose(&mut self.random).cloned() else { return Ok(()) };
        self.person.tasks().complete_task(CompleteTaskRequest { id, etag: String::new() }).await.map(drop)
    }

    async fn check(&self) {
        let logs = self.logs().await;
        assert!(logs.iter().filter(|log| log.end_time.is_none()).count() <= 1, "one timer runs");
        assert_apart(&logs);

        let mut nanos: HashMap<&str, i64> = HashMap::new();
        for log in logs.iter().filter(|log| !log.forgotten) {
            *nanos.entry(&log.task_id).or_default() += log.end_time.map_or(0, |end| since(log.start_time, Some(end)));
        }
        for task in self.person.list_tasks(ListTasksRequest::default()).await.unwrap().tasks {
            let minute = 60 * NANOS_PER_SECOND;
            let minutes = (nanos.get(task.id.as_str()).copied().unwrap_or_default() + minute / 2) / minute;
            assert_eq!(i64::from(task.actual_minutes), minutes, "{}", task.title);
        }
    }
}

fn since(start: Option<Timestamp>, end: Option<Timestamp>) -> i64 {
    let (start, end) = (start.unwrap(), end.unwrap());
    (end.seconds - start.seconds) * NANOS_PER_SECOND + i64::from(end.nanos - start.nanos)
}

/// No two logs overlap; they are listed latest first.
#[track_caller]
fn assert_apart(logs: &[TimeLog]) {
    let finished: Vec<_> = logs.iter().filter(|log| log.end_time.is_some() && log.end_time != log.start_time).collect();
    for pair in finished.windows(2) {
        assert!(since(pair[1].end_time, pair[0].start_time) >= 0, "{pair:?}");
    }
}

#[rstest]
#[tokio::test]
async fn actual_minutes_are_always_the_sum_of_the_logs(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    // The world has one clock, so people come one after the other, each with a beginning of their own.
    let mut now = 0;
    for seed in 0..PEOPLE {
        let person = world.person().await;
        let mut tasks = Vec::new();
        for title in ["One", "Two", "Three"] {
            tasks.push(person.task(title).await.id);
        }
        let mut fidget = Fidget { world: &world, person, tasks, now, random: StdRng::seed_from_u64(seed) };
        for _ in 0..STEPS {
            fidget.step().await;
            fidget.check().await;
        }
        now = fidget.now;
    }
}
