//! Limits, and the shutdown.

use std::time::Duration;

use focusflow_mesh::drain::{self, DrainConfig, Outcome};
use focusflow_mesh::health::Health;
use http::StatusCode;
use serde_json::json;

use super::client::{JSON, Socket, begin, open, reason, refusal};
use crate::support::{BODY_BYTES_MAX, Edge};

#[tokio::test]
async fn sockets_are_limited_for_the_process_and_for_a_person() {
    let edge = Edge::start_with(|limits| {
        limits.connections_max = 3;
        limits.connections_per_user_max = 1;
    })
    .await;
    let _first = Socket::signed_in(&edge).await;
    let mut second = Socket::silent(&edge).await;
    second.send(json!({"authenticate": {"token": edge.token()}})).await;
    let close = second.closed().await;
    assert_eq!(u16::from(close.code), 4429);
    assert!(close.reason.starts_with("WEBSOCKET_CONNECTIONS_PER_USER_MAX: "), "{}", close.reason);

    let _others = (Socket::anonymous(&edge).await, open(&edge, &[("sec-websocket-protocol", JSON)]).await);
    assert_eq!(refusal(open(&edge, &[("sec-websocket-protocol", JSON)]).await), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn sockets_are_limited_for_an_address() {
    let edge = Edge::start_with(|limits| limits.connections_per_address_max = 1).await;
    let first = Socket::anonymous(&edge).await;
    assert_eq!(refusal(open(&edge, &[("sec-websocket-protocol", JSON)]).await), StatusCode::TOO_MANY_REQUESTS);
    drop(first);
    let again = async { while open(&edge, &[("sec-websocket-protocol", JSON)]).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(30), again).await.unwrap();
}

#[tokio::test]
async fn calls_of_a_socket_are_limited() {
    let edge = Edge::start_with(|limits| limits.calls_max = 2).await;
    let mut socket = Socket::silent(&edge).await;
    assert_eq!(socket.authenticate("").await["callsMax"], 2);
    for call_id in 1..=3 {
        socket.send(begin(call_id, "EchoService/Hang", json!({}))).await;
    }
    let status = socket.status(3).await;
    assert_eq!((&status["code"], reason(&status).as_str()), (&json!(8), "WEBSOCKET_CALLS_MAX"));
    socket.send(json!({"callId": 1, "cancel": true})).await;
    socket.send(begin(4, "EchoService/Open", json!({}))).await;
    assert_eq!(socket.status(4).await["code"], 0);
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_its_call_only() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(1, "EchoService/Open", json!({"name": "x".repeat(BODY_BYTES_MAX)}))).await;
    let status = socket.status(1).await;
    assert_eq!((&status["code"], reason(&status).as_str()), (&json!(8), "BODY_TOO_LARGE"));
    let name = "y".repeat(BODY_BYTES_MAX - 100);
    socket.send(begin(2, "EchoService/Open", json!({"name": name}))).await;
    assert_eq!(socket.until_end(2).await[0]["message"]["name"], name);
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed() {
    let edge = Edge::start_with(|limits| limits.token_timeout = Duration::from_millis(20)).await;
    let close = Socket::silent(&edge).await.closed().await;
    assert_eq!((u16::from(close.code), close.reason.split(':').next()), (4408, Some("TOKEN_TIMEOUT")));
}

#[tokio::test]
async fn a_shutdown_lets_calls_end_and_then_closes_the_socket() {
    let config = DrainConfig {
        propagation_delay: Duration::ZERO,
        stream_grace: Duration::ZERO,
        deadline: Duration::from_secs(20),
    };
    let (handle, drain) = drain::channel(config, Health::new());
    let edge = Edge::start_until(drain).await;
    let mut idle = Socket::anonymous(&edge).await;
    let mut busy = Socket::anonymous(&edge).await;
    busy.send(begin(1, "EchoService/Collect", json!({"name": "before"}))).await;
    busy.send(begin(2, "FeedService/Watch", json!({"count": 1, "goSilent": true}))).await;
    busy.send(begin(3, "EchoService/Open", json!({}))).await;
    assert_eq!(busy.status(3).await["code"], 0);

    let story = async {
        assert_eq!(u16::from(idle.closed().await.code), 1001);
        // A stream without end is told to begin again elsewhere; a call goes on to its end.
        assert_eq!(reason(&busy.status(2).await), "DRAINING");
        busy.send(begin(4, "EchoService/Open", json!({}))).await;
        assert_eq!(reason(&busy.status(4).await), "DRAINING");
        busy.send(json!({"callId": 1, "message": {"name": "after"}, "end": true})).await;
        assert_eq!(busy.until_end(1).await.pop().unwrap()["message"]["last"]["name"], "after");
        assert_eq!(u16::from(busy.closed().await.code), 1001);
    };
    let (outcome, ()) = tokio::join!(handle.drain(), story);
    assert_eq!(outcome, Outcome::Clean);
}
