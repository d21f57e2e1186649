//! Many connections.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{assert_others_are_served, connect_from_elsewhere, counted, edge, until_counted};
use crate::support::Edge;
use crate::tls::Authority;

const MANY: usize = 1_000;
const REFUSED: &str = "server_connections_refused_total";

async fn many(edge: &Edge) -> Vec<TcpStream> {
    join_all((0..MANY).map(|_| connect_from_elsewhere(edge))).await
}

/// Waits until the server has closed it.
async fn closed(mut stream: TcpStream) {
    let mut heard = Vec::new();
    let _reset = stream.read_to_end(&mut heard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_stall_keep_nobody_out_and_are_let_go() {
    let authority = Authority::new();
    let edge = authority.edge(|config| config.limits.connections.handshake_timeout = Duration::from_secs(10)).await;
    let before = counted(REFUSED, "timeout");
    let stalled = many(&edge).await;
    assert!(authority.is_served(&edge).await);
    join_all(stalled.into_iter().map(closed)).await;
    until_counted(REFUSED, "timeout", before + MANY as u64 - 1).await;
    assert!(authority.is_served(&edge).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_take_all_connections() {
    const PER_ADDRESS: usize = 100;
    let edge = edge(|limits| {
        limits.max = 2 * PER_ADDRESS;
        limits.per_address_max = PER_ADDRESS;
        // However long it takes to open them all, those that were let in stay.
        limits.handshake_timeout = Duration::from_secs(3600);
    })
    .await;
    let before = counted(REFUSED, "address_limit");
    let mut connections = many(&edge).await;
    until_counted(REFUSED, "address_limit", before + (MANY - PER_ADDRESS) as u64 - 1).await;
    assert_others_are_served(&edge).await;

    // Those within the limit are served, idle as they were.
    let first = &mut connections[0];
    first.write_all(b"GET /api/v1/open/a HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut heard = String::new();
    first.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    join_all(connections.drain(..).skip(PER_ADDRESS).map(closed)).await;
}
