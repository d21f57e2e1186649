//! Bindings as operations.

use serde_json::json;

use super::{document_of, kitchen, ours, parameter, parameters};

#[test]
fn a_path_of_several_segments_keeps_its_literals() {
    let document = kitchen();
    let operation = &document["paths"]["/v1/shelves/{name_1}/files/{name_2}"]["get"];
    assert_eq!(parameters(operation), [("name_1", "path"), ("name_2", "path")]);
    let rest = parameter(operation, "name_2")["description"].as_str().unwrap();
    assert!(rest.contains("All that is left of the path"), "{rest}");
}

#[test]
fn paths_alike_share_the_names_of_their_parameters() {
    let document = ours();
    let item = &document["paths"]["/api/v1/tasks/{id}"];
    assert!(item["patch"].is_object(), "task.id and id are one path");
    assert!(document["paths"]["/api/v1/tasks/{task.id}"].is_null());
}

#[test]
fn verbs_that_openapi_does_not_know_are_kept_beside_the_others() {
    let document = kitchen();
    let item = &document["paths"]["/v1/dishes/{id}:cook"];
    assert!(item["post"].is_object() && item["x-additionalOperations"]["BREW"].is_object(), "{item}");
}

#[test]
fn a_query_has_what_is_neither_in_the_path_nor_in_the_body() {
    let document = kitchen();
    let create = &document["paths"]["/v1/menus/{menu}/dishes"]["post"];
    assert_eq!(parameters(create), [("menu", "path"), ("requestId", "query"), ("validateOnly", "query")]);
    let cook = &document["paths"]["/v1/dishes/{id}:cook"]["post"];
    assert_eq!(parameters(cook), [("id", "path")]);
    let body = &cook["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), ["degrees"]);
}

#[test]
fn fields_of_messages_are_dotted_and_lists_repeat() {
    let document = document_of("", "edge.proto");
    let operation = &document["paths"]["/api/v1/open/{name}"]["get"];
    let expected = [("name", "path"), ("sizeBytes", "query"), ("tags", "query"), ("firstPart.lineCount", "query")];
    assert_eq!(parameters(operation), expected);
    assert_eq!(parameter(operation, "tags")["explode"], true);
}

#[test]
fn a_message_within_itself_does_not_make_the_query_endless() {
    let document = kitchen();
    let names = parameters(&document["paths"]["/v1/scalars"]["get"]);
    assert!(names.contains(&("aDouble", "query")) && !names.iter().any(|(name, _)| name.starts_with("inner.")));
}

#[test]
fn conditions_are_described_where_messages_have_an_etag() {
    let document = ours();
    let headers = |path: &str, verb: &str| -> Vec<String> {
        let parameters = parameters(&document["paths"][path][verb]).into_iter();
        parameters.filter(|(_, place)| *place == "header").map(|(name, _)| name.to_owned()).collect()
    };
    let answers =
        |path: &str, verb: &str, status: &str| document["paths"][path][verb]["responses"].get(status).is_some();
    let task = "/api/v1/tasks/{id}";
    assert_eq!(headers(task, "get"), ["If-Match", "If-None-Match"]);
    assert!(answers(task, "get", "304") && answers(task, "get", "412"));
    assert!(document["paths"][task]["get"]["responses"]["200"]["headers"]["ETag"].is_object());
    let complete = "/api/v1/tasks/{id}:complete";
    for (path, verb) in [(task, "patch"), (task, "delete"), (complete, "post")] {
        assert_eq!(headers(path, verb), ["If-Match"], "{verb} {path}");
        assert!(answers(path, verb, "412") && !answers(path, verb, "304"), "{verb} {path}");
    }
    for (path, verb) in [("/api/v1/tasks", "get"), ("/api/v1/tasks", "post"), ("/api/v1/tasks:batchUpdate", "post")] {
        assert_eq!(headers(path, verb), [""; 0], "{verb} {path}");
        assert!(!answers(path, verb, "412"), "{verb} {path}");
    }
}

#[test]
fn an_answer_can_be_one_field() {
    let document = kitchen();
    let schema = |path: &str| {
        document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone()
    };
    assert_eq!(schema("/v1/dishes")["items"], json!({"$ref": "#/components/schemas/kitchen.v1.Dish"}));
    assert_eq!(schema("/v1/dishes:next")["type"], "string");
    assert_eq!(schema("/v1/dishes:first")["anyOf"][1], json!({"type": "null"}));
}

#[test]
fn streams_name_their_media_types() {
    let document = document_of("", "edge.proto");
    let content = &document["paths"]["/api/v1/count/{count}"]["get"]["responses"]["200"]["content"];
    let media_types: Vec<_> = content.as_object().unwrap().keys().collect();
    assert_eq!(media_types, ["application/json", "application/x-ndjson", "text/event-stream"]);
    let upload = &document["paths"]["/api/v1/notes:collect"]["post"]["requestBody"]["content"];
    let note = &upload["application/x-ndjson"]["x-itemSchema"];
    assert_eq!(note, &json!({"$ref": "#/components/schemas/edge.test.v1.Note"}));
}

#[test]
fn bodies_of_any_media_type_are_said_to_be() {
    let document = document_of("", "edge.proto");
    let upload = &document["paths"]["/api/v1/files"]["post"]["requestBody"]["content"];
    let download = &document["paths"]["/api/v1/files/{count}"]["get"]["responses"]["200"]["content"];
    assert_eq!((upload, download), (&json!({"*/*": {}}), &json!({"*/*": {}})));
}

#[test]
fn what_needs_a_token_says_so_with_its_scope() {
    let document = ours();
    assert_eq!(document["paths"]["/api/v1/tasks"]["get"]["security"], json!([{"bearer": ["tasks:read"]}]));
    assert_eq!(document["paths"]["/api/v1/auth/login"]["post"]["security"], json!([]));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert!(kitchen()["components"]["securitySchemes"].is_null(), "an open contract has no tokens");
}

#[test]
fn what_peers_alone_may_call_is_not_shown() {
    let document = document_of("", "edge.proto");
    assert!(document["paths"]["/api/v1/internal"].is_null());
    assert!(document["paths"]["/api/v1/metadata"].is_object());
}

#[test]
fn failures_are_one_shape_and_only_those_that_can_come() {
    let document = ours();
    let statuses = |path: &str, verb: &str| {
        let responses = document["paths"][path][verb]["responses"].as_object().unwrap();
        responses.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(statuses("/api/v1/tasks", "get"), "200 400 401 403 429 default");
    assert_eq!(statuses("/api/v1/tasks/{id}", "patch"), "200 400 401 403 404 409 412 429 default");
    assert_eq!(statuses("/api/v1/tasks/{id}", "get"), "200 304 400 401 403 404 412 429 default");
    assert_eq!(statuses("/api/v1/auth/login", "post"), "200 400 409 429 default");
    let error = &document["components"]["responses"]["Error"]["content"]["application/json"]["schema"];
    assert_eq!(error, &json!({"$ref": "#/components/schemas/google.rpc.Status"}));
}
