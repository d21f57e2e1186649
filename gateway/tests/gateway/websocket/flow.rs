//! Flow control: who leaves no room for messages holds up one call, and nothing else.

use serde_json::json;

use super::client::{Socket, begin, reason};
use crate::support::Edge;

#[tokio::test]
async fn a_call_without_credit_stops_and_others_go_on() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(1, "EchoService/Count", json!({"count": 12}))).await;
    assert!(socket.receive().await["headers"].is_object());
    for name in 1..=8 {
        assert_eq!(socket.receive().await["message"]["name"], name.to_string());
    }
    socket.send(begin(2, "EchoService/Open", json!({}))).await;
    assert_eq!(socket.receive().await["callId"], 2, "nothing of call 1 comes without credit");

    socket.send(json!({"callId": 1, "credit": 3})).await;
    for name in 9..=11 {
        assert_eq!(socket.receive().await["message"]["name"], name.to_string());
    }
    socket.send(json!({"callId": 1, "credit": 1})).await;
    assert_eq!(socket.until_end(1).await.len(), 2);
}

#[tokio::test]
async fn credit_can_come_with_the_beginning() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    let mut frame = begin(1, "EchoService/Count", json!({"count": 20}));
    frame["credit"] = json!(12);
    socket.send(frame).await;
    assert_eq!(socket.until_end(1).await.len(), 22);
}

#[tokio::test]
async fn a_client_is_told_of_room_as_its_messages_are_taken() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(1, "EchoService/Collect", json!({}))).await;
    let mut credit = 8 - 1;
    let mut sent = 1;
    while sent < 50 {
        if credit > 0 {
            socket.send(json!({"callId": 1, "message": {}})).await;
            (credit, sent) = (credit - 1, sent + 1);
        } else {
            credit += socket.receive().await["credit"].as_u64().unwrap();
        }
    }
    socket.send(json!({"callId": 1, "end": true})).await;
    assert_eq!(socket.until_end(1).await.pop().unwrap()["message"]["count"], 50);
}

#[tokio::test]
async fn messages_without_credit_end_their_call() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    // The service reads nothing: it answers only what it is told, and nobody takes its answers.
    socket.send(begin(1, "EchoService/Converse", json!({}))).await;
    for _ in 0..200 {
        socket.send(json!({"callId": 1, "message": {"name": "x".repeat(32 * 1024)}})).await;
    }
    let status = socket.status(1).await;
    assert_eq!((&status["code"], reason(&status).as_str()), (&json!(8), "CREDIT_EXCEEDED"));
    socket.send(begin(2, "EchoService/Open", json!({}))).await;
    assert_eq!(socket.status(2).await["code"], 0);
}
