//! How it ends.

use reqwest::Method;

use crate::harness::FocusFlow;

#[tokio::test]
async fn sigterm_drains_and_exits_with_zero() {
    let focusflow = FocusFlow::start().await;
    focusflow.register("ada@example.com").await;
    focusflow.terminate();
    let status = focusflow.wait().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn probes_and_health_say_that_it_is_up() {
    let focusflow = FocusFlow::start().await;
    for path in ["/livez", "/readyz", "/startupz", "/health", "/metrics"] {
        let response = reqwest::get(focusflow.admin_url(path)).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    let health: serde_json::Value =
        reqwest::get(format!("{}/health", focusflow.url())).await.unwrap().json().await.unwrap();
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(health["services"]["database"]["status"], "healthy");
    assert_eq!(health["services"]["redis"]["mode"], "in-process");
    assert_eq!(health["services"]["ai_service"]["status"], "healthy");

    let answer = focusflow.rest(Method::GET, "/users/me", None, None).await;
    assert_eq!(answer.status, 401);
    let metrics = reqwest::get(focusflow.admin_url("/metrics")).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"route="/api/v1/users/me""#), "{metrics}");
}
