//! Deadlines: taken, clamped, passed on, enforced.

use std::time::{Duration, Instant};

use focusflow_mesh::channel::{Channel, ChannelConfig};
use focusflow_mesh::context::Context;
use focusflow_mesh::tls::CredentialsReader;
use tokio::sync::mpsc;
use tonic::{Code, Request};

use crate::echo::{Client, Echo, assert_refused, empty};
use crate::pki::Pki;
use crate::world::{Options, Server, within};

const SHORT: Duration = Duration::from_millis(150);

fn with_timeout(timeout: Duration) -> Request<String> {
    let mut request = Request::new(String::new());
    request.set_timeout(timeout);
    request
}

/// The milliseconds that `Describe` says are left.
fn left_ms(description: &str) -> u64 {
    description.split(',').nth(3).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_deadline_is_taken_from_the_caller_and_clamped_by_the_policy() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    let left = |answer: tonic::Response<String>| left_ms(answer.get_ref());
    let asked = left(client.unary("Describe", with_timeout(Duration::from_secs(5))).await.unwrap());
    assert!((4_000..=5_000).contains(&asked), "{asked}");
    let clamped = left(client.unary("Describe", with_timeout(Duration::from_hours(1))).await.unwrap());
    assert!((9_000..=10_000).contains(&clamped), "{clamped}");
    let default = left(client.unary("Describe", empty()).await.unwrap());
    assert!((9_000..=10_000).contains(&default), "{default}");
}

#[tokio::test]
async fn what_is_left_is_passed_on_to_the_next_hop() {
    let pki = Pki::new();
    let storage = Server::start(&pki).await;
    let next = storage.channel(CredentialsReader::fixed(pki.credentials("ai")));
    let ai = Server::with(&pki, Options { echo: Echo::relaying_to(next), ..Options::default() }).await;
    let answer = ai.client(&pki, "gateway").unary("Relay", with_timeout(Duration::from_secs(3))).await.unwrap();
    let left = left_ms(answer.get_ref());
    assert!((2_000..3_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_unary_call_ends_at_its_deadline_and_its_handler_is_dropped() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    client.say("connect").await.unwrap();
    let begun = Instant::now();
    let status = within(client.unary("Hang", with_timeout(SHORT))).await.unwrap_err();
    assert_refused(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < SHORT * 4, "{:?}", begun.elapsed());
    within(server.echo.dropped()).await;
}

#[tokio::test]
async fn the_server_enforces_a_deadline_that_the_caller_ignores() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    // A client that sends the header and waits on: bare HTTP/2 without the channel's own timer.
    let mut raw = crate::raw::connect(&pki, &server, "gateway").await;
    let (headers, trailers) = within(raw.unary("/mesh.test.v1.Echo/Hang", &[("grpc-timeout", "150m")])).await;
    assert_eq!(trailers.get("grpc-status").or(headers.get("grpc-status")).unwrap(), "4");
    let (headers, trailers) = within(raw.unary("/mesh.test.v1.Echo/Stall", &[("grpc-timeout", "150m")])).await;
    assert!(!headers.contains_key("grpc-status"), "the stream had begun");
    assert_eq!(trailers.get("grpc-status").unwrap(), "4");
}

#[tokio::test]
async fn a_stalled_stream_ends_at_its_deadline() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    let mut stream = client.stream("Stall", with_timeout(SHORT)).await.unwrap();
    assert_eq!(stream.message().await.unwrap().unwrap(), "first");
    let status = within(stream.message()).await.unwrap_err();
    assert_refused(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    within(server.echo.dropped()).await;
}

#[tokio::test]
async fn a_request_stream_that_stalls_ends_at_its_deadline() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    let (messages, receiver) = mpsc::channel(1);
    messages.send("never finished".to_owned()).await.unwrap();
    let status = within(client.collect(Some(SHORT), receiver)).await.unwrap_err();
    assert_refused(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    drop(messages);
}

#[tokio::test]
async fn a_handler_is_dropped_when_its_caller_leaves() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    let call = tokio::spawn(async move { client.unary("Hang", empty()).await });
    within(server.echo.entered()).await;
    call.abort();
    within(server.echo.dropped()).await;
}

#[tokio::test]
async fn a_malformed_timeout_is_refused_by_name() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let mut raw = crate::raw::connect(&pki, &server, "gateway").await;
    for malformed in ["soon", "5", "123456789S", "-1S"] {
        let (headers, _) = within(raw.unary("/mesh.test.v1.Echo/Say", &[("grpc-timeout", malformed)])).await;
        assert_eq!(headers.get("grpc-status").unwrap(), "3", "{malformed}");
        let message = headers.get("grpc-message").unwrap().to_str().unwrap();
        assert!(message.contains("grpc-timeout"), "{message}");
    }
}

#[tokio::test]
async fn time_that_is_over_is_not_spent_on_a_call() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    let mut request = Request::new(String::new());
    request.extensions_mut().insert(Context::root().with_deadline(tokio::time::Instant::now()));
    let status = client.unary("Hang", request).await.unwrap_err();
    assert_refused(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");

    let mut raw = crate::raw::connect(&pki, &server, "gateway").await;
    let (headers, _) = within(raw.unary("/mesh.test.v1.Echo/Hang", &[("grpc-timeout", "0n")])).await;
    assert_eq!(headers.get("grpc-status").unwrap(), "4");
}

#[tokio::test]
async fn a_channel_has_a_deadline_of_its_own_where_it_is_configured() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let credentials = CredentialsReader::fixed(pki.credentials("gateway"));
    let config = ChannelConfig { timeout: Some(SHORT), ..ChannelConfig::default() };
    let client = Client::new(Channel::new(server.target(), Some(credentials), config));
    let status = within(client.unary("Hang", empty())).await.unwrap_err();
    assert_refused(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
}
