//! `If-Match`: a change of one version (RFC 9110, 13.1.1).

use http::{Method, StatusCode};

use crate::support::Edge;
use crate::support::client::{Answer, detail};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Each way to change a card: by a body, by a custom method, and without a body.
const CHANGES: [(Method, &str); 4] = [
    (Method::PATCH, "/api/v1/cards/a"),
    (Method::PUT, "/api/v1/cards/a"),
    (Method::POST, "/api/v1/cards/a:replace"),
    (Method::DELETE, "/api/v1/cards/a"),
];

async fn change(edge: &Edge, (method, path): (Method, &str), if_match: &str) -> Answer {
    let body = if method == Method::DELETE { "" } else { "{}" };
    edge.send(method, path, &[JSON, ("if-match", if_match)], body).await
}

#[tokio::test]
async fn the_version_that_was_read_is_changed() {
    let edge = Edge::start().await;
    let long = "/api/v1/cards/a?textBytes=5000";
    let compressed = edge.send(Method::GET, long, &[("accept-encoding", "gzip")], "").await;
    assert!(compressed.header("etag").ends_with("~gzip\""));
    let plain = edge.get("/api/v1/cards/a").await;
    for etag in [plain.header("etag"), compressed.header("etag"), plain.json()["etag"].as_str().unwrap(), "*"] {
        for way in CHANGES {
            let answer = change(&edge, way.clone(), etag).await;
            assert_eq!(answer.status, StatusCode::OK, "{way:?} {etag}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn another_version_is_not_changed_and_the_answer_names_the_current_one() {
    let edge = Edge::start().await;
    for etag in ["\"2\"", "\"2~9a1f0c55d2e8b764~br\"", "W/\"3\"", "\"\""] {
        for way in CHANGES {
            let answer = change(&edge, way.clone(), etag).await;
            assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{way:?} {etag}");
            assert_eq!((answer.reason().as_str(), answer.json()["code"].as_i64()), ("ETAG_MISMATCH", Some(10)));
            assert_eq!(detail(&answer.json(), "ErrorInfo")["metadata"]["current_etag"], "\"3\"");
        }
    }
}

#[tokio::test]
async fn a_conflict_that_no_header_asked_for_stays_one() {
    let edge = Edge::start().await;
    let in_body = edge.send(Method::PATCH, "/api/v1/cards/a", &[JSON], r#"{"etag": "\"2\""}"#).await;
    let in_query = edge.send(Method::DELETE, "/api/v1/cards/a?etag=%222%22", &[], "").await;
    for answer in [in_body, in_query] {
        assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::CONFLICT, "ETAG_MISMATCH"));
    }
    let busy = change(&edge, (Method::PATCH, "/api/v1/cards/busy"), "\"3\"").await;
    assert_eq!((busy.status, busy.reason().as_str()), (StatusCode::CONFLICT, "DATABASE_CONFLICT"));
    for if_match in ["*", "\"3\""] {
        let gone = change(&edge, (Method::DELETE, "/api/v1/cards/gone"), if_match).await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn header_and_body_may_not_differ() {
    let edge = Edge::start().await;
    let headers = [JSON, ("if-match", "\"3\"")];
    let same = edge.send(Method::PATCH, "/api/v1/cards/a", &headers, r#"{"etag": "\"3\""}"#).await;
    assert_eq!(same.status, StatusCode::OK, "{}", same.text());
    let differing = edge.send(Method::PATCH, "/api/v1/cards/a", &headers, r#"{"etag": "\"2\"", "text": "b"}"#).await;
    assert_eq!((differing.status, differing.fields()), (StatusCode::BAD_REQUEST, vec!["card.etag".to_owned()]));
    assert!(differing.json()["message"].as_str().unwrap().contains("if-match"), "{}", differing.text());
    let query = edge.send(Method::DELETE, "/api/v1/cards/a?etag=x", &[("if-match", "\"3\"")], "").await;
    assert_eq!((query.status, query.fields()), (StatusCode::BAD_REQUEST, vec!["etag".to_owned()]));
}

#[tokio::test]
async fn a_condition_that_cannot_be_kept_is_refused_by_the_headers_name() {
    let edge = Edge::start().await;
    let (patch, create) = ((Method::PATCH, "/api/v1/cards/a"), (Method::POST, "/api/v1/cards"));
    let shuffle = (Method::POST, "/api/v1/cards:shuffle");
    for ((method, path), header, value) in [
        (patch.clone(), "if-match", "3"),
        (patch.clone(), "if-match", "\"3\", \"4\""),
        (patch.clone(), "if-match", ""),
        (patch, "if-none-match", "*"),
        (create, "if-match", "\"3\""),
        (shuffle, "if-match", "\"3\""),
        ((Method::GET, "/api/v1/count/3"), "if-match", "\"3\""),
    ] {
        let body = if method == Method::GET { "" } else { "{}" };
        let answer = edge.send(method, path, &[JSON, (header, value)], body).await;
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (StatusCode::BAD_REQUEST, "BAD_HEADER"),
            "{path} {value}"
        );
        assert_eq!(detail(&answer.json(), "ErrorInfo")["metadata"]["header"], header);
    }
}

#[tokio::test]
async fn only_the_version_that_is_asked_for_is_read() {
    let edge = Edge::start().await;
    let etag = edge.get("/api/v1/cards/a").await.header("etag").to_owned();
    for (if_match, status) in [
        (etag.as_str(), StatusCode::OK),
        ("\"3\"", StatusCode::OK),
        ("*", StatusCode::OK),
        ("\"2\"", StatusCode::PRECONDITION_FAILED),
        (&format!("W/{etag}"), StatusCode::PRECONDITION_FAILED),
    ] {
        let answer = edge.send(Method::GET, "/api/v1/cards/a", &[("if-match", if_match)], "").await;
        assert_eq!(answer.status, status, "{if_match}");
    }
}
