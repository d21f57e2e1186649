//! Contracts that cannot be served, and what is said of them.

use std::fs;

use focusflow_gateway::transcode::{Incoming, Lookup, Outgoing, Transcoder};
use prost_reflect::DescriptorPool;

/// Compiles a contract whose service has one method with this annotation.
fn transcoder(rule: &str) -> Result<Transcoder, String> {
    let source = format!(
        "syntax = \"proto3\"; package t; import \"google/api/annotations.proto\"; import \"httpbody.proto\";
        message M {{ string a = 1; M m = 2; repeated M ms = 3; map<string, string> map = 4; google.api.HttpBody file = 5;
            repeated int32 ints = 6; }}
        service S {{ rpc Do(M) returns (M) {{ option (google.api.http) = {{ {rule} }}; }}
            rpc Raw(google.api.HttpBody) returns (google.api.HttpBody) {{
                option (google.api.http) = {{ post: \"/raw\" body: \"*\" }}; }} }}"
    );
    let http_body =
        "syntax = \"proto3\"; package google.api; message HttpBody { string content_type = 1; bytes data = 2; }";
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("t.proto"), source).unwrap();
    fs::write(directory.path().join("httpbody.proto"), http_body).unwrap();
    let includes = [directory.path().to_owned(), concat!(env!("CARGO_MANIFEST_DIR"), "/../proto").into()];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).open_file("t.proto").unwrap();
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap();
    Transcoder::new(&pool).map_err(|error| error.to_string())
}

#[test]
fn rules_that_do_not_fit_are_refused_by_name() {
    for (rule, expected) in [
        (r#"body: "*""#, "/t.S/Do: google.api.http names no path"),
        (r#"get: "a""#, r#"/t.S/Do: the path "a" does not begin with "/""#),
        (r#"get: "/{a""#, r#"/t.S/Do: the path "/{a" has a variable that does not end"#),
        (r#"get: "/{b}""#, r#"/t.S/Do: "/{b}": the variable "b" is unknown"#),
        (r#"get: "/{m.m.b}""#, r#"/t.S/Do: "/{m.m.b}": the variable "m.m.b" is unknown"#),
        (r#"get: "/{m}""#, r#"/t.S/Do: "/{m}": the variable "m" is no scalar; name one of its fields"#),
        (r#"get: "/{map}""#, r#"/t.S/Do: "/{map}": the variable "map" is no scalar; name one of its fields"#),
        (
            r#"get: "/{ms.a}""#,
            r#"/t.S/Do: "/{ms.a}": the variable "ms.a" leads through a field that is no single message"#,
        ),
        (r#"post: "/a" body: "b""#, r#"/t.S/Do: "/a": the body's field "b" is unknown"#),
        (r#"get: "/a" response_body: "b""#, r#"/t.S/Do: the response's field "b" is unknown"#),
        (r#"get: "/a" additional_bindings { get: "b" }"#, r#"/t.S/Do: the path "b" does not begin with "/""#),
    ] {
        assert_eq!(transcoder(rule).map(drop), Err(expected.to_owned()), "{rule}");
    }
}

#[test]
fn a_custom_verb_may_be_any() {
    let transcoder = transcoder(r#"custom { kind: "*" path: "/any" } additional_bindings { get: "/any" }"#).unwrap();
    for (verb, route) in [("GET", 1), ("POST", 0), ("PURGE", 0)] {
        let Lookup::Found(matched) = transcoder.find(verb, "/any") else { panic!("no route for {verb}") };
        assert_eq!(matched.route, route, "{verb}");
    }
}

#[test]
fn of_two_rules_for_one_path_the_later_counts() {
    let transcoder = transcoder(r#"get: "/{a}" additional_bindings { get: "/{m.a}" response_body: "a" }"#).unwrap();
    let Lookup::Found(matched) = transcoder.find("GET", "/x") else { panic!("no route") };
    assert_eq!(matched.route, 1);
    assert_eq!(&transcoder.request(&matched, Incoming::default()).unwrap()[..], b"\x12\x03\x0a\x01x");
}

#[test]
fn a_list_in_one_segment_is_separated_by_commas() {
    let transcoder = transcoder(r#"get: "/{ints}""#).unwrap();
    let Lookup::Found(matched) = transcoder.find("GET", "/1,2") else { panic!("no route") };
    assert_eq!(&transcoder.request(&matched, Incoming::default()).unwrap()[..], b"\x30\x01\x30\x02");
}

#[test]
fn a_body_may_be_a_list_or_a_map() {
    for (field, body, expected) in [
        ("ints", "[1, 2]", &b"\x32\x02\x01\x02"[..]),
        ("map", r#"{"k": "v"}"#, b"\x22\x06\x0a\x01k\x12\x01v"),
        ("a", r#""x""#, b"\x0a\x01x"),
    ] {
        let transcoder = transcoder(&format!(r#"post: "/a" body: "{field}""#)).unwrap();
        let Lookup::Found(matched) = transcoder.find("POST", "/a") else { panic!("no route") };
        let incoming = Incoming { body: body.as_bytes(), ..Incoming::default() };
        assert_eq!(&transcoder.request(&matched, incoming).unwrap()[..], expected, "{field}");
    }
}

#[test]
fn raw_bodies_pass_as_they_are() {
    let transcoder = transcoder(r#"post: "/files" body: "file" response_body: "file""#).unwrap();
    let incoming = Incoming { query: None, content_type: Some("image/png"), body: b"\x00\xff" };
    let raw = b"\x0a\x09image/png\x12\x02\x00\xff".to_vec();
    let field = [b"\x2a\x0f", &raw[..]].concat();
    for (path, wire) in [("/raw", raw), ("/files", field)] {
        let Lookup::Found(matched) = transcoder.find("POST", path) else { panic!("no route") };
        assert_eq!(&transcoder.request(&matched, incoming).unwrap()[..], wire, "{path}");
        let expected = Outgoing { content_type: "image/png".to_owned(), body: b"\x00\xff".to_vec() };
        assert_eq!(transcoder.response(transcoder.route(&matched), &wire).unwrap(), expected, "{path}");
    }
}

#[test]
fn a_contract_without_annotations_has_no_routes() {
    let pool = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap();
    let transcoder = Transcoder::new(&pool).unwrap();
    assert!(transcoder.routes().is_empty());
    assert_eq!(transcoder.find("GET", "/"), Lookup::NotFound);
}

#[test]
fn the_contract_of_focusflow_is_served() {
    let pool = DescriptorPool::decode(focusflow_proto::FILE_DESCRIPTOR_SET).unwrap();
    let transcoder = Transcoder::new(&pool).unwrap();
    let Lookup::Found(matched) = transcoder.find("POST", "/api/v1/tasks/7:complete") else { panic!("no route") };
    assert_eq!(transcoder.route(&matched).method, "/focusflow.v1.TaskService/CompleteTask");
    let wire = transcoder.request(&matched, Incoming::default()).unwrap();
    assert_eq!(&wire[..], b"\x0a\x017");
}
