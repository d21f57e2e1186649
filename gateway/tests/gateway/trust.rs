//! What a client cannot make the services believe.

use http::Method;
use uuid::Uuid;

use crate::support::Edge;
use crate::support::messages::{Headers, Nothing};

const METADATA: &str = "/edge.test.v1.EchoService/Metadata";

#[tokio::test]
async fn the_person_is_that_of_the_token_and_never_that_of_a_header() {
    let edge = Edge::start().await;
    let token = format!("Bearer {}", edge.token());
    let somebody_else = Uuid::now_v7().to_string();
    let headers = [
        ("authorization", token.as_str()),
        ("x-focusflow-user-id", somebody_else.as_str()),
        ("x-focusflow-anything", "1"),
    ];

    let rest = edge.send(Method::GET, "/api/v1/metadata", &headers, "").await.json();
    assert_eq!(rest["values"]["x-focusflow-user-id"], edge.user_id.to_string());
    assert!(rest["values"].get("x-focusflow-anything").is_none());
    assert!(rest["values"].get("authorization").is_none(), "the edge has read it, and what goes on can leak");

    let web = edge.grpc_web(METADATA, "application/grpc-web", &headers, &Nothing {}).await.message::<Headers>();
    assert_eq!(web.values["x-focusflow-user-id"], edge.user_id.to_string());
    assert!(!web.values.contains_key("x-focusflow-anything"));

    let mut request = tonic::Request::new(Nothing {});
    for (name, value) in headers {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let native: Headers = edge.grpc().await.unary(METADATA, request).await.unwrap();
    assert_eq!(native.values["x-focusflow-user-id"], edge.user_id.to_string());
    assert!(!native.values.contains_key("x-focusflow-anything"));
    assert!(!native.values.contains_key("authorization"));
}

#[tokio::test]
async fn a_header_does_not_stand_in_for_a_token() {
    let edge = Edge::start().await;
    let user_id = edge.user_id.to_string();
    let answer = edge.send(Method::GET, "/api/v1/metadata", &[("x-focusflow-user-id", &user_id)], "").await;
    assert_eq!(answer.reason(), "TOKEN_MISSING");
}

#[tokio::test]
async fn headers_of_the_connection_stay_at_the_edge() {
    let edge = Edge::start().await;
    let token = format!("Bearer {}", edge.token());
    let headers = [
        ("authorization", token.as_str()),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("cookie", "secret=1"),
        ("origin", "https://app.example.org"),
    ];
    let web = edge.grpc_web(METADATA, "application/grpc-web", &headers, &Nothing {}).await.message::<Headers>();
    for name in ["connection", "x-hop", "cookie", "origin", "x-grpc-web"] {
        assert!(!web.values.contains_key(name), "{name} in {:?}", web.values);
    }
}
