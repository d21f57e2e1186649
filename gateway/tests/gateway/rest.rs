//! REST over the contract of the test.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::Edge;

#[tokio::test]
async fn a_body_becomes_the_request_and_the_response_json() {
    let edge = Edge::start().await;
    let body = json!({"name": "first", "sizeBytes": 3, "tags": ["a"], "firstPart": {"lineCount": "9007199254740993"}});
    let answer = edge.post_json("/api/v1/open", &body.to_string()).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(answer.json(), body);
}

#[tokio::test]
async fn path_and_query_become_fields() {
    let edge = Edge::start().await;
    let answer = edge.get("/api/v1/open/a%2Fb?sizeBytes=7&tags=x&tags=y&firstPart.lineCount=2").await;
    let expected = json!({"name": "a/b", "sizeBytes": 7, "tags": ["x", "y"], "firstPart": {"lineCount": "2"}});
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn fields_at_their_default_are_printed() {
    let edge = Edge::start().await;
    let answer = edge.post_json("/api/v1/open", "{}").await;
    assert_eq!(answer.json(), json!({"name": "", "sizeBytes": 0, "tags": []}));
}

#[tokio::test]
async fn a_signed_in_person_is_let_through() {
    let edge = Edge::start().await;
    assert_eq!(edge.get_signed_in("/api/v1/notes/mine").await.json()["name"], "mine");
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let edge = Edge::start().await;
    let get = edge.get("/api/v1/open/name").await;
    let head = edge.send(Method::HEAD, "/api/v1/open/name", &[], "").await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.header("content-length"), get.body.len().to_string());
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let edge = Edge::start().await;
    let named = edge.send(Method::GET, "/api/v1/open/a", &[("x-request-id", "from-me")], "").await;
    assert_eq!(named.header("x-request-id"), "from-me");
    for path in ["/api/v1/open/a", "/nowhere", "/health", "/api/v1/notes/a"] {
        let answer = edge.get(path).await;
        assert!(uuid::Uuid::parse_str(answer.header("x-request-id")).is_ok(), "{path}");
    }
}

#[tokio::test]
async fn a_trace_goes_on_through_the_edge() {
    let edge = Edge::start().await;
    let token = format!("Bearer {}", edge.token());
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
    let headers = [("traceparent", traceparent.as_str()), ("authorization", &token), ("x-request-id", "from-me")];
    let answer = edge.send(Method::GET, "/api/v1/metadata", &headers, "").await;
    let seen = &answer.json()["values"];
    assert!(seen["traceparent"].as_str().unwrap().contains(trace_id), "{seen}");
    assert_eq!(seen["x-request-id"], "from-me");
    assert!(answer.header("traceparent").contains(trace_id));
}

#[tokio::test]
async fn failures_of_services_keep_code_message_and_details() {
    let edge = Edge::start().await;
    for (code, status) in [
        (1, 499),
        (2, 500),
        (3, 400),
        (4, 504),
        (5, 404),
        (6, 409),
        (7, 403),
        (8, 429),
        (9, 400),
        (10, 409),
        (11, 400),
        (12, 501),
        (13, 500),
        (14, 503),
        (15, 500),
        (16, 401),
    ] {
        let answer = edge.get(&format!("/api/v1/fail/{code}")).await;
        assert_eq!(answer.status.as_u16(), status, "code {code}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.json()["code"], code);
        assert!(!answer.json()["details"].as_array().unwrap().is_empty(), "{}", answer.text());
    }
}

#[tokio::test]
async fn violations_of_services_name_fields_as_json_does() {
    let answer = Edge::start().await.get("/api/v1/fail/3").await;
    assert_eq!(answer.fields(), ["firstPart.lineCount"]);
}

#[tokio::test]
async fn a_service_that_rests_says_when_to_come_back() {
    let answer = Edge::start().await.get("/api/v1/fail/14").await;
    assert_eq!((answer.reason().as_str(), answer.header("retry-after")), ("RESTING", "2"));
}

#[tokio::test]
async fn a_deadline_of_the_client_is_kept() {
    let edge = Edge::start().await;
    let answer = edge.send(Method::GET, "/api/v1/hang", &[("x-request-timeout", "0.05")], "").await;
    assert_eq!((answer.status, answer.json()["code"].as_i64()), (StatusCode::GATEWAY_TIMEOUT, Some(4)));
    assert_eq!(answer.reason(), "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for_beyond_the_deadline() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let edge = Edge::start().await;
    let mut stream = tokio::net::TcpStream::connect(edge.address).await.unwrap();
    let head = "POST /api/v1/open HTTP/1.1\r\nhost: edge\r\nx-request-timeout: 0.05\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 504");
}

#[tokio::test]
async fn what_is_left_of_the_deadline_is_passed_on() {
    let edge = Edge::start().await;
    let answer = edge.get_signed_in("/api/v1/metadata").await;
    let timeout = answer.json()["values"]["grpc-timeout"].as_str().unwrap().to_owned();
    let headers = [(http::HeaderName::from_static("grpc-timeout"), timeout.parse().unwrap())].into_iter().collect();
    let left = focusflow_mesh::context::parse_timeout(&headers).unwrap().unwrap();
    assert!(left <= std::time::Duration::from_secs(5) && left > std::time::Duration::from_secs(2), "{left:?}");
}
