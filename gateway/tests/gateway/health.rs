//! `/health` and the metrics.

use http::{Method, StatusCode};

use crate::support::{Edge, address_where_nobody_listens, contract};

#[tokio::test]
async fn while_the_database_works_the_edge_is_up_though_ai_is_down() {
    let answer = Edge::start().await.get("/health").await;
    let json = answer.json();
    assert_eq!((answer.status, &json["status"]), (StatusCode::OK, &"degraded".into()), "{json}");
    assert_eq!(json["services"]["database"]["status"], "healthy");
    assert_eq!(json["services"]["redis"], serde_json::json!({"status": "healthy", "mode": "in-process"}));
    assert_eq!(json["services"]["ai_service"]["status"], "unhealthy");
    assert!(json["timestamp"].as_str().unwrap().ends_with('Z'), "{json}");
}

#[tokio::test]
async fn without_the_database_the_edge_is_down() {
    let edge = Edge::serving(contract(), address_where_nobody_listens().await).await;
    let answer = edge.get("/health").await;
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"unhealthy".into()));
    assert_eq!(answer.json()["services"]["database"]["status"], "unhealthy");
    let redis = &answer.json()["services"]["redis"];
    assert_eq!(*redis, serde_json::json!({"status": "healthy", "mode": "in-process"}), "nothing of its own is down");
}

#[tokio::test]
async fn health_is_read_and_nothing_else() {
    let edge = Edge::start().await;
    let head = edge.send(Method::HEAD, "/health", &[], "").await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    let post = edge.send(Method::POST, "/health", &[], "").await;
    assert_eq!((post.status, post.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
}

#[tokio::test]
async fn requests_are_counted_by_template_and_never_by_path() {
    let metrics = focusflow_mesh::telemetry::prometheus().unwrap();
    let edge = Edge::start().await;
    edge.get("/api/v1/open/secret-path").await;
    edge.get("/unknown-secret-path").await;
    let text = metrics.render();
    let counted = r#"http_requests_total{method="GET",route="/api/v1/open/{name}",status_code="200"}"#;
    assert!(text.contains(counted), "{text}");
    let unknown = r#"http_requests_total{method="GET",route="unknown",status_code="404"}"#;
    assert!(text.contains(unknown), "{text}");
    assert!(text.contains("http_request_duration_seconds_bucket"), "{text}");
    assert!(!text.contains("secret-path"), "{text}");
}
