//! Streams of bodies that are no JSON.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::Edge;

#[tokio::test]
async fn pieces_of_a_file_are_its_bytes_under_its_media_type() {
    let edge = Edge::start().await;
    for accept in ["*/*", "text/event-stream"] {
        let answer = edge.send(Method::GET, "/api/v1/files/3", &[("accept", accept)], "").await;
        assert_eq!((answer.header("content-type"), answer.text()), ("text/plain", "piece 1\npiece 2\npiece 3\n"));
    }
    let empty = edge.get("/api/v1/files/0").await;
    assert_eq!((empty.status, empty.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn a_file_that_fails_before_its_first_piece_answers_like_a_unary_call() {
    let answer = Edge::start().await.get("/api/v1/files/3?failAfter=-1").await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::BAD_REQUEST, "LOST_COUNT"));
}

#[tokio::test]
async fn a_file_that_fails_later_is_broken_off() {
    let edge = Edge::start().await;
    let stream = TcpStream::connect(edge.address).await.unwrap();
    let (mut client, driver) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    let request = Request::get("/api/v1/files/3?failAfter=2").header("host", "edge").body(Empty::<Bytes>::new());
    let is_whole = match client.send_request(request.unwrap()).await {
        Ok(answer) => answer.into_body().collect().await.is_ok(),
        Err(_) => false,
    };
    assert!(!is_whole, "a client must not take the half for the whole");
}

#[tokio::test]
async fn an_upload_is_taken_in_pieces_whatever_its_media_type() {
    let edge = Edge::start().await;
    let body = vec![7; 40_000];
    let answer = edge.send(Method::POST, "/api/v1/files", &[("content-type", "image/png")], body).await;
    assert_eq!(answer.json()["last"], json!({"name": "image/png", "sizeBytes": 40_000, "tags": []}));
    let empty = edge.send(Method::POST, "/api/v1/files", &[("content-type", "image/png")], "").await;
    assert_eq!((&empty.json()["count"], &empty.json()["last"]["name"]), (&json!(1), &json!("image/png")));
}
