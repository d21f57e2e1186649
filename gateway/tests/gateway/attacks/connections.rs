//! Many connections.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{assert_others_are_served, connect_from_elsewhere, counted, edge, until_counted};
use crate::support::Edge;
use crate::tls::Authority;

const MANY: usize = 1_000;
/// With what a client of TLS begins.
const TLS_HANDSHAKE: u8 = 22;
const REFUSED: &str = "server_connections_refused_total";

/// Many connections that have sent one byte: without it, the system may take for open what the edge has never seen.
async fn many(edge: &Edge, first: u8) -> Vec<TcpStream> {
    let connect = async || {
        let mut stream = connect_from_elsewhere(edge).await;
        let _refused = stream.write_all(&[first]).await;
        stream
    };
    join_all((0..MANY).map(|_| connect())).await
}

/// Waits until the server has closed it.
async fn closed(mut stream: impl AsyncRead + Unpin) {
    let mut heard = Vec::new();
    let _reset = stream.read_to_end(&mut heard).await;
}

async fn is_served(mut stream: TcpStream) -> bool {
    let _refused = stream.write_all(b"GET /api/v1/open/a HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n").await;
    let mut heard = Vec::new();
    let _reset = stream.read_to_end(&mut heard).await;
    heard.starts_with(b"HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_stall_keep_nobody_out_and_are_let_go() {
    let authority = Authority::new();
    let edge = authority.edge(|config| config.limits.connections.handshake_timeout = Duration::from_secs(10)).await;
    let before = counted(REFUSED, "timeout");
    let stalled = many(&edge, TLS_HANDSHAKE).await;
    assert!(authority.is_served(&edge).await);
    join_all(stalled.into_iter().map(closed)).await;
    until_counted(REFUSED, "timeout", before + MANY as u64 - 1).await;
    assert!(authority.is_served(&edge).await);
}

#[tokio::test]
async fn who_speaks_tls_and_then_says_nothing_is_let_go() {
    let authority = Authority::new();
    let edge = authority
        .edge(|config| {
            config.limits.connections.handshake_timeout = Duration::from_secs(3);
            config.limits.connections.headers_timeout = Duration::from_secs(3);
        })
        .await;
    for protocol in ["h2", "http/1.1"] {
        closed(authority.connect(&edge, protocol).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_take_all_connections() {
    const PER_ADDRESS: usize = 100;
    let edge = edge(|limits| {
        limits.max = 2 * PER_ADDRESS;
        limits.per_address_max = PER_ADDRESS;
        // However long it takes to open them all, those that were let in stay.
        limits.headers_timeout = Duration::from_hours(1);
    })
    .await;
    let before = counted(REFUSED, "address_limit");
    let connections = many(&edge, b'G').await;
    until_counted(REFUSED, "address_limit", before + (MANY - PER_ADDRESS) as u64 - 1).await;
    assert_others_are_served(&edge).await;

    // The address has its places back as it gives them up.
    drop(connections);
    while !is_served(connect_from_elsewhere(&edge).await).await {
        tokio::task::yield_now().await;
    }
}
