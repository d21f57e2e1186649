//! Streams of events that go on where they were cut off.

use http::{Method, StatusCode};

use crate::support::Edge;
use crate::support::client::Answer;

const EVENTS: (&str, &str) = ("accept", "text/event-stream");

fn ids(answer: &Answer) -> Vec<&str> {
    answer.text().lines().filter_map(|line| line.strip_prefix("id: ")).collect()
}

#[tokio::test]
async fn events_have_the_position_that_the_contract_names_as_their_id() {
    let edge = Edge::start().await;
    let answer = edge.send(Method::GET, "/api/v1/feed/3", &[EVENTS], "").await;
    assert_eq!(ids(&answer), ["1", "2", "3"]);
    let without = edge.send(Method::GET, "/api/v1/count/3", &[EVENTS], "").await;
    assert_eq!(ids(&without), Vec::<&str>::new(), "the contract names none");
}

#[tokio::test]
async fn a_browser_that_comes_back_goes_on_after_the_last_event_that_it_saw() {
    let edge = Edge::start().await;
    let answer = edge.send(Method::GET, "/api/v1/feed/4?after=1", &[EVENTS, ("last-event-id", "2")], "").await;
    assert_eq!(ids(&answer), ["3", "4"], "what it saw counts, and not where it began");
    let first = edge.send(Method::GET, "/api/v1/feed/4?after=1", &[EVENTS, ("last-event-id", "")], "").await;
    assert_eq!(ids(&first), ["2", "3", "4"]);
    let lines = edge.send(Method::GET, "/api/v1/feed/2", &[("last-event-id", "1")], "").await;
    assert_eq!(lines.text().lines().count(), 2, "only events have ids");
}

#[tokio::test]
async fn an_id_that_no_event_had_is_refused_by_its_header() {
    let edge = Edge::start().await;
    let answer = edge.send(Method::GET, "/api/v1/feed/4", &[EVENTS, ("last-event-id", "x")], "").await;
    assert_eq!((answer.status, answer.fields()), (StatusCode::BAD_REQUEST, vec!["last-event-id".to_owned()]));
    let negative = edge.send(Method::GET, "/api/v1/feed/4", &[EVENTS, ("last-event-id", "-1")], "").await;
    assert_eq!((negative.status, negative.fields()), (StatusCode::BAD_REQUEST, vec!["after".to_owned()]));
}
