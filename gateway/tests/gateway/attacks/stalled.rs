//! Clients that ask for much and take nothing.

use std::time::Duration;

use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::{Method, StatusCode};
use tokio::io::AsyncWriteExt;

use super::{connect, connect_with_little_room, counted, edge, until_counted};
use crate::support::Edge;

/// Goes on for longer than any test.
const ENDLESS: &str = "/api/v1/feed/1000000000";
/// More than fit into the windows of a channel if a stream's window were a quarter of all.
const STREAMS: usize = 24;

/// Asks for endless streams over one connection with a window that is shut.
async fn ask_and_take_nothing(edge: &Edge) -> (SendRequest<bytes::Bytes>, Vec<ResponseFuture>) {
    let builder = h2::client::Builder::new().initial_window_size(0).to_owned();
    let (mut sender, connection) = builder.handshake(connect(edge).await).await.unwrap();
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for _ in 0..STREAMS {
        sender = sender.ready().await.unwrap();
        let request = http::Request::get(format!("http://edge{ENDLESS}")).header("accept", "application/x-ndjson");
        answers.push(sender.send_request(request.body(()).unwrap(), true).unwrap().0);
    }
    (sender, answers)
}

async fn assert_streams_are_served(edge: &Edge) {
    let answer = edge.send(Method::GET, "/api/v1/files/500", &[], "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text().ends_with("piece 500\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_nobody_takes_do_not_hold_up_others() {
    let edge = edge(|limits| limits.stall_timeout = Duration::from_hours(1)).await;
    let (_sender, answers) = ask_and_take_nothing(&edge).await;
    let mut stalled: Vec<RecvStream> = Vec::new();
    for answer in answers {
        stalled.push(answer.await.unwrap().into_body());
    }
    assert_streams_are_served(&edge).await;
    assert_eq!(stalled.len(), STREAMS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_whose_window_stays_shut_are_reset_and_their_connection_goes_on() {
    let edge = edge(|limits| limits.stall_timeout = Duration::from_secs(2)).await;
    let before = counted("server_streams_cut_total", "stalled");
    let (mut sender, answers) = ask_and_take_nothing(&edge).await;
    for answer in answers {
        let mut body = answer.await.unwrap().into_body();
        let error = body.data().await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(Reason::CANCEL), "{error:?}");
    }
    until_counted("server_streams_cut_total", "stalled", before + STREAMS as u64 - 1).await;

    sender = sender.ready().await.unwrap();
    let head = http::Request::head("http://edge/health").body(()).unwrap();
    let answer = sender.send_request(head, true).unwrap().0.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_is_cut() {
    let edge = edge(|limits| limits.stall_timeout = Duration::from_secs(2)).await;
    let before = counted("server_connections_cut_total", "stalled");
    let mut stream = connect_with_little_room(&edge).await;
    stream.write_all(format!("GET {ENDLESS} HTTP/1.1\r\nhost: edge\r\n\r\n").as_bytes()).await.unwrap();
    assert_streams_are_served(&edge).await;
    until_counted("server_connections_cut_total", "stalled", before).await;
}
