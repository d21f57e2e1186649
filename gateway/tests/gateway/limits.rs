//! Rate limits as callers meet them, over every protocol.

use focusflow_gateway::config::{Rate, RateConfig, RateLimits};
use http::{Method, StatusCode};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::Edge;
use crate::support::client::Answer;
use crate::support::messages::Note;

const OPEN: &str = "/edge.test.v1.EchoService/Open";

/// An edge where a person may call `person` times at once, and an address `address` times, with an hour between calls
/// beyond.
async fn edge(person: u32, address: u32) -> Edge {
    let limits = RateLimits { person: Rate::new(1, person), address: Rate::new(1, address) };
    Edge::limiting(RateConfig { limits: Some(limits), ..RateConfig::default() }).await
}

async fn open(edge: &Edge, headers: &[(&str, &str)]) -> Answer {
    edge.send(Method::GET, "/api/v1/open/a", headers, "").await
}

#[tokio::test]
async fn answers_say_what_is_left_and_the_refusal_when_to_come_back() {
    let edge = edge(1, 2).await;
    let first = open(&edge, &[]).await;
    assert_eq!(first.status, StatusCode::OK);
    let left = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(|name| first.header(name).to_owned());
    assert_eq!(left, ["2", "1", "60"]);
    open(&edge, &[]).await;
    let refused = open(&edge, &[]).await;
    assert_eq!((refused.status, refused.reason().as_str()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit-remaining")), ("60", "0"));
}

#[tokio::test]
async fn a_caller_has_one_limit_for_all_protocols() {
    let edge = edge(1, 2).await;
    open(&edge, &[]).await;
    let web = edge.grpc_web(OPEN, "application/grpc-web", &[], &Note::default()).await;
    assert_eq!(web.status.code(), Code::Ok);
    let native = edge.grpc().await.unary::<_, Note>(OPEN, tonic::Request::new(Note::default())).await.unwrap_err();
    assert_eq!(native.code(), Code::ResourceExhausted);
    assert_eq!(native.get_details_error_info().unwrap().reason, "RATE_LIMITED");
    assert!(native.get_details_retry_info().is_some());
}

#[tokio::test]
async fn a_signed_in_person_is_charged_and_not_their_address() {
    let edge = edge(2, 1).await;
    assert_eq!(open(&edge, &[]).await.status, StatusCode::OK);
    for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(edge.get_signed_in("/api/v1/notes/a").await.status, expected);
    }
}

#[tokio::test]
async fn who_tries_tokens_out_is_charged_for_it() {
    let edge = edge(1, 2).await;
    let attempt = async || edge.send(Method::GET, "/api/v1/notes/a", &[("authorization", "Bearer a.b.c")], "").await;
    for expected in [StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(attempt().await.status, expected);
    }
}

#[tokio::test]
async fn health_is_free_and_a_strangers_word_on_its_address_is_not_taken() {
    let edge = edge(1, 1).await;
    open(&edge, &[]).await;
    let forged = open(&edge, &[("x-forwarded-for", "192.0.2.77")]).await;
    assert_eq!(forged.status, StatusCode::TOO_MANY_REQUESTS);
    assert_ne!(edge.get("/health").await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_a_limit() {
    let rate = Rate::new(1, 1);
    let mut rates = RateConfig { limits: Some(RateLimits { person: rate, address: rate }), ..RateConfig::default() };
    rates.proxies.networks = vec!["127.0.0.0/8".parse().unwrap()];
    let edge = Edge::limiting(rates).await;
    for client in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(open(&edge, &[("x-forwarded-for", client)]).await.status, StatusCode::OK, "{client}");
    }
    assert_eq!(open(&edge, &[("x-forwarded-for", "192.0.2.1")]).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn the_public_keys_are_where_they_are_looked_for() {
    let answer = Edge::start().await.get("/.well-known/jwks.json").await;
    assert_eq!((answer.status, answer.json()["keys"].as_array().map(Vec::len)), (StatusCode::OK, Some(0)));
}
