//! A person's history, as models read it.

use std::sync::Arc;

use focusflow_proto::internal::v1 as internal;
use focusflow_proto::internal::v1::history_service_server::HistoryService;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::error::Error;
use super::request::id;
use super::{Store, task};
use crate::clock::FIRST_TIME;
use crate::domain::task::Task;
use crate::domain::totals::minutes;
use crate::page::Position;
use crate::sql::tasks;

/// Tasks per answer.
const BATCH: usize = 1000;

/// Implements `HistoryService`.
#[derive(Debug)]
pub(crate) struct History {
    store: Arc<Store>,
}

impl History {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn outline(&self, request: internal::GetTaskOutlineRequest) -> Result<internal::TaskOutline, Error> {
        let user_id = id("user_id", &request.user_id)?;
        let task_id = id("task_id", &request.task_id)?;
        Ok(task::find(&mut self.store.database.read(user_id).await?, user_id, task_id).await?.into())
    }

    async fn check_user(&self, user_id: Uuid) -> Result<(), Error> {
        self.store.user(user_id).await.map(drop)
    }
}

#[async_trait]
impl HistoryService for History {
    async fn list_finished_tasks(
        &self,
        request: Request<internal::ListFinishedTasksRequest>,
    ) -> Result<Response<BoxStream<internal::FinishedTasks>>, Status> {
        let user_id = id("user_id", &request.into_inner().user_id)?;
        self.check_user(user_id).await?;
        // One batch waits while the reader takes another.
        let (answers, stream) = mpsc::channel(1);
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            if let Err(error) = send_finished(&store, user_id, &answers).await {
                let _ = answers.send(Err(error.into())).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn get_task_outline(
        &self,
        request: Request<internal::GetTaskOutlineRequest>,
    ) -> Result<Response<internal::TaskOutline>, Status> {
        Ok(Response::new(self.outline(request.into_inner()).await?))
    }
}

/// Sends batch after batch. No connection is held while the reader takes its time.
async fn send_finished(
    store: &Store,
    user_id: Uuid,
    answers: &mpsc::Sender<Result<internal::FinishedTasks, Status>>,
) -> Result<(), Error> {
    let mut after = Position { time: FIRST_TIME, id: Uuid::nil() };
    loop {
        let mut connection = store.database.read(user_id).await?;
        let batch = tasks::finished(&mut connection, user_id, after, i64::try_from(BATCH).unwrap_or(i64::MAX)).await?;
        drop(connection);
        let Some(last) = batch.last() else { return Ok(()) };
        after = Position { time: last.complete_time, id: last.id };
        let is_last = batch.len() < BATCH;
        let tasks = batch.into_iter().map(Into::into).collect();
        let reader_is_gone = answers.send(Ok(internal::FinishedTasks { tasks })).await.is_err();
        if is_last || reader_is_gone {
            return Ok(());
        }
    }
}

impl From<tasks::Finished> for internal::FinishedTask {
    fn from(task: tasks::Finished) -> Self {
        Self {
            outline: Some(internal::TaskOutline {
                title: task.title,
                tags: task.tags.0,
                category_id: task.category_id.map(|id| id.to_string()).unwrap_or_default(),
                estimated_minutes: task.estimated_minutes,
            }),
            actual_minutes: minutes(task.logged_micros),
            complete_time_seconds: task.complete_time.timestamp(),
        }
    }
}

impl From<Task> for internal::TaskOutline {
    fn from(task: Task) -> Self {
        Self {
            title: task.title.into(),
            tags: task.tags.as_slice().iter().map(|tag| tag.as_str().to_owned()).collect(),
            category_id: task.category_id.map(|id| id.to_string()).unwrap_or_default(),
            estimated_minutes: task.estimated_minutes.minutes(),
        }
    }
}
