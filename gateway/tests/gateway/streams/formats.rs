//! The formats of a server stream, and how it fails.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{lines, names};
use crate::support::client::detail;
use crate::support::{Edge, contract, upstream};

#[tokio::test]
async fn a_server_stream_is_one_json_value_per_line() {
    let answer = Edge::start().await.get("/api/v1/count/3").await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!(names(&lines(&answer)), ["1", "2", "3"]);
}

#[tokio::test]
async fn a_server_stream_is_what_the_client_accepts() {
    let edge = Edge::start().await;
    let array = edge.send(Method::GET, "/api/v1/count/2", &[("accept", "application/json")], "").await;
    assert_eq!(names(array.json().as_array().unwrap()), ["1", "2"]);
    let events = edge.send(Method::GET, "/api/v1/count/2", &[("accept", "text/event-stream")], "").await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    assert!(events.text().starts_with("retry: 2000\n\ndata: {\"name\":\"1\""), "{}", events.text());
    assert!(events.text().ends_with("event: status\ndata: {}\n\n"), "{}", events.text());
    assert_eq!(events.text().matches("\n\ndata: {\"name\"").count(), 2);
}

#[tokio::test]
async fn an_empty_stream_is_an_empty_body_or_array() {
    let edge = Edge::start().await;
    assert!(edge.get("/api/v1/count/0").await.body.is_empty());
    let array = edge.send(Method::GET, "/api/v1/count/0", &[("accept", "application/json")], "").await;
    assert_eq!(array.json(), json!([]));
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_message_answers_like_a_unary_call() {
    let answer = Edge::start().await.get("/api/v1/count/3?failAfter=-1").await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::BAD_REQUEST, "LOST_COUNT"));
}

#[tokio::test]
async fn a_stream_that_fails_later_ends_with_the_status() {
    let edge = Edge::start().await;
    let answer = edge.get("/api/v1/count/3?failAfter=2").await;
    let lines = lines(&answer);
    assert_eq!((answer.status, lines.len()), (StatusCode::OK, 3));
    assert_eq!(lines[2]["error"]["code"], 9);
    let array = edge.send(Method::GET, "/api/v1/count/3?failAfter=2", &[("accept", "application/json")], "").await;
    assert_eq!(array.json()[2]["error"]["code"], 9);
    let events = edge.send(Method::GET, "/api/v1/count/3?failAfter=2", &[("accept", "text/event-stream")], "").await;
    let last = events.text().trim_end().rsplit("\n\n").next().unwrap().to_owned();
    let record: Value = serde_json::from_str(last.strip_prefix("event: status\ndata: ").unwrap()).unwrap();
    let error = &record["error"];
    assert_eq!((&error["code"], &detail(error, "ErrorInfo")["reason"]), (&json!(9), &json!("LOST_COUNT")));
}

#[tokio::test]
async fn a_stream_that_goes_silent_ends_at_its_deadline() {
    let edge = Edge::start().await;
    let headers = [("x-request-timeout", "0.8")];
    let answer = edge.send(Method::GET, "/api/v1/count/1?goSilent=true", &headers, "").await;
    let lines = lines(&answer);
    assert_eq!((&lines[0]["name"], &lines[1]["error"]["code"]), (&json!("1"), &json!(4)));
    let silent = edge.send(Method::GET, "/api/v1/count/0?goSilent=true", &headers, "").await;
    assert_eq!(silent.status, StatusCode::OK, "a stream that watches has begun before its first message");
}

#[tokio::test]
async fn a_silent_stream_of_events_is_kept_open_by_comments() {
    let mut config = Edge::config(contract(), upstream::start().await).await;
    config.limits.keep_alive = Duration::from_millis(1);
    let edge = Edge::run(config).await;
    let headers = [("accept", "text/event-stream")];
    let mut body = edge.open(Method::GET, "/api/v1/feed/1?goSilent=true", &headers, "").await.into_body();
    let mut text = Vec::new();
    while !text.ends_with(b"\n\n:\n\n") {
        text.extend(body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    assert!(text.starts_with(b"retry: 2000\n\nid: 1\ndata: {"), "{}", String::from_utf8_lossy(&text));
}
