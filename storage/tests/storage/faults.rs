//! Storage is killed again and again while people write: what was acknowledged is there, nothing is half there, and
//! whoever watches sees every change once.
//!
//! `FAULT_KILLS` says how often, on each database; `FAULT_SEED` repeats the choices of a run that failed.

mod audit;
mod writer;

use std::collections::HashSet;
use std::env;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use focusflow_mesh::channel::Channel;
use focusflow_proto::internal::v1::CreateAccountRequest;
use focusflow_proto::internal::v1::credential_service_client::CredentialServiceClient;
use focusflow_proto::v1::{User, WatchRequest};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rstest::rstest;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};
use uuid::Uuid;

use self::audit::Audit;
use self::writer::Writer;
use crate::support::{Backend, Machine, PASSWORD_HASH, Person, Postgres, Process, Sqlite};

const KILLS: u32 = 300;
const KILLS_PER_AUDIT: u32 = 25;
const PEOPLE: u64 = 3;
/// Of each person: they wait for each other's locks, and are killed there too.
const WRITERS: u64 = 2;
/// How many writes a process acknowledges before it is killed.
const ACKNOWLEDGED: Range<u32> = 1..11;
/// How far what is under way gets beyond them: how often the writers have their turn.
const TURNS: Range<u32> = 0..60;

/// What writers, watchers and the one who kills have in common.
struct Ledger {
    /// Leads to the process of the moment.
    process: watch::Receiver<Channel>,
    /// Tasks and time logs whose creation was acknowledged, and whose deletion was not begun.
    created: Mutex<HashSet<Uuid>>,
    /// A permit for each acknowledged write.
    acknowledged: Semaphore,
    is_over: AtomicBool,
}

/// How far the watcher of a person has come.
struct Seen {
    person: Uuid,
    number: watch::Receiver<i64>,
}

/// Says at a failure how to make the same choices again.
struct Seed(u64);

impl Seed {
    fn choose() -> Self {
        Self(env::var("FAULT_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap()))
    }

    fn choices(&self, of: u64) -> StdRng {
        StdRng::seed_from_u64(self.0.wrapping_add(of))
    }
}

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "what a failure has to say")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("FAULT_SEED={} makes the same choices", self.0);
        }
    }
}

#[rstest]
#[tokio::test]
async fn kill_9_loses_nothing_acknowledged_and_leaves_nothing_half_done(#[values(Sqlite, Postgres)] on: Backend) {
    // Writers are tasks of this thread.
    LocalSet::new().run_until(kill_while_people_write(on)).await;
}

async fn kill_while_people_write(on: Backend) {
    let kills = env::var("FAULT_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let seed = Seed::choose();
    let mut choices = seed.choices(0);
    let machine = Machine::new(on).await;
    let audit = Audit::of(machine.database_url());
    let mut process = Process::start(&machine).await;
    let (processes, current) = watch::channel(process.gateway.clone());
    let ledger = Arc::new(Ledger::new(current));
    let (mut writers, mut watchers, mut seen) = (JoinSet::new(), JoinSet::new(), Vec::new());
    for person in 0..PEOPLE {
        let id = account(&process, person).await;
        seen.push(Seen::spawn(&mut watchers, &ledger, id));
        for writer in 0..WRITERS {
            let own_choices = seed.choices(1 + person * WRITERS + writer);
            writers.spawn_local(Writer::new(&ledger, id, writer, own_choices).run());
        }
    }

    for kill in 1..=kills {
        ledger.wait_for_writes(choices.random_range(ACKNOWLEDGED), &mut writers).await;
        for _ in 0..choices.random_range(TURNS) {
            tokio::task::yield_now().await;
        }
        process.kill();
        if kill % KILLS_PER_AUDIT == 0 {
            audit.passes(&ledger.created(), kill).await;
        }
        process = Process::start(&machine).await;
        processes.send_replace(process.gateway.clone());
    }

    ledger.is_over.store(true, Ordering::Relaxed);
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    audit.passes(&ledger.created(), kills).await;
    for Seen { person, mut number } in seen {
        let last = audit.last_number(person).await;
        number.wait_for(|number| *number == last).await.expect("a watcher has failed");
    }
}

async fn account(process: &Process, number: u64) -> Uuid {
    let user = User { email: format!("{number}@example.org"), ..User::default() };
    let request = CreateAccountRequest { user: Some(user), password_hash: PASSWORD_HASH.into(), verification: None };
    let account = CredentialServiceClient::new(process.gateway.clone()).create_account(request).await.unwrap();
    account.into_inner().user.unwrap().id.parse().unwrap()
}

impl Ledger {
    fn new(process: watch::Receiver<Channel>) -> Self {
        Self { process, created: Mutex::default(), acknowledged: Semaphore::new(0), is_over: AtomicBool::new(false) }
    }

    fn created(&self) -> HashSet<Uuid> {
        self.created.lock().unwrap().clone()
    }

    /// Waits for so many acknowledged writes, or for a writer to fail, which fails the test.
    async fn wait_for_writes(&self, count: u32, writers: &mut JoinSet<()>) {
        tokio::select! {
            writes = self.acknowledged.acquire_many(count) => writes.unwrap().forget(),
            ended = writers.join_next() => panic!("a writer has ended: {ended:?}"),
        }
    }
}

impl Seen {
    fn spawn(watchers: &mut JoinSet<()>, ledger: &Arc<Ledger>, person: Uuid) -> Self {
        let (seen, number) = watch::channel(0);
        watchers.spawn(follow(ledger.process.clone(), person, seen));
        Self { person, number }
    }
}

/// Watches a person's changes from the first on, and resumes after the last that it saw wherever a process is killed.
async fn follow(mut process: watch::Receiver<Channel>, person: Uuid, seen: watch::Sender<i64>) {
    loop {
        let person = Person::through(process.borrow_and_update().clone(), person);
        let since = *seen.borrow();
        if let Ok(stream) = person.changes().watch(WatchRequest { since }).await {
            let mut stream = stream.into_inner();
            while let Ok(Some(response)) = stream.message().await {
                let number = response.change.unwrap().number;
                assert_eq!(number, *seen.borrow() + 1, "a change is missed or seen twice");
                seen.send_replace(number);
            }
        }
        if process.changed().await.is_err() {
            return;
        }
    }
}
