//! Messages as schemas of their canonical JSON.

use serde_json::{Value, json};

use super::{kitchen, ours};

fn sink() -> Value {
    kitchen()["components"]["schemas"]["kitchen.v1.Sink"]["properties"].clone()
}

#[test]
fn scalars_have_the_types_of_their_json() {
    let sink = sink();
    assert_eq!(sink["anInt32"], json!({"type": "integer", "format": "int32"}));
    assert_eq!(sink["anInt64"], json!({"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}));
    assert_eq!(sink["someBytes"], json!({"type": "string", "contentEncoding": "base64"}));
    assert_eq!(sink["aDouble"]["anyOf"][1], json!({"enum": ["NaN", "Infinity", "-Infinity"]}));
    assert_eq!(sink["color"], json!({"$ref": "#/components/schemas/kitchen.v1.Color"}));
    assert_eq!(sink["other \"name\""]["type"], "string");
}

#[test]
fn well_known_messages_have_the_json_of_their_own() {
    let sink = sink();
    assert_eq!((&sink["timestamp"]["type"], &sink["timestamp"]["format"]), (&json!("string"), &json!("date-time")));
    assert_eq!(sink["mask"], json!({"type": "string"}));
    assert_eq!(sink["struct"], json!({"type": "object"}));
    assert_eq!(sink["value"], json!({}));
    assert_eq!(sink["int64Value"], sink["anInt64"]);
    assert_eq!(sink["any"]["properties"], json!({"@type": {"type": "string"}}));
    assert_eq!(sink["nullValue"], json!({"type": "null"}));
}

#[test]
fn maps_are_objects_whose_keys_are_limited() {
    let sink = sink();
    assert_eq!(sink["byString"]["additionalProperties"], json!({"type": "string"}));
    assert_eq!(sink["byBool"]["propertyNames"], json!({"pattern": "^(true|false)$"}));
    let of_itself = json!({"$ref": "#/components/schemas/kitchen.v1.Sink"});
    assert_eq!(sink["byInt32"]["additionalProperties"], of_itself);
}

#[test]
fn at_most_one_member_of_a_oneof_is_there() {
    let document = kitchen();
    let choices = document["components"]["schemas"]["kitchen.v1.Sink"]["allOf"].as_array().unwrap().clone();
    assert_eq!(choices.len(), 2, "a field with presence is no choice");
    let members = choices[0]["oneOf"].as_array().unwrap();
    assert_eq!((members.len(), &members[0]), (5, &json!({"required": ["choiceNumber"]})));
}

#[test]
fn only_what_answers_hold_may_have_further_fields() {
    let document = ours();
    let closed = |name: &str| document["components"]["schemas"][name]["additionalProperties"] == json!(false);
    assert!(closed("focusflow.v1.LoginRequest"));
    assert!(!closed("focusflow.v1.Task") && !closed("google.rpc.Status"));
}

#[test]
fn examples_are_what_the_schema_allows() {
    let document = ours();
    let create = &document["paths"]["/api/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]["example"];
    assert_eq!(create["title"], "Title");
    assert_eq!(create["priority"], "LOW");
    let answer = &document["paths"]["/api/v1/tasks/{id}"]["get"]["responses"]["200"]["content"]["application/json"];
    assert!(uuid::Uuid::parse_str(answer["example"]["id"].as_str().unwrap()).is_ok());
    assert_eq!(answer["example"]["occurrenceDate"], "2026-03-02");
}
