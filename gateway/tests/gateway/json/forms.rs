//! Single values whose form the mapping fixes.

use prost_reflect::Value as Dynamic;
use serde_json::json;

use crate::transcoding::contract::{decoded, encoded, set_fields};

/// What JSON text comes back as after a way through wire bytes, unset fields left out.
fn there_and_back(name: &str, text: &str) -> serde_json::Value {
    set_fields(&decoded(name, text))
}

#[test]
fn fields_without_presence_are_printed_at_their_default() {
    assert_eq!(
        encoded("Dish", &[]),
        json!({"id": "", "name": "", "tags": [], "prices": {}}),
        "messages, wrappers and timestamps that are not set are left out"
    );
    assert_eq!(
        encoded("Scalars", &[]),
        json!({
            "aDouble": 0.0, "aFloat": 0.0, "anInt32": 0, "anInt64": "0", "aUint32": 0, "aUint64": "0", "aSint32": 0,
            "aSint64": "0", "aFixed32": 0, "aFixed64": "0", "aSfixed32": 0, "aSfixed64": "0", "aBool": false,
            "aString": "", "someBytes": "", "color": "COLOR_UNSPECIFIED", "ints": [], "strings": [], "colors": [],
            "labels": {}, "list": []
        })
    );
}

#[test]
fn numbers_are_taken_in_every_notation() {
    for text in ["150", "\"150\"", "1.5e2", "150.0", "\"1.5e2\"", "\"150.0\""] {
        let message = decoded("Scalars", &format!(r#"{{"anInt32": {text}, "aUint64": {text}, "aDouble": {text}}}"#));
        assert_eq!(set_fields(&message), json!({"anInt32": 150, "aUint64": "150", "aDouble": 150.0}), "{text}");
    }
    let extremes =
        r#"{"anInt64": -9223372036854775808, "aUint64": 18446744073709551615, "aSint64": "9223372036854775807"}"#;
    assert_eq!(
        there_and_back("Scalars", extremes),
        json!({"anInt64": "-9223372036854775808", "aUint64": "18446744073709551615", "aSint64": "9223372036854775807"})
    );
}

#[test]
fn what_is_no_finite_number_is_a_string() {
    for text in ["NaN", "Infinity", "-Infinity"] {
        let message = decoded("Scalars", &format!(r#"{{"aDouble": "{text}", "aFloat": "{text}"}}"#));
        assert_eq!(set_fields(&message), json!({"aDouble": text, "aFloat": text}));
    }
}

#[test]
fn bytes_are_taken_in_both_alphabets_with_and_without_padding() {
    for text in ["-_8=", "-_8", "+/8=", "+/8"] {
        let message = decoded("Scalars", &format!(r#"{{"someBytes": "{text}"}}"#));
        assert_eq!(set_fields(&message), json!({"someBytes": "+/8="}), "{text}");
    }
}

#[test]
fn enums_are_names_or_numbers() {
    assert_eq!(there_and_back("Scalars", r#"{"color": "GREEN"}"#), json!({"color": "GREEN"}));
    assert_eq!(there_and_back("Scalars", r#"{"color": 2}"#), json!({"color": "GREEN"}));
    assert_eq!(there_and_back("Scalars", r#"{"color": -1}"#), json!({"color": "MINUS"}));
    assert_eq!(there_and_back("Scalars", r#"{"color": 77}"#), json!({"color": 77}));
}

#[test]
fn declared_names_are_taken_and_json_names_given() {
    assert_eq!(
        there_and_back("Dish", r#"{"serve_time": "2026-01-02T03:04:05Z"}"#)["serveTime"],
        "2026-01-02T03:04:05Z"
    );
    assert_eq!(there_and_back("Sink", r#"{"other \"name\"": "x"}"#), json!({"other \"name\"": "x"}));
    assert_eq!(there_and_back("Sink", r#"{"renamed": "x"}"#), json!({"other \"name\"": "x"}));
}

#[test]
fn null_leaves_a_field_unset() {
    let text = r#"{"id": null, "tags": null, "recipe": null, "prices": null, "serveTime": null, "stars": null}"#;
    assert_eq!(there_and_back("Dish", text), json!({}));
    assert_eq!(there_and_back("Scalars", r#"{"one": null, "two": {}, "maybe": null}"#), json!({"two": {}}));
}

#[test]
fn null_is_a_value_where_any_value_is_asked_for() {
    let text = r#"{"value": null, "listValue": [null], "struct": {"a": null}, "values": [null], "choiceNull": null}"#;
    assert_eq!(
        there_and_back("Sink", text),
        json!({"value": null, "listValue": [null], "struct": {"a": null}, "values": [null], "choiceNull": null})
    );
}

#[test]
fn presence_survives_the_default() {
    assert_eq!(there_and_back("Scalars", r#"{"maybe": 0, "one": 0}"#), json!({"maybe": 0, "one": 0}));
    assert_eq!(there_and_back("Dish", r#"{"stars": 0, "recipe": {}}"#), json!({"stars": 0, "recipe": {}}));
    assert!(!decoded("Scalars", r#"{"anInt32": 0}"#).has_field_by_name("an_int32"));
}

#[test]
fn keys_of_maps_are_strings() {
    let text = r#"{"byInt32": {"-7": {}}, "byBool": {"true": 1.5}, "byInt64": {"9007199254740993": "RED"}}"#;
    let message = decoded("Sink", text);
    assert_eq!(set_fields(&message), serde_json::from_str::<serde_json::Value>(text).unwrap());
    assert!(matches!(&*message.get_field_by_name("by_bool").unwrap(), Dynamic::Map(map) if map.len() == 1));
}

#[test]
fn an_any_may_name_its_type_last() {
    let text = r#"{"any": {"aString": "x", "labels": {"k": "v"}, "@type": "type.googleapis.com/kitchen.v1.Scalars"}}"#;
    let expected = json!({"any": {
        "@type": "type.googleapis.com/kitchen.v1.Scalars", "aString": "x", "labels": {"k": "v"}
    }});
    assert_eq!(there_and_back("Sink", text), expected);
    let text = r#"{"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.5s"}}"#;
    assert_eq!(
        there_and_back("Sink", text),
        json!({"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.500s"}})
    );
}

#[test]
fn an_any_holds_whatever_has_a_form_of_its_own() {
    for text in [
        r#"{"any": {"@type": "t/google.protobuf.Value", "value": null}}"#,
        r#"{"any": {"@type": "t/google.protobuf.Value", "value": [1.0, {"a": null}]}}"#,
        r#"{"any": {"@type": "t/google.protobuf.Struct", "value": {"a": {"b": "c"}}}}"#,
        r#"{"any": {"@type": "t/google.protobuf.ListValue", "value": [true]}}"#,
        r#"{"any": {"@type": "t/google.protobuf.FieldMask", "value": "a.bC"}}"#,
        r#"{"any": {"@type": "t/google.protobuf.UInt64Value", "value": "18446744073709551615"}}"#,
        r#"{"any": {"@type": "t/google.protobuf.Any", "value": {"@type": "t/kitchen.v1.SinkRequest", "name": "x"}}}"#,
    ] {
        let expected: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(there_and_back("Sink", text), expected, "{text}");
        let wire = prost::Message::encode_to_vec(&decoded("Sink", text));
        assert_eq!(encoded("Sink", &wire)["any"], expected["any"], "{text}");
    }
}

#[test]
fn keys_of_every_kind_are_taken_to_their_limits() {
    let text = r#"{"byUint32": {"4294967295": "1"}, "byUint64": {"18446744073709551615": "1.500s"},
        "bySint32": {"-2147483648": "a"}, "byFixed64": {"0": true}, "bySfixed32": {"-1": {}},
        "bySfixed64": {"-9223372036854775808": "NaN"}}"#;
    assert_eq!(there_and_back("Sink", text), serde_json::from_str::<serde_json::Value>(text).unwrap());
}

#[test]
fn an_any_of_an_unknown_type_is_shown_as_its_bytes() {
    // Field 45: a type of one letter and two bytes.
    let wire = b"\xea\x02\x09\x0a\x03x/y\x12\x02\x01\x02";
    assert_eq!(encoded("Sink", wire)["any"], json!({"@type": "x/y", "value": "AQI="}));
}

#[test]
fn field_masks_are_one_string() {
    let text = r#"{"mask": "title,recipe.baseRecipe"}"#;
    let message = decoded("Timed", text);
    assert_eq!(set_fields(&message), json!({"mask": "title,recipe.baseRecipe"}));
    let mask = message.get_field_by_name("mask").unwrap();
    let paths = mask.as_message().unwrap().get_field_by_name("paths").unwrap().into_owned();
    assert_eq!(
        paths,
        Dynamic::List(["title", "recipe.base_recipe"].map(|path| Dynamic::String(path.to_owned())).into())
    );
}

#[test]
fn a_hundred_messages_may_lie_within_each_other() {
    let depth = 100;
    let text = format!("{}{}{}", r#"{"inner":"#.repeat(depth), "{}", "}".repeat(depth));
    let mut shown = &there_and_back("Scalars", &text);
    for _ in 0..depth {
        shown = &shown["inner"];
    }
    assert_eq!(*shown, json!({}));
}
