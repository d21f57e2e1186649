//! What tasks were, and putting them back.

use focusflow_proto::v1;
use uuid::Uuid;

use super::{Tasks, find};
use crate::domain::task::Task;
use crate::page::{self, Filling, Page};
use crate::service::error::Error;
use crate::service::request::{check_etag, id, page_size, timestamp};
use crate::sql::{Write, categories, revisions, tasks};

impl Tasks {
    pub(super) async fn list_revisions(
        &self,
        user_id: Uuid,
        request: v1::ListTaskRevisionsRequest,
    ) -> Result<v1::ListTaskRevisionsResponse, Error> {
        let task_id = id("id", &request.id)?;
        let size = page_size(request.page_size)?;
        let query = format!("ListTaskRevisions {task_id}");
        let after = self.store.pages.place(user_id, &query, &request.page_token)?;

        let mut snapshot = self.store.database.snapshot(user_id).await?;
        let current = find(&mut snapshot, user_id, task_id).await?;
        // As many as are kept can be read at once, so pages need not be read in pieces.
        let before = after.unwrap_or(current.version);
        let replaced = revisions::list(&mut snapshot, user_id, task_id, before, page::rows(size)).await?;
        drop(snapshot);

        let newest = after.is_none().then(|| current.clone());
        let versions = newest.into_iter().chain(replaced.into_iter().map(|revision| revision.into_task(&current)));
        let Page { items: revisions, end } = cut(versions, size);
        let next_page_token = self.store.pages.next_token(user_id, &query, end);
        Ok(v1::ListTaskRevisionsResponse { revisions, next_page_token })
    }

    pub(super) async fn restore_revision(
        &self,
        user_id: Uuid,
        request: v1::RestoreTaskRevisionRequest,
    ) -> Result<Task, Error> {
        let id = id("id", &request.id)?;
        let mut write = self.store.write(user_id).await?;
        let before = find(write.connection(), user_id, id).await?;
        check_etag(&request.etag, before.version)?;
        if before.version == i64::from(request.revision) {
            return Ok(before);
        }
        let revision = revisions::find(write.connection(), user_id, id, request.revision.into()).await?;
        let Some(revision) = revision else {
            let id = format!("{id}/revisions/{}", request.revision);
            return Err(Error::NotFound { resource: "task", id });
        };
        let mut task = put_back(&before, revision.into_task(&before));
        keep_references(&mut write, &mut task).await?;
        let task = self.replace_in(&mut write, before, task).await?;
        write.commit().await?;
        Ok(task)
    }
}

/// `current` with what its person decided `then`. When a series is due is a matter of its recurrence, and its parts
/// are done on its occurrences.
fn put_back(current: &Task, then: Task) -> Task {
    let mut task = Task {
        logged_micros: current.logged_micros,
        recurrence: current.recurrence.clone(),
        postponement_count: current.postponement_count,
        version: current.version,
        delete_time: current.delete_time,
        update_time: current.update_time,
        ..then
    };
    if current.is_template {
        task.due_time = current.due_time;
        task.parent_id = current.parent_id;
        task.status = current.status;
        task.complete_time = current.complete_time;
    }
    task
}

/// Lets go of a category or parent that cannot be referred to any more.
async fn keep_references(write: &mut Write, task: &mut Task) -> Result<(), Error> {
    let user_id = write.user_id();
    if let Some(category_id) = task.category_id
        && categories::find(write.connection(), user_id, category_id).await?.is_none()
    {
        task.category_id = None;
    }
    if let Some(parent_id) = task.parent_id.filter(|_| !task.is_template) {
        let parent = tasks::find(write.connection(), user_id, parent_id).await?;
        let is_there = parent.is_some_and(|parent| parent.delete_time.is_none() && !parent.is_template);
        if !is_there || tasks::has_ancestor(write.connection(), user_id, parent_id, task.id).await? {
            task.parent_id = None;
        }
    }
    Ok(())
}

fn cut(versions: impl Iterator<Item = Task>, size: usize) -> Page<v1::TaskRevision, i64> {
    let mut filling = Filling::new(size);
    let mut end = None;
    for task in versions {
        let version = task.version;
        if filling.room() == 0 || !filling.push(revision(task)) {
            return filling.page(end);
        }
        end = Some(version);
    }
    filling.page(None)
}

fn revision(task: Task) -> v1::TaskRevision {
    v1::TaskRevision {
        revision: i32::try_from(task.version).unwrap_or(i32::MAX),
        create_time: Some(timestamp(task.update_time)),
        task: Some(task.into()),
    }
}
