//! What clients see when the edge shuts down.

use std::time::Duration;

use focusflow_mesh::drain::{self, Drain, DrainConfig, DrainHandle, Outcome};
use focusflow_mesh::health::Health;
use http::Method;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::Edge;
use crate::support::client::{Answer, WebAnswer, detail, frame};
use crate::support::messages::{CountRequest, Note};

const WATCH: &str = "/edge.test.v1.FeedService/Watch";
const ONE_AND_THEN_SILENCE: CountRequest = CountRequest { count: 1, fail_after: 0, go_silent: true };

/// A shutdown that ends streams at once and waits for them.
fn shutdown() -> (DrainHandle, Drain) {
    let config = DrainConfig {
        propagation_delay: Duration::ZERO,
        stream_grace: Duration::ZERO,
        deadline: Duration::from_secs(5),
    };
    drain::channel(config, Health::new())
}

/// Opens a stream over HTTP/1.1, shuts the edge down after its first piece, and reads on to the end.
async fn read_through_shutdown(method: Method, path: &str, headers: &[(&str, &str)], body: bytes::Bytes) -> Answer {
    let (handle, drain) = shutdown();
    let edge = Edge::start_until(drain).await;
    let (parts, mut stream) = edge.open(method, path, headers, body).await.into_parts();
    let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    let (outcome, rest) = tokio::join!(handle.drain(), stream.collect());
    assert_eq!(outcome, Outcome::Clean, "{path}");
    let body = [first, rest.unwrap().to_bytes()].concat().into();
    Answer { status: parts.status, headers: parts.headers, body }
}

fn assert_draining(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "DRAINING");
    assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_shutdown_ends_an_endless_rest_stream_with_the_status_as_its_last_record() {
    for (accept, prefix) in [("application/x-ndjson", ""), ("text/event-stream", "data: ")] {
        let path = "/api/v1/feed/1?goSilent=true";
        let answer = read_through_shutdown(Method::GET, path, &[("accept", accept)], bytes::Bytes::new()).await;
        let last = answer.text().trim_end().lines().last().unwrap().strip_prefix(prefix).unwrap();
        let error = serde_json::from_str::<serde_json::Value>(last).unwrap()["error"].clone();
        assert_eq!(
            (&error["code"], &detail(&error, "ErrorInfo")["reason"]),
            (&14.into(), &"DRAINING".into()),
            "{last}"
        );
        assert_eq!(detail(&error, "RetryInfo")["retryDelay"], "1s", "{last}");
    }
}

#[tokio::test]
async fn a_shutdown_ends_an_endless_grpc_stream_with_a_status() {
    let (handle, drain) = shutdown();
    let edge = Edge::start_until(drain).await;
    let request = tonic::Request::new(ONE_AND_THEN_SILENCE);
    let mut stream = edge.grpc().await.server_streaming::<_, Note>(WATCH, request).await.unwrap();
    assert_eq!(stream.message().await.unwrap().unwrap().name, "1");
    let (outcome, end) = tokio::join!(handle.drain(), stream.message());
    assert_eq!(outcome, Outcome::Clean);
    assert_draining(&end.unwrap_err());
}

#[tokio::test]
async fn a_shutdown_ends_an_endless_grpc_web_stream_with_a_status() {
    for (content_type, is_text) in [("application/grpc-web+proto", false), ("application/grpc-web-text+proto", true)] {
        use base64::Engine as _;
        let framed = frame(&ONE_AND_THEN_SILENCE);
        let body = if is_text { base64::engine::general_purpose::STANDARD.encode(&framed).into() } else { framed };
        let headers = [("content-type", content_type), ("x-grpc-web", "1")];
        let answer = WebAnswer::read(read_through_shutdown(Method::POST, WATCH, &headers, body).await, is_text);
        assert_eq!(answer.messages.len(), 1, "{content_type}");
        assert_draining(&answer.status);
    }
}

/// A request of which everything is sent but the end of its body; the edge has begun to work on it.
async fn begin(edge: &Edge, path: &str, content_type: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: edge\r\ncontent-type: {content_type}\r\nx-grpc-web: 1\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // It is asked for the body by whoever reads it.
    let mut asked = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut asked).await.unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100"));
    stream.write_all(&body[..body.len() - 1]).await.unwrap();
    stream
}

/// Sends what was left and reads the answer until the edge closes.
async fn finish(mut stream: TcpStream, body: &[u8]) -> Vec<u8> {
    stream.write_all(&body[body.len() - 1..]).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

fn contains(answer: &[u8], part: &[u8]) -> bool {
    answer.windows(part.len()).any(|window| window == part)
}

/// A shutdown that waits for as long as a test may take.
fn patient_shutdown() -> (DrainHandle, Drain) {
    let config = DrainConfig { deadline: Duration::from_mins(1), ..DrainConfig::default() };
    drain::channel(config, Health::new())
}

#[tokio::test]
async fn calls_under_way_are_answered_while_nobody_new_is_let_in() {
    let (handle, drain) = patient_shutdown();
    let edge = Edge::start_until(drain.clone()).await;
    let json = br#"{"name": "finished"}"#;
    let framed = frame(&Note { name: "finished".to_owned(), ..Note::default() });
    let rest = begin(&edge, "/api/v1/open", "application/json", json).await;
    let stream = begin(&edge, "/api/v1/notes:collect", "application/x-ndjson", json).await;
    let web = begin(&edge, "/edge.test.v1.EchoService/Open", "application/grpc-web+proto", &framed).await;

    let draining = tokio::spawn(handle.drain());
    drain.draining().await;
    while TcpStream::connect(edge.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for (stream, body) in [(rest, json.as_slice()), (stream, json), (web, &framed)] {
        let answer = finish(stream, body).await;
        assert!(answer.starts_with(b"HTTP/1.1 200") && contains(&answer, b"finished"), "{answer:?}");
        assert!(contains(&answer, b"connection: close"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(draining.await.unwrap(), Outcome::Clean);
}

#[tokio::test]
async fn idle_connections_of_both_versions_are_closed() {
    let (handle, drain) = patient_shutdown();
    let edge = Edge::start_until(drain).await;
    let mut http1 = TcpStream::connect(edge.address).await.unwrap();
    http1.write_all(b"HEAD /health HTTP/1.1\r\nhost: edge\r\n\r\n").await.unwrap();
    let mut begun = [0; 12];
    http1.read_exact(&mut begun).await.unwrap();
    let (_sender, http2) = h2::client::handshake(TcpStream::connect(edge.address).await.unwrap()).await.unwrap();
    let http2 = tokio::spawn(http2);

    let (outcome, closed) = tokio::join!(handle.drain(), async {
        let mut rest = Vec::new();
        http1.read_to_end(&mut rest).await.unwrap();
        http2.await.unwrap()
    });
    closed.unwrap();
    assert_eq!(outcome, Outcome::Clean);
}

#[tokio::test]
async fn a_call_that_outlives_the_deadline_is_cut() {
    let config = DrainConfig { deadline: Duration::from_millis(500), ..DrainConfig::default() };
    let (handle, drain) = drain::channel(config, Health::new());
    let edge = Edge::start_until(drain).await;
    let body = br#"{"name": "never finished"}"#;
    let mut stream = begin(&edge, "/api/v1/notes:collect", "application/x-ndjson", body).await;
    assert_eq!(handle.drain().await, Outcome::Forced { cut: 1 });
    let mut rest = Vec::new();
    let _reset = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}
