//! Many tasks at once: all of them or none.

use std::collections::HashMap;

use focusflow_proto::v1;
use prost::Message as _;
use uuid::Uuid;

use super::Tasks;
use crate::page::BYTES_MAX;
use crate::service::error::{Error, FAILURES_MAX, Failure};

const ITEMS_MAX: usize = 500;
const IDS: &str = "ids";

/// What has become of the items of a batch so far.
///
/// A failed item does not keep those after it from being looked at, so that its person hears of all that is wrong. What
/// they write goes no further than the transaction, which is then given up.
#[derive(Default)]
struct Outcome {
    tasks: Vec<v1::Task>,
    failures: Vec<Failure>,
    bytes: usize,
}

impl Tasks {
    pub(super) async fn batch_create(
        &self,
        user_id: Uuid,
        request: v1::BatchCreateTasksRequest,
    ) -> Result<v1::BatchCreateTasksResponse, Error> {
        check_count("requests", request.requests.len())?;
        let mut write = self.store.write(user_id).await?;
        let mut outcome = Outcome::default();
        for (index, request) in request.requests.into_iter().enumerate() {
            let created = self.create_in(&mut write, request).await;
            outcome.add(|| format!("requests[{index}]"), created.map(|task| Some(task.into())))?;
        }
        let tasks = outcome.finish()?;
        write.commit().await?;
        Ok(v1::BatchCreateTasksResponse { tasks })
    }

    pub(super) async fn batch_update(
        &self,
        user_id: Uuid,
        request: v1::BatchUpdateTasksRequest,
    ) -> Result<v1::BatchUpdateTasksResponse, Error> {
        check_count("requests", request.requests.len())?;
        let mut write = self.store.write(user_id).await?;
        let mut outcome = Outcome::default();
        for (index, request) in request.requests.into_iter().enumerate() {
            let updated = self.update_in(&mut write, request).await;
            outcome.add(|| format!("requests[{index}]"), updated.map(|task| Some(task.into())))?;
        }
        let tasks = outcome.finish()?;
        write.commit().await?;
        Ok(v1::BatchUpdateTasksResponse { tasks })
    }

    pub(super) async fn batch_delete(&self, user_id: Uuid, request: v1::BatchDeleteTasksRequest) -> Result<(), Error> {
        let (list, requests) = deletions(request)?;
        check_count(list, requests.len())?;
        check_different(list, &requests)?;
        let mut write = self.store.write(user_id).await?;
        let mut outcome = Outcome::default();
        for (index, request) in requests.into_iter().enumerate() {
            let deleted = self.delete_in(&mut write, &request).await;
            let deleted = if list == IDS { deleted.map_err(unnamed) } else { deleted };
            outcome.add(|| format!("{list}[{index}]"), deleted.map(|()| None))?;
        }
        outcome.finish()?;
        write.commit().await?;
        Ok(())
    }
}

impl Outcome {
    /// Takes what became of an item. An error that is not the item's own ends the batch.
    fn add(&mut self, path: impl FnOnce() -> String, result: Result<Option<v1::Task>, Error>) -> Result<(), Error> {
        match result {
            Ok(task) => {
                self.bytes += task.as_ref().map_or(0, v1::Task::encoded_len);
                // A failed batch has no answer to be kept for.
                self.tasks.extend(task.filter(|_| self.failures.is_empty() && self.bytes <= BYTES_MAX));
                Ok(())
            }
            Err(error @ Error::Database(_)) => Err(error),
            Err(error) => {
                self.failures.push(Failure { path: path(), error });
                if self.failures.len() < FAILURES_MAX {
                    return Ok(());
                }
                Err(Error::Batch(std::mem::take(&mut self.failures)))
            }
        }
    }

    fn finish(self) -> Result<Vec<v1::Task>, Error> {
        if !self.failures.is_empty() {
            return Err(Error::Batch(self.failures));
        }
        if self.bytes > BYTES_MAX {
            let most = BYTES_MAX / (1024 * 1024);
            return Err(Error::field("requests", format!("would be answered by more than {most} MiB: send fewer")));
        }
        Ok(self.tasks)
    }
}

/// What to delete, and the name of the list that says so.
fn deletions(request: v1::BatchDeleteTasksRequest) -> Result<(&'static str, Vec<v1::DeleteTaskRequest>), Error> {
    let v1::BatchDeleteTasksRequest { ids, requests } = request;
    match (ids.is_empty(), requests.is_empty()) {
        (false, false) => Err(Error::field("requests", "must be empty where `ids` are given")),
        (true, false) => Ok(("requests", requests)),
        (_, true) => {
            let without_etag = |id| v1::DeleteTaskRequest { id, etag: String::new() };
            Ok((IDS, ids.into_iter().map(without_etag).collect()))
        }
    }
}

fn check_count(list: &str, count: usize) -> Result<(), Error> {
    match count {
        0 => Err(Error::field(list, "must not be empty")),
        1..=ITEMS_MAX => Ok(()),
        _ => Err(Error::field(list, format!("must have at most {ITEMS_MAX} items, not {count}"))),
    }
}

/// Refuses to delete the same task twice.
fn check_different(list: &str, requests: &[v1::DeleteTaskRequest]) -> Result<(), Error> {
    let mut first = HashMap::with_capacity(requests.len());
    for (index, request) in requests.iter().enumerate() {
        if let Some(earlier) = first.insert(request.id.to_lowercase(), index) {
            return Err(Error::field(format!("{list}[{index}]"), format!("names the task of {list}[{earlier}] again")));
        }
    }
    Ok(())
}

/// The same problem of an item that is a value, not a message with fields.
fn unnamed(error: Error) -> Error {
    match error {
        Error::Field { description, .. } => Error::field("", description),
        error => error,
    }
}
