//! JSON that is refused, where, and why.

use focusflow_gateway::transcode::EncodeError;

use crate::transcoding::contract::{TRANSCODER, index, refused, try_encoded};

#[test]
fn refusals_name_the_path_and_what_was_expected() {
    for (json, expected) in [
        (r#"{"aString": 5}"#, "a_string: expected a string, found number"),
        (r#"{"aString": true}"#, "a_string: expected a string, found boolean"),
        (r#"{"aString": ["x"]}"#, "a_string: expected a string, found array"),
        (r#"{"strings": ["a", "b", 3]}"#, "strings[2]: expected a string, found number"),
        (r#"{"strings": [null]}"#, "strings[0]: expected a string, found null"),
        (r#"{"strings": "a"}"#, "strings: expected an array, found \"a\""),
        (r#"{"list": [{"ints": [1, "x"]}]}"#, "list[0].ints[1]: expected an integer, found \"x\""),
        (r#"{"labels": {"a": 1}}"#, "labels[\"a\"]: expected a string, found number"),
        (r#"{"labels": []}"#, "labels: expected an object, found array"),
        (r#"{"inner": {"inner": {"anInt32": {}}}}"#, "inner.inner.an_int32: expected an integer, found object"),
        (r#"{"inner": "x"}"#, "inner: expected an object, found \"x\""),
        (r#"{"aBool": "true"}"#, "a_bool: expected true or false, found \"true\""),
        (r#"{"aBool": 1}"#, "a_bool: expected true or false, found number"),
        (r#"{"someBytes": 1}"#, "some_bytes: expected a base64 string, found number"),
        (r#"{"color": "BLUE"}"#, "color: \"BLUE\" is no value of kitchen.v1.Color"),
        (r#"{"color": true}"#, "color: expected the name of an enum value, found boolean"),
        ("[]", ": expected an object, found array"),
        ("null", ": expected an object, found null"),
        (r#""x""#, ": expected an object, found \"x\""),
    ] {
        assert_eq!(refused("Scalars", json), expected, "{json}");
    }
}

#[test]
fn integers_out_of_range_are_refused() {
    for (field, name, value, kind) in [
        ("anInt32", "an_int32", "2147483648", "int32"),
        ("anInt32", "an_int32", "-2147483649", "int32"),
        ("aUint32", "a_uint32", "-1", "uint32"),
        ("aUint32", "a_uint32", "4294967296", "uint32"),
        ("anInt64", "an_int64", "9223372036854775808", "int64"),
        ("anInt64", "an_int64", "1e300", "int64"),
        ("aUint64", "a_uint64", "18446744073709551616", "uint64"),
        ("aUint64", "a_uint64", "\"-1\"", "uint64"),
        ("aFloat", "a_float", "1e39", "float"),
    ] {
        let json = format!(r#"{{"{field}": {value}}}"#);
        assert_eq!(refused("Scalars", &json), format!("{name}: out of range for {kind}"), "{json}");
    }
}

#[test]
fn text_that_is_no_number_is_refused() {
    for text in ["", " 1", "1 ", "+1", "01", "1.", "0x1", "1,5", "one", "NaN", "\u{661}"] {
        let refusal = refused("Scalars", &format!(r#"{{"anInt32": "{text}"}}"#));
        assert!(refusal.starts_with("an_int32: expected an integer"), "{text:?}: {refusal}");
    }
    assert_eq!(refused("Scalars", r#"{"anInt32": 1.5}"#), "an_int32: expected an integer, found a fraction");
    assert!(refused("Scalars", r#"{"aDouble": "inf"}"#).starts_with("a_double: expected a number"));
    assert!(refused("Scalars", r#"{"someBytes": "!"}"#).starts_with("some_bytes: not valid base64"));
}

#[test]
fn what_would_be_lost_is_refused() {
    for (json, expected) in [
        (r#"{"colour": 1}"#, "colour: unknown field"),
        (r#"{"inner": {"colour": 1}}"#, "inner.colour: unknown field"),
        (r#"{"aString": "a", "aString": "b"}"#, "a_string: given twice"),
        (r#"{"aString": "a", "a_string": "b"}"#, "a_string: given twice"),
        (r#"{"aString": null, "aString": "b"}"#, "a_string: given twice"),
        (r#"{"labels": {"a": "1", "a": "2"}}"#, "labels[\"a\"]: given twice"),
        (r#"{"one": 1, "two": {}}"#, "two: excludes another field that is also given"),
    ] {
        assert_eq!(refused("Scalars", json), expected, "{json}");
    }
}

#[test]
fn well_known_messages_refuse_what_is_not_their_form() {
    for (json, expected) in [
        (
            r#"{"timestamp": "yesterday"}"#,
            "timestamp: expected a timestamp such as \"2026-11-22T08:30:00Z\", found \"yesterday\"",
        ),
        (r#"{"timestamp": 5}"#, "timestamp: expected a timestamp such as \"2026-11-22T08:30:00Z\", found number"),
        (
            r#"{"timestamp": {"seconds": 5}}"#,
            "timestamp: expected a timestamp such as \"2026-11-22T08:30:00Z\", found object",
        ),
        (r#"{"duration": "5"}"#, "duration: expected a duration such as \"1.5s\", found \"5\""),
        (r#"{"mask": {"paths": []}}"#, "mask: expected a field mask such as \"title,dueTime\", found object"),
        (r#"{"mask": "due_time"}"#, "mask: expected a field mask such as \"title,dueTime\", found \"due_time\""),
        (r#"{"int64Value": "x"}"#, "int64_value: expected an integer, found \"x\""),
        (r#"{"int64Value": {"value": 1}}"#, "int64_value: expected a scalar, found object"),
        (r#"{"struct": []}"#, "struct: expected an object, found array"),
        (r#"{"struct": {"a": 1, "a": 2}}"#, "struct[\"a\"]: given twice"),
        (r#"{"listValue": {}}"#, "list_value: expected an array, found object"),
        (r#"{"empty": {"a": 1}}"#, "empty.a: unknown field"),
        (r#"{"nullValue": 1}"#, "null_value: expected null, found number"),
        (r#"{"any": {"aString": "x"}}"#, "any: expected the message's type under \"@type\""),
        (r#"{"any": {"@type": "t/x.Y"}}"#, "any: unknown type \"t/x.Y\""),
        (r#"{"any": {"@type": "t/google.protobuf.Empty"}}"#, "any: expected a value under \"value\""),
        (r#"{"any": {"@type": "t/google.protobuf.Empty", "value": {}, "x": 1}}"#, "any.x: unknown field"),
        (r#"{"any": {"x": 1, "@type": "t/google.protobuf.Empty", "value": {}}}"#, "any.x: unknown field"),
        (r#"{"any": {"@type": "t/google.protobuf.Empty", "value": {}, "value": {}}}"#, "any: a key is given twice"),
        (r#"{"any": {"value": {}, "@type": "t/google.protobuf.Empty", "value": {}}}"#, "any: a key is given twice"),
        (r#"{"any": {"@type": 1}}"#, "any: expected the message's type under \"@type\""),
        (r#"{"any": {"@type": "t/kitchen.v1.Scalars", "@type": "t/kitchen.v1.Dish"}}"#, "any.@type: unknown field"),
        (r#"{"any": {"@type": "t/kitchen.v1.Scalars", "aBool": true, "aBool": true}}"#, "any.a_bool: given twice"),
        (
            r#"{"any": {"list": [{"aBool": 1}], "@type": "t/kitchen.v1.Scalars"}}"#,
            "any.list[0].a_bool: expected true or false, found number",
        ),
        (
            r#"{"any": {"@type": "t/kitchen.v1.Scalars", "list": [{"aBool": 1}]}}"#,
            "any.list[0].a_bool: expected true or false, found number",
        ),
        (r#"{"byInt32": {"x": {}}}"#, "by_int32[\"x\"]: key: expected an integer, found \"x\""),
        (r#"{"byBool": {"yes": 1}}"#, "by_bool[\"yes\"]: key: expected true or false, found \"yes\""),
        (r#"{"byInt32": {"1": null}}"#, "by_int32[\"1\"]: expected an object, found null"),
    ] {
        assert_eq!(refused("Sink", json), expected, "{json}");
    }
}

#[test]
fn text_that_is_no_json_is_refused_with_its_place() {
    for json in [
        "",
        "{",
        "{\"aString\"}",
        "{\"aString\": 'x'}",
        "{} {}",
        "{\"aString\": \"x\",}",
        "nul",
        "{\"aDouble\": 1e400}",
    ] {
        let refusal = refused("Scalars", json);
        assert!(refusal.starts_with(": not valid JSON: ") && refusal.contains("line 1"), "{json}: {refusal}");
    }
    let not_utf8 = TRANSCODER.plan().decode(index("Scalars"), b"{\"aString\": \"\xff\"}").unwrap_err();
    assert!(not_utf8.description.starts_with("not valid JSON: "), "{not_utf8}");
}

#[test]
fn nesting_ends_somewhere() {
    let nested = |depth: usize| format!("{}{}{}", r#"{"inner":"#.repeat(depth), "{}", "}".repeat(depth));
    assert!(refused("Scalars", &nested(101)).ends_with("inner: nested more than 100 deep"));
    let lists = format!(r#"{{"listValue": {}{}}}"#, "[".repeat(100), "]".repeat(100));
    assert!(refused("Sink", &lists).ends_with("nested more than 100 deep"));
}

#[test]
fn messages_that_break_their_contract_are_no_json() {
    let malformed = |message: &str| EncodeError::Malformed { message: format!("kitchen.v1.{message}") };
    for (wire, expected) in [
        // A string's length beyond the end.
        (&b"\x72\x05ab"[..], malformed("Scalars")),
        // A string field with a varint.
        (b"\x70\x01", malformed("Scalars")),
        // A group.
        (b"\x0b\x0c", malformed("Scalars")),
        (b"\x72\x01\xff", EncodeError::NotUtf8 { message: "kitchen.v1.Scalars".to_owned() }),
    ] {
        assert_eq!(try_encoded("Scalars", wire), Err(expected), "{wire:?}");
    }
    // A timestamp of the year 10000 and more.
    let late = EncodeError::NoJsonForm { message: "google.protobuf.Timestamp".to_owned() };
    assert_eq!(try_encoded("Timed", b"\x0a\x07\x08\xff\xff\xff\xff\xff\x7f"), Err(late));
}

#[test]
fn messages_too_deep_are_no_json() {
    let mut wire = Vec::new();
    for _ in 0..101 {
        let mut outer = vec![0xa2, 0x01];
        prost::encoding::encode_varint(wire.len() as u64, &mut outer);
        outer.append(&mut wire);
        wire = outer;
    }
    assert_eq!(try_encoded("Scalars", &wire), Err(EncodeError::TooDeep));
}
