//! A line for each request, which names nobody.

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;

use crate::support::Edge;
use crate::support::log::Log;
use crate::support::messages::Note;
use crate::websocket::client::{Socket, begin};

#[tokio::test]
async fn a_line_reads_alone() {
    let log = Log::taken("info");
    let edge = Edge::start().await;
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
    let headers = [("x-request-id", "request-7"), ("traceparent", &traceparent)];
    let answer = edge.send(Method::GET, "/api/v1/cards/a?streak=1", &headers, "").await;
    let line = log.access_line("request.id", "request-7").await;
    for (field, value) in [
        ("level", json!("INFO")),
        ("message", json!("GET /api/v1/cards/{id} 200")),
        ("protocol", json!("http")),
        ("http.method", json!("GET")),
        ("http.route", json!("/api/v1/cards/{id}")),
        ("http.status", json!(200)),
        ("grpc.code", json!("Ok")),
        ("bytes", json!(answer.body.len())),
        ("trace.id", json!(trace_id)),
    ] {
        assert_eq!(line[field], value, "{line}");
    }
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0 && line["cut"].is_null(), "{line}");
}

#[tokio::test]
async fn the_code_and_the_protocol_are_those_of_the_call() {
    let log = Log::taken("info");
    let edge = Edge::start().await;
    let named = |id| [("x-request-id", id)];
    edge.send(Method::GET, "/api/v1/fail/5", &named("rest"), "").await;
    edge.send(Method::GET, "/api/v1/count/3?failAfter=1", &named("stream"), "").await;
    edge.send(Method::GET, "/nowhere", &named("nowhere"), "").await;
    let web = "/edge.test.v1.EchoService/Open";
    edge.grpc_web(web, "application/grpc-web", &named("web"), &Note::default()).await;
    let mut request = tonic::Request::new(Note::default());
    request.metadata_mut().insert("x-request-id", "native".parse().unwrap());
    edge.grpc().await.unary::<_, Note>("/edge.test.v1.EchoService/Echo", request).await.unwrap_err();
    for (id, protocol, route, status, code) in [
        ("rest", "http", "/api/v1/fail/{code}", 404, "NotFound"),
        ("stream", "http", "/api/v1/count/{count}", 200, "FailedPrecondition"),
        ("nowhere", "http", "unknown", 404, "NotFound"),
        ("web", "grpc-web", web, 200, "Ok"),
        ("native", "grpc", "/edge.test.v1.EchoService/Echo", 200, "Unauthenticated"),
    ] {
        let line = log.access_line("request.id", id).await;
        assert_eq!((line["protocol"].as_str(), line["http.route"].as_str()), (Some(protocol), Some(route)), "{line}");
        assert_eq!((line["http.status"].as_u64(), line["grpc.code"].as_str()), (Some(status), Some(code)), "{line}");
    }
}

#[tokio::test]
async fn a_stream_has_its_line_when_it_ends_and_one_that_is_left_says_so() {
    let log = Log::taken("info");
    let edge = Edge::start().await;
    let headers = [("x-request-id", "left"), ("accept", "text/event-stream")];
    let mut response = edge.open(Method::GET, "/api/v1/feed/3?goSilent=true", &headers, "").await;
    response.body_mut().frame().await.unwrap().unwrap();
    edge.send(Method::GET, "/health", &[("x-request-id", "later")], "").await;
    log.access_line("request.id", "later").await;
    assert!(!log.text().contains("left"), "its stream goes on");
    drop(response);
    let line = log.access_line("request.id", "left").await;
    assert_eq!((line["cut"].as_bool(), line["http.status"].as_u64()), (Some(true), Some(200)), "{line}");
}

#[tokio::test]
async fn a_socket_has_a_line_and_its_calls_have_theirs_for_who_looks_closer() {
    let log = Log::taken("info,focusflow::access=debug");
    let edge = Edge::start().await;
    let mut socket = Socket::signed_in(&edge).await;
    socket.send(begin(1, "EchoService/Open", json!({"name": "ada@example.org"}))).await;
    let call = log.access_line("rpc", "/edge.test.v1.EchoService/Open").await;
    assert_eq!((call["level"].as_str(), call["grpc.code"].as_str()), (Some("DEBUG"), Some("Ok")), "{call}");
    drop(socket);
    let line = log.access_line("http.route", "/ws").await;
    assert_eq!((line["protocol"].as_str(), line["calls"].as_u64()), (Some("websocket"), Some(1)), "{line}");
    assert!(!log.text().contains("ada@example.org") && !log.text().contains(&edge.user_id.to_string()));
}

#[tokio::test]
async fn nobody_is_named() {
    let log = Log::taken("info,focusflow::access=trace");
    let edge = Edge::start().await;
    let token = edge.token();
    let authorization = format!("Bearer {token}");
    let planted = ["ada@example.org", "ada%40example.org", "geheim", &token, &edge.user_id.to_string()];
    let headers = [
        ("authorization", authorization.as_str()),
        ("cookie", "focusflow_refresh=geheim"),
        ("referer", "https://app.example.org/ada@example.org"),
        ("user-agent", "geheim"),
    ];
    for (number, (method, path)) in [
        (Method::GET, "/api/v1/notes/ada@example.org?tags=geheim"),
        (Method::GET, "/api/v1/notes/ada%40example.org?tags=geheim"),
        (Method::DELETE, "/api/v1/notes/ada@example.org?tags=geheim"),
        (Method::GET, "/ada@example.org?geheim"),
        (Method::POST, "/edge.test.v1.EchoService/ada@example.org"),
        (Method::GET, "/docs/ada@example.org?geheim"),
        (Method::GET, "/ws?token=geheim"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("request-{number}");
        let answer = edge.send(method, path, &[&headers[..], &[("x-request-id", &id)]].concat(), "").await;
        log.access_line("request.id", &id).await;
        assert!(number > 1 || answer.status == StatusCode::OK, "{}", answer.text());
    }
    let text = log.text();
    for planted in planted {
        assert!(!text.contains(planted), "{planted} is in {text}");
    }
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let log = Log::taken("info,focusflow::access=off");
    let edge = Edge::start().await;
    edge.get("/health").await;
    drop(edge);
    assert!(!log.text().contains("focusflow::access"));
}
