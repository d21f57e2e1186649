use focusflow_mesh::drain::Outcome;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Backend, Postgres, Sqlite, World};
use rstest::rstest;

/// Status line and answer of `/health`.
pub(crate) async fn health(world: &World) -> (String, Value) {
    let (status, body) = probe(world, "/health").await;
    (status, serde_json::from_str(&body).unwrap())
}

async fn probe(world: &World, path: &str) -> (String, String) {
    let mut connection = TcpStream::connect(world.admin).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: storage\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[rstest]
#[tokio::test]
async fn health_tells_of_the_database(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    world.person().await;
    // Readiness follows the first check, which has begun.
    while !probe(&world, "/readyz").await.0.contains("200") {
        tokio::task::yield_now().await;
    }
    let (status, body) = probe(&world, "/health").await;
    assert!(status.contains("200"), "{status}");
    let health: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["services"]["database"]["status"], "healthy");
}

#[rstest]
#[tokio::test]
async fn a_shutdown_without_work_is_clean(#[values(Sqlite, Postgres)] on: Backend) {
    let world = World::start(on).await;
    world.person().await;
    assert_eq!(world.stop().await.1, Outcome::Clean);
}
