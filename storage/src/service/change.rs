//! The order in which a person's data changed, as a stream that can be resumed.

use std::sync::Arc;

use focusflow_mesh::refusal::{Reason, Refusal};
use focusflow_proto::v1;
use focusflow_proto::v1::change_service_server::ChangeService;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::error::Error;
use super::request::timestamp;
use super::{Store, authenticated};
use crate::domain::change::{Action, Change, Resource};
use crate::relay::Watching;
use crate::sql::changes;

/// Changes read at once; a client that reads slowly costs no more memory than this.
const BATCH: i64 = 200;
/// Answers that wait for the client.
const WAITING_MAX: usize = 32;

/// Implements `ChangeService`.
#[derive(Debug)]
pub(crate) struct Changes {
    store: Arc<Store>,
    shutdown: CancellationToken,
}

/// One client that watches.
struct Watcher {
    store: Arc<Store>,
    user_id: Uuid,
    last_number: i64,
    watching: Watching,
    answers: mpsc::Sender<Result<v1::WatchResponse, Status>>,
}

/// The client is gone.
struct Gone;

impl Changes {
    pub(crate) fn new(store: &Arc<Store>, shutdown: &CancellationToken) -> Self {
        Self { store: Arc::clone(store), shutdown: shutdown.clone() }
    }

    /// Refuses a number that the person's sequence has not reached: it is of another history, as after a restored
    /// backup, and what follows it here would be taken for what followed it there.
    async fn check_since(&self, user_id: Uuid, since: i64) -> Result<(), Error> {
        if since < 0 {
            return Err(Error::field("since", "must not be negative"));
        }
        let last_number = changes::last_number(&mut self.store.database.read(user_id).await?, user_id).await?;
        match last_number.ok_or_else(|| Error::not_found("user", user_id))? {
            last_number if since > last_number => Err(Error::BeyondLastChange { last_number }),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl ChangeService for Changes {
    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<BoxStream<v1::WatchResponse>>, Status> {
        let (user_id, request) = authenticated(request)?;
        self.check_since(user_id, request.since).await?;
        let (answers, stream) = mpsc::channel(WAITING_MAX);
        let watcher = Watcher {
            store: Arc::clone(&self.store),
            user_id,
            last_number: request.since,
            // Before the first read, so that no commit falls between the two.
            watching: self.store.database.relay().watch(user_id),
            answers,
        };
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move { watcher.run(shutdown).await });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

impl Watcher {
    async fn run(mut self, shutdown: CancellationToken) {
        let answers = self.answers.clone();
        tokio::select! {
            // The client's end of the stream decides before anything else is looked at.
            biased;
            () = answers.closed() => {}
            () = shutdown.cancelled() => {
                let refusal = Refusal::new(Reason::Draining, "the service is shutting down: watch again");
                let _ = answers.try_send(Err(refusal.into()));
            }
            result = self.follow() => if let Err(Some(error)) = result {
                let _ = answers.send(Err(error.into())).await;
            }
        }
    }

    /// Sends what there is, then what comes. Ends with the database's failure, or without when the client is gone.
    async fn follow(&mut self) -> Result<(), Option<Error>> {
        loop {
            self.send_new().await?;
            self.watching.next().await;
        }
    }

    async fn send_new(&mut self) -> Result<(), Option<Error>> {
        loop {
            let changes = self.read().await.map_err(|error| Some(error.into()))?;
            let is_last = i64::try_from(changes.len()).is_ok_and(|length| length < BATCH);
            for change in changes {
                self.last_number = change.number;
                self.send(change).await.map_err(|Gone| None)?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn read(&self) -> sqlx::Result<Vec<Change>> {
        let mut connection = self.store.database.read(self.user_id).await?;
        changes::after(&mut connection, self.user_id, self.last_number, BATCH).await
    }

    async fn send(&self, change: Change) -> Result<(), Gone> {
        let response = v1::WatchResponse { change: Some(change.into()) };
        self.answers.send(Ok(response)).await.map_err(|_| Gone)
    }
}

impl From<Change> for v1::Change {
    fn from(change: Change) -> Self {
        let resource = match change.resource {
            Resource::User => v1::change::Resource::User,
            Resource::Category => v1::change::Resource::Category,
            Resource::Task => v1::change::Resource::Task,
            Resource::TimeLog => v1::change::Resource::TimeLog,
            Resource::Habit => v1::change::Resource::Habit,
            Resource::HabitLog => v1::change::Resource::HabitLog,
            Resource::Report => v1::change::Resource::Report,
            Resource::Notification => v1::change::Resource::Notification,
        };
        let action = match change.action {
            Action::Created => v1::change::Action::Created,
            Action::Updated => v1::change::Action::Updated,
            Action::Deleted => v1::change::Action::Deleted,
        };
        Self {
            number: change.number,
            resource: resource.into(),
            resource_id: change.resource_id.to_string(),
            action: action.into(),
            create_time: Some(timestamp(change.create_time)),
        }
    }
}
