//! Bodies made smaller for who asks for it.

use std::io::Read as _;

use http::{Method, StatusCode};

use crate::support::client::Answer;
use crate::support::messages::Note;
use crate::support::{Edge, address_where_nobody_listens, contract, upstream};

const LONG: &str = "/api/v1/cards/a?textBytes=5000";

async fn accepting(edge: &Edge, path: &str, accepted: &str) -> Answer {
    edge.send(Method::GET, path, &[("accept-encoding", accepted)], "").await
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let mut body = Vec::new();
    match answer.header("content-encoding") {
        "gzip" => drop(flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut body).unwrap()),
        "br" => brotli::BrotliDecompress(&mut &*answer.body, &mut body).unwrap(),
        "zstd" => body = zstd::decode_all(&*answer.body).unwrap(),
        other => panic!("{other:?}"),
    }
    body
}

fn varies_by(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn a_long_answer_comes_in_the_coding_that_is_accepted_best() {
    let edge = Edge::start().await;
    let plain = edge.get(LONG).await;
    assert_eq!((plain.header("content-encoding"), plain.body.len() > 5000), ("", true));
    assert!(varies_by(&plain).contains(&"accept-encoding"));
    for (accepted, coding) in [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br;q=0.1", "gzip"),
    ] {
        let answer = accepting(&edge, LONG, accepted).await;
        assert_eq!((answer.header("content-encoding"), answer.header("content-type")), (coding, "application/json"));
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert!(answer.body.len() < 500 && varies_by(&answer).contains(&"accept-encoding"));
        assert_eq!(decoded(&answer), plain.body, "{accepted}");
    }
}

#[tokio::test]
async fn each_coding_has_its_entity_tag_and_either_is_known_again() {
    let edge = Edge::start().await;
    let (plain, gzip) = (edge.get(LONG).await, accepting(&edge, LONG, "gzip").await);
    assert_ne!(plain.header("etag"), gzip.header("etag"));
    for etag in [plain.header("etag"), gzip.header("etag")] {
        let headers = [("accept-encoding", "gzip"), ("if-none-match", etag)];
        let known = edge.send(Method::GET, LONG, &headers, "").await;
        assert_eq!((known.status, known.header("etag")), (StatusCode::NOT_MODIFIED, etag));
        assert!(varies_by(&known).contains(&"accept-encoding"));
    }
}

#[tokio::test]
async fn head_says_what_get_would() {
    let edge = Edge::start().await;
    for accepted in ["gzip", "identity"] {
        let get = accepting(&edge, LONG, accepted).await;
        let head = edge.send(Method::HEAD, LONG, &[("accept-encoding", accepted)], "").await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        for name in ["content-encoding", "content-length", "content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
    }
}

#[tokio::test]
async fn short_answers_streams_and_failures_stay_as_they_are() {
    let edge = Edge::start().await;
    for path in ["/api/v1/cards/a", "/api/v1/count/900", "/api/v1/files/900", "/api/v1/fail/5"] {
        let answer = accepting(&edge, path, "gzip").await;
        assert_eq!(answer.header("content-encoding"), "", "{path}");
    }
    let headers = [("accept-encoding", "gzip"), ("accept", "text/event-stream")];
    let events = edge.send(Method::GET, "/api/v1/feed/900", &headers, "").await;
    assert_eq!((events.header("content-type"), events.header("content-encoding")), ("text/event-stream", ""));
}

#[tokio::test]
async fn messages_of_grpc_are_not_touched() {
    let edge = Edge::start().await;
    let note = Note { name: "x".repeat(5000), ..Note::default() };
    let headers = [("accept-encoding", "gzip, br")];
    let answer = edge.grpc_web("/edge.test.v1.EchoService/Open", "application/grpc-web", &headers, &note).await;
    assert_eq!((answer.http.header("content-encoding"), answer.message::<Note>()), ("", note));
}

#[tokio::test]
async fn what_signs_people_in_is_never_compressed() {
    let upstream = address_where_nobody_listens().await;
    let mut config = Edge::config(focusflow_proto::FILE_DESCRIPTOR_SET.to_vec(), upstream).await;
    config.limits.compression_bytes_min = 0;
    let edge = Edge::run(config).await;
    let headers = [("accept-encoding", "gzip"), ("content-type", "application/json")];
    let body = r#"{"email": "ada@example.org", "password": "correct horse"}"#;
    let login = edge.send(Method::POST, "/api/v1/auth/login", &headers, body).await;
    assert_eq!((login.header("content-encoding"), login.header("cache-control")), ("", "no-store"));
}

#[tokio::test]
async fn pages_are_compressed_and_are_the_same_each_time() {
    let edge = Edge::start().await;
    let plain = edge.get("/openapi.json").await;
    for _ in 0..2 {
        let answer = accepting(&edge, "/openapi.json", "br").await;
        assert!(answer.body.len() < plain.body.len() / 4, "{}", answer.body.len());
        assert_eq!(decoded(&answer), plain.body);
    }
}

#[tokio::test]
async fn from_how_many_bytes_on_is_configured() {
    let mut config = Edge::config(contract(), upstream::start().await).await;
    config.limits.compression_bytes_min = usize::MAX;
    let edge = Edge::run(config).await;
    assert_eq!(accepting(&edge, LONG, "gzip").await.header("content-encoding"), "");
}
