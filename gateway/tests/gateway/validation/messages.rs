//! Messages that keep the rules, and messages that do not.

use std::sync::LazyLock;

use focusflow_gateway::transcode::Transcoder;
use focusflow_gateway::validation::Rules;
use proptest::collection::vec;
use proptest::prelude::*;
use prost_reflect::DescriptorPool;
use tonic::Code;
use tonic_types::StatusExt;

const PUT: &str = "/constraints.v1.Constraints/Put";

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let manifest = env!("CARGO_MANIFEST_DIR");
    let includes = [format!("{manifest}/tests/gateway/validation"), format!("{manifest}/../proto")];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).open_file("constraints.proto").unwrap();
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap()
});

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::new(&POOL).unwrap());
static TRANSCODER: LazyLock<Transcoder> = LazyLock::new(|| Transcoder::new(&POOL).unwrap());

/// The wire bytes of a `Thing`.
fn thing(json: &str) -> Vec<u8> {
    let index = TRANSCODER.plan().message_index("constraints.v1.Thing").unwrap();
    TRANSCODER.plan().decode(index, json.as_bytes()).unwrap()
}

/// A thing that keeps every rule, with other fields beside.
fn with(fields: &str) -> Vec<u8> {
    let separator = if fields.is_empty() { "" } else { "," };
    thing(&format!(r#"{{"name": "a", "part": {{"id": "x"}}{separator}{fields}}}"#))
}

/// What is wrong with wire bytes, as `path: description`.
fn violations(message: &[u8]) -> Vec<String> {
    let Err(status) = RULES.check(PUT, message) else { return Vec::new() };
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.iter().map(|it| format!("{}: {}", it.field, it.description)).collect()
}

#[test]
fn a_message_within_its_rules_passes() {
    for fields in [
        "",
        r#""code": "ABC", "nickname": "ab", "minutes": 59, "size": "10", "share": 1, "color": "RED""#,
        r#""weekdays": [1, 7, 3], "tags": ["a"], "labels": {"abc": "x", "d": "y"}, "digest": "AAECAw==""#,
        r#""parts": [{"id": "a"}, {"id": "b"}], "byNumber": {"1": {"id": "c"}}, "text": "ab""#,
        r#""inner": {"name": "äöüßé", "part": {"id": "z"}}, "skipped": "short", "other": """#,
        r#""email": "ada@example.org", "ownerId": "0190c0de-0000-7000-8000-000000000001""#,
    ] {
        assert_eq!(violations(&with(fields)), Vec::<String>::new(), "{fields}");
    }
}

#[test]
fn each_rule_refuses_what_breaks_it_and_names_the_field() {
    for (fields, expected) in [
        (r#""code": "abc""#, "code: must match `^[A-Z]+$`"),
        (r#""nickname": "a""#, "nickname: must be at least 2 characters long, not 1"),
        (r#""nickname": """#, "nickname: must not be empty"),
        (r#""minutes": -1"#, "minutes: must be at least 0 and less than 60"),
        (r#""minutes": 60"#, "minutes: must be at least 0 and less than 60"),
        (r#""size": 11"#, "size: must be at most 10"),
        (r#""share": -1"#, "share: must be more than -1 and at most 1"),
        (r#""share": "NaN""#, "share: must be more than -1 and at most 1"),
        (r#""color": 2"#, "color: has no value 2"),
        (r#""color": "BLUE""#, "color: must not be 3"),
        (r#""weekdays": [1, 8]"#, "weekdays[1]: must be from 1 to 7"),
        (r#""weekdays": [1, 2, 3, 4]"#, "weekdays: must have at most 3 items, not 4"),
        (r#""tags": ["a", ""]"#, "tags[1]: must not be empty"),
        (r#""labels": {"long": "x"}"#, "labels[\"long\"]: must be at most 3 characters long, not 4"),
        (r#""labels": {"a": ""}"#, "labels[\"a\"]: must not be empty"),
        (r#""labels": {"a": "x", "b": "x", "c": "x"}"#, "labels: must have at most 2 items, not 3"),
        (r#""digest": "AAECAwQ=""#, "digest: must be at most 4 bytes long, not 5"),
        (r#""parts": [{"id": "a"}, {}]"#, "parts[1].id: is required"),
        (r#""byNumber": {"7": {"id": "long"}}"#, "by_number[7].id: must be at most 3 characters long, not 4"),
        (r#""text": "a""#, "text: must be at least 2 characters long, not 1"),
        (r#""inner": {"name": "a"}"#, "inner.part: is required"),
        (r#""email": "ada""#, "email: must have the form `name@domain`"),
        (r#""ownerId": "7""#, "owner_id: must be a UUID"),
    ] {
        assert_eq!(violations(&with(fields)), [expected], "{fields}");
    }
}

#[test]
fn what_is_absent_is_checked_where_absence_does_not_show() {
    assert_eq!(violations(b""), ["name: must not be empty", "part: is required"]);
}

#[test]
fn everything_that_is_wrong_is_named_up_to_a_limit() {
    let part = r#"{"id": "long"}"#;
    let parts = [part; 30].join(",");
    assert_eq!(violations(&with(&format!(r#""minutes": 99, "parts": [{parts}]"#))).len(), 20);
    assert_eq!(violations(&thing(r#"{"name": "too long", "minutes": 99, "part": {}}"#)).len(), 3);
}

#[test]
fn the_last_value_counts_and_messages_merge() {
    let name = |name: &str| [&[0x0a, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    let good = with("");
    assert_eq!(violations(&[name("too long"), good.clone()].concat()), Vec::<String>::new());
    assert_eq!(violations(&[good.clone(), name("too long")].concat()).len(), 1);
    // Tag 12: a part that first has a count, and then its id.
    let pieces = [&name("a")[..], &[0x62, 2, 0x10, 1], &[0x62, 3, 0x0a, 1, b'x']].concat();
    assert_eq!(violations(&pieces), Vec::<String>::new());
    let many = [&name("a")[..], &[0x62, 2, 0x10, 1].repeat(9), &[0x62, 3, 0x0a, 1, b'x']].concat();
    assert_eq!(violations(&many), Vec::<String>::new());
    // Tags 15 and 16: the later member of the oneof is the one that is set.
    assert_eq!(violations(&[&good[..], &[0x7a, 1, b'a', 0x82, 1, 0]].concat()), Vec::<String>::new());
}

#[test]
fn lists_of_numbers_are_read_packed_or_not() {
    let good = with("");
    assert_eq!(violations(&[&good[..], &[0x40, 8]].concat()), ["weekdays[0]: must be from 1 to 7"]);
    assert_eq!(violations(&[&good[..], &[0x40, 1, 0x42, 2, 2, 9]].concat()), ["weekdays[2]: must be from 1 to 7"]);
}

#[test]
fn what_is_no_message_is_refused() {
    for bytes in [&b"\x0a\x05a"[..], b"\x0b", b"\x08\x01", &[0x8a, 1, 0xff, 0xff, 0xff, 0x0f]] {
        let status = RULES.check(PUT, bytes).unwrap_err();
        assert_eq!(status.message(), "the message is no constraints.v1.Thing", "{bytes:?}");
    }
}

#[test]
fn a_message_that_is_nested_without_end_is_refused() {
    let mut message = with("");
    for _ in 0..200 {
        let mut outer = with("");
        outer.extend([0x8a, 1]);
        prost::encoding::encode_varint(message.len() as u64, &mut outer);
        outer.extend(message);
        message = outer;
    }
    assert_eq!(RULES.check(PUT, &message).unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn a_method_without_rules_takes_anything() {
    assert!(RULES.check("/constraints.v1.Constraints/Leave", b"\xff").is_ok());
    assert!(RULES.check("/constraints.v1.Constraints/Unknown", b"\xff").is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_check_panic(bytes in vec(any::<u8>(), 0..200), tail in vec(any::<u8>(), 0..20)) {
        let _ = RULES.check(PUT, &bytes);
        let _ = RULES.check(PUT, &[with(""), tail].concat());
    }

    #[test]
    fn where_a_message_is_cut_in_pieces_changes_nothing(minutes in -5..70_i32, tags in vec("[a-b]{0,2}", 0..4)) {
        let (first, rest) = (
            thing(r#"{"name": "a"}"#),
            thing(&serde_json::json!({"minutes": minutes, "tags": tags}).to_string()),
        );
        // Tag 17: the same inner message as one record and as two.
        let record = |bytes: &[u8]| [&[0x8a, 1, u8::try_from(bytes.len()).unwrap()], bytes].concat();
        let whole = [with(""), record(&[&first[..], &rest].concat())].concat();
        let pieces = [with(""), record(&first), record(&rest)].concat();
        prop_assert_eq!(violations(&whole), violations(&pieces));
    }
}
