//! HEAD and OPTIONS everywhere, and a name for every request.

use http::{Method, StatusCode};

use crate::support::{Edge, ORIGIN};

#[tokio::test]
async fn options_names_the_methods_of_a_path() {
    let edge = Edge::start().await;
    for (path, allowed) in [
        ("/api/v1/cards/a", "DELETE, GET, PATCH, PUT, HEAD, OPTIONS"),
        ("/api/v1/cards", "POST, OPTIONS"),
        ("/edge.test.v1.EchoService/Echo", "POST, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/.well-known/jwks.json", "GET, HEAD, OPTIONS"),
        ("/ws", "GET, OPTIONS"),
    ] {
        let answer = edge.send(Method::OPTIONS, path, &[], "").await;
        assert_eq!((answer.status, answer.header("allow")), (StatusCode::NO_CONTENT, allowed), "{path}");
    }
    assert_eq!(edge.send(Method::OPTIONS, "/nowhere", &[], "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_get_reads_head_reads_too() {
    let edge = Edge::start().await;
    for path in ["/api/v1/cards/a", "/api/v1/count/3", "/health", "/openapi.json", "/docs", "/.well-known/jwks.json"] {
        let (get, head) = (edge.get(path).await, edge.send(Method::HEAD, path, &[], "").await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    let wrong = edge.send(Method::DELETE, "/api/v1/open/a", &[], "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let edge = Edge::start().await;
    let preflight = [("x-request-id", "mine"), ("origin", ORIGIN), ("access-control-request-method", "GET")];
    let large = "x".repeat(crate::support::BODY_BYTES_MAX + 1);
    for (method, path, status, body) in [
        (Method::GET, "/api/v1/cards/a", 200, ""),
        (Method::GET, "/nowhere", 404, ""),
        (Method::DELETE, "/api/v1/open", 405, ""),
        (Method::POST, "/api/v1/open", 413, &large),
        (Method::POST, "/edge.test.v1.EchoService/Echo", 415, ""),
        (Method::GET, "/health", 200, ""),
        (Method::GET, "/docs", 200, ""),
        (Method::GET, "/openapi.json", 200, ""),
        (Method::GET, "/ws", 426, ""),
        (Method::OPTIONS, "/api/v1/cards/a", 204, ""),
    ] {
        let headers = if status == 204 { &preflight[..] } else { &preflight[..1] };
        let answer = edge.send(method, path, headers, body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-request-id")), (status, "mine"), "{path}");
    }
}
