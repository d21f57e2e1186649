//! What a person means to do again and again, and what they did of it.

mod logs;
mod vacations;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::NaiveDate;
use focusflow_proto::v1;
use focusflow_proto::v1::habit_service_server::HabitService;
use sqlx::types::Json;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::error::{Error, InField as _};
use super::request::{Creation, check_etag, id, optional_id, required, still_there};
use super::{Store, authenticated, category};
use crate::domain::change::{Action, Resource};
use crate::domain::dates::DateRange;
use crate::domain::day::local_day;
use crate::domain::habit::progress::{DayLog, Progress, measure};
use crate::domain::habit::{Habit, TargetCount};
use crate::domain::text::{HabitDescription, HabitName};
use crate::reminders;
use crate::sql::{Connection, Write, habits, users};

/// A list of habits has no pages, so it has an end.
pub(super) const HABITS_MAX: i64 = 200;

/// Implements `HabitService`.
#[derive(Debug)]
pub(crate) struct Habits {
    store: Arc<Store>,
}

/// A habit and how the person fares with it.
#[derive(Debug)]
struct Measured {
    habit: Habit,
    progress: Progress,
}

/// What habits are measured by, other than their logs.
struct Yardstick {
    today: NaiveDate,
    vacations: Vec<DateRange>,
}

impl Habits {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn list(&self, user_id: Uuid, request: v1::ListHabitsRequest) -> Result<Vec<Measured>, Error> {
        let mut snapshot = self.store.database.snapshot(user_id).await?;
        let yardstick = self.yardstick(&mut snapshot, user_id).await?;
        let habits = habits::list(&mut snapshot, user_id, request.show_archived).await?;
        let days = habits::days(&mut snapshot, user_id, None).await?;
        drop(snapshot);
        // Years of many habits are some milliseconds of work, too long to keep other requests of this thread waiting.
        let measured = tokio::task::spawn_blocking(move || yardstick.measure_all(habits, days));
        Ok(measured.await.map_err(|_| sqlx::Error::PoolClosed)?)
    }

    async fn get(&self, user_id: Uuid, request: v1::GetHabitRequest) -> Result<Measured, Error> {
        let id = id("id", &request.id)?;
        let mut snapshot = self.store.database.snapshot(user_id).await?;
        let habit = find(&mut snapshot, user_id, id).await?;
        self.measured(&mut snapshot, user_id, habit).await
    }

    async fn create(&self, user_id: Uuid, request: v1::CreateHabitRequest) -> Result<Measured, Error> {
        let creation = Creation::parse("CreateHabit", &request.request_id, &request)?;
        let values = required("habit", request.habit)?;
        let mut habit = self.new_habit(&values)?;

        let mut write = self.store.write(user_id).await?;
        if let Some(id) = creation.made_before(&mut write).await? {
            let habit = still_there(find(write.connection(), user_id, id).await, "habit", id)?;
            return self.measured(write.connection(), user_id, habit).await;
        }
        if habits::count(write.connection(), user_id).await? >= HABITS_MAX {
            return Err(Error::TooMany { things: "habits", max: HABITS_MAX });
        }
        check_category(&mut write, habit.category_id).await?;
        let today = self.today(write.connection(), user_id).await?;
        habit.set_archived(values.archived, today);
        habits::insert(write.connection(), user_id, &habit).await?;
        creation.made(&mut write, habit.id).await?;
        write.record(Resource::Habit, habit.id, Action::Created);
        reminders::habits::look(&mut write).await?;
        write.commit().await?;
        Ok(Measured { habit, progress: Progress::default() })
    }

    async fn update(&self, user_id: Uuid, request: v1::UpdateHabitRequest) -> Result<Measured, Error> {
        let values = required("habit", request.habit)?;
        let id = id("habit.id", &values.id)?;
        let fields = wire::FIELDS.resolve(request.update_mask.as_ref(), |field| wire::is_set(&values, field))?;

        let mut write = self.store.write(user_id).await?;
        let before = find(write.connection(), user_id, id).await?;
        check_etag(&values.etag, before.version)?;
        let today = self.today(write.connection(), user_id).await?;
        let mut habit = before.clone();
        for field in fields {
            wire::set(&mut habit, field, &values, today)?;
        }
        if habit.category_id != before.category_id {
            check_category(&mut write, habit.category_id).await?;
        }
        let measured = self.measured(write.connection(), user_id, habit.clone()).await?;
        if habit == before {
            return Ok(measured);
        }
        save(write, measured).await
    }

    async fn delete(&self, user_id: Uuid, request: v1::DeleteHabitRequest) -> Result<(), Error> {
        let id = id("id", &request.id)?;
        let mut write = self.store.write(user_id).await?;
        let habit = find(write.connection(), user_id, id).await?;
        check_etag(&request.etag, habit.version)?;
        habits::delete(write.connection(), user_id, id).await?;
        write.record(Resource::Habit, id, Action::Deleted);
        reminders::habits::look(&mut write).await?;
        write.commit().await?;
        Ok(())
    }

    fn new_habit(&self, values: &v1::Habit) -> Result<Habit, Error> {
        let now = self.store.time.now();
        let target_count = if values.target_count == 0 { 1 } else { values.target_count };
        Ok(Habit {
            id: self.store.time.new_id(),
            name: HabitName::parse(&values.name).in_field("habit.name")?,
            description: HabitDescription::parse(&values.description).in_field("habit.description")?,
            category_id: optional_id("habit.category_id", &values.category_id)?,
            target_count: TargetCount::parse(target_count).in_field("habit.target_count")?,
            period: wire::period(values.period)?,
            archive_date: None,
            pauses: Json(Vec::new()),
            version: 1,
            create_time: now,
            update_time: now,
        })
    }

    /// Measures one habit as the connection sees it.
    async fn measured(&self, connection: &mut Connection, user_id: Uuid, habit: Habit) -> Result<Measured, Error> {
        let yardstick = self.yardstick(connection, user_id).await?;
        let days = habits::days(connection, user_id, Some(habit.id)).await?;
        let logs: Vec<DayLog> = days.into_iter().map(|(_, log)| log).collect();
        Ok(yardstick.measure(habit, &logs))
    }

    async fn yardstick(&self, connection: &mut Connection, user_id: Uuid) -> Result<Yardstick, Error> {
        let today = self.today(connection, user_id).await?;
        Ok(Yardstick { today, vacations: habits::vacations(connection, user_id).await? })
    }

    /// The person's local day.
    async fn today(&self, connection: &mut Connection, user_id: Uuid) -> Result<NaiveDate, Error> {
        let user = users::find(connection, user_id).await?.ok_or_else(|| Error::not_found("user", user_id))?;
        Ok(local_day(self.store.time.now(), user.day_rule()))
    }
}

#[async_trait]
impl HabitService for Habits {
    async fn list_habits(
        &self,
        request: Request<v1::ListHabitsRequest>,
    ) -> Result<Response<v1::ListHabitsResponse>, Status> {
        let (user_id, request) = authenticated(request)?;
        let habits = self.list(user_id, request).await?.into_iter().map(Into::into).collect();
        Ok(Response::new(v1::ListHabitsResponse { habits }))
    }

    async fn get_habit(&self, request: Request<v1::GetHabitRequest>) -> Result<Response<v1::Habit>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.get(user_id, request).await?.into()))
    }

    async fn create_habit(&self, request: Request<v1::CreateHabitRequest>) -> Result<Response<v1::Habit>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.create(user_id, request).await?.into()))
    }

    async fn update_habit(&self, request: Request<v1::UpdateHabitRequest>) -> Result<Response<v1::Habit>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.update(user_id, request).await?.into()))
    }

    async fn delete_habit(&self, request: Request<v1::DeleteHabitRequest>) -> Result<Response<()>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.delete(user_id, request).await?))
    }

    async fn set_habit_log(&self, request: Request<v1::SetHabitLogRequest>) -> Result<Response<v1::HabitLog>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.set_log(user_id, request).await?.into()))
    }

    async fn delete_habit_log(&self, request: Request<v1::DeleteHabitLogRequest>) -> Result<Response<()>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.delete_log(user_id, request).await?))
    }

    async fn list_habit_logs(
        &self,
        request: Request<v1::ListHabitLogsRequest>,
    ) -> Result<Response<v1::ListHabitLogsResponse>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.list_logs(user_id, request).await?))
    }

    async fn set_vacations(
        &self,
        request: Request<v1::SetVacationsRequest>,
    ) -> Result<Response<v1::Vacations>, Status> {
        let (user_id, request) = authenticated(request)?;
        Ok(Response::new(self.put_vacations(user_id, request).await?))
    }

    async fn get_vacations(
        &self,
        request: Request<v1::GetVacationsRequest>,
    ) -> Result<Response<v1::Vacations>, Status> {
        let (user_id, _) = authenticated(request)?;
        Ok(Response::new(self.vacations(user_id).await?))
    }
}

impl Yardstick {
    fn measure(&self, habit: Habit, logs: &[DayLog]) -> Measured {
        let progress = measure(habit.goal(), logs, &habit.free_days(&self.vacations), self.today);
        Measured { habit, progress }
    }

    fn measure_all(&self, habits: Vec<Habit>, days: Vec<(Uuid, DayLog)>) -> Vec<Measured> {
        let mut logs: HashMap<Uuid, Vec<DayLog>> = HashMap::new();
        for (habit_id, log) in days {
            logs.entry(habit_id).or_default().push(log);
        }
        let measure = |habit: Habit| {
            let logs = logs.remove(&habit.id).unwrap_or_default();
            self.measure(habit, &logs)
        };
        habits.into_iter().map(measure).collect()
    }
}

async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> Result<Habit, Error> {
    habits::find(connection, user_id, id).await?.ok_or_else(|| Error::not_found("habit", id))
}

async fn save(mut write: Write, mut measured: Measured) -> Result<Measured, Error> {
    let (user_id, now) = (write.user_id(), write.now());
    measured.habit.version += 1;
    measured.habit.update_time = now;
    habits::update(write.connection(), user_id, &measured.habit).await?;
    write.record(Resource::Habit, measured.habit.id, Action::Updated);
    write.commit().await?;
    Ok(measured)
}

async fn check_category(write: &mut Write, category_id: Option<Uuid>) -> Result<(), Error> {
    let user_id = write.user_id();
    match category_id {
        Some(id) => category::find(write.connection(), user_id, id).await.map(drop),
        None => Ok(()),
    }
}
