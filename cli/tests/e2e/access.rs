//! Sessions and API tokens over REST.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{FocusFlow, PASSWORD, Person};

async fn sign_in(focusflow: &FocusFlow, email: &str) -> Person {
    let body = json!({"email": email, "password": PASSWORD});
    let answer = focusflow.rest(Method::POST, "/auth/login", None, Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    Person::from(&answer.body)
}

async fn refresh(focusflow: &FocusFlow, person: &Person) -> u16 {
    let body = json!({"refreshToken": person.refresh_token});
    focusflow.rest(Method::POST, "/auth/refresh", None, Some(body)).await.status
}

fn reason(body: &Value) -> &str {
    let details = body["details"].as_array().unwrap();
    details.iter().find_map(|detail| detail["reason"].as_str()).unwrap_or_default()
}

#[tokio::test]
async fn sessions_are_listed_and_revoked_and_the_sixth_ends_the_oldest() {
    let focusflow = FocusFlow::start().await;
    let first = focusflow.register("ada@example.com").await;
    let second = sign_in(&focusflow, "ada@example.com").await;
    let sessions = focusflow.get("/auth/sessions", &second).await["sessions"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    assert_eq!((&sessions[0]["current"], &sessions[1]["current"]), (&json!(true), &json!(false)));

    let path = format!("/auth/sessions/{}", sessions[1]["id"].as_str().unwrap());
    let revoked = focusflow.rest(Method::DELETE, &path, Some(&second.access_token), None).await;
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    assert_eq!(refresh(&focusflow, &first).await, 401);
    let again = focusflow.rest(Method::DELETE, &path, Some(&second.access_token), None).await;
    assert_eq!(again.status, 404);

    let mut latest = Vec::new();
    for _ in 0..5 {
        latest.push(sign_in(&focusflow, "ada@example.com").await);
    }
    assert_eq!(refresh(&focusflow, &second).await, 401, "five others came later");
    assert_eq!(refresh(&focusflow, &latest[0]).await, 200);

    focusflow.post("/auth/sessions:revokeAll", &latest[1], json!({})).await;
    for person in &latest {
        assert_eq!(refresh(&focusflow, person).await, 401);
    }
}

#[tokio::test]
async fn an_api_token_does_what_its_scopes_say_until_it_is_deleted() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let made = focusflow.post("/auth/apiTokens", &ada, json!({"name": "Reader", "scopes": ["tasks:read"]})).await;
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("ff_"));

    let with_token =
        async |method: Method, path: &str, body: Option<Value>| focusflow.rest(method, path, Some(secret), body).await;
    let listed = with_token(Method::GET, "/tasks", None).await;
    assert_eq!(listed.status, 200, "{}", listed.body);
    let created = with_token(Method::POST, "/tasks", Some(json!({"title": "No"}))).await;
    assert_eq!((created.status, reason(&created.body)), (403, "SCOPE_MISSING"));
    for path in ["/auth/sessions", "/auth/apiTokens"] {
        assert_eq!(with_token(Method::GET, path, None).await.status, 403, "{path}");
    }

    let everything = focusflow.post("/auth/apiTokens", &ada, json!({"name": "Script"})).await;
    let script = everything["secret"].as_str().unwrap();
    let created = focusflow.rest(Method::POST, "/tasks", Some(script), Some(json!({"title": "Yes"}))).await;
    assert_eq!(created.status, 200, "{}", created.body);
    let more = focusflow.rest(Method::POST, "/auth/apiTokens", Some(script), Some(json!({"name": "More"}))).await;
    assert_eq!((more.status, reason(&more.body)), (403, "SESSION_REQUIRED"));

    let tokens = focusflow.get("/auth/apiTokens", &ada).await["apiTokens"].clone();
    assert_eq!((&tokens[0]["name"], &tokens[1]["name"]), (&json!("Script"), &json!("Reader")));
    assert!(!tokens.to_string().contains("ff_") && tokens[1]["lastUsedTime"].is_string(), "{tokens}");
    let path = format!("/auth/apiTokens/{}", tokens[1]["id"].as_str().unwrap());
    let deleted = focusflow.rest(Method::DELETE, &path, Some(&ada.access_token), None).await;
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    let listed = with_token(Method::GET, "/tasks", None).await;
    assert_eq!((listed.status, reason(&listed.body)), (401, "TOKEN_INVALID"));
}

#[tokio::test]
async fn a_wrong_scope_is_named() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let body = json!({"name": "Typo", "scopes": ["tasks:read", "task:read"]});
    let answer = focusflow.rest(Method::POST, "/auth/apiTokens", Some(&ada.access_token), Some(body)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.to_string().contains("scopes[1]"), "{}", answer.body);
}

#[tokio::test]
async fn who_deletes_the_account_is_signed_out_and_comes_back_by_signing_in() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let deleted = focusflow.rest(Method::DELETE, "/users/me", Some(&ada.access_token), None).await;
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    assert_eq!(refresh(&focusflow, &ada).await, 401);
    let back = sign_in(&focusflow, "ada@example.com").await;
    assert_eq!(back.id, ada.id);
    assert_eq!(refresh(&focusflow, &back).await, 200);
}

#[tokio::test]
async fn a_changed_password_signs_in_and_what_happened_is_listed() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let other = sign_in(&focusflow, "ada@example.com").await;
    let wrong = json!({"email": "ada@example.com", "password": "wrong horse battery"});
    assert_eq!(focusflow.rest(Method::POST, "/auth/login", None, Some(wrong)).await.status, 401);

    let change = json!({"currentPassword": PASSWORD, "newPassword": "another horse battery"});
    focusflow.post("/auth/password:change", &ada, change).await;
    assert_eq!((refresh(&focusflow, &ada).await, refresh(&focusflow, &other).await), (200, 401));
    let body = json!({"email": "ada@example.com", "password": "another horse battery"});
    assert_eq!(focusflow.rest(Method::POST, "/auth/login", None, Some(body)).await.status, 200);

    let events = focusflow.get("/auth/securityEvents", &ada).await["securityEvents"].clone();
    let kinds: Vec<_> = events.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let expected = ["SIGNED_IN", "PASSWORD_CHANGED", "SIGN_IN_FAILED", "SIGNED_IN", "SIGNED_IN", "REGISTERED"];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn asking_for_a_password_reset_does_not_tell_who_has_an_account() {
    let focusflow = FocusFlow::start().await;
    focusflow.register("ada@example.com").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let answer =
            focusflow.rest(Method::POST, "/auth/password:requestReset", None, Some(json!({"email": email}))).await;
        assert_eq!((answer.status, answer.body), (200, json!({})), "{email}");
    }
    let body = json!({"token": "guessed", "newPassword": "another horse battery"});
    let guessed = focusflow.rest(Method::POST, "/auth/password:reset", None, Some(body)).await;
    assert_eq!((guessed.status, reason(&guessed.body)), (400, "TOKEN_INVALID"));
}
