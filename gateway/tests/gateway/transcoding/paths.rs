//! Paths: which route they lead to, and what they fill.

use focusflow_gateway::transcode::Lookup;
use serde_json::json;

use super::contract::{TRANSCODER, bound, found, unbound};

#[test]
fn every_scalar_is_read_from_a_path() {
    let path = "/v1/scalars/1.5/-2.5/-3/-4/5/6/-7/-8/9/10/-11/-12/true/a%20%2Fb/_-8/GREEN";
    assert_eq!(
        bound(&format!("GET {path}"), ""),
        json!({
            "aDouble": 1.5, "aFloat": -2.5, "anInt32": -3, "anInt64": "-4", "aUint32": 5, "aUint64": "6", "aSint32": -7,
            "aSint64": "-8", "aFixed32": 9, "aFixed64": "10", "aSfixed32": -11, "aSfixed64": "-12", "aBool": true,
            "aString": "a /b", "someBytes": "/+8=", "color": "GREEN"
        })
    );
}

#[test]
fn messages_with_a_text_form_are_read_from_a_path() {
    assert_eq!(
        bound("GET /v1/timed/2026-01-02T03:04:05Z/1.5s/7", ""),
        json!({"when": "2026-01-02T03:04:05Z", "wait": "1.500s", "count": "7"})
    );
}

#[test]
fn variables_reach_into_messages() {
    assert_eq!(bound("PUT /v1/dishes/7", "{}"), json!({"dish": {"id": "7"}}));
}

#[test]
fn variables_of_several_segments_keep_their_escaped_slashes() {
    assert_eq!(bound("GET /v1/shelves/a%20b/files/c/d%2Fe", ""), json!({"name": "shelves/a b/files/c/d%2Fe"}));
    assert_eq!(bound("GET /v1/shelves/a/files", ""), json!({"name": "shelves/a/files"}));
    assert_eq!(bound("GET /v1/any/x/y/z", ""), json!({"name": "x/y/z"}));
    assert_eq!(bound("POST /v1/any/x/y:copy", ""), json!({"name": "x/y"}));
    assert_eq!(bound("GET /v1/sinks/a%2Fb", ""), json!({"name": "a/b"}));
}

#[test]
fn verbs_are_no_part_of_a_variable() {
    assert_eq!(bound("POST /v1/dishes/7:cook", "{}"), json!({"id": "7"}));
    assert_eq!(bound("BREW /v1/dishes/7:cook", ""), json!({"id": "7"}));
    assert_eq!(bound("GET /v1/sinks/a:b", ""), json!({"name": "a:b"}));
}

#[test]
fn a_wrong_verb_is_told_the_right_ones() {
    let wrong = |verb: &str, path: &str| match TRANSCODER.find(verb, path) {
        Lookup::WrongMethod(allowed) => allowed,
        other => panic!("{other:?}"),
    };
    assert_eq!(wrong("DELETE", "/v1/scalars"), ["GET", "POST"]);
    assert_eq!(wrong("GET", "/v1/dishes/7:cook"), ["BREW", "POST"]);
    assert_eq!(wrong("get", "/v1/scalars"), ["GET", "POST"]);
}

#[test]
fn unknown_paths_lead_nowhere() {
    for path in [
        "/",
        "",
        "/v2/scalars",
        "/v1/sinks",
        "/v1/sinks/",
        "/v1/sinks/a/b",
        "v1/scalars",
        "/kitchen.v1.Kitchen/NotExposed",
    ] {
        assert_eq!(TRANSCODER.find("GET", path), Lookup::NotFound, "{path}");
    }
}

#[test]
fn routes_describe_themselves() {
    let route = TRANSCODER.route(&found("GET", "/v1/dishes:watch"));
    assert_eq!(route.method, "/kitchen.v1.Kitchen/WatchDishes");
    assert_eq!((route.verb.as_str(), route.template.as_str()), ("GET", "/v1/dishes:watch"));
    assert!(route.server_streaming && !route.client_streaming);
    assert!(TRANSCODER.route(&found("POST", "/v1/dishes:serve")).client_streaming);
}

#[test]
fn variables_that_do_not_fit_are_refused_by_name() {
    for (line, expected) in [
        ("POST /v1/scalars/x", "an_int32: expected an integer, found \"x\""),
        ("POST /v1/scalars/2147483648", "an_int32: out of range for int32"),
        ("GET /v1/timed/now/1s/1", "when: expected a timestamp, found \"now\""),
        ("GET /v1/timed/2026-01-02T03:04:05Z/1s/many", "count: expected an integer, found \"many\""),
        ("GET /v1/sinks/%zz", "name: its percent-encoding is broken"),
        ("GET /v1/sinks/%ff", "name: its percent-encoding is broken"),
    ] {
        assert_eq!(unbound(line, ""), expected, "{line}");
    }
}
