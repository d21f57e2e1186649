//! Request bodies.

use focusflow_gateway::transcode::Incoming;
use serde_json::json;

use super::contract::{TRANSCODER, bound, found, unbound};

#[test]
fn a_body_may_be_the_whole_message() {
    assert_eq!(
        bound("POST /v1/scalars", r#"{"anInt32": 1, "inner": {"aBool": true}}"#),
        json!({
            "anInt32": 1, "inner": {"aBool": true}
        })
    );
}

#[test]
fn a_body_may_be_one_field() {
    assert_eq!(
        bound("POST /v1/menus/lunch/dishes", r#"{"name": "soup", "prices": {"small": 3}}"#),
        json!({"menu": "lunch", "dish": {"name": "soup", "prices": {"small": 3}}})
    );
}

#[test]
fn the_path_wins_over_the_body() {
    assert_eq!(bound("POST /v1/scalars/7", r#"{"anInt32": 1, "aBool": true}"#), json!({"anInt32": 7, "aBool": true}));
    assert_eq!(bound("POST /v1/scalars/0", r#"{"anInt32": 1}"#), json!({}));
    assert_eq!(
        bound("PUT /v1/dishes/7", r#"{"id": "8", "name": "soup"}"#),
        json!({"dish": {"id": "7", "name": "soup"}})
    );
}

#[test]
fn an_absent_body_is_an_empty_one() {
    assert_eq!(bound("POST /v1/scalars", ""), json!({}));
    assert_eq!(bound("POST /v1/dishes/7:cook", " \n"), json!({"id": "7"}));
    assert_eq!(bound("POST /v1/menus/lunch/dishes", ""), json!({"menu": "lunch"}));
    assert_eq!(bound("POST /v1/menus/lunch/dishes", "null"), json!({"menu": "lunch"}));
    assert_eq!(bound("POST /v1/menus/lunch/dishes", "{}"), json!({"menu": "lunch", "dish": {}}));
}

#[test]
fn a_body_that_nobody_reads_is_refused() {
    assert_eq!(unbound("GET /v1/dishes", "{}"), ": this method takes no body");
    assert_eq!(bound("GET /v1/dishes", "\r\n"), json!({}));
}

#[test]
fn paths_in_a_body_begin_at_the_request() {
    for (line, body, expected) in [
        ("POST /v1/menus/a/dishes", r#"{"tags": ["a", 2]}"#, "dish.tags[1]: expected a string, found number"),
        ("POST /v1/menus/a/dishes", r#"{"colour": 1}"#, "dish.colour: unknown field"),
        ("POST /v1/menus/a/dishes", "[]", "dish: expected an object, found array"),
        ("POST /v1/scalars", r#"{"ints": [1.5]}"#, "ints[0]: expected an integer, found a fraction"),
    ] {
        assert_eq!(unbound(line, body), expected, "{body}");
    }
    assert!(unbound("POST /v1/menus/a/dishes", "{").starts_with(": not valid JSON: "));
}

#[test]
fn a_stream_is_one_message_for_each_body() {
    let matched = found("POST", "/v1/dishes:serve");
    for (body, wire) in [(r#"{"id": "a"}"#, b"\x0a\x01a"), (r#"{"id": "b"}"#, b"\x0a\x01b")] {
        let incoming = Incoming { body: body.as_bytes(), ..Incoming::default() };
        assert_eq!(&TRANSCODER.request(&matched, incoming).unwrap()[..], wire);
    }
}
