//! Clients that mean harm: each is cut or held within limits, and others are served meanwhile.

mod connections;
mod frames;
mod http1;
mod http2;
mod smuggling;
mod stalled;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use focusflow_gateway::config::{Config, ConnectionLimits};
use http::StatusCode;
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Edge, contract, upstream};

/// An edge whose limits on connections are as `change` leaves them.
async fn edge(change: impl FnOnce(&mut ConnectionLimits)) -> Edge {
    let mut config: Config = Edge::config(contract(), upstream::start().await).await;
    change(&mut config.limits.connections);
    Edge::run(config).await
}

async fn connect(edge: &Edge) -> TcpStream {
    TcpStream::connect(edge.address).await.unwrap()
}

/// A connection from another address of this machine than that of everybody else.
async fn connect_from_elsewhere(edge: &Edge) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), 0)).unwrap();
    socket.connect(edge.address).await.unwrap()
}

/// A connection that has room for little of what it is sent, so that it stands still soon when nobody reads it.
async fn connect_with_little_room(edge: &Edge) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(edge.address).await.unwrap()
}

/// Somebody else, who means no harm.
async fn assert_others_are_served(edge: &Edge) {
    assert_eq!(edge.get("/api/v1/open/a").await.status, StatusCode::OK);
}

/// What the operator sees: how often connections were cut, or refused, for a reason.
fn counted(metric: &str, reason: &str) -> u64 {
    let line = format!("{metric}{{reason=\"{reason}\"}} ");
    let metrics = focusflow_mesh::telemetry::prometheus().unwrap().render();
    metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or_default()
}

/// Waits until more were counted than `before`.
async fn until_counted(metric: &str, reason: &str, before: u64) {
    let counting = async {
        while counted(metric, reason) <= before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), counting).await.expect("the operator sees it");
}
