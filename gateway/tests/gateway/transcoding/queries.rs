//! Query strings.

use serde_json::json;

use super::contract::{bound, unbound};

#[test]
fn every_scalar_is_read_from_a_query() {
    let query = "aDouble=1.5&aFloat=-2.5&anInt32=-3&anInt64=-4&aUint32=5&aUint64=6&aSint32=-7&aSint64=-8&aFixed32=9\
                 &aFixed64=10&aSfixed32=-11&aSfixed64=-12&aBool=true&aString=a+%26%3Db&someBytes=_-8&color=2";
    assert_eq!(
        bound(&format!("GET /v1/scalars?{query}"), ""),
        json!({
            "aDouble": 1.5, "aFloat": -2.5, "anInt32": -3, "anInt64": "-4", "aUint32": 5, "aUint64": "6", "aSint32": -7,
            "aSint64": "-8", "aFixed32": 9, "aFixed64": "10", "aSfixed32": -11, "aSfixed64": "-12", "aBool": true,
            "aString": "a &=b", "someBytes": "/+8=", "color": "GREEN"
        })
    );
}

#[test]
fn lists_are_repeated_parameters() {
    assert_eq!(
        bound("GET /v1/scalars?ints=1&strings=a,b&ints=2&strings=&colors=RED&colors=2&", ""),
        json!({"ints": [1, 2], "strings": ["a,b", ""], "colors": ["RED", "GREEN"]})
    );
}

#[test]
fn dots_lead_into_messages_by_either_name() {
    assert_eq!(
        bound("GET /v1/scalars?inner.anInt32=1&inner.inner.a_string=x&inner.ints=3&inner.ints=4&two.a_bool=true", ""),
        json!({"inner": {"anInt32": 1, "inner": {"aString": "x"}, "ints": [3, 4]}, "two": {"aBool": true}})
    );
}

#[test]
fn messages_with_a_text_form_are_parameters() {
    assert_eq!(
        bound(
            "GET /v1/timed?when=2026-01-02T03:04:05%2B01:00&wait=-0.5s&count=7&note=a&flag=false&mask=dueTime,a.b_c",
            ""
        ),
        json!({
            "when": "2026-01-02T02:04:05Z", "wait": "-0.500s", "count": "7", "note": "a", "flag": false,
            "mask": "dueTime,a.bC"
        })
    );
}

#[test]
fn defaults_are_values_too() {
    assert_eq!(bound("GET /v1/scalars?maybe=0&one=0", ""), json!({"maybe": 0, "one": 0}));
    assert_eq!(bound("GET /v1/scalars?aString=", ""), json!({}));
    assert_eq!(bound("GET /v1/scalars?", ""), json!({}));
}

#[test]
fn what_the_body_leaves_comes_from_the_query() {
    assert_eq!(
        bound("POST /v1/menus/lunch/dishes?requestId=r&validate_only=true", r#"{"name": "soup"}"#),
        json!({"menu": "lunch", "dish": {"name": "soup"}, "requestId": "r", "validateOnly": true})
    );
}

#[test]
fn parameters_that_name_nothing_are_refused() {
    for (query, expected) in [
        ("colour=1", "colour: unknown query parameter"),
        ("=1", ": unknown query parameter"),
        ("inner.colour=1", "inner.colour: unknown query parameter"),
        ("inner=1", "inner: the query parameter is no scalar; name one of its fields"),
        ("labels=1", "labels: the query parameter is no scalar; name one of its fields"),
        ("labels.a=1", "labels.a: the query parameter leads through a field that is no single message"),
        ("list.anInt32=1", "list.anInt32: the query parameter leads through a field that is no single message"),
        ("anInt32.x=1", "anInt32.x: the query parameter leads through a field that is no single message"),
        ("anInt32=", "anInt32: expected an integer, found \"\""),
        ("anInt32=1&anInt32=2", "anInt32: given twice"),
        ("anInt32=1&an_int32=1", "an_int32: given twice"),
        ("ints=1&ints=x", "ints: expected an integer, found \"x\""),
        ("aBool=yes", "aBool: expected true or false, found \"yes\""),
        ("color=BLUE", "color: \"BLUE\" is no value of kitchen.v1.Color"),
        ("one=1&two.aBool=true", "two.aBool: excludes one, which is also given"),
        ("two.aBool=true&one=1", "one: excludes two.a_bool, which is also given"),
        ("aString=%zz", "aString: the parameter's percent-encoding is broken"),
    ] {
        assert_eq!(unbound(&format!("GET /v1/scalars?{query}"), ""), expected, "{query}");
    }
}

#[test]
fn parameters_do_not_reach_what_comes_from_elsewhere() {
    for (line, expected) in [
        ("POST /v1/menus/a/dishes?menu=b", "menu: is taken from the path, not from a query parameter"),
        ("POST /v1/menus/a/dishes?dish.name=b", "dish.name: is taken from the body, not from a query parameter"),
        ("PATCH /v1/dishes/1?dish.id=2", "dish.id: is taken from the path, not from a query parameter"),
        (
            "POST /v1/scalars?anInt32=1",
            "anInt32: this method takes its fields from the body, not from query parameters",
        ),
    ] {
        assert_eq!(unbound(line, "{}"), expected, "{line}");
    }
}

#[test]
fn endless_parameters_are_refused() {
    let name = vec!["inner"; 200].join(".");
    let refusal = unbound(&format!("GET /v1/scalars?{name}.anInt32=1"), "");
    assert!(refusal.ends_with("the query parameter is too deep"), "{refusal}");
    assert!(refusal.len() < 200, "what comes back is cut: {refusal}");
}
