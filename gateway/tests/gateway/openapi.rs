//! The OpenAPI document of any contract, and how it is served.

mod constraints;
mod documents;
mod operations;
mod schemas;
mod served;

use focusflow_gateway::openapi::document;
use focusflow_mesh::policy::Policies;
use serde_json::Value;

/// The document of a contract of the tests, `folder/name.proto`.
fn document_of(folder: &str, file: &str) -> Value {
    let here = format!("{}/tests/gateway/{folder}", env!("CARGO_MANIFEST_DIR"));
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto").to_owned();
    let mut compiler = protox::Compiler::new([here, ours]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_file(file).unwrap();
    described(&compiler.encode_file_descriptor_set())
}

fn described(descriptor_set: &[u8]) -> Value {
    document(&Policies::from_descriptor_set(descriptor_set).unwrap()).unwrap()
}

fn ours() -> Value {
    described(focusflow_proto::FILE_DESCRIPTOR_SET)
}

fn kitchen() -> Value {
    document_of("transcoding", "kitchen.proto")
}

/// The names and places of an operation's parameters.
fn parameters(operation: &Value) -> Vec<(&str, &str)> {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    parameters.iter().map(|it| (it["name"].as_str().unwrap(), it["in"].as_str().unwrap())).collect()
}

/// A parameter by its name.
fn parameter<'d>(operation: &'d Value, name: &str) -> &'d Value {
    operation["parameters"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()
}
