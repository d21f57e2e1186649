//! What is sent: the same task everywhere.

use focusflow_proto::v1::task_service_server::TaskService;
use focusflow_proto::v1::{GetTaskRequest, ListTasksResponse, Task, task};
use prost_types::Timestamp;
use tonic::{Request, Response, Status};

/// The id of the task that every server answers with.
pub(crate) const TASK_ID: &str = "0198c0de-7a1c-7c3e-9d7b-5f2f6f6d1c01";

/// A service whose work is next to nothing, so that what is measured is the way to it.
#[derive(Debug, Clone)]
pub(crate) struct ConstantTask(Task);

impl ConstantTask {
    pub(crate) fn new() -> Self {
        Self(task())
    }
}

#[tonic::async_trait]
impl TaskService for ConstantTask {
    async fn get_task(&self, _request: Request<GetTaskRequest>) -> Result<Response<Task>, Status> {
        Ok(Response::new(self.0.clone()))
    }
}

/// A task with fifteen fields set, as a person would have written it.
pub(crate) fn task() -> Task {
    Task {
        id: TASK_ID.to_owned(),
        title: "Write the chapter about \"deadlines\"".to_owned(),
        description: "Outline first.\nThen the part about budgets, with the figures of last week.".to_owned(),
        category_id: "0198c0de-7a1c-7c3e-9d7b-5f2f6f6d1c02".to_owned(),
        priority: task::Priority::High.into(),
        status: task::Status::InProgress.into(),
        estimated_minutes: 90,
        actual_minutes: 35,
        due_time: Some(Timestamp { seconds: 1_796_040_000, nanos: 0 }),
        tags: vec!["writing".to_owned(), "deep-work".to_owned(), "q4".to_owned()],
        parent_id: "0198c0de-7a1c-7c3e-9d7b-5f2f6f6d1c03".to_owned(),
        postponement_count: 2,
        create_time: Some(Timestamp { seconds: 1_795_000_000, nanos: 123_456_000 }),
        update_time: Some(Timestamp { seconds: 1_795_100_000, nanos: 654_321_000 }),
        etag: "7f3a9c".to_owned(),
        ..Task::default()
    }
}

/// A page of fifty of them.
pub(crate) fn page() -> ListTasksResponse {
    ListTasksResponse { tasks: vec![task(); 50], next_page_token: "bmV4dA".to_owned() }
}
