//! Storage and ai, spoken to directly: who has which certificate decides.

use focusflow_proto::internal::v1::FindAccountRequest;
use focusflow_proto::internal::v1::credential_service_client::CredentialServiceClient;
use focusflow_proto::v1::insight_service_client::InsightServiceClient;
use focusflow_proto::v1::task_service_client::TaskServiceClient;
use focusflow_proto::v1::{CreateTaskRequest, EstimateTaskRequest, ListTasksRequest, Task};
use tonic::Code;

use crate::harness::FocusFlow;

#[tokio::test]
async fn the_developer_may_act_for_a_person() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let mut tasks = TaskServiceClient::new(focusflow.storage_as("developer"));
    let task = Task { title: "From inside".into(), ..Task::default() };
    let create = CreateTaskRequest { task: Some(task), ..CreateTaskRequest::default() };
    tasks.create_task(ada.named_in(create)).await.unwrap();
    let listed = focusflow.get("/tasks", &ada).await;
    assert_eq!(listed["tasks"][0]["title"], "From inside");

    let mut insights = InsightServiceClient::new(focusflow.ai_as("developer"));
    let estimate = EstimateTaskRequest { estimated_minutes: 30, ..EstimateTaskRequest::default() };
    let estimate = insights.estimate_task(ada.named_in(estimate)).await.unwrap().into_inner();
    assert_eq!(estimate.p50_minutes, 30);
}

#[tokio::test]
async fn the_developer_may_not_read_credentials() {
    let focusflow = FocusFlow::start().await;
    focusflow.register("ada@example.com").await;
    let mut credentials = CredentialServiceClient::new(focusflow.storage_as("developer"));
    let find = FindAccountRequest { email: "ada@example.com".into(), ..Default::default() };
    assert_eq!(credentials.find_account(find).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_service_may_not_call_what_its_policy_does_not_name() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let mut tasks = TaskServiceClient::new(focusflow.storage_as("ai"));
    let refused = tasks.list_tasks(ada.named_in(ListTasksRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}
