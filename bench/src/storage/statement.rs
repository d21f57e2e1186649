//! What the service asks its database, in plain SQL.

use chrono::{DateTime, SubsecRound as _, Utc};
use sqlx::types::Json;
use uuid::Uuid;

/// How many tasks a list answers.
pub(super) const PAGE: i64 = 50;

pub(super) const GET: &str = "SELECT id, category_id, parent_id, title, description, priority, status, \
     estimated_minutes, logged_micros, due_time, tags, version, complete_time, delete_time, create_time, update_time \
     FROM tasks WHERE user_id = $1 AND id = $2";

pub(super) const LIST: &str = "SELECT id, category_id, parent_id, title, description, priority, status, \
     estimated_minutes, logged_micros, due_time, tags, version, complete_time, delete_time, create_time, update_time \
     FROM tasks WHERE user_id = $1 AND delete_time IS NULL ORDER BY create_time DESC, id DESC LIMIT $2";

pub(super) const INSERT_TASK: &str = "INSERT INTO tasks (user_id, id, title, description, priority, status, \
     estimated_minutes, logged_micros, tags, version, create_time, update_time) \
     VALUES ($1, $2, $3, '', 'MEDIUM', 'PENDING', 60, 0, $4, 1, $5, $5)";

pub(super) const START: &str = "INSERT INTO time_logs (user_id, id, start_time, notes, manual, create_time, \
     update_time) VALUES ($1, $2, $3, '', $4, $3, $3)";

pub(super) const RUNNING: &str = "SELECT id, start_time FROM time_logs WHERE user_id = $1 AND end_time IS NULL";

pub(super) const STOP: &str = "UPDATE time_logs SET end_time = $3, duration_micros = $4, update_time = $3 \
     WHERE user_id = $1 AND id = $2";

pub(super) const INSERT_CHANGE: &str = "INSERT INTO changes (user_id, number, resource, resource_id, action, \
     create_time) VALUES ($1, $2, $3, $4, $5, $6)";

pub(super) const SET_NUMBER: &str = "UPDATE users SET change_number = $2 WHERE id = $1";

pub(super) const TITLE: &str = "Write the chapter about deadlines";

/// A task as it is read.
#[expect(dead_code, reason = "reading a row is the work")]
#[derive(sqlx::FromRow)]
pub(super) struct Task {
    id: Uuid,
    category_id: Option<Uuid>,
    parent_id: Option<Uuid>,
    title: String,
    description: String,
    priority: String,
    status: String,
    estimated_minutes: i32,
    logged_micros: i64,
    due_time: Option<DateTime<Utc>>,
    tags: Json<Vec<String>>,
    version: i64,
    complete_time: Option<DateTime<Utc>>,
    delete_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

/// A timer that runs.
#[derive(sqlx::FromRow)]
pub(super) struct Running {
    pub(super) id: Uuid,
    start_time: DateTime<Utc>,
}

impl Running {
    /// When it ends if it ends now, and how many microseconds it ran.
    pub(super) fn end(&self) -> (DateTime<Utc>, i64) {
        let end = now().max(self.start_time);
        (end, (end - self.start_time).num_microseconds().unwrap_or_default())
    }
}

/// To the microsecond, as databases keep it.
pub(super) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
