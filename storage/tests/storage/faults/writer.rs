//! One device of a person's: it writes until it is told to stop, and knows what must be there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use focusflow_mesh::channel::Channel;
use focusflow_proto::v1;
use prost_types::Timestamp;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::sync::watch;
use tonic::{Code, Response, Status};
use uuid::Uuid;

use super::Ledger;
use crate::support::{Person, refusal, update_mask};

const HOUR_SECONDS: i64 = 3600;
/// Before which timers, which run now, cannot reach.
const FIRST_LOG_SECONDS: i64 = 1_600_000_000;
/// Room for the logs of one writer.
const HOURS_PER_WRITER: i64 = 20_000;
/// Of how many of the last tasks one is looked at after a kill.
const LOOKED_AT: usize = 3;
const TAGS: [&str; 4] = ["deep", "errand", "phone", "writing"];

/// One device of a person's, alone with the tasks that it has created.
pub(super) struct Writer {
    ledger: Arc<Ledger>,
    process: watch::Receiver<Channel>,
    person: Uuid,
    /// The first device of a person's uses the timer: there is one only.
    has_timer: bool,
    next_log_seconds: i64,
    choices: StdRng,
    tasks: Vec<Known>,
    logs: Vec<Uuid>,
}

/// A task, as the last acknowledged write left it.
struct Known {
    task: v1::Task,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// It is as it is known.
    Settled,
    /// It is in the trash.
    Deleted,
    /// A write was given up after its process was killed: it happened as a whole or not at all.
    InDoubt,
}

impl Writer {
    pub(super) fn new(ledger: &Arc<Ledger>, person: Uuid, number: u64, choices: StdRng) -> Self {
        let first_hour = i64::try_from(number).unwrap() * HOURS_PER_WRITER;
        Self {
            process: ledger.process.clone(),
            ledger: Arc::clone(ledger),
            person,
            has_timer: number == 0,
            next_log_seconds: FIRST_LOG_SECONDS + first_hour * HOUR_SECONDS,
            choices,
            tasks: Vec::new(),
            logs: Vec::new(),
        }
    }

    /// Writes until all is over, then looks at everything once more.
    pub(super) async fn run(mut self) {
        while !self.ledger.is_over.load(Ordering::Relaxed) {
            self.write().await;
            self.ledger.acknowledged.add_permits(1);
        }
        for index in 0..self.tasks.len() {
            self.settle(index).await;
            self.is_as_known(index).await;
        }
    }

    async fn write(&mut self) {
        let Some(index) = (0..self.tasks.len()).collect::<Vec<_>>().choose(&mut self.choices).copied() else {
            return self.create().await;
        };
        if self.tasks[index].state != State::Settled {
            return self.settle(index).await;
        }
        match self.choices.random_range(0..12) {
            0..=2 => self.create().await,
            3..=4 => self.update(index).await,
            5 => self.complete(index).await,
            6..=7 => self.log(index).await,
            8 => self.delete_log().await,
            9..=10 if self.has_timer => self.time(index).await,
            _ => self.delete(index).await,
        }
    }

    async fn create(&mut self) {
        let request_id = Uuid::from_u128(self.choices.random()).to_string();
        let task = v1::Task {
            title: "New".into(),
            // Which the audit counts.
            description: request_id.clone(),
            tags: self.some_tags(),
            ..v1::Task::default()
        };
        let request = v1::CreateTaskRequest { task: Some(task), request_id };
        let made = self.perhaps(async |person| person.tasks().create_task(request.clone()).await).await;
        if let Some(task) = made {
            let task = task.unwrap();
            self.ledger.created.lock().unwrap().insert(task.id.parse().unwrap());
            self.tasks.push(Known { task, state: State::Settled });
        }
    }

    async fn update(&mut self, index: usize) {
        let id = self.in_doubt(index);
        let title = format!("Title {}", self.choices.random::<u16>());
        let task = v1::Task { id, title, tags: self.some_tags(), ..v1::Task::default() };
        let request = v1::UpdateTaskRequest { task: Some(task), update_mask: update_mask(&["title", "tags"]) };
        let written = self.perhaps(async |person| person.tasks().update_task(request.clone()).await).await;
        self.wrote(index, written);
    }

    async fn complete(&mut self, index: usize) {
        let request = v1::CompleteTaskRequest { id: self.in_doubt(index), ..Default::default() };
        let written = self.perhaps(async |person| person.tasks().complete_task(request.clone()).await).await;
        self.wrote(index, written);
    }

    async fn delete(&mut self, index: usize) {
        let request = v1::DeleteTaskRequest { id: self.in_doubt(index), ..Default::default() };
        let deleted = self.perhaps(async |person| person.tasks().delete_task(request.clone()).await).await;
        if let Some(deleted) = deleted {
            assert!(is_done_or_gone(deleted));
            self.tasks[index].state = State::Deleted;
        }
    }

    /// Takes a task back from the trash, or only asks for it: both answer how it is.
    async fn settle(&mut self, index: usize) {
        let request = v1::UndeleteTaskRequest { id: self.tasks[index].task.id.clone(), ..Default::default() };
        let task = self.insist(async |person| person.tasks().undelete_task(request.clone()).await).await.unwrap();
        self.tasks[index] = Known { task, state: State::Settled };
    }

    async fn log(&mut self, index: usize) {
        let (start, length) = (self.next_log_seconds, self.choices.random_range(60..HOUR_SECONDS));
        self.next_log_seconds += HOUR_SECONDS;
        let request_id = Uuid::from_u128(self.choices.random()).to_string();
        let time_log = v1::TimeLog {
            task_id: self.in_doubt(index),
            start_time: Some(Timestamp { seconds: start, nanos: 0 }),
            end_time: Some(Timestamp { seconds: start + length, nanos: 0 }),
            notes: request_id.clone(),
            ..v1::TimeLog::default()
        };
        let request = v1::CreateTimeLogRequest { time_log: Some(time_log), request_id, overlap_policy: 0 };
        let made = self.perhaps(async |person| person.time_logs().create_time_log(request.clone()).await).await;
        if let Some(log) = made {
            let id = log.unwrap().id.parse().unwrap();
            self.ledger.created.lock().unwrap().insert(id);
            self.logs.push(id);
            self.read(index).await;
        }
    }

    async fn delete_log(&mut self) {
        let Some(id) = self.logs.pop() else { return };
        // From now on it may be gone.
        self.ledger.created.lock().unwrap().remove(&id);
        let log = v1::GetTimeLogRequest { id: id.to_string() };
        let log = self.insist(async |person| person.time_logs().get_time_log(log.clone()).await).await.unwrap();
        let request = v1::DeleteTimeLogRequest { id: id.to_string() };
        let deleted = self.insist(async |person| person.time_logs().delete_time_log(request.clone()).await).await;
        assert!(is_done_or_gone(deleted));
        if let Some(known) = self.tasks.iter_mut().find(|known| known.task.id == log.task_id) {
            known.state = State::InDoubt;
        }
    }

    /// Starts the timer and stops it, or completes its task, which stops it too.
    async fn time(&mut self, index: usize) {
        let task_id = self.tasks[index].task.id.clone();
        let request_id = Uuid::from_u128(self.choices.random()).to_string();
        let start = v1::StartTimeLogRequest { task_id, notes: request_id.clone(), request_id, ..Default::default() };
        let log = self.insist(async |person| person.time_logs().start_time_log(start.clone()).await).await.unwrap();
        self.ledger.created.lock().unwrap().insert(log.id.parse().unwrap());
        if self.choices.random() {
            self.complete(index).await;
        }
        let stop = v1::StopTimeLogRequest { id: log.id, ..Default::default() };
        let stopped = self.insist(async |person| person.time_logs().stop_time_log(stop.clone()).await).await;
        assert!(stopped.is_ok() || refusal(stopped).1 == "TIMER_NOT_RUNNING");
        self.read(index).await;
    }

    fn some_tags(&mut self) -> Vec<String> {
        let count = self.choices.random_range(0..TAGS.len());
        TAGS.choose_multiple(&mut self.choices, count).map(ToString::to_string).collect()
    }

    /// Takes a task as it is.
    async fn read(&mut self, index: usize) {
        let request = v1::GetTaskRequest { id: self.tasks[index].task.id.clone() };
        let task = self.insist(async |person| person.tasks().get_task(request.clone()).await).await.unwrap();
        self.tasks[index] = Known { task, state: State::Settled };
    }

    /// The task, on which a write is about to be under way.
    fn in_doubt(&mut self, index: usize) -> String {
        self.tasks[index].state = State::InDoubt;
        self.tasks[index].task.id.clone()
    }

    /// The write came to its end, or was given up.
    fn wrote(&mut self, index: usize, written: Option<Result<v1::Task, Status>>) {
        if let Some(task) = written {
            self.tasks[index] = Known { task: task.unwrap(), state: State::Settled };
        }
    }

    /// Sends a request until it is answered.
    async fn insist<T>(&mut self, request: impl AsyncFn(Person) -> Result<Response<T>, Status>) -> Result<T, Status> {
        loop {
            match request(self.somebody()).await {
                Err(status) if is_lost(&status) => self.next_process(status).await,
                result => return result.map(Response::into_inner),
            }
        }
    }

    /// Sends a request. If its process is killed, looks whether what had been acknowledged is still there, and sends
    /// the request again until it is answered, or gives it up.
    async fn perhaps<T>(
        &mut self,
        request: impl AsyncFn(Person) -> Result<Response<T>, Status>,
    ) -> Option<Result<T, Status>> {
        match request(self.somebody()).await {
            Err(status) if is_lost(&status) => self.next_process(status).await,
            result => return Some(result.map(Response::into_inner)),
        }
        self.nothing_is_lost().await;
        if self.choices.random() { Some(self.insist(request).await) } else { None }
    }

    /// Looks at one of the tasks on which nothing is under way.
    async fn nothing_is_lost(&mut self) {
        let settled: Vec<_> =
            (0..self.tasks.len()).filter(|index| self.tasks[*index].state == State::Settled).collect();
        // The last ones are what may not have been written down yet.
        let last = settled.get(settled.len().saturating_sub(LOOKED_AT)..).unwrap_or_default();
        if let Some(index) = last.choose(&mut self.choices).copied() {
            self.is_as_known(index).await;
        }
    }

    async fn is_as_known(&mut self, index: usize) {
        let known = self.tasks[index].task.clone();
        self.read(index).await;
        assert_eq!(self.tasks[index].task, known, "what was acknowledged is different now");
    }

    fn somebody(&mut self) -> Person {
        Person::through(self.process.borrow_and_update().clone(), self.person)
    }

    /// Waits for the process after the one that did not answer; a process that only had no time is asked again.
    async fn next_process(&mut self, status: Status) {
        let (code, reason) = refusal(Err::<(), _>(status));
        if code == Code::Unavailable && ["NO_ENDPOINT", "CONNECTION_LOST"].contains(&reason.as_str()) {
            self.process.changed().await.expect("there is no further process");
        }
    }
}

/// Whether nobody knows if the request was done.
fn is_lost(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
}

/// What was deleted the first time is not there to be deleted the second.
fn is_done_or_gone(deleted: Result<(), Status>) -> bool {
    deleted.is_ok() || refusal(deleted).0 == Code::NotFound
}
