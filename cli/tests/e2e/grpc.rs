//! The edge over native gRPC: the same RPCs, the same token.

use focusflow_proto::v1::auth_service_client::AuthServiceClient;
use focusflow_proto::v1::task::{Priority, Status};
use focusflow_proto::v1::task_service_client::TaskServiceClient;
use focusflow_proto::v1::time_log_service_client::TimeLogServiceClient;
use focusflow_proto::v1::{
    CompleteTaskRequest, CreateTaskRequest, DeleteTaskRequest, GetTaskRequest, ListTasksRequest, LoginRequest,
    RefreshRequest, StartTimeLogRequest, StopTimeLogRequest, Task, UpdateTaskRequest,
};
use tonic::Code;

use crate::harness::{FocusFlow, PASSWORD};

#[tokio::test]
async fn a_task_lives_its_life() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let mut tasks = TaskServiceClient::new(focusflow.edge());
    let mut time_logs = TimeLogServiceClient::new(focusflow.edge());

    let written = Task { title: "Write the report".into(), estimated_minutes: 45, ..Task::default() };
    let create = CreateTaskRequest { task: Some(written), ..CreateTaskRequest::default() };
    let task = tasks.create_task(ada.request(create)).await.unwrap().into_inner();
    assert_eq!((task.priority(), task.status()), (Priority::Medium, Status::Pending));

    let start = StartTimeLogRequest { task_id: task.id.clone(), ..StartTimeLogRequest::default() };
    let running = time_logs.start_time_log(ada.request(start)).await.unwrap().into_inner();
    assert_eq!(running.end_time, None);
    let stopped = time_logs.stop_time_log(ada.request(StopTimeLogRequest::default())).await.unwrap().into_inner();
    assert_eq!(stopped.id, running.id);
    assert!(stopped.end_time.is_some());

    let urgent = Task { id: task.id.clone(), priority: Priority::Urgent.into(), ..Task::default() };
    let mask = prost_types::FieldMask { paths: vec!["priority".into()] };
    let update = UpdateTaskRequest { task: Some(urgent), update_mask: Some(mask) };
    let updated = tasks.update_task(ada.request(update)).await.unwrap().into_inner();
    assert_eq!((updated.priority(), updated.title.as_str()), (Priority::Urgent, "Write the report"));

    let complete = CompleteTaskRequest { id: task.id.clone(), ..CompleteTaskRequest::default() };
    let completed = tasks.complete_task(ada.request(complete)).await.unwrap().into_inner();
    assert_eq!(completed.status(), Status::Completed);
    let listed = tasks.list_tasks(ada.request(ListTasksRequest::default())).await.unwrap().into_inner();
    assert_eq!(listed.tasks.len(), 1);

    let delete = DeleteTaskRequest { id: task.id.clone(), ..DeleteTaskRequest::default() };
    tasks.delete_task(ada.request(delete)).await.unwrap();
    let gone = tasks.get_task(ada.request(GetTaskRequest { id: task.id })).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test]
async fn nobody_sees_what_is_not_theirs() {
    let focusflow = FocusFlow::start().await;
    let (ada, eve) = (focusflow.register("ada@example.com").await, focusflow.register("eve@example.com").await);
    let mut tasks = TaskServiceClient::new(focusflow.edge());
    let secret = Task { title: "Secret".into(), ..Task::default() };
    let create = CreateTaskRequest { task: Some(secret), ..CreateTaskRequest::default() };
    let task = tasks.create_task(ada.request(create)).await.unwrap().into_inner();

    let seen = tasks.get_task(eve.request(GetTaskRequest { id: task.id.clone() })).await.unwrap_err();
    assert_eq!(seen.code(), Code::NotFound);

    // Naming the victim in metadata, as the gateway does inside the mesh, is of no use at the edge.
    let mut spoofed = eve.request(GetTaskRequest { id: task.id });
    spoofed.metadata_mut().insert("x-focusflow-user-id", ada.id.parse().unwrap());
    assert_eq!(tasks.get_task(spoofed).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn signing_in_works_without_a_token_and_nothing_else_does() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let mut auth = AuthServiceClient::new(focusflow.edge());
    let login = LoginRequest { email: "Ada@Example.com".into(), password: PASSWORD.into(), ..LoginRequest::default() };
    let session = auth.login(login).await.unwrap().into_inner();
    assert_eq!(session.user.unwrap().id, ada.id);
    assert_eq!(session.expires_in, 900);

    let mut tasks = TaskServiceClient::new(focusflow.edge());
    let refused = tasks.list_tasks(ListTasksRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_a_second_refresh_at_once_does_not_end_the_session() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;
    let mut auth = AuthServiceClient::new(focusflow.edge());
    let first = RefreshRequest { refresh_token: ada.refresh_token.clone() };
    let next = auth.refresh(first.clone()).await.unwrap().into_inner();
    assert_ne!(next.refresh_token, ada.refresh_token);

    assert_eq!(auth.refresh(first).await.unwrap_err().code(), Code::Unauthenticated);
    let successor = RefreshRequest { refresh_token: next.refresh_token };
    assert!(auth.refresh(successor).await.is_ok());
}
