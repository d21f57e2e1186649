//! When people want to be reminded of habits, and when each person's habits are looked at next.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Connection, query, query_as, query_scalar};
use crate::domain::notification::HabitReminder;

/// A reminder and the habit that it is of.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OfHabit {
    /// The habit.
    pub habit_id: Uuid,
    /// When.
    #[sqlx(flatten)]
    pub reminder: HabitReminder,
}

/// The reminders of one of a person's habits, by time.
pub async fn list(connection: &mut Connection, user_id: Uuid, habit_id: Uuid) -> sqlx::Result<Vec<HabitReminder>> {
    query_as("SELECT minutes, weekdays FROM habit_reminders WHERE user_id = $1 AND habit_id = $2 ORDER BY minutes")
        .bind(user_id)
        .bind(habit_id)
        .fetch_all(connection)
        .await
}

/// The reminders of all of a person's habits, by time.
pub async fn list_all(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Vec<OfHabit>> {
    query_as("SELECT habit_id, minutes, weekdays FROM habit_reminders WHERE user_id = $1 ORDER BY minutes, habit_id")
        .bind(user_id)
        .fetch_all(connection)
        .await
}

/// Replaces the reminders of a habit.
pub async fn set(
    connection: &mut Connection,
    user_id: Uuid,
    habit_id: Uuid,
    reminders: &[HabitReminder],
) -> sqlx::Result<()> {
    query("DELETE FROM habit_reminders WHERE user_id = $1 AND habit_id = $2")
        .bind(user_id)
        .bind(habit_id)
        .execute(&mut *connection)
        .await?;
    for reminder in reminders {
        query("INSERT INTO habit_reminders (user_id, habit_id, minutes, weekdays) VALUES ($1, $2, $3, $4)")
            .bind(user_id)
            .bind(habit_id)
            .bind(reminder.time())
            .bind(Json(reminder.weekdays().to_vec()))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Up to when a person's habits were looked at; `None` if they never are.
pub async fn planned_time(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Option<DateTime<Utc>>> {
    query_scalar("SELECT planned_time FROM habit_plans WHERE user_id = $1")
        .bind(user_id)
        .fetch_optional(connection)
        .await
}

/// Notes that a person's habits were looked at up to `planned_time`, and are again at `due_time`; `None` is never.
pub async fn plan(
    connection: &mut Connection,
    user_id: Uuid,
    planned_time: DateTime<Utc>,
    due_time: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    let Some(due_time) = due_time else {
        return query("DELETE FROM habit_plans WHERE user_id = $1").bind(user_id).execute(connection).await.map(drop);
    };
    query(
        "INSERT INTO habit_plans (user_id, planned_time, due_time) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET planned_time = excluded.planned_time, due_time = excluded.due_time,
         claim_time = NULL",
    )
    .bind(user_id)
    .bind(planned_time)
    .bind(due_time)
    .execute(connection)
    .await
    .map(drop)
}
