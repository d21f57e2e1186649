//! Streams over REST.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::Edge;
use crate::support::client::Answer;

fn lines(answer: &Answer) -> Vec<Value> {
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(notes: &[Value]) -> Vec<&str> {
    notes.iter().map(|note| note["name"].as_str().unwrap()).collect()
}

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
    assert_eq!(events.text().matches("data: {").count(), 2);
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
async fn lines_of_json_become_a_client_stream() {
    let edge = Edge::start().await;
    let headers = [("content-type", "application/x-ndjson")];
    let body = "{\"name\":\"a\"}\n\n{\"name\":\"b\"}\r\n{\"name\":\"c\"}";
    let answer = edge.send(Method::POST, "/api/v1/notes:collect", &headers, body).await;
    assert_eq!((answer.json()["count"].as_i64(), &answer.json()["last"]["name"]), (Some(3), &json!("c")));
}

#[tokio::test]
async fn a_bad_line_is_named_and_ends_the_call() {
    let edge = Edge::start().await;
    let body = "{\"name\":\"a\"}\n{\"sizeBytes\":\"many\"}\n{\"name\":\"c\"}\n";
    let answer = edge.send(Method::POST, "/api/v1/notes:collect", &[], body).await;
    assert_eq!((answer.status, answer.fields()), (StatusCode::BAD_REQUEST, vec!["sizeBytes".to_owned()]));
    assert!(answer.json()["message"].as_str().unwrap().contains("line 2"), "{}", answer.text());
}

#[tokio::test]
async fn a_line_without_end_is_refused() {
    let edge = Edge::start().await;
    let body = vec![b' '; crate::support::BODY_BYTES_MAX * 2];
    let answer = edge.send(Method::POST, "/api/v1/notes:collect", &[], body).await;
    assert_eq!(answer.reason(), "BODY_TOO_LARGE");
}
