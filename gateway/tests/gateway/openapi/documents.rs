//! Documents as a whole.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use focusflow_gateway::transcode::{Lookup, Transcoder};
use prost_reflect::DescriptorPool;
use serde_json::Value;

use super::{document_of, kitchen, ours};

#[test]
fn documents_keep_to_the_specification() {
    let documents = [ours(), kitchen(), document_of("", "edge.proto"), document_of("validation", "constraints.proto")];
    for document in documents {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("openapi.json");
        std::fs::write(&file, document.to_string()).unwrap();
        let validator = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node_modules/.bin/validate-api");
        assert!(validator.exists(), "run `npm ci` in the root folder first, as `make test` does");
        let output = Command::new(validator).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("\"valid\": true"), "{}: {said}", document["info"]["title"]);
    }
}

#[test]
fn references_lead_somewhere() {
    for document in [ours(), kitchen()] {
        let mut references = Vec::new();
        collect_references(&document, &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some_and(|value| !value.is_null()), "{reference}");
        }
    }
}

#[test]
fn every_documented_request_finds_its_rpc_and_every_public_route_is_documented() {
    let pool = DescriptorPool::decode(focusflow_proto::FILE_DESCRIPTOR_SET).unwrap();
    let transcoder = Transcoder::new(&pool).unwrap();
    let document = ours();
    let mut found = HashSet::new();
    for (path, verb, operation) in operations(&document) {
        let filled = filled(path);
        let Lookup::Found(matched) = transcoder.find(&verb.to_uppercase(), &filled) else {
            panic!("{verb} {filled} is not found")
        };
        let method = transcoder.route(&matched).method.clone();
        let service = operation["tags"][0].as_str().unwrap();
        assert!(method.starts_with(&format!("/{service}/")), "{verb} {filled} leads to {method}");
        found.insert(method);
    }
    let public: HashSet<_> = transcoder.routes().iter().map(|route| route.method.clone()).collect();
    assert_eq!(found, public);
}

#[test]
fn operation_ids_are_unique() {
    for document in [ours(), kitchen()] {
        let ids: Vec<_> = operations(&document).into_iter().map(|(_, _, it)| it["operationId"].to_string()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{ids:?}");
    }
}

#[test]
fn the_contracts_comments_describe_it() {
    let document = ours();
    let operation = &document["paths"]["/api/v1/tasks/{id}"]["get"];
    assert_eq!(
        (operation["summary"].as_str(), operation["operationId"].as_str()),
        (Some("One task"), Some("TaskService_GetTask"))
    );
    let task = &document["components"]["schemas"]["focusflow.v1.Task"];
    assert_eq!(task["properties"]["title"]["description"], "1 to 500 characters.");
    let status = document["components"]["schemas"]["focusflow.v1.Task.Status"]["description"].as_str().unwrap();
    assert!(status.contains("* `CANCELLED`: Given up."), "{status}");
}

/// The path with something in the place of each parameter.
fn filled(path: &str) -> String {
    let pieces = path.split('{').map(|piece| piece.split_once('}').map_or(piece.to_owned(), |it| format!("x{}", it.1)));
    pieces.collect()
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let item = item.as_object().unwrap().iter().filter(|(verb, _)| !verb.starts_with("x-"));
            item.map(move |(verb, operation)| (path.as_str(), verb.as_str(), operation))
        })
        .collect()
}

fn collect_references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| collect_references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}
