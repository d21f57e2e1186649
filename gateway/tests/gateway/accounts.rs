//! The contract of FocusFlow itself, as far as the edge answers it without storage.

use http::StatusCode;

use crate::support::{Edge, address_where_nobody_listens};

async fn focusflow() -> Edge {
    Edge::serving(focusflow_proto::FILE_DESCRIPTOR_SET.to_vec(), address_where_nobody_listens().await).await
}

#[tokio::test]
async fn a_bad_registration_names_every_field_as_it_was_sent() {
    let body = r#"{"email": "ada", "password": "short", "timeZone": "Mars/Olympus"}"#;
    let answer = focusflow().await.post_json("/api/v1/auth/register", body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.fields(), ["email", "password", "timeZone"]);
}

#[tokio::test]
async fn without_storage_a_login_is_told_that_it_is_down() {
    let body = r#"{"email": "ada@example.org", "password": "correct horse"}"#;
    let answer = focusflow().await.post_json("/api/v1/auth/login", body).await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "NO_ENDPOINT"));
}

#[tokio::test]
async fn internal_services_cannot_be_reached() {
    let edge = focusflow().await;
    let path = "/focusflow.internal.v1.CredentialService/FindAccount";
    let answer = edge.grpc_web(path, "application/grpc-web", &[], &crate::support::messages::Nothing {}).await;
    assert_eq!(answer.status.code(), tonic::Code::Unimplemented);
}
