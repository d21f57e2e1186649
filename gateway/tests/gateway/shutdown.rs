//! What clients of endless streams see when the edge shuts down.

use std::time::Duration;

use focusflow_mesh::drain::{self, Drain, DrainConfig, DrainHandle, Outcome};
use focusflow_mesh::health::Health;
use http::Method;
use http_body_util::BodyExt;
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
