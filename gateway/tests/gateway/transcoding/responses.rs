//! Responses and statuses.

use focusflow_gateway::transcode::Outgoing;
use prost::Message as _;
use prost_types::Any;
use serde_json::{Value, json};
use tonic_types::pb::{BadRequest, RetryInfo, Status, bad_request::FieldViolation};

use super::contract::{TRANSCODER, found};

fn rendered(verb: &str, path: &str, wire: &[u8]) -> Value {
    let Outgoing { content_type, body } = TRANSCODER.response(TRANSCODER.route(&found(verb, path)), wire).unwrap();
    assert_eq!(content_type, "application/json");
    serde_json::from_slice(&body).unwrap()
}

fn status(code: i32, message: &str, details: Vec<Any>) -> Value {
    let status = Status { code, message: message.to_owned(), details };
    serde_json::from_slice(&TRANSCODER.status_json(&status.encode_to_vec())).unwrap()
}

fn packed(name: &str, message: &impl prost::Message) -> Any {
    Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value: message.encode_to_vec() }
}

/// `{dishes: [{id: "a"}], next_page_token: "n"}`
const PAGE: &[u8] = b"\x0a\x03\x0a\x01a\x12\x01n";

#[test]
fn a_response_is_the_whole_message() {
    assert_eq!(
        rendered("GET", "/v1/dishes:whole", PAGE),
        json!({
            "dishes": [{"id": "a", "name": "", "tags": [], "prices": {}}], "nextPageToken": "n"
        })
    );
    assert_eq!(rendered("POST", "/v1/dishes/1:cook", b""), json!({}));
}

#[test]
fn a_response_may_be_one_field_of_it() {
    assert_eq!(rendered("GET", "/v1/dishes", PAGE), json!([{"id": "a", "name": "", "tags": [], "prices": {}}]));
    assert_eq!(rendered("GET", "/v1/dishes:next", PAGE), json!("n"));
    assert_eq!(rendered("GET", "/v1/dishes", b""), json!([]));
    assert_eq!(rendered("GET", "/v1/dishes:next", b""), json!(""));
    assert_eq!(rendered("GET", "/v1/dishes:first", b"\x1a\x00")["id"], json!(""));
    assert_eq!(rendered("GET", "/v1/dishes:first", b""), json!(null));
}

#[test]
fn a_field_is_found_in_records_of_any_order() {
    assert_eq!(rendered("GET", "/v1/dishes:next", b"\x12\x01m\x0a\x00\x12\x01n"), json!("n"));
}

#[test]
fn a_response_that_cannot_be_read_is_an_error() {
    let route = TRANSCODER.route(&found("GET", "/v1/dishes"));
    assert!(TRANSCODER.response(route, b"\x0a\x7f").is_err());
}

#[test]
fn statuses_show_their_details() {
    let violations = vec![FieldViolation {
        field: "dish.name".to_owned(),
        description: "too long".to_owned(),
        ..FieldViolation::default()
    }];
    let retry = RetryInfo { retry_delay: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }) };
    let details = vec![packed("BadRequest", &BadRequest { field_violations: violations }), packed("RetryInfo", &retry)];
    let shown = status(3, "no", details);
    assert_eq!(shown["code"], 3);
    assert_eq!(shown["message"], "no");
    assert_eq!(shown["details"][0]["@type"], "type.googleapis.com/google.rpc.BadRequest");
    assert_eq!(shown["details"][0]["fieldViolations"][0]["field"], "dish.name");
    assert_eq!(
        shown["details"][1],
        json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"})
    );
}

#[test]
fn statuses_without_details_have_the_same_shape() {
    assert_eq!(status(5, "gone", Vec::new()), json!({"code": 5, "message": "gone", "details": []}));
}

#[test]
fn details_that_nobody_knows_are_shown_as_bytes() {
    let unknown = Any { type_url: "example.com/a.B".to_owned(), value: vec![1, 2] };
    let broken = Any { type_url: "type.googleapis.com/google.rpc.BadRequest".to_owned(), value: vec![0xff] };
    assert_eq!(
        status(2, "", vec![unknown, broken])["details"],
        json!([
            {"@type": "example.com/a.B", "value": "AQI="},
            {"@type": "type.googleapis.com/google.rpc.BadRequest", "value": "/w=="},
        ])
    );
}

#[test]
fn a_status_that_cannot_be_read_is_an_internal_error() {
    let shown: Value = serde_json::from_slice(&TRANSCODER.status_json(b"\xff")).unwrap();
    assert_eq!(shown["code"], 13);
}
