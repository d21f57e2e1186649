//! What the person's time went into.

mod forgotten;
mod summary;
mod wire;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use focusflow_proto::v1;
use focusflow_proto::v1::time_log_service_server::TimeLogService;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use self::forgotten::Shown;
use super::error::{Error, InField as _};
use super::request::{Creation, id, optional_id, optional_time, page_size, required, still_there};
use super::{Store, authenticated, task};
use crate::domain::change::{Action, Resource};
use crate::domain::text::Notes;
use crate::domain::time_log::{Interval, OverlapPolicy, TimeLog, fit};
use crate::page::{self, Page, Position};
use crate::sql::{Connection, Write, tasks, time_logs};

/// Implements `TimeLogService`.
#[derive(Debug)]
pub(crate) struct TimeLogs {
    store: Arc<Store>,
}

impl TimeLogs {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn list(&self, user_id: Uuid, request: v1::ListTimeLogsRequest) -> Result<v1::ListTimeLogsResponse, Error> {
        let size = page_size(request.page_size)?;
        let ending_after = optional_time("start_time", request.start_time)?;
        let starting_before = optional_time("end_time", request.end_time)?;
        let task_id = optional_id("task_id", &request.task_id)?;
        let query = format!("ListTimeLogs {ending_after:?} {starting_before:?} {task_id:?}");
        let listing = time_logs::Listing {
            user_id,
            task_id,
            ending_after,
            starting_before,
            after: self.store.pages.position(user_id, &query, &request.page_token)?,
            limit: page::rows(size),
        };

        let mut connection = self.store.database.read(user_id).await?;
        if let Some(task_id) = task_id {
            task::find(&mut connection, user_id, task_id).await?;
        }
        let found = time_logs::list(&mut connection, &listing).await?;
        let shown = forgotten::show_all(&mut connection, user_id, self.store.time.now(), found).await?;
        let Page { items: time_logs, end } =
            Page::cut(shown, size, |shown: &Shown| Position { time: shown.log.start_time, id: shown.log.id });
        let next_page_token = self.store.pages.next_token(user_id, &query, end);
        Ok(v1::ListTimeLogsResponse { time_logs, next_page_token })
    }

    async fn get(&self, user_id: Uuid, request: v1::GetTimeLogRequest) -> Result<Shown, Error> {
        let id = id("id", &request.id)?;
        let mut connection = self.store.database.read(user_id).await?;
        let log = find(&mut connection, user_id, id).await?;
        forgotten::show(&mut connection, user_id, self.store.time.now(), log).await
    }

    async fn running(&self, user_id: Uuid) -> Result<Shown, Error> {
        let mut connection = self.store.database.read(user_id).await?;
        let running = time_logs::find_running(&mut connection, user_id).await?;
        let log = running.ok_or_else(|| Error::NotFound { resource: "time log", id: "running".to_owned() })?;
        forgotten::show(&mut connection, user_id, self.store.time.now(), log).await
    }

    async fn create(&self, user_id: Uuid, request: v1::CreateTimeLogRequest) -> Result<Shown, Error> {
        let creation = Creation::parse("CreateTimeLog", &request.request_id, &request)?;
        let policy = wire::overlap_policy(request.overlap_policy)?;
        let values = required("time_log", request.time_log)?;
        let wanted = wire::interval(
            required("time_log.start_time", optional_time("time_log.start_time", values.start_time)?)?,
            required("time_log.end_time", optional_time("time_log.end_time", values.end_time)?)?,
        )?;
        let notes = Notes::parse(&values.notes).in_field("time_log.notes")?;
        let task_id = optional_id("time_log.task_id", &values.task_id)?;

        let mut write = self.store.write(user_id).await?;
        if let Some(id) = creation.made_before(&mut write).await? {
            return made_before(&mut write, id).await;
        }
        wanted.check_not_far_ahead(write.now()).in_field("time_log.end_time")?;
        check_task(&mut write, task_id).await?;
        let free = fit_in(&mut write, wanted, None, policy).await?;
        let mut log = self.new_log(&write, task_id, notes, free.start());
        log.end_time = Some(free.end());
        log.manual = true;
        time_logs::insert(write.connection(), user_id, std::slice::from_ref(&log)).await?;
        creation.made(&mut write, log.id).await?;
        write.record(Resource::TimeLog, log.id, Action::Created);
        sum_up(&mut write, task_id).await?;
        write.commit().await?;
        Ok(log.into())
    }

    async fn start(&self, user_id: Uuid, request: v1::StartTimeLogRequest) -> Result<Shown, Error> {
        let creation = Creation::parse("StartTimeLog", &request.request_id, &request)?;
        let notes = Notes::parse(&request.notes).in_field("notes")?;
        let task_id = optional_id("task_id", &request.task_id)?;

        let mut write = self.store.write(user_id).await?;
        if let Some(id) = creation.made_before(&mut write).await? {
            return made_before(&mut write, id).await;
        }
        check_task(&mut write, task_id).await?;
        if request.stop_running
            && let Some(running) = time_logs::find_running(write.connection(), user_id).await?
        {
            stop_now(&mut write, running).await?;
        }
        let now = write.now();
        let log = self.new_log(&write, task_id, notes, now);
        // The index decides, so that of two devices that start at once one only does.
        if !time_logs::insert_running(write.connection(), user_id, &log).await? {
            let running = time_logs::find_running(write.connection(), user_id).await?;
            return Err(Error::TimerRunning { id: running.map(|log| log.id).unwrap_or_default() });
        }
        check_free(&mut write, &log).await?;
        creation.made(&mut write, log.id).await?;
        write.record(Resource::TimeLog, log.id, Action::Created);
        write.commit().await?;
        Ok(log.into())
    }

    async fn stop(&self, user_id: Uuid, request: v1::StopTimeLogRequest) -> Result<Shown, Error> {
        let wanted = optional_id("id", &request.id)?;
        let end = optional_time("end_time", request.end_time)?;
        let mut write = self.store.write(user_id).await?;
        if let Some(id) = wanted {
            find(write.connection(), user_id, id).await?;
        }
        let running = time_logs::find_running(write.connection(), user_id).await?;
        let running = running.filter(|log| wanted.is_none_or(|id| id == log.id)).ok_or(Error::TimerNotRunning)?;
        let log = match end {
            Some(end) => stop_at(&mut write, running, end).await?,
            None => stop_now(&mut write, running).await?,
        };
        let now = write.now();
        let shown = forgotten::show(write.connection(), user_id, now, log).await?;
        write.commit().await?;
        Ok(shown)
    }

    async fn update(&self, user_id: Uuid, request: v1::UpdateTimeLogRequest) -> Result<Shown, Error> {
        let values = required("time_log", request.time_log)?;
        let id = id("time_log.id", &values.id)?;
        let fields = wire::FIELDS.resolve(request.update_mask.as_ref(), |field| wire::is_set(&values, field))?;
        let policy = wire::overlap_policy(request.overlap_policy)?;

        let mut write = self.store.write(user_id).await?;
        let before = find(write.connection(), user_id, id).await?;
        let mut log = before.clone();
        for field in fields {
            wire::set(&mut log, field, &values)?;
        }
        let now = write.now();
        if log == before {
            return forgotten::show(write.connection(), user_id, now, log).await;
        }
        if log.task_id != before.task_id {
            check_task(&mut write, log.task_id).await?;
        }
        if (log.start_time, log.end_time) != (before.start_time, before.end_time) {
            refit(&mut write, &mut log, policy).await?;
            log.forgotten = false;
        }
        log.update_time = now;
        time_logs::update(write.connection(), user_id, &log).await?;
        write.record(Resource::TimeLog, id, Action::Updated);
        if (log.task_id, log.counted_micros()) != (before.task_id, before.counted_micros()) {
            sum_up(&mut write, before.task_id).await?;
            sum_up(&mut write, log.task_id.filter(|id| before.task_id != Some(*id))).await?;
        }
        let shown = forgotten::show(write.connection(), user_id, now, log).await?;
        write.commit().await?;
        Ok(shown)
    }

    async fn delete(&self, user_id: Uuid, request: v1::DeleteTimeLogRequest) -> Result<(), Error> {
        let id = id("id", &request.id)?;
        let mut write = self.store.write(user_id).await?;
        let log = find(write.connection(), user_id, id).await?;
        time_logs::delete(write.connection(), user_id, id).await?;
        write.record(Resource::TimeLog, id, Action::Deleted);
        if log.end_time.is_some() {
            sum_up(&mut write, log.task_id).await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// A running timer of `write`'s time.
    fn new_log(&self, write: &Write, task_id: Option<Uuid>, notes: Notes, start_time: DateTime<Utc>) -> TimeLog {
        TimeLog {
            id: self.store.time.new_id(),
            task_id,
            start_time,
            end_time: None,
            notes,
            manual: false,
            forgotten: false,
            create_time: write.now(),
            update_time: write.now(),
        }
    }
}

#[async_trait]
impl TimeLogService for TimeLogs {
    async fn list_time_logs(
        &self,
        request: Request<v1::ListTimeLogsRequest>,
    ) -> Result<Response<v1::ListTimeLogsResponse>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.list(user_id, request).await?))
    }

    async fn get_time_log(&self, request: Request<v1::GetTimeLogRequest>) -> Result<Response<v1::TimeLog>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.get(user_id, request).await?.into()))
    }

    async fn create_time_log(
        &self,
        request: Request<v1::CreateTimeLogRequest>,
    ) -> Result<Response<v1::TimeLog>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.create(user_id, request).await?.into()))
    }

    async fn update_time_log(
        &self,
        request: Request<v1::UpdateTimeLogRequest>,
    ) -> Result<Response<v1::TimeLog>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.update(user_id, request).await?.into()))
    }

    async fn delete_time_log(&self, request: Request<v1::DeleteTimeLogRequest>) -> Result<Response<()>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.delete(user_id, request).await?))
    }

    async fn start_time_log(&self, request: Request<v1::StartTimeLogRequest>) -> Result<Response<v1::TimeLog>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.start(user_id, request).await?.into()))
    }

    async fn stop_time_log(&self, request: Request<v1::StopTimeLogRequest>) -> Result<Response<v1::TimeLog>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.stop(user_id, request).await?.into()))
    }

    async fn get_running_time_log(
        &self,
        request: Request<v1::GetRunningTimeLogRequest>,
    ) -> Result<Response<v1::TimeLog>, Status> {
        let (user_id, _) = authenticated(request)?;
        Ok(Response::new(self.running(user_id).await?.into()))
    }

    async fn summarize_time_logs(
        &self,
        request: Request<v1::SummarizeTimeLogsRequest>,
    ) -> Result<Response<v1::SummarizeTimeLogsResponse>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(summary::summarize(&self.store, user_id, &request).await?))
    }
}

/// Stops the person's timer if it runs for this task. Answers whether it did.
pub(super) async fn stop_timer_of(write: &mut Write, task_id: Uuid) -> Result<bool, Error> {
    let user_id = write.user_id();
    let running = time_logs::find_running(write.connection(), user_id).await?;
    match running.filter(|log| log.task_id == Some(task_id)) {
        Some(running) => stop_now(write, running).await.map(|_| true),
        None => Ok(false),
    }
}

/// Ends a running timer now, or where the next log begins if that was entered ahead of time. One that has run for too
/// long counts as forgotten, and in no total.
async fn stop_now(write: &mut Write, mut log: TimeLog) -> Result<TimeLog, Error> {
    let (user_id, now) = (write.user_id(), write.now());
    let next_start = time_logs::next_start(write.connection(), user_id, log.start_time, log.id).await?;
    let end = next_start.map_or(now, |next| next.min(now));
    // The clock may have been put back since the start.
    let end = end.max(log.start_time);
    log.forgotten = forgotten::is_forgotten(write.connection(), user_id, log.start_time, end).await?;
    end_at(write, log, end).await
}

/// Ends a running timer when the person says that it ended.
async fn stop_at(write: &mut Write, log: TimeLog, end: DateTime<Utc>) -> Result<TimeLog, Error> {
    if end > write.now() {
        return Err(Error::field("end_time", "must not be in the future"));
    }
    let wanted = Interval::parse(log.start_time, end).in_field("end_time")?;
    fit_in(write, wanted, Some(log.id), OverlapPolicy::Refuse).await?;
    end_at(write, log, end).await
}

async fn end_at(write: &mut Write, mut log: TimeLog, end: DateTime<Utc>) -> Result<TimeLog, Error> {
    log.end_time = Some(end);
    log.update_time = write.now();
    let user_id = write.user_id();
    time_logs::update(write.connection(), user_id, &log).await?;
    write.record(Resource::TimeLog, log.id, Action::Updated);
    sum_up(write, log.task_id).await?;
    Ok(log)
}

/// What an earlier request with the same id made, as it is now.
async fn made_before(write: &mut Write, id: Uuid) -> Result<Shown, Error> {
    let (user_id, now) = (write.user_id(), write.now());
    let log = still_there(find(write.connection(), user_id, id).await, "time log", id)?;
    forgotten::show(write.connection(), user_id, now, log).await
}

async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> Result<TimeLog, Error> {
    time_logs::find(connection, user_id, id).await?.ok_or_else(|| Error::not_found("time log", id))
}

/// Checks that time can be spent on a task: on a series it is spent on its occurrences.
async fn check_task(write: &mut Write, task_id: Option<Uuid>) -> Result<(), Error> {
    let Some(task_id) = task_id else { return Ok(()) };
    let user_id = write.user_id();
    match task::find(write.connection(), user_id, task_id).await? {
        task if task.is_template => Err(Error::IsSeries),
        _ => Ok(()),
    }
}

/// Refuses a timer that starts within another log.
async fn check_free(write: &mut Write, log: &TimeLog) -> Result<(), Error> {
    let instant = Interval::parse(log.start_time, log.start_time + chrono::TimeDelta::microseconds(1));
    let instant = instant.in_field("start_time")?;
    fit_in(write, instant, Some(log.id), OverlapPolicy::Refuse).await.map(drop)
}

/// Fits a log whose interval was changed beside the others. A running one reaches as far as now.
async fn refit(write: &mut Write, log: &mut TimeLog, policy: OverlapPolicy) -> Result<(), Error> {
    let Some(end) = log.end_time else {
        if log.start_time > write.now() {
            return Err(Error::field("time_log.start_time", "must not be in the future while the timer runs"));
        }
        let end = write.now().max(log.start_time + chrono::TimeDelta::microseconds(1));
        let wanted = wire::interval(log.start_time, end)?;
        fit_in(write, wanted, Some(log.id), OverlapPolicy::Refuse).await?;
        return Ok(());
    };
    let wanted = wire::interval(log.start_time, end)?;
    wanted.check_not_far_ahead(write.now()).in_field("time_log.end_time")?;
    let free = fit_in(write, wanted, Some(log.id), policy).await?;
    (log.start_time, log.end_time) = (free.start(), Some(free.end()));
    Ok(())
}

async fn fit_in(
    write: &mut Write,
    wanted: Interval,
    except: Option<Uuid>,
    policy: OverlapPolicy,
) -> Result<Interval, Error> {
    let user_id = write.user_id();
    let others = time_logs::around(write.connection(), user_id, wanted.start(), wanted.end(), except).await?;
    fit(wanted, &others, policy).map_err(|id| Error::Overlap { id })
}

/// Adds up the time of a task whose logs changed.
async fn sum_up(write: &mut Write, task_id: Option<Uuid>) -> Result<(), Error> {
    let Some(task_id) = task_id else { return Ok(()) };
    let (user_id, now) = (write.user_id(), write.now());
    tasks::sum_logs(write.connection(), user_id, task_id, now).await?;
    write.record(Resource::Task, task_id, Action::Updated);
    Ok(())
}
