//! Calls of all four kinds, with what belongs to them.

use prost::Message as _;
use serde_json::{Value, json};

use super::client::{Socket, begin, begin_proto, reason};
use crate::support::Edge;
use crate::support::messages::{CountRequest, Note};

fn names(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter_map(|frame| frame["message"]["name"].as_str()).collect()
}

#[tokio::test]
async fn a_unary_call_is_one_frame_each_way() {
    let edge = Edge::start().await;
    let mut socket = Socket::signed_in(&edge).await;
    socket.send(begin(1, "EchoService/Echo", json!({"name": "Grüße", "sizeBytes": 7}))).await;
    let answer = socket.receive().await;
    assert_eq!((&answer["message"]["name"], &answer["message"]["sizeBytes"]), (&json!("Grüße"), &json!(7)));
    assert_eq!(answer["end"]["status"]["code"], 0);
    assert!(answer["headers"]["x-request-id"].is_string(), "{answer}");
}

#[tokio::test]
async fn the_same_in_protobuf() {
    let edge = Edge::start().await;
    let mut socket = Socket::binary(&edge).await;
    let note = Note { name: "binary".to_owned(), ..Note::default() };
    socket.send_proto(begin_proto(1, "EchoService/Echo", &note)).await;
    let answer = socket.receive_proto().await;
    assert_eq!(Note::decode(answer.message.unwrap()).unwrap(), note);
    assert_eq!(answer.end.unwrap().status.unwrap().code, 0);

    let request = CountRequest { count: 3, ..CountRequest::default() };
    socket.send_proto(begin_proto(2, "EchoService/Count", &request)).await;
    let mut count = 0;
    let end = loop {
        let frame = socket.receive_proto().await;
        count += u32::from(frame.message.is_some());
        if let Some(end) = frame.end {
            break end;
        }
    };
    assert_eq!((count, end.status.unwrap().code), (3, 0));
}

#[tokio::test]
async fn a_server_stream_ends_with_its_status() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(1, "EchoService/Count", json!({"count": 3, "failAfter": 2}))).await;
    let frames = socket.until_end(1).await;
    assert_eq!(names(&frames), ["1", "2"]);
    let status = &frames.last().unwrap()["end"]["status"];
    assert_eq!((&status["code"], reason(status).as_str()), (&json!(9), "LOST_COUNT"));
}

#[tokio::test]
async fn a_client_stream_is_answered_when_it_ends() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(1, "EchoService/Collect", json!({"name": "a"}))).await;
    socket.send(json!({"callId": 1, "message": {"name": "b"}})).await;
    socket.send(json!({"callId": 1, "message": {"name": "c"}, "end": true})).await;
    let answer = socket.until_end(1).await.pop().unwrap();
    assert_eq!(answer["message"], json!({"count": 3, "last": answer["message"]["last"]}));
    assert_eq!(answer["message"]["last"]["name"], "c");
}

#[tokio::test]
async fn a_stream_in_both_directions_answers_while_it_is_asked() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(json!({"callId": 1, "begin": {"method": "edge.test.v1.EchoService/Converse"}})).await;
    assert!(socket.receive().await["headers"].is_object());
    for name in ["a", "b"] {
        socket.send(json!({"callId": 1, "message": {"name": name}})).await;
        assert_eq!(socket.receive().await["message"]["name"], name);
    }
    socket.send(json!({"callId": 1, "end": true})).await;
    assert_eq!(socket.status(1).await["code"], 0);
}

#[tokio::test]
async fn calls_do_not_wait_for_each_other() {
    let edge = Edge::start().await;
    let mut socket = Socket::signed_in(&edge).await;
    socket.send(begin(1, "EchoService/Hang", json!({}))).await;
    socket.send(begin(2, "EchoService/Echo", json!({"name": "second"}))).await;
    assert_eq!(socket.receive().await["callId"], 2);
}

#[tokio::test]
async fn metadata_reaches_the_service_and_what_is_the_meshs_own_does_not() {
    let edge = Edge::start().await;
    let mut socket = Socket::signed_in(&edge).await;
    let mut frame = begin(1, "EchoService/Metadata", json!({}));
    frame["begin"]["metadata"] =
        json!({"x-tint": "blue", "x-focusflow-user-id": "me", "authorization": "Bearer x", "x-request-id": "mine"});
    socket.send(frame).await;
    let answer = socket.until_end(1).await.pop().unwrap();
    let values = &answer["message"]["values"];
    assert_eq!((&values["x-tint"], &values["x-request-id"]), (&json!("blue"), &json!("mine")));
    assert_ne!(values["x-focusflow-user-id"], "me");
    assert!(values["authorization"].is_null(), "{values}");
    assert_eq!(answer["headers"]["x-request-id"], "mine");
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    let mut frame = begin(1, "EchoService/Hang", json!({}));
    frame["begin"]["timeoutMs"] = json!(50);
    socket.send(frame).await;
    assert_eq!(socket.status(1).await["code"], 4);
}

#[tokio::test]
async fn nothing_follows_a_cancelled_call() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(1, "FeedService/Watch", json!({"count": 0, "goSilent": true}))).await;
    assert_eq!(socket.receive().await["callId"], 1);
    socket.send(json!({"callId": 1, "cancel": true})).await;
    // What is said of a call that is over is no mistake: it may have been on its way.
    socket.send(json!({"callId": 1, "credit": 5})).await;
    socket.send(begin(2, "EchoService/Open", json!({}))).await;
    assert_eq!(socket.receive().await["callId"], 2);
}

#[tokio::test]
async fn a_failure_says_what_a_rest_answer_would_say() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(1, "EchoService/Fail", json!({"code": 3}))).await;
    let over_rest = edge.get("/api/v1/fail/3").await.json();
    assert_eq!(socket.status(1).await, over_rest);
}

#[tokio::test]
async fn a_message_that_does_not_fit_is_refused_with_its_path() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(1, "EchoService/Open", json!({"firstPart": {"lineCount": "many"}}))).await;
    let status = socket.status(1).await;
    let violations = crate::support::client::detail(&status, "BadRequest")["fieldViolations"].clone();
    assert_eq!((&status["code"], &violations[0]["field"]), (&json!(3), &json!("firstPart.lineCount")));

    socket.send(begin(2, "EchoService/Collect", json!({"name": "a"}))).await;
    socket.send(json!({"callId": 2, "message": {"unknown": 1}})).await;
    assert_eq!(socket.status(2).await["code"], 3);
    socket.send(begin(3, "EchoService/Open", Value::Null)).await;
    assert_eq!(socket.status(3).await["code"], 3);
}

#[tokio::test]
async fn what_is_not_exposed_does_not_exist() {
    let edge = Edge::start().await;
    let mut socket = Socket::signed_in(&edge).await;
    for (call_id, method) in [(1, "EchoService/Internal"), (2, "EchoService/Nothing"), (3, "")] {
        socket.send(begin(call_id, method, json!({}))).await;
        let status = socket.status(call_id).await;
        assert_eq!((&status["code"], reason(&status).as_str()), (&json!(12), "UNKNOWN_METHOD"), "{method}");
    }
}

#[tokio::test]
async fn a_service_that_is_down_is_said_to_be() {
    let edge = Edge::start().await;
    let mut socket = Socket::anonymous(&edge).await;
    socket.send(begin(1, "DownService/Reach", json!({}))).await;
    assert_eq!(reason(&socket.status(1).await), "NO_ENDPOINT");
}
