//! A person's history, read from storage.

use focusflow_mesh::channel::Channel;
use focusflow_mesh::refusal;
use focusflow_proto::internal::v1 as pb;
use focusflow_proto::internal::v1::history_service_client::HistoryServiceClient;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::model::{DurationModel, FinishedTask, Outline};

/// A batch holds up to 1,000 tasks; with the longest titles and tags that the contract allows it outgrows tonic's
/// default of 4 MiB.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// More than anybody finishes in a lifetime. What comes after is left out.
const TASKS_MAX: usize = 500_000;

/// Reads what models learn from.
#[derive(Debug, Clone)]
pub(crate) struct History {
    client: HistoryServiceClient<Channel>,
}

/// Why the history could not be read.
#[derive(Debug, thiserror::Error)]
#[error("storage answered {:?}: {}", .0.code(), .0.message())]
pub(crate) struct HistoryError(#[from] Status);

impl History {
    pub(crate) fn new(storage: Channel) -> Self {
        Self { client: HistoryServiceClient::new(storage).max_decoding_message_size(BATCH_BYTES_MAX) }
    }

    /// Learns how long the person's tasks take.
    ///
    /// The history is read anew each time. For ten thousand tasks that takes some tens of milliseconds, nearly all of
    /// them to read; an answer that leaves out the task just finished would be harder to explain than one that takes
    /// that long.
    pub(crate) async fn durations(&self, user_id: Uuid) -> Result<DurationModel, HistoryError> {
        let request = pb::ListFinishedTasksRequest { user_id: user_id.to_string() };
        let mut batches = self.client.clone().list_finished_tasks(request).await?.into_inner();
        let mut model = DurationModel::default();
        while let Some(batch) = batches.message().await? {
            batch.tasks.into_iter().map(FinishedTask::from).for_each(|task| model.learn(task));
            if model.len() >= TASKS_MAX {
                tracing::warn!(tasks_max = TASKS_MAX, "a history is longer than the limit; the rest is left out");
                break;
            }
        }
        Ok(model)
    }

    /// What is known of a task before it is done.
    pub(crate) async fn outline(&self, user_id: Uuid, task_id: Uuid) -> Result<Outline, HistoryError> {
        let request = pb::GetTaskOutlineRequest { user_id: user_id.to_string(), task_id: task_id.to_string() };
        Ok(self.client.clone().get_task_outline(request).await?.into_inner().into())
    }
}

impl From<pb::TaskOutline> for Outline {
    fn from(outline: pb::TaskOutline) -> Self {
        Self {
            tags: outline.tags,
            category_id: outline.category_id,
            // A negative estimate cannot be stored; if one comes all the same it is none.
            estimated_minutes: u32::try_from(outline.estimated_minutes).unwrap_or_default(),
        }
    }
}

impl From<pb::FinishedTask> for FinishedTask {
    fn from(task: pb::FinishedTask) -> Self {
        Self { outline: task.outline.unwrap_or_default().into(), actual_minutes: task.actual_minutes }
    }
}

impl From<HistoryError> for Status {
    /// What a caller can act on passes as it is; the rest is between this service and storage.
    fn from(HistoryError(status): HistoryError) -> Self {
        match status.code() {
            // Without its metadata, which were storage's response headers.
            code @ (Code::NotFound | Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted) => {
                Status::with_details(code, status.message(), status.details().to_vec().into())
            }
            _ => refusal::internal("reading the history", &status),
        }
    }
}
