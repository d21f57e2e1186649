//! Entity tags, and what they spare (RFC 9110, 8.8.3, 13.1.2 and 15.4.5).

use http::{Method, StatusCode};

use crate::support::Edge;

#[tokio::test]
async fn an_answer_with_an_etag_is_kept_by_its_person_and_asked_about() {
    let edge = Edge::start().await;
    let answer = edge.get("/api/v1/cards/a").await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "private, no-cache"));
    let etag = answer.header("etag");
    assert!(etag.starts_with("\"3~") && etag.ends_with('"'), "{etag}");
    assert_eq!(answer.json()["etag"], "\"3\"");
}

#[tokio::test]
async fn an_answer_without_an_etag_is_kept_by_nobody() {
    let edge = Edge::start().await;
    for (method, path) in [
        (Method::GET, "/api/v1/open/a"),
        (Method::POST, "/api/v1/open"),
        (Method::PATCH, "/api/v1/cards/a"),
        (Method::GET, "/api/v1/count/3"),
        (Method::GET, "/api/v1/fail/5"),
        (Method::GET, "/nowhere"),
        (Method::GET, "/health"),
    ] {
        let answer = edge.send(method, path, &[], "").await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn who_has_the_answer_is_not_sent_it_again() {
    let edge = Edge::start().await;
    let path = "/api/v1/cards/a?textBytes=5000";
    let etag = edge.get(path).await.header("etag").to_owned();
    for method in [Method::GET, Method::HEAD] {
        for given in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let answer = edge.send(method.clone(), path, &[("if-none-match", &given)], "").await;
            assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0), "{given}");
            assert_eq!((answer.header("etag"), answer.header("cache-control")), (&*etag, "private, no-cache"));
            assert_eq!((answer.header("content-type"), answer.header("content-length")), ("", ""));
        }
    }
    for given in ["\"3\"", "\"4~0\"", "none", "\"3"] {
        let answer = edge.send(Method::GET, path, &[("if-none-match", given)], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{given}");
    }
}

/// A habit's streak grows by the day and by its logs, which leave its etag as it is.
#[tokio::test]
async fn an_answer_that_has_changed_is_sent_although_its_etag_is_the_same() {
    let edge = Edge::start().await;
    let before = edge.get("/api/v1/cards/a?streak=1").await;
    let headers = [("if-none-match", before.header("etag"))];
    let after = edge.send(Method::GET, "/api/v1/cards/a?streak=2", &headers, "").await;
    assert_eq!((after.status, after.json()["streak"].as_i64()), (StatusCode::OK, Some(2)));
    assert_eq!(before.json()["etag"], after.json()["etag"]);
}

#[tokio::test]
async fn etags_that_are_no_entity_tags_are_made_some() {
    let edge = Edge::start().await;
    let answer = edge.get("/api/v1/cards/opaque").await;
    let etag = answer.header("etag");
    assert!(etag.starts_with("\"~v%203~"), "{etag}");
    let known = edge.send(Method::GET, "/api/v1/cards/opaque", &[("if-none-match", etag)], "").await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    let changed = edge.send(Method::DELETE, "/api/v1/cards/opaque", &[("if-match", etag)], "").await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
}

#[tokio::test]
async fn a_part_of_a_message_and_what_was_put_have_no_etag() {
    let edge = Edge::start().await;
    assert_eq!(edge.get("/api/v1/cards/a/text").await.header("etag"), "");
    let headers = [("content-type", "application/json")];
    let patched = edge.send(Method::PATCH, "/api/v1/cards/a", &headers, "{}").await;
    assert!(patched.header("etag").starts_with("\"4~"), "{}", patched.text());
    let put = edge.send(Method::PUT, "/api/v1/cards/a", &headers, "{}").await;
    assert_eq!((put.status, put.header("etag")), (StatusCode::OK, ""));
}

#[tokio::test]
async fn pages_are_asked_about_too() {
    let edge = Edge::start().await;
    for path in ["/docs", "/docs/reference.js", "/openapi.json"] {
        let page = edge.get(path).await;
        assert_eq!(page.header("cache-control"), "no-cache", "{path}");
        let known = edge.send(Method::GET, path, &[("if-none-match", page.header("etag"))], "").await;
        assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
    }
}
