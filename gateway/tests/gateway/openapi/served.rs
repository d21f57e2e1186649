//! The document and the page of a running edge.

use http::{Method, StatusCode};

use crate::support::Edge;

#[tokio::test]
async fn the_document_is_that_of_the_contract_served() {
    let answer = Edge::start().await.get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(answer.json()["openapi"], "3.1.1");
    assert!(answer.json()["paths"]["/api/v1/notes"]["post"].is_object());
}

#[tokio::test]
async fn a_client_that_has_the_document_is_not_sent_it_again() {
    let edge = Edge::start().await;
    let etag = edge.get("/openapi.json").await.header("etag").to_owned();
    for given in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
        let headers = [("if-none-match", given.as_str())];
        let answer = edge.send(Method::GET, "/openapi.json", &headers, "").await;
        assert_eq!((answer.status, answer.body.len(), answer.header("etag")), (StatusCode::NOT_MODIFIED, 0, &*etag));
    }
    let other = edge.send(Method::GET, "/openapi.json", &[("if-none-match", "\"other\"")], "").await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn the_reference_is_only_read() {
    let edge = Edge::start().await;
    let head = edge.send(Method::HEAD, "/openapi.json", &[], "").await;
    let get = edge.get("/openapi.json").await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("content-length"), get.body.len().to_string());
    let post = edge.post_json("/docs", "{}").await;
    assert_eq!((post.status, post.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    assert_eq!(post.reason(), "WRONG_METHOD");
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere_and_runs_nothing_inline() {
    let edge = Edge::start().await;
    let page = edge.get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for attribute in ["src=\"", "href=\""] {
        for link in page.text().split(attribute).skip(1) {
            let path = link.split('"').next().unwrap();
            assert!(path.starts_with('/'), "{path} is another origin's");
            assert_eq!(edge.get(path).await.status, StatusCode::OK, "{path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_part_of_the_page_is_not_found() {
    let edge = Edge::start().await;
    for path in ["/docs/nothing.js", "/docs/../Cargo.toml", "/openapi.yaml"] {
        assert_eq!(edge.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
