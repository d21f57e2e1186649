//! Streams that clients send.

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::Edge;

#[tokio::test]
async fn lines_of_json_become_a_client_stream() {
    let edge = Edge::start().await;
    let headers = [("content-type", "application/x-ndjson")];
    let body = "{\"name\":\"a\"}\n\n{\"name\":\"b\"}\r\n{\"name\":\"c\"}";
    let answer = edge.send(Method::POST, "/api/v1/notes:collect", &headers, body).await;
    assert_eq!((answer.json()["count"].as_i64(), &answer.json()["last"]["name"]), (Some(3), &json!("c")));
}

#[tokio::test]
async fn a_bad_line_is_named_and_ends_the_call() {
    let edge = Edge::start().await;
    let body = "{\"name\":\"a\"}\n{\"sizeBytes\":\"many\"}\n{\"name\":\"c\"}\n";
    let answer = edge.send(Method::POST, "/api/v1/notes:collect", &[], body).await;
    assert_eq!((answer.status, answer.fields()), (StatusCode::BAD_REQUEST, vec!["sizeBytes".to_owned()]));
    assert!(answer.json()["message"].as_str().unwrap().contains("line 2"), "{}", answer.text());
}

#[tokio::test]
async fn a_line_without_end_is_refused() {
    let edge = Edge::start().await;
    let body = vec![b' '; crate::support::BODY_BYTES_MAX * 2];
    let answer = edge.send(Method::POST, "/api/v1/notes:collect", &[], body).await;
    assert_eq!(answer.reason(), "BODY_TOO_LARGE");
}

/// A conversation over HTTP/2: lines go up one by one, and come down as they are answered.
struct Chat {
    up: mpsc::UnboundedSender<&'static str>,
    down: http_body_util::BodyDataStream<hyper::body::Incoming>,
}

impl Chat {
    async fn begin(edge: &Edge, first: &'static str) -> Self {
        let (up, lines) = mpsc::unbounded_channel();
        up.send(first).unwrap();
        let lines = futures_util::stream::unfold(lines, |mut lines| async move {
            let line: &str = lines.recv().await?;
            Some((Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(line.as_bytes()))), lines))
        });
        let request = Request::post(format!("http://{}/api/v1/notes:chat", edge.address))
            .header("content-type", "application/x-ndjson")
            .body(StreamBody::new(lines.boxed()))
            .unwrap();
        let connection = TokioIo::new(TcpStream::connect(edge.address).await.unwrap());
        let (mut client, driver) = http2::handshake(TokioExecutor::new(), connection).await.unwrap();
        tokio::spawn(driver);
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        Self { up, down: answer.into_body().into_data_stream() }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.down.next().await?.unwrap();
            if !line.is_empty() {
                return Some(serde_json::from_slice(&line).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn over_http2_both_sides_stream_at_once() {
    let edge = Edge::start().await;
    let mut chat = Chat::begin(&edge, "{\"name\":\"a\"}\n").await;
    assert_eq!(chat.next().await.unwrap()["name"], "a");
    chat.up.send("{\"name\":\"b\"}\n").unwrap();
    assert_eq!(chat.next().await.unwrap()["name"], "b");
    (chat.up, _) = mpsc::unbounded_channel();
    assert_eq!(chat.next().await, None);
}

#[tokio::test]
async fn a_bad_line_ends_a_conversation_that_has_begun() {
    let edge = Edge::start().await;
    let mut chat = Chat::begin(&edge, "{\"name\":\"a\"}\n").await;
    assert_eq!(chat.next().await.unwrap()["name"], "a");
    chat.up.send("{\"name\":1}\n").unwrap();
    let last = chat.next().await.unwrap();
    assert_eq!(last["error"]["code"], 3);
    assert_eq!(last["error"]["message"], "line 2: name: expected a string, found number");
    assert_eq!(chat.next().await, None);
}
