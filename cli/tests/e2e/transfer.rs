//! Data that comes from elsewhere, leaves, and comes back: by the commands, and as a calendar without signing in.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::harness::FocusFlow;

#[tokio::test]
async fn what_was_imported_and_exported_can_be_imported_by_another_account() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let csv = focusflow.home().join("House [123].csv");
    std::fs::write(&csv, "TYPE,CONTENT,INDENT,DATE\ntask,Plan @work,1,2026-07-01\ntask,Part,2,\n").unwrap();
    let output = focusflow.command(&ada, &["import", "--json", "todoist"], &csv).await;
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["rowsImported"], &summary["rowsSkipped"]), (&json!(2), &json!(0)), "{summary}");

    let document = focusflow.home().join("ada.json");
    let output = focusflow.command(&ada, &["export"], &document).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let content: Value = serde_json::from_slice(&std::fs::read(&document).unwrap()).unwrap();
    assert_eq!((&content["format"], &content["user"]["email"]), (&json!("focusflow"), &json!("ada@example.com")));
    assert_eq!(std::fs::metadata(&document).unwrap().permissions().mode() & 0o777, 0o600);
    let again = focusflow.command(&ada, &["export"], &document).await;
    assert_eq!(again.status.code(), Some(1), "a file that exists is not overwritten");

    let bob = focusflow.register("bob@example.com").await;
    let output = focusflow.command(&bob, &["import", "--json", "focusflow"], &document).await;
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["rowsImported"], 2 + 5, "two tasks and five categories: {summary}");
    let tasks = focusflow.get("/tasks", &bob).await;
    let titled = |title: &str| tasks["tasks"].as_array().unwrap().iter().find(|task| task["title"] == title).unwrap();
    assert_eq!(titled("Part")["parentId"], titled("Plan")["id"]);
}

#[tokio::test]
async fn a_calendar_program_reads_the_tasks_without_signing_in() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let due = chrono::Utc::now() + chrono::TimeDelta::days(1);
    focusflow.post("/tasks", &ada, json!({"title": "Write", "dueTime": due.to_rfc3339()})).await;
    let feed = focusflow.post("/calendarFeeds", &ada, json!({"name": "Phone"})).await;
    let url = format!("{}{}", focusflow.url(), feed["path"].as_str().unwrap());
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/calendar; charset=utf-8");
    let calendar = answer.text().await.unwrap();
    assert!(calendar.starts_with("BEGIN:VCALENDAR\r\n") && calendar.contains("SUMMARY:Write\r\n"), "{calendar}");

    let wrong = url.replace("/tasks.ics", "x/tasks.ics");
    assert_eq!(reqwest::get(wrong).await.unwrap().status(), 404);
}
