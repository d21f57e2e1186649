//! gRPC-Web over HTTP/1.1, in both encodings.

use tonic::Code;

use crate::support::Edge;
use crate::support::messages::{CountRequest, FailRequest, HealthCheckRequest, Note, Nothing};

const OPEN: &str = "/edge.test.v1.EchoService/Open";

fn note(name: &str) -> Note {
    Note { name: name.to_owned(), ..Note::default() }
}

#[tokio::test]
async fn every_spelling_of_the_media_type_is_understood() {
    let edge = Edge::start().await;
    for (content_type, answered_as) in [
        ("application/grpc-web", "application/grpc-web+proto"),
        ("application/grpc-web+proto", "application/grpc-web+proto"),
        ("application/grpc-web+proto; charset=utf-8", "application/grpc-web+proto"),
        ("application/grpc-web;charset=UTF-8;boundary=x", "application/grpc-web+proto"),
        ("Application/gRPC-Web+Proto", "application/grpc-web+proto"),
        ("APPLICATION/GRPC-WEB ; charset=utf-8", "application/grpc-web+proto"),
        ("application/grpc-web-text", "application/grpc-web-text+proto"),
        ("application/grpc-web-text+proto", "application/grpc-web-text+proto"),
        ("application/grpc-web-text; charset=utf-8", "application/grpc-web-text+proto"),
        ("application/grpc-web-text+proto;charset=\"utf-8\"", "application/grpc-web-text+proto"),
    ] {
        let answer = edge.grpc_web(OPEN, content_type, &[], &note("web")).await;
        assert_eq!(answer.message::<Note>(), note("web"), "{content_type}");
        assert_eq!(answer.http.header("content-type"), answered_as);
    }
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let edge = Edge::start().await;
    for path in ["/edge.test.v1.EchoService/Echo", "/edge.test.v1.EchoService/Unknown"] {
        let mut stream = tokio::net::TcpStream::connect(edge.address).await.unwrap();
        let head = "HTTP/1.1\r\nhost: edge\r\ncontent-type: application/grpc-web\r\ntransfer-encoding: chunked\r\n\r\n";
        // The refusal is decided by the head alone; the body comes in two parts behind it.
        stream.write_all(format!("POST {path} {head}5\r\n\0\0\0\0\0\r\n").as_bytes()).await.unwrap();
        assert!(edge.get("/health").await.status.as_u16() > 0, "the edge had time to look at it");
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 1024];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.contains("grpc-status: "), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_token_admits_over_grpc_web() {
    let edge = Edge::start().await;
    let token = format!("Bearer {}", edge.token());
    let headers = [("authorization", token.as_str())];
    let path = "/edge.test.v1.EchoService/Echo";
    let answer = edge.grpc_web(path, "application/grpc-web", &headers, &note("mine")).await;
    assert_eq!(answer.message::<Note>(), note("mine"));
}

#[tokio::test]
async fn server_streams_arrive_frame_by_frame() {
    let edge = Edge::start().await;
    for content_type in ["application/grpc-web", "application/grpc-web-text"] {
        let request = CountRequest { count: 3, ..CountRequest::default() };
        let answer = edge.grpc_web("/edge.test.v1.EchoService/Count", content_type, &[], &request).await;
        assert_eq!((answer.messages.len(), answer.status.code()), (3, Code::Ok), "{content_type}");
    }
}

#[tokio::test]
async fn a_failure_of_the_service_arrives_with_its_details() {
    let edge = Edge::start().await;
    for content_type in ["application/grpc-web", "application/grpc-web-text"] {
        let path = "/edge.test.v1.EchoService/Fail";
        let answer = edge.grpc_web(path, content_type, &[], &FailRequest { code: 5 }).await;
        assert_eq!(answer.status.code(), Code::NotFound);
        assert!(!answer.status.details().is_empty());
    }
}

#[tokio::test]
async fn a_deadline_is_kept() {
    let edge = Edge::start().await;
    let headers = [("grpc-timeout", "50m")];
    let answer = edge.grpc_web("/edge.test.v1.EchoService/Hang", "application/grpc-web", &headers, &Nothing {}).await;
    assert_eq!(answer.status.code(), Code::DeadlineExceeded);
    let headers = [("grpc-timeout", "50")];
    let answer = edge.grpc_web("/edge.test.v1.EchoService/Hang", "application/grpc-web", &headers, &Nothing {}).await;
    assert_eq!(answer.status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn text_that_is_not_base64_is_refused() {
    let edge = Edge::start().await;
    let headers = [("content-type", "application/grpc-web-text")];
    let answer = edge.send(http::Method::POST, OPEN, &headers, "!!!!").await;
    assert_eq!(answer.header("grpc-status"), "3", "{}", answer.text());
}

#[tokio::test]
async fn a_stream_that_the_edge_itself_answers_ends_at_its_deadline() {
    let edge = Edge::start().await;
    let request = HealthCheckRequest { service: String::new() };
    let headers = [("grpc-timeout", "50m")];
    let answer = edge.grpc_web("/grpc.health.v1.Health/Watch", "application/grpc-web", &headers, &request).await;
    assert_eq!((answer.messages.len(), answer.status.code()), (1, Code::DeadlineExceeded));
}
