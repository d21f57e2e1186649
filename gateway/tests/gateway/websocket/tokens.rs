//! Tokens: in the first frame, renewed by a later one, and what happens when they expire.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::client::{Socket, begin, reason};
use crate::support::Edge;

#[tokio::test]
async fn a_bad_token_is_refused_with_a_reason() {
    let edge = Edge::start().await;
    let mut socket = Socket::silent(&edge).await;
    socket.send(json!({"authenticate": {"token": "nonsense"}})).await;
    let frame = socket.receive().await;
    assert_eq!((&frame["callId"], &frame["end"]["status"]["code"]), (&json!(0), &json!(16)));
    let close = socket.closed().await;
    assert_eq!((u16::from(close.code), close.reason.split(':').next()), (4401, Some("TOKEN_INVALID")));
}

#[tokio::test]
async fn a_socket_of_nobody_is_asked_for_a_token_where_one_is_needed() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(1, "EchoService/Open", json!({}))).await;
    assert_eq!(socket.status(1).await["code"], 0);
    socket.send(begin(2, "EchoService/Echo", json!({}))).await;
    let status = socket.status(2).await;
    assert_eq!((&status["code"], reason(&status).as_str()), (&json!(16), "TOKEN_MISSING"));

    let seconds = socket.authenticate(&edge.token()).await["tokenSeconds"].as_u64().unwrap();
    // Tokens know whole seconds only.
    assert!((898..=900).contains(&seconds), "{seconds}");
    socket.send(begin(3, "EchoService/Echo", json!({}))).await;
    assert_eq!(socket.status(3).await["code"], 0);
}

#[tokio::test]
async fn a_token_that_expires_ends_the_calls_that_need_it() {
    let edge = Edge::start().await;
    let mut socket = Socket::silent(&edge).await;
    socket.authenticate(&edge.token_that_lasts(Duration::from_secs(1))).await;
    socket.send(json!({"callId": 1, "begin": {"method": "edge.test.v1.EchoService/Gather"}})).await;
    socket.send(begin(2, "FeedService/Watch", json!({"count": 1, "goSilent": true}))).await;
    let status = socket.status(1).await;
    assert_eq!((&status["code"], reason(&status).as_str()), (&json!(16), "TOKEN_EXPIRED"));

    edge.let_tokens_expire();
    socket.send(begin(3, "EchoService/Echo", json!({}))).await;
    assert_eq!(reason(&socket.status(3).await), "TOKEN_EXPIRED");
    socket.send(begin(4, "EchoService/Open", json!({}))).await;
    assert_eq!(socket.status(4).await["code"], 0);
}

#[tokio::test]
async fn a_renewed_token_keeps_calls_going() {
    let edge = Edge::start().await;
    let mut socket = Socket::silent(&edge).await;
    let short = Duration::from_secs(10);
    socket.authenticate(&edge.token_that_lasts(short)).await;
    socket.send(json!({"callId": 1, "begin": {"method": "edge.test.v1.EchoService/Gather"}})).await;
    socket.authenticate(&edge.token()).await;
    let_time_pass(short + Duration::from_secs(1)).await;
    socket.send(begin(2, "EchoService/Echo", json!({}))).await;
    assert_eq!(socket.status(2).await["code"], 0);
    socket.send(json!({"callId": 1, "message": {"name": "late"}, "end": true})).await;
    assert_eq!(socket.until_end(1).await.pop().unwrap()["message"]["count"], 1);
}

#[tokio::test]
async fn a_renewal_that_is_refused_leaves_the_token_that_is_there() {
    let edge = Edge::start().await;
    let mut socket = Socket::signed_in(&edge).await;
    for (token, expected) in
        [("nonsense".to_owned(), "TOKEN_INVALID"), (edge.token_of(Uuid::now_v7()), "TOKEN_OF_ANOTHER")]
    {
        socket.send(json!({"authenticate": {"token": token}})).await;
        let refused = socket.receive().await;
        assert_eq!((&refused["callId"], reason(&refused["end"]["status"]).as_str()), (&json!(0), expected));
    }
    socket.send(begin(1, "EchoService/Echo", json!({}))).await;
    assert_eq!(socket.status(1).await["code"], 0);
}

/// For the edge, too: it runs on the test's own runtime.
async fn let_time_pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
