//! What has been acknowledged is there, whatever happens to the process.

use serde_json::json;

use crate::harness::FocusFlow;

#[tokio::test]
async fn a_killed_process_comes_back_with_all_that_it_acknowledged() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        let task = focusflow.post("/tasks", &ada, json!({"title": format!("Task {number}")})).await;
        acknowledged.push(task["id"].clone());
    }
    let home = focusflow.kill().await;

    let focusflow = FocusFlow::start_in(home).await;
    for id in acknowledged {
        focusflow.get(&format!("/tasks/{}", id.as_str().unwrap()), &ada).await;
    }
}
