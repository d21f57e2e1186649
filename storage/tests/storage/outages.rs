//! The database away for a moment: requests are told to come back, and nothing has to be restarted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::cluster::Cluster;
use crate::support::{Machine, Person, TestDatabase, World, titled};

async fn write_and_read(person: &Person) -> Result<(), Status> {
    let task = person.create_task(titled("Through it all")).await?;
    person.get_task(&task.id).await.map(drop)
}

#[tokio::test]
async fn while_postgres_restarts_requests_are_told_to_come_back_and_afterwards_all_succeed() {
    let cluster = Cluster::start().await;
    let world = World::start_on(Arc::new(Machine::with(TestDatabase::at(cluster.url.clone())))).await;
    let person = world.person().await;
    for mode in ["fast", "immediate"] {
        let is_over = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (person, is_over) = (person.clone(), Arc::clone(&is_over));
                tokio::spawn(async move {
                    let mut refusals = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        refusals.extend(write_and_read(&person).await.err());
                    }
                    refusals
                })
            })
            .collect();
        write_and_read(&person).await.unwrap();
        cluster.restart(mode).await;
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            for status in client.await.unwrap() {
                assert_eq!(status.code(), Code::Unavailable, "{mode}: {status}");
                let is_ours = status.get_details_error_info().is_some_and(|info| info.reason == "DATABASE_UNAVAILABLE");
                assert!(!is_ours || status.get_details_retry_info().is_some(), "{status:?}");
            }
        }
        for _ in 0..40 {
            write_and_read(&person).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_operator_who_ends_the_services_connections_is_not_noticed() {
    let cluster = Cluster::start().await;
    let world = World::start_on(Arc::new(Machine::with(TestDatabase::at(cluster.url.clone())))).await;
    let person = world.person().await;
    write_and_read(&person).await.unwrap();
    let mut owner = cluster.connect("postgres", "postgres").await;
    let ended: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'focusflow-storage'",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert!(ended > 0);
    // A write begins on a connection that is there.
    person.create_task(titled("As if nothing were")).await.unwrap();
}
