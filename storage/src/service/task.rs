//! What a person means to do.

mod batch;
mod list;
mod revisions;
pub(super) mod wire;

use std::sync::Arc;

use focusflow_proto::v1;
use focusflow_proto::v1::task_service_server::TaskService;
use tonic::{Request, Response, Status as GrpcStatus, async_trait};
use uuid::Uuid;

use super::error::{Error, InField as _};
use super::request::{Creation, check_etag, id, optional_time, required};
use super::{Store, authenticated, category, series, time_log};
use crate::domain::change::{Action, Resource};
use crate::domain::task::{Status, TRASH_RETENTION, Task};
use crate::domain::text::TaskTitle;
use crate::reminders;
use crate::sql::{Connection, Write, tasks};

/// Implements `TaskService`.
#[derive(Debug)]
pub(crate) struct Tasks {
    store: Arc<Store>,
}

impl Tasks {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn get(&self, user_id: Uuid, request: v1::GetTaskRequest) -> Result<Task, Error> {
        let id = id("id", &request.id)?;
        find(&mut self.store.database.read(user_id).await?, user_id, id).await
    }

    async fn create(&self, user_id: Uuid, request: v1::CreateTaskRequest) -> Result<Task, Error> {
        let mut write = self.store.write(user_id).await?;
        let task = self.create_in(&mut write, request).await?;
        write.commit().await?;
        Ok(task)
    }

    async fn create_in(&self, write: &mut Write, request: v1::CreateTaskRequest) -> Result<Task, Error> {
        let creation = Creation::parse("CreateTask", &request.request_id, &request)?;
        let values = required("task", request.task)?;
        let title = TaskTitle::parse(&values.title).in_field("task.title")?;
        let (user_id, now) = (write.user_id(), write.now());
        let mut task = Task::new(self.store.time.new_id(), title, now);
        wire::set_all(&mut task, &values, now)?;

        if let Some(id) = creation.made_before(write).await? {
            let made = tasks::find(write.connection(), user_id, id).await?;
            return made.ok_or(Error::ResultDeleted { resource: "task", id });
        }
        series::set(write, &mut task, None, wire::FIELDS.mutable, &values).await?;
        check(write, None, &mut task).await?;
        add(write, std::slice::from_ref(&task)).await?;
        creation.made(write, task.id).await?;
        series::follow(&self.store, write, None, &task).await?;
        Ok(task)
    }

    async fn update(&self, user_id: Uuid, request: v1::UpdateTaskRequest) -> Result<Task, Error> {
        let mut write = self.store.write(user_id).await?;
        let task = self.update_in(&mut write, request).await?;
        write.commit().await?;
        Ok(task)
    }

    async fn update_in(&self, write: &mut Write, request: v1::UpdateTaskRequest) -> Result<Task, Error> {
        let values = required("task", request.task)?;
        let id = id("task.id", &values.id)?;
        let fields = wire::FIELDS.resolve(request.update_mask.as_ref(), |field| wire::is_set(&values, field))?;
        let user_id = write.user_id();
        let before = find(write.connection(), user_id, id).await?;
        check_etag(&values.etag, before.version)?;
        let mut task = before.clone();
        for field in &fields {
            wire::set(&mut task, field, &values, write.now())?;
        }
        series::set(write, &mut task, Some(&before), &fields, &values).await?;
        self.replace_in(write, before, task).await
    }

    async fn complete(&self, user_id: Uuid, request: v1::CompleteTaskRequest) -> Result<Task, Error> {
        let id = id("id", &request.id)?;
        let mut write = self.store.write(user_id).await?;
        let before = find(write.connection(), user_id, id).await?;
        check_etag(&request.etag, before.version)?;
        if before.is_template {
            return Err(Error::IsSeries);
        }
        let mut task = before.clone();
        task.set_status(Status::Completed, write.now());
        self.replace(write, before, task).await
    }

    async fn postpone(&self, user_id: Uuid, request: v1::PostponeTaskRequest) -> Result<Task, Error> {
        let id = id("id", &request.id)?;
        let due_time = required("due_time", optional_time("due_time", request.due_time)?)?;
        let mut write = self.store.write(user_id).await?;
        let before = find(write.connection(), user_id, id).await?;
        check_etag(&request.etag, before.version)?;
        if before.is_template {
            return Err(Error::IsSeries);
        }
        if !before.is_open() {
            return Err(Error::TaskFinished);
        }
        let mut task = before.clone();
        match before.due_time {
            Some(current) if due_time < current => {
                return Err(Error::field("due_time", "must not be earlier than it is: UpdateTask moves it there"));
            }
            Some(current) if due_time == current => {}
            _ => task.postpone(due_time),
        }
        self.replace(write, before, task).await
    }

    /// Writes `task` in the place of `before`; nothing if they are equal.
    async fn replace(&self, mut write: Write, before: Task, task: Task) -> Result<Task, Error> {
        let task = self.replace_in(&mut write, before, task).await?;
        write.commit().await?;
        Ok(task)
    }

    async fn replace_in(&self, write: &mut Write, before: Task, mut task: Task) -> Result<Task, Error> {
        if task == before {
            return Ok(task);
        }
        check(write, Some(&before), &mut task).await?;
        let mut task = save(write, &before, task).await?;
        let is_newly_completed = task.status == Status::Completed && before.status != Status::Completed;
        if is_newly_completed && time_log::stop_timer_of(write, task.id).await? {
            let user_id = write.user_id();
            task = find(write.connection(), user_id, task.id).await?;
        }
        series::follow(&self.store, write, Some(&before), &task).await?;
        Ok(task)
    }

    async fn delete(&self, user_id: Uuid, request: v1::DeleteTaskRequest) -> Result<(), Error> {
        let mut write = self.store.write(user_id).await?;
        self.delete_in(&mut write, &request).await?;
        write.commit().await?;
        Ok(())
    }

    async fn delete_in(&self, write: &mut Write, request: &v1::DeleteTaskRequest) -> Result<(), Error> {
        let id = id("id", &request.id)?;
        let user_id = write.user_id();
        let task = find(write.connection(), user_id, id).await?;
        check_etag(&request.etag, task.version)?;
        let task = trash(write, task).await?;
        series::trash_with(&self.store, write, &task).await
    }

    async fn undelete(&self, user_id: Uuid, request: v1::UndeleteTaskRequest) -> Result<Task, Error> {
        let id = id("id", &request.id)?;
        let mut write = self.store.write(user_id).await?;
        let now = write.now();
        let task = tasks::find(write.connection(), user_id, id).await?;
        let task = task.filter(|task| task.delete_time.is_none_or(|time| time + TRASH_RETENTION > now));
        let before = task.ok_or_else(|| Error::not_found("task", id))?;
        check_etag(&request.etag, before.version)?;
        if before.delete_time.is_none() {
            return Ok(before);
        }
        let task = untrash(&mut write, before.clone()).await?;
        let task = series::untrash_with(&self.store, &mut write, &before, task).await?;
        write.commit().await?;
        Ok(task)
    }
}

#[async_trait]
impl TaskService for Tasks {
    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Result<Response<v1::ListTasksResponse>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.list(user_id, request).await?))
    }

    async fn get_task(&self, request: Request<v1::GetTaskRequest>) -> Result<Response<v1::Task>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.get(user_id, request).await?.into()))
    }

    async fn create_task(&self, request: Request<v1::CreateTaskRequest>) -> Result<Response<v1::Task>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.create(user_id, request).await?.into()))
    }

    async fn update_task(&self, request: Request<v1::UpdateTaskRequest>) -> Result<Response<v1::Task>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.update(user_id, request).await?.into()))
    }

    async fn delete_task(&self, request: Request<v1::DeleteTaskRequest>) -> Result<Response<()>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.delete(user_id, request).await?))
    }

    async fn undelete_task(&self, request: Request<v1::UndeleteTaskRequest>) -> Result<Response<v1::Task>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.undelete(user_id, request).await?.into()))
    }

    async fn complete_task(&self, request: Request<v1::CompleteTaskRequest>) -> Result<Response<v1::Task>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.complete(user_id, request).await?.into()))
    }

    async fn postpone_task(&self, request: Request<v1::PostponeTaskRequest>) -> Result<Response<v1::Task>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.postpone(user_id, request).await?.into()))
    }

    async fn update_following_tasks(
        &self,
        request: Request<v1::UpdateFollowingTasksRequest>,
    ) -> Result<Response<v1::Task>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(series::update_following(&self.store, user_id, request).await?.into()))
    }

    async fn batch_create_tasks(
        &self,
        request: Request<v1::BatchCreateTasksRequest>,
    ) -> Result<Response<v1::BatchCreateTasksResponse>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.batch_create(user_id, request).await?))
    }

    async fn batch_update_tasks(
        &self,
        request: Request<v1::BatchUpdateTasksRequest>,
    ) -> Result<Response<v1::BatchUpdateTasksResponse>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.batch_update(user_id, request).await?))
    }

    async fn batch_delete_tasks(
        &self,
        request: Request<v1::BatchDeleteTasksRequest>,
    ) -> Result<Response<()>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.batch_delete(user_id, request).await?))
    }

    async fn list_task_revisions(
        &self,
        request: Request<v1::ListTaskRevisionsRequest>,
    ) -> Result<Response<v1::ListTaskRevisionsResponse>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.list_revisions(user_id, request).await?))
    }

    async fn restore_task_revision(
        &self,
        request: Request<v1::RestoreTaskRevisionRequest>,
    ) -> Result<Response<v1::Task>, GrpcStatus> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.restore_revision(user_id, request).await?.into()))
    }
}

/// One of the person's tasks that is not in the trash.
pub(super) async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> Result<Task, Error> {
    let task = tasks::find(connection, user_id, id).await?;
    task.filter(|task| task.delete_time.is_none()).ok_or_else(|| Error::not_found("task", id))
}

/// Adds tasks.
pub(super) async fn add(write: &mut Write, tasks: &[Task]) -> Result<(), Error> {
    let user_id = write.user_id();
    tasks::insert(write.connection(), user_id, tasks).await?;
    for task in tasks {
        write.record(Resource::Task, task.id, Action::Created);
    }
    reminders::follow_new_tasks(write, tasks).await?;
    Ok(())
}

/// Writes `task` in the place of `before`; nothing if they are equal. Answers it with its new version.
pub(super) async fn save(write: &mut Write, before: &Task, task: Task) -> Result<Task, Error> {
    if task == *before {
        return Ok(task);
    }
    save_as(write, before, task, Action::Updated).await
}

/// Moves a task to the trash.
pub(super) async fn trash(write: &mut Write, mut before: Task) -> Result<Task, Error> {
    // A timer must not run on for what the person no longer sees; its time is kept.
    if time_log::stop_timer_of(write, before.id).await? {
        let user_id = write.user_id();
        before = find(write.connection(), user_id, before.id).await?;
    }
    let task = Task { delete_time: Some(write.now()), ..before.clone() };
    save_as(write, &before, task, Action::Deleted).await
}

/// Takes a task back from the trash.
pub(super) async fn untrash(write: &mut Write, before: Task) -> Result<Task, Error> {
    let task = Task { delete_time: None, ..before.clone() };
    // Those who watch were told that it is gone, so to them it is new.
    save_as(write, &before, task, Action::Created).await
}

async fn save_as(write: &mut Write, before: &Task, mut task: Task, action: Action) -> Result<Task, Error> {
    let user_id = write.user_id();
    task.version = before.version + 1;
    task.update_time = write.now();
    tasks::update(write.connection(), user_id, before, &task).await?;
    write.record(Resource::Task, task.id, action);
    reminders::follow_task(write, before, &task).await?;
    Ok(task)
}

/// Checks what a task that is to be written refers to.
pub(super) async fn check(write: &mut Write, before: Option<&Task>, task: &mut Task) -> Result<(), Error> {
    check_references(write, before, task).await?;
    series::check(write, before, task).await
}

/// Checks that category and parent, where they are new, are the person's own, and that no task becomes a part of
/// itself.
async fn check_references(write: &mut Write, before: Option<&Task>, task: &Task) -> Result<(), Error> {
    let user_id = write.user_id();
    if let Some(category_id) = task.category_id.filter(|id| before.and_then(|task| task.category_id) != Some(*id)) {
        let found = category::find(write.connection(), user_id, category_id).await;
        found.map_err(|error| error.of_reference("task.category_id", "category", category_id))?;
    }
    if let Some(parent_id) = task.parent_id.filter(|id| before.and_then(|task| task.parent_id) != Some(*id)) {
        let found = find(write.connection(), user_id, parent_id).await;
        found.map_err(|error| error.of_reference("task.parent_id", "task", parent_id))?;
        if tasks::has_ancestor(write.connection(), user_id, parent_id, task.id).await? {
            return Err(Error::field("task.parent_id", "must not be the task itself or one of its parts"));
        }
    }
    Ok(())
}
