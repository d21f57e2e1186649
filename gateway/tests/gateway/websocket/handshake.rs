//! Opening sockets, and being refused.

use http::{Method, StatusCode};
use serde_json::json;

use super::client::{JSON, PROTO, Socket, begin, open, refusal};
use crate::support::{Edge, ORIGIN};

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let edge = Edge::start().await;
    let protocol = ("sec-websocket-protocol", JSON);
    for origin in ["https://evil.example.org", "null"] {
        assert_eq!(refusal(open(&edge, &[protocol, ("origin", origin)]).await), StatusCode::FORBIDDEN, "{origin}");
    }
    assert!(open(&edge, &[protocol, ("origin", ORIGIN)]).await.is_ok());
    assert!(open(&edge, &[protocol]).await.is_ok());
}

#[tokio::test]
async fn a_client_must_speak_a_known_subprotocol() {
    let edge = Edge::start().await;
    assert_eq!(refusal(open(&edge, &[]).await), StatusCode::BAD_REQUEST);
    assert_eq!(refusal(open(&edge, &[("sec-websocket-protocol", "mqtt")]).await), StatusCode::BAD_REQUEST);
    assert!(open(&edge, &[("sec-websocket-protocol", &format!("mqtt, {PROTO}"))]).await.is_ok());
}

#[tokio::test]
async fn who_asks_over_plain_http_is_told_what_is_here() {
    let edge = Edge::start().await;
    let answer = edge.get("/ws").await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::UPGRADE_REQUIRED, "UPGRADE_REQUIRED"));
    assert_eq!((answer.header("upgrade"), answer.header("sec-websocket-version")), ("websocket", "13"));
    let answer = edge.send(Method::POST, "/ws", &[], "").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET"));
}

#[tokio::test]
async fn the_first_frame_must_say_whose_socket_it_is() {
    let edge = Edge::start().await;
    let mut socket = Socket::silent(&edge).await;
    socket.send(begin(1, "EchoService/Open", json!({}))).await;
    let close = socket.closed().await;
    assert_eq!(u16::from(close.code), 4401);
    assert!(close.reason.starts_with("TOKEN_MISSING: "), "{}", close.reason);
}

#[tokio::test]
async fn a_frame_that_cannot_be_read_closes_the_socket() {
    use tokio_tungstenite::tungstenite::Message;
    let edge = Edge::start().await;
    for (message, code) in [
        (Message::text("hello"), 1007),
        (Message::text(r#"{"callId": 1, "shout": true}"#), 1007),
        (Message::binary(&b"\0"[..]), 1003),
        (Message::text(r#"{"callId": 0, "credit": 1}"#), 1002),
        (Message::text(r#"{"callId": 9, "credit": 1}"#), 1002),
        (Message::text(" ".repeat(256 * 1024)), 1009),
    ] {
        let mut socket = Socket::anonymous(&edge).await;
        socket.send_message(message.clone()).await;
        assert_eq!(u16::from(socket.closed().await.code), code, "{}", message.len());
    }
}

#[tokio::test]
async fn calls_are_numbered_upwards() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(5, "EchoService/Open", json!({}))).await;
    assert_eq!(socket.status(5).await["code"], 0);
    socket.send(begin(5, "EchoService/Open", json!({}))).await;
    assert_eq!(u16::from(socket.closed().await.code), 1002);
}
