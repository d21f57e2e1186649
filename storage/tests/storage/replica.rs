//! `DATABASE_REPLICA_URL`: a real streaming replica takes what may take long, and nobody notices when it is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use focusflow_proto::v1::SummarizeTimeLogsRequest;
use sqlx::{Executor as _, PgConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::cluster::Cluster;
use crate::support::{Machine, Person, TestDatabase, World};

struct Replicated {
    primary: Cluster,
    replica: Cluster,
    world: World,
}

impl Replicated {
    async fn start() -> Self {
        let primary = Cluster::start().await;
        let replica = primary.follow().await;
        let database = TestDatabase { replica_url: Some(replica.url.clone()), ..TestDatabase::at(primary.url.clone()) };
        let world = World::start_on(Arc::new(Machine::with(database))).await;
        Self { primary, replica, world }
    }

    /// Waits until the replica has everything.
    async fn caught_up(&self) {
        let mut primary = self.primary.connect("postgres", "postgres").await;
        let mut replica = self.replica.connect("postgres", "postgres").await;
        let written: String =
            sqlx::query_scalar("SELECT pg_current_wal_lsn()::text").fetch_one(&mut primary).await.unwrap();
        loop {
            let is_there = sqlx::query_scalar("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn").bind(&written);
            if is_there.fetch_one(&mut replica).await.unwrap() {
                return;
            }
        }
    }

    /// How many summaries the replica has read since it was started.
    async fn reads(&self) -> i64 {
        let mut replica = self.replica.connect("postgres", "postgres").await;
        let calls = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
                     WHERE query LIKE '%FROM time_logs%' AND query NOT LIKE '%pg_stat_statements%'";
        sqlx::query_scalar(calls).fetch_one(&mut replica).await.unwrap()
    }

    async fn health(&self) -> serde_json::Value {
        let mut connection = tokio::net::TcpStream::connect(self.world.admin).await.unwrap();
        connection.write_all(b"GET /health HTTP/1.1\r\nhost: storage\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).await.unwrap();
        serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    async fn wait_for_health(&self, status: &str) {
        while self.health().await["services"]["database_replica"]["status"] != status {
            tokio::task::yield_now().await;
        }
    }
}

async fn minutes(person: &Person) -> f64 {
    let request = SummarizeTimeLogsRequest::default();
    let totals = person.time_logs().summarize_time_logs(request).await.unwrap().into_inner().totals;
    totals.iter().map(|total| total.minutes).sum()
}

async fn log(person: &Person, hour: u32) {
    let task = person.task("Mine").await;
    person
        .log(&task.id, &format!("2026-06-15T{hour:02}:00:00Z"), &format!("2026-06-15T{hour:02}:30:00Z"))
        .await
        .unwrap();
}

async fn set_replay(replica: &mut PgConnection, paused: bool) {
    let (function, state) = if paused {
        ("SELECT pg_wal_replay_pause()", "paused")
    } else {
        ("SELECT pg_wal_replay_resume()", "not paused")
    };
    replica.execute(function).await.unwrap();
    loop {
        let now: String =
            sqlx::query_scalar("SELECT pg_get_wal_replay_pause_state()").fetch_one(&mut *replica).await.unwrap();
        if now == state {
            return;
        }
    }
}

#[tokio::test]
async fn summaries_are_read_from_the_replica_and_hold_what_the_person_has_just_written() {
    let mesh = Replicated::start().await;
    let (person, other) = (mesh.world.person().await, mesh.world.person().await);
    log(&person, 6).await;
    log(&other, 6).await;
    mesh.caught_up().await;
    assert!((minutes(&person).await - 30.0).abs() < 1e-6);
    let before = mesh.reads().await;
    assert!(before > 0, "the replica was asked");

    let mut replica = mesh.replica.connect("postgres", "postgres").await;
    set_replay(&mut replica, true).await;
    log(&person, 7).await;
    assert!((minutes(&person).await - 60.0).abs() < 1e-6, "read your own writes");
    assert_eq!(mesh.reads().await, before, "a replica that lags behind the person is not asked");
    assert!((minutes(&other).await - 30.0).abs() < 1e-6);
    assert!(mesh.reads().await > before, "others, who have not written, are answered by it");

    let newcomer = mesh.world.person().await;
    assert!(minutes(&newcomer).await.abs() < 1e-6, "the replica does not know them yet");
    set_replay(&mut replica, false).await;
    mesh.caught_up().await;
    let before = mesh.reads().await;
    assert!((minutes(&person).await - 60.0).abs() < 1e-6);
    assert!(mesh.reads().await > before);
}

#[tokio::test]
async fn nothing_fails_while_the_replica_stops_crashes_and_comes_back() {
    let mesh = Replicated::start().await;
    let person = mesh.world.person().await;
    log(&person, 6).await;
    mesh.caught_up().await;
    let (is_over, summaries) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (person, is_over, summaries) = (person.clone(), Arc::clone(&is_over), Arc::clone(&summaries));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    assert!((minutes(&person).await - 30.0).abs() < 1e-6);
                    summaries.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let a_few_more = async || {
        let until = summaries.load(Ordering::Relaxed) + 20;
        while summaries.load(Ordering::Relaxed) < until && !readers.iter().any(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    };
    for mode in ["fast", "immediate"] {
        a_few_more().await;
        mesh.replica.stop(mode).await;
        a_few_more().await;
        mesh.replica.restart(mode).await;
        let before = mesh.reads().await;
        while mesh.reads().await == before && !readers.iter().any(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }

    mesh.replica.stop("fast").await;
    mesh.wait_for_health("unhealthy").await;
    assert_eq!(mesh.health().await["status"], "degraded", "the service works without it");
    mesh.replica.restart("fast").await;
    mesh.wait_for_health("healthy").await;
}
