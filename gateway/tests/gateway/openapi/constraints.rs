//! Field constraints as keywords.

use serde_json::{Value, json};

use super::{described, ours, parameter};

/// The schema of a field `it`, declared with rules as `string it | string: {max_len: 5}`, and whether it is required.
fn field(declaration: &str) -> (Value, bool) {
    let (field, rules) = declaration.split_once(" | ").unwrap();
    let source = format!(
        "syntax = \"proto3\"; package t;
        import \"google/api/annotations.proto\"; import \"buf/validate/validate.proto\";
        message M {{ {field} = 1 [(buf.validate.field) = {{ {rules} }}]; }}
        message N {{}}
        enum E {{ ZERO = 0; ONE = 1; TWO = 2; }}
        service S {{ rpc Do(M) returns (N) {{ option (google.api.http) = {{post: \"/do\" body: \"*\"}}; }} }}"
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("t.proto"), source).unwrap();
    let includes = [directory.path().to_owned(), concat!(env!("CARGO_MANIFEST_DIR"), "/../proto").into()];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).open_file("t.proto").unwrap();
    let document = described(&compiler.encode_file_descriptor_set());
    let message = &document["components"]["schemas"]["t.M"];
    (message["properties"]["it"].clone(), message["required"] == json!(["it"]))
}

#[test]
fn rules_become_keywords() {
    for (declaration, expected) in [
        ("string it | string: {max_len: 5}", json!({"type": "string", "maxLength": 5})),
        ("string it | string: {pattern: \"^a*$\"}", json!({"type": "string", "pattern": "^a*$"})),
        (
            "int32 it | int32: {gte: -1 lt: 60}",
            json!({"type": "integer", "format": "int32", "minimum": -1, "exclusiveMaximum": 60}),
        ),
        ("double it | double: {lte: 1}", json!({"type": "number", "format": "double", "maximum": 1.0})),
        ("bytes it | bytes: {max_len: 4}", json!({"type": "string", "contentEncoding": "base64", "maxLength": 8})),
        ("E it | enum: {not_in: [2]}", json!({"$ref": "#/components/schemas/t.E", "enum": ["ZERO", "ONE"]})),
        ("E it | enum: {defined_only: true}", json!({"$ref": "#/components/schemas/t.E"})),
        (
            "repeated int32 it | repeated: {max_items: 3 items: {int32: {gte: 1}}}",
            json!({"type": "array", "maxItems": 3, "items": {"type": "integer", "format": "int32", "minimum": 1}}),
        ),
        (
            "map<string, string> it | map: {max_pairs: 2 keys: {string: {max_len: 3}}}",
            json!({"type": "object", "maxProperties": 2, "additionalProperties": {"type": "string"},
                "propertyNames": {"maxLength": 3}}),
        ),
    ] {
        assert_eq!(field(declaration), (expected, false), "{declaration}");
    }
}

#[test]
fn what_must_be_there_is_required() {
    for declaration in [
        "string it | required: true",
        "M it | required: true",
        "string it | string: {min_len: 1}",
        "repeated string it | repeated: {min_items: 1}",
        "int32 it | int32: {gt: 0}",
        "E it | enum: {not_in: [0]}",
    ] {
        assert!(field(declaration).1, "{declaration}");
    }
    for declaration in [
        "optional string it | string: {min_len: 1}",
        "string it | ignore: IGNORE_IF_ZERO_VALUE string: {min_len: 1}",
        "int32 it | int32: {gte: 0}",
    ] {
        assert!(!field(declaration).1, "{declaration}");
    }
}

#[test]
fn rules_that_pass_over_the_zero_value_allow_it() {
    let (schema, _) = field("string it | ignore: IGNORE_IF_ZERO_VALUE string: {uuid: true}");
    assert_eq!(schema["anyOf"], json!([{"const": ""}, {"format": "uuid"}]));
}

#[test]
fn parameters_have_them_too() {
    let document = ours();
    let list = &document["paths"]["/api/v1/tasks"]["get"];
    assert_eq!(parameter(list, "pageSize")["schema"]["minimum"], 0);
    let get = &document["paths"]["/api/v1/tasks/{id}"]["get"];
    assert_eq!(parameter(get, "id")["schema"]["format"], "uuid");
}
