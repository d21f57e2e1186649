//! The same rules, whatever a request comes as.

use http::{Method, StatusCode};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::Edge;
use crate::support::messages::{Collected, Note, Part};

const OPEN: &str = "/edge.test.v1.EchoService/Open";
const TOO_FEW: &str = "must not be negative";

fn bad_note() -> Note {
    Note { first_part: Some(Part { line_count: -1 }), ..Note::default() }
}

#[tokio::test]
async fn rest_names_the_field_as_json_does() {
    let edge = Edge::start().await;
    let answer = edge.post_json("/api/v1/open", r#"{"firstPart": {"lineCount": "-1"}}"#).await;
    assert_eq!((answer.status, answer.fields()), (StatusCode::BAD_REQUEST, vec!["firstPart.lineCount".to_owned()]));
    let by_query = edge.get("/api/v1/open/a?firstPart.lineCount=-1").await;
    assert_eq!((by_query.status, by_query.fields()), (answer.status, answer.fields()));
}

#[tokio::test]
async fn a_line_of_an_upload_is_named_by_its_number() {
    let edge = Edge::start().await;
    let body = "{\"name\":\"a\"}\n\n{\"firstPart\":{\"lineCount\":-1}}\n";
    let answer = edge.send(Method::POST, "/api/v1/notes:collect", &[], body).await;
    assert_eq!((answer.status, answer.fields()), (StatusCode::BAD_REQUEST, vec!["firstPart.lineCount".to_owned()]));
    assert!(answer.json()["message"].as_str().unwrap().starts_with("line 3: "), "{}", answer.text());
}

#[tokio::test]
async fn grpc_names_the_field_as_the_contract_does() {
    let client = Edge::start().await.grpc().await;
    let status = client.unary::<Note, Note>(OPEN, tonic::Request::new(bad_note())).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!((violations[0].field.as_str(), violations[0].description.as_str()), ("first_part.line_count", TOO_FEW));
}

#[tokio::test]
async fn every_message_of_a_grpc_stream_is_checked() {
    let client = Edge::start().await.grpc().await;
    let path = "/edge.test.v1.EchoService/Collect";
    let good = vec![Note::default(); 3];
    let collected: Collected = client.client_streaming(path, good.clone()).await.unwrap();
    assert_eq!(collected.count, 3);
    let notes = [good, vec![bad_note()]].concat();
    let status = client.client_streaming::<Note, Collected>(path, notes).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "first_part.line_count: must not be negative")
    );
}

#[tokio::test]
async fn grpc_web_is_checked_in_both_encodings() {
    let edge = Edge::start().await;
    for content_type in ["application/grpc-web+proto", "application/grpc-web-text"] {
        let answer = edge.grpc_web(OPEN, content_type, &[], &bad_note()).await;
        assert_eq!(answer.status.code(), Code::InvalidArgument, "{content_type}");
        assert_eq!(answer.status.message(), "first_part.line_count: must not be negative", "{content_type}");
    }
}
