//! Floods of HTTP/2 frames.

use std::time::Duration;

use super::frames::{
    Cut, ENHANCE_YOUR_CALM, continuation, empty_data, endless_headers, flood, get_and_be_reset, get_and_reset, goaway,
    literal, ping, preface, settings,
};
use super::{assert_others_are_served, connect, connect_with_little_room, counted, edge, until_counted};
use crate::support::Edge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CUT: &str = "server_connections_cut_total";
const HANG: &str = "/api/v1/hang";
/// Far more than a server that minds itself takes of a flood, socket buffers included.
const FLOOD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Floods an edge; the flood is cut, the operator sees it, and others are served during and after it.
async fn assert_cut(edge: &Edge, opening: Vec<u8>, more: impl FnMut(u32) -> Vec<u8> + Send + 'static) {
    let before = counted(CUT, "flood");
    let stream = connect(edge).await;
    let flooding = tokio::spawn(flood(stream, opening, more));
    assert_others_are_served(edge).await;
    let Cut { sent, reason } = flooding.await.unwrap();
    assert!(sent < FLOOD_BYTES_MAX, "{sent} bytes were taken");
    // A connection that is reset may lose the server's last word.
    assert!(matches!(reason, None | Some(ENHANCE_YOUR_CALM)), "{reason:?}");
    until_counted(CUT, "flood", before).await;
    assert_others_are_served(edge).await;
}

/// Streams that a client opens are odd.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rapid_reset_is_cut() {
    let edge = edge(|_| {}).await;
    let burst = |number: u32| (0..100).flat_map(|place| get_and_reset(stream(number * 100 + place), HANG)).collect();
    assert_cut(&edge, Vec::new(), burst).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_makes_the_server_reset_is_cut() {
    let edge = edge(|_| {}).await;
    let burst = |number: u32| (0..100).flat_map(|place| get_and_be_reset(stream(number * 100 + place), HANG)).collect();
    assert_cut(&edge, Vec::new(), burst).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_never_end_are_cut() {
    let edge = edge(|_| {}).await;
    for block in [Vec::new(), literal("x-flood", &"a".repeat(120))] {
        let block = block.repeat(100);
        assert_cut(&edge, endless_headers(1), move |_| continuation(1, &block)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_empty_data_is_cut() {
    let edge = edge(|_| {}).await;
    // A request whose body goes on.
    let mut opening = endless_headers(1);
    opening[4] = 4;
    assert_cut(&edge, opening, |_| empty_data(1).repeat(100)).await;
}

/// The server answers each of them, so a client that does not read its answers can send no more than buffers hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_pings_or_settings_whose_answers_are_not_read_stops_and_is_cut() {
    let edge = edge(|limits| limits.stall_timeout = Duration::from_secs(2)).await;
    for piece in [ping().repeat(1000), settings().repeat(1000)] {
        let before = counted(CUT, "stalled");
        let mut stream = connect_with_little_room(&edge).await;
        stream.write_all(&preface()).await.unwrap();
        let mut sent = 0;
        while stream.write_all(&piece).await.is_ok() {
            sent += piece.len();
            assert!(sent < FLOOD_BYTES_MAX, "the server goes on taking");
        }
        until_counted(CUT, "stalled", before).await;
        assert_others_are_served(&edge).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_stand_still_are_not_waited_for() {
    let edge = edge(|limits| {
        limits.ping_interval = Duration::from_millis(500);
        limits.ping_timeout = Duration::from_millis(500);
    })
    .await;
    let before = counted(CUT, "timeout");
    let mut stream = connect(&edge).await;
    stream.write_all(&[preface(), endless_headers(1)].concat()).await.unwrap();
    let mut heard = Vec::new();
    let _closed = stream.read_to_end(&mut heard).await;
    until_counted(CUT, "timeout", before).await;
    assert_ne!(goaway(&heard), Some(ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn headers_that_are_too_large_or_too_many_are_refused_and_the_connection_goes_on() {
    let edge = edge(|_| {}).await;
    let (mut sender, connection) = h2::client::handshake(connect(&edge).await).await.unwrap();
    tokio::spawn(connection);
    let get = || http::Request::get("http://edge/api/v1/open/a");
    let large = get().header("x-large", "a".repeat(17 * 1024)).body(()).unwrap();
    let many = (0..600).fold(get(), |request, number| request.header(format!("x-{number}"), "a")).body(()).unwrap();
    for request in [large, many] {
        sender = sender.ready().await.unwrap();
        let (answer, _) = sender.send_request(request, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    sender = sender.ready().await.unwrap();
    let (answer, _) = sender.send_request(get().body(()).unwrap(), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), http::StatusCode::OK);
}
