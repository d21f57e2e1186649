//! CORS: what a browser lets a page read.

use http::{Method, StatusCode};

use crate::support::client::Answer;
use crate::support::{Edge, ORIGIN};

async fn preflight(edge: &Edge, origin: &str, method: &str, headers: &str) -> Answer {
    let headers =
        [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", headers)];
    edge.send(Method::OPTIONS, "/api/v1/notes/a", &headers, "").await
}

#[tokio::test]
async fn a_preflight_from_the_frontend_allows_what_the_clients_send() {
    let edge = Edge::start().await;
    let answer = preflight(&edge, ORIGIN, "PATCH", "authorization,content-type").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, ORIGIN));
    let allowed_methods = answer.header("access-control-allow-methods");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(allowed_methods.contains(method), "{allowed_methods}");
    }
    let allowed_headers = answer.header("access-control-allow-headers").to_lowercase();
    for header in ["authorization", "content-type", "x-grpc-web", "x-user-agent", "grpc-timeout", "traceparent"] {
        assert!(allowed_headers.contains(header), "{allowed_headers}");
    }
}

#[tokio::test]
async fn no_other_origin_is_allowed() {
    let edge = Edge::start().await;
    for origin in ["https://evil.example.org", "http://app.example.org", "null", "https://app.example.org.evil.org"] {
        let answer = preflight(&edge, origin, "GET", "authorization").await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        let answer = edge.send(Method::GET, "/health", &[("origin", origin)], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
    }
}

#[tokio::test]
async fn a_page_may_read_the_status_of_a_failed_rpc() {
    let edge = Edge::start().await;
    let headers = [("content-type", "application/grpc-web"), ("origin", ORIGIN)];
    let answer = edge.send(Method::POST, "/edge.test.v1.EchoService/Echo", &headers, &b"\0\0\0\0\0"[..]).await;
    assert_eq!((answer.header("grpc-status"), answer.header("access-control-allow-origin")), ("16", ORIGIN));
    let exposed = answer.header("access-control-expose-headers").to_lowercase();
    for header in ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id", "retry-after"] {
        assert!(exposed.contains(header), "{exposed}");
    }
}
