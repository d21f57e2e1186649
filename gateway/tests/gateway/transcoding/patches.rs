//! PATCH without an update mask: the body says what changes.

use serde_json::json;

use super::contract::bound;

fn mask(body: &str) -> serde_json::Value {
    bound("PATCH /v1/dishes/7", body)["updateMask"].clone()
}

#[test]
fn the_mask_is_what_the_body_names() {
    assert_eq!(mask(r#"{"name": "soup", "tags": ["a"]}"#), "name,tags");
    assert_eq!(mask(r#"{"serve_time": "2026-01-02T03:04:05Z"}"#), "serveTime");
}

#[test]
fn what_is_cleared_is_named_too() {
    assert_eq!(
        mask(r#"{"name": null, "tags": [], "recipe": {}, "prices": {}, "marker": {}, "extra": {}, "stars": null}"#),
        "name,tags,recipe,prices,marker,extra,stars"
    );
    assert_eq!(mask(r#"{"recipe": null, "name": ""}"#), "recipe,name");
}

#[test]
fn messages_are_followed_to_what_they_name() {
    assert_eq!(
        mask(r#"{"recipe": {"author": "a", "base": {"minutes": 5, "base": {}}, "steps": ["x"]}}"#),
        "recipe.author,recipe.base.minutes,recipe.base.base,recipe.steps"
    );
}

#[test]
fn maps_and_well_known_messages_are_taken_whole() {
    assert_eq!(
        mask(r#"{"prices": {"small": 3}, "extra": {"a": {"b": 1}}, "stars": 5, "marker": {}}"#),
        "prices,extra,stars,marker"
    );
}

#[test]
fn what_is_cleared_within_a_message_is_named_alone() {
    assert_eq!(
        mask(r#"{"recipe": {"author": null, "steps": [], "base": null}}"#),
        "recipe.author,recipe.steps,recipe.base"
    );
    assert_eq!(
        mask(r#"{"extra": null, "serveTime": null, "prices": null, "tags": null}"#),
        "extra,serveTime,prices,tags"
    );
}

#[test]
fn what_the_path_gives_does_not_change() {
    assert_eq!(mask(r#"{"id": "8", "name": "soup"}"#), "name");
    assert_eq!(mask(r#"{"id": "8"}"#), serde_json::Value::Null);
    assert_eq!(mask("{}"), serde_json::Value::Null);
}

#[test]
fn a_mask_that_is_given_stands() {
    assert_eq!(
        bound("PATCH /v1/dishes/7?updateMask=name,serve_time", r#"{"tags": ["a"]}"#),
        json!({"dish": {"id": "7", "tags": ["a"]}, "updateMask": "name,serveTime"})
    );
    assert_eq!(bound("PATCH /v1/dishes/7?update_mask=", r#"{"name": "a"}"#)["updateMask"], "");
}

#[test]
fn a_put_replaces_and_has_no_mask() {
    assert_eq!(bound("PUT /v1/dishes/7", r#"{"name": "a"}"#), json!({"dish": {"id": "7", "name": "a"}}));
}
