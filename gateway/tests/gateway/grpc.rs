//! Native gRPC, passed through.

use http::HeaderValue;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::support::Edge;
use crate::support::messages::{
    Collected, CountRequest, FailRequest, Headers, HealthCheckRequest, HealthCheckResponse, Note, Nothing,
};

const ECHO: &str = "/edge.test.v1.EchoService/Echo";
const OPEN: &str = "/edge.test.v1.EchoService/Open";

fn signed_in<T>(edge: &Edge, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {}", edge.token()).parse().unwrap());
    request
}

fn note(name: &str) -> Note {
    Note { name: name.to_owned(), ..Note::default() }
}

#[tokio::test]
async fn unary_calls_pass() {
    let edge = Edge::start().await;
    let grpc = edge.grpc().await;
    let open: Note = grpc.unary(OPEN, Request::new(note("open"))).await.unwrap();
    let mine: Note = grpc.unary(ECHO, signed_in(&edge, note("mine"))).await.unwrap();
    assert_eq!((open, mine), (note("open"), note("mine")));
}

#[tokio::test]
async fn server_streams_pass_and_end_with_their_status() {
    let edge = Edge::start().await;
    let request = Request::new(CountRequest { count: 3, fail_after: 2, go_silent: false });
    let mut notes =
        edge.grpc().await.server_streaming::<_, Note>("/edge.test.v1.EchoService/Count", request).await.unwrap();
    assert_eq!(notes.message().await.unwrap(), Some(note("1")));
    assert_eq!(notes.message().await.unwrap(), Some(note("2")));
    let status = notes.message().await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.get_details_error_info().unwrap().reason, "LOST_COUNT");
}

#[tokio::test]
async fn a_long_client_stream_of_small_messages_passes() {
    let edge = Edge::start().await;
    let notes: Vec<Note> = (0..20_000).map(|number| note(&number.to_string())).collect();
    let collected: Collected =
        edge.grpc().await.client_streaming("/edge.test.v1.EchoService/Collect", notes).await.unwrap();
    assert_eq!((collected.count, collected.last), (20_000, Some(note("19999"))));
}

#[tokio::test]
async fn details_of_services_pass() {
    let edge = Edge::start().await;
    let status = edge
        .grpc()
        .await
        .unary::<_, Note>("/edge.test.v1.EchoService/Fail", Request::new(FailRequest { code: 3 }))
        .await
        .unwrap_err();
    let violation = &status.get_details_bad_request().unwrap().field_violations[0];
    assert_eq!(violation.field, "first_part.line_count");
}

#[tokio::test]
async fn a_deadline_is_kept() {
    let edge = Edge::start().await;
    let mut request = Request::new(Nothing {});
    // tonic's client would keep a `grpc-timeout` itself, and then it would not be the edge that answers.
    request.metadata_mut().insert("x-request-timeout", "0.05".parse().unwrap());
    let status = edge.grpc().await.unary::<_, Nothing>("/edge.test.v1.EchoService/Hang", request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_stream_that_goes_silent_ends_at_its_deadline() {
    let edge = Edge::start().await;
    let mut request = Request::new(CountRequest { count: 1, fail_after: 0, go_silent: true });
    request.metadata_mut().insert("x-request-timeout", "0.2".parse().unwrap());
    let path = "/edge.test.v1.EchoService/Count";
    let mut notes = edge.grpc().await.server_streaming::<_, Note>(path, request).await.unwrap();
    assert_eq!(notes.message().await.unwrap(), Some(note("1")));
    let status = notes.message().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
}

#[tokio::test]
async fn custom_metadata_passes() {
    let edge = Edge::start().await;
    let mut request = signed_in(&edge, Nothing {});
    request.metadata_mut().insert("x-custom", "value".parse().unwrap());
    let headers: Headers = edge.grpc().await.unary("/edge.test.v1.EchoService/Metadata", request).await.unwrap();
    assert_eq!(headers.values.get("x-custom").map(String::as_str), Some("value"));
    assert_eq!(headers.values.get("x-focusflow-user-id"), Some(&edge.user_id.to_string()));
}

#[tokio::test]
async fn the_edge_itself_answers_health_without_a_token() {
    let edge = Edge::start().await;
    let request = Request::new(HealthCheckRequest::default());
    let answer: HealthCheckResponse = edge.grpc().await.unary("/grpc.health.v1.Health/Check", request).await.unwrap();
    assert_eq!(answer.status, 1);
}

#[tokio::test]
async fn the_edge_itself_answers_reflection_with_what_it_exposes() {
    let edge = Edge::start().await;
    for path in [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ] {
        // A hand-written ServerReflectionRequest{list_services: ""}; the answer names services in plain bytes.
        let stream = tokio::net::TcpStream::connect(edge.address).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"\0\0\0\0\x02\x3a\0"));
        let request = http::Request::post(format!("http://edge{path}"))
            .header("content-type", HeaderValue::from_static("application/grpc"))
            .header("te", "trailers")
            .body(body)
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("edge.test.v1.EchoService") && text.contains("grpc.health.v1.Health"), "{text}");
    }
}
