//! Contracts whose constraints can be enforced, and contracts whose constraints cannot.

use std::fs;

use focusflow_gateway::validation::{Error, Rules};
use prost_reflect::DescriptorPool;

/// The rules of a contract with one field, declared as `field`.
fn rules_of(field: &str) -> Result<Rules, Error> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "syntax = \"proto3\"; package a.v1; import \"buf/validate/validate.proto\";
         service S {{ rpc M(R) returns (R); }} message R {{ {field} }}"
    );
    fs::write(folder.path().join("a.proto"), text).unwrap();
    let includes = [folder.path().to_owned(), concat!(env!("CARGO_MANIFEST_DIR"), "/../proto").into()];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).open_file("a.proto").unwrap();
    Rules::new(&DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap())
}

fn refusal(field: &str) -> String {
    rules_of(field).unwrap_err().to_string()
}

#[test]
fn our_own_contract_can_be_enforced() {
    let pool = DescriptorPool::decode(focusflow_proto::FILE_DESCRIPTOR_SET).unwrap();
    let rules = Rules::new(&pool).unwrap();
    let refused = rules.check("/focusflow.v1.TaskService/GetTask", b"\x0a\x017").unwrap_err();
    assert_eq!(refused.message(), "id: must be a UUID");
}

#[test]
fn a_contract_without_annotations_has_no_rules() {
    let pool = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap();
    assert!(Rules::new(&pool).is_ok());
}

#[test]
fn a_rule_for_another_type_keeps_the_edge_from_starting() {
    assert_eq!(
        refusal("int32 a = 1 [(buf.validate.field).string.min_len = 1];"),
        "a.v1.R.a: the rule string does not fit the field's type"
    );
    assert_eq!(
        refusal("repeated int32 a = 1 [(buf.validate.field).int32.gt = 1];"),
        "a.v1.R.a: the rule int32 does not fit the field's type"
    );
    assert_eq!(
        refusal("R a = 1 [(buf.validate.field).repeated.min_items = 1];"),
        "a.v1.R.a: the rule repeated does not fit the field's type"
    );
}

#[test]
fn a_rule_that_is_not_enforced_keeps_the_edge_from_starting() {
    assert_eq!(
        refusal("repeated string a = 1 [(buf.validate.field).repeated.items.required = true];"),
        "a.v1.R.a: the edge does not support the rule required of an element"
    );
    assert_eq!(
        refusal("int32 a = 1 [(buf.validate.field).int32 = {gt: 5, lt: 1}];"),
        "a.v1.R.a: the edge does not support the rule int32.bounds that cross"
    );
    assert!(
        refusal("string a = 1 [(buf.validate.field).string.pattern = \"(\"];").starts_with("a.v1.R.a: the pattern")
    );
}

#[test]
fn a_rule_that_the_contract_does_not_declare_is_named_by_its_number() {
    let compiled = {
        let folder = tempfile::tempdir().unwrap();
        let text = "syntax = \"proto3\"; package a.v1; import \"buf/validate/validate.proto\";
            service S { rpc M(R) returns (R); } message R { string a = 1 [(buf.validate.field).string.min_len = 77]; }";
        fs::write(folder.path().join("a.proto"), text).unwrap();
        let includes = [folder.path().to_owned(), concat!(env!("CARGO_MANIFEST_DIR"), "/../proto").into()];
        let mut compiler = protox::Compiler::new(includes).unwrap();
        compiler.include_imports(true).open_file("a.proto").unwrap();
        compiler.encode_file_descriptor_set()
    };
    // `min_len: 77` is the bytes 10 4d; number 4 in its place is `min_bytes`, which the contract does not declare.
    let place = compiled.windows(2).position(|bytes| bytes == [0x10, 77]).unwrap();
    let mut other = compiled;
    other[place] = 0x20;
    let error = Rules::new(&DescriptorPool::decode(other.as_slice()).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "a.v1.R.a: the edge does not support the rule string.4");
}
