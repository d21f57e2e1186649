//! The order in which a person's data changed.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What kind of thing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resource {
    /// The account's settings.
    User,
    /// A category.
    Category,
    /// A task.
    Task,
    /// A time log.
    TimeLog,
    /// A habit.
    Habit,
    /// What was done of a habit on a day.
    HabitLog,
    /// A report.
    Report,
    /// A notification.
    Notification,
}

/// What was done to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// It is new.
    Created,
    /// It is different.
    Updated,
    /// It is gone.
    Deleted,
}

/// That something was written.
#[derive(Clone, Debug, Eq, PartialEq, sqlx::FromRow)]
pub struct Change {
    /// Its place in the person's sequence, from 1.
    pub number: i64,
    /// What kind of thing.
    pub resource: Resource,
    /// Which one.
    pub resource_id: Uuid,
    /// What was done to it.
    pub action: Action,
    /// When.
    pub create_time: DateTime<Utc>,
}
