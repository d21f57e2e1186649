//! Habits, what was done of them, and vacations.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::{Connection, Query, query, query_as, query_scalar};
use crate::domain::dates::DateRange;
use crate::domain::habit::progress::DayLog;
use crate::domain::habit::{Habit, HabitLog};

macro_rules! select_habit {
    ($tail:literal) => {
        concat!(
            "SELECT id, name, description, category_id, target_count, period, archive_date, pauses, version, ",
            "create_time, update_time FROM habits ",
            $tail
        )
    };
}

macro_rules! select_log {
    ($tail:literal) => {
        concat!(
            "SELECT id, habit_id, local_date, done_count, skipped, notes, create_time, update_time FROM habit_logs ",
            $tail
        )
    };
}

/// A day of one of a person's habits, as far as measuring needs it.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
struct MeasuredDay {
    habit_id: Uuid,
    local_date: NaiveDate,
    done_count: i32,
    skipped: bool,
}

/// A person's habits by name, without case, and those that are called the same by age.
pub async fn list(connection: &mut Connection, user_id: Uuid, show_archived: bool) -> sqlx::Result<Vec<Habit>> {
    query_as(select_habit!("WHERE user_id = $1 AND ($2 OR archive_date IS NULL) ORDER BY name_key, id"))
        .bind(user_id)
        .bind(show_archived)
        .fetch_all(connection)
        .await
}

/// One of a person's habits.
pub async fn find(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<Option<Habit>> {
    query_as(select_habit!("WHERE user_id = $1 AND id = $2")).bind(user_id).bind(id).fetch_optional(connection).await
}

/// How many habits a person has, also in the archive.
pub async fn count(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<i64> {
    query_scalar("SELECT COUNT(*) FROM habits WHERE user_id = $1").bind(user_id).fetch_one(connection).await
}

/// Adds a habit.
pub async fn insert(connection: &mut Connection, user_id: Uuid, habit: &Habit) -> sqlx::Result<()> {
    query(
        "INSERT INTO habits (id, user_id, name, name_key, description, category_id, target_count, period,
         archive_date, pauses, version, create_time, update_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(habit.id)
    .bind(user_id)
    .bind(habit.name.clone())
    .bind(habit.name.key())
    .bind(habit.description.clone())
    .bind(habit.category_id)
    .bind(habit.target_count)
    .bind(habit.period)
    .bind(habit.archive_date)
    .bind(habit.pauses.clone())
    .bind(habit.version)
    .bind(habit.create_time)
    .bind(habit.update_time)
    .execute(connection)
    .await
    .map(drop)
}

/// Writes a habit.
pub async fn update(connection: &mut Connection, user_id: Uuid, habit: &Habit) -> sqlx::Result<()> {
    query(
        "UPDATE habits SET name = $3, name_key = $4, description = $5, category_id = $6, target_count = $7,
         period = $8, archive_date = $9, pauses = $10, version = $11, update_time = $12
         WHERE user_id = $1 AND id = $2",
    )
    .bind(user_id)
    .bind(habit.id)
    .bind(habit.name.clone())
    .bind(habit.name.key())
    .bind(habit.description.clone())
    .bind(habit.category_id)
    .bind(habit.target_count)
    .bind(habit.period)
    .bind(habit.archive_date)
    .bind(habit.pauses.clone())
    .bind(habit.version)
    .bind(habit.update_time)
    .execute(connection)
    .await
    .map(drop)
}

/// Takes a person's habits out of a category. Answers which.
pub async fn clear_category(
    connection: &mut Connection,
    user_id: Uuid,
    category_id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Uuid>> {
    query_scalar(
        "UPDATE habits SET category_id = NULL, version = version + 1, update_time = $3
         WHERE user_id = $1 AND category_id = $2 RETURNING id",
    )
    .bind(user_id)
    .bind(category_id)
    .bind(now)
    .fetch_all(connection)
    .await
}

/// Deletes a habit and its logs.
pub async fn delete(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<()> {
    query("DELETE FROM habits WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .execute(connection)
        .await
        .map(drop)
}

/// What the logs of all of a person's habits say, or of one of them: by habit, and each in the order of its days.
pub async fn days(
    connection: &mut Connection,
    user_id: Uuid,
    habit_id: Option<Uuid>,
) -> sqlx::Result<Vec<(Uuid, DayLog)>> {
    let days = days_query(user_id, habit_id).fetch_all(connection).await?;
    Ok(days.into_iter().map(|day| (day.habit_id, day.into())).collect())
}

fn days_query(user_id: Uuid, habit_id: Option<Uuid>) -> Query<'static, MeasuredDay> {
    match habit_id {
        None => query_as(
            "SELECT habit_id, local_date, done_count, skipped FROM habit_logs
             WHERE user_id = $1 ORDER BY habit_id, local_date",
        )
        .bind(user_id),
        Some(habit_id) => query_as(
            "SELECT habit_id, local_date, done_count, skipped FROM habit_logs
             WHERE user_id = $1 AND habit_id = $2 ORDER BY local_date",
        )
        .bind(user_id)
        .bind(habit_id),
    }
}

impl From<MeasuredDay> for DayLog {
    fn from(day: MeasuredDay) -> Self {
        Self { date: day.local_date, count: day.done_count, skipped: day.skipped }
    }
}

/// At most `limit` logs of one of a person's habits from `start` to `end`, both included, by day.
pub async fn list_logs(
    connection: &mut Connection,
    user_id: Uuid,
    habit_id: Uuid,
    start: NaiveDate,
    end: NaiveDate,
    limit: i64,
) -> sqlx::Result<Vec<HabitLog>> {
    query_as(select_log!(
        "WHERE user_id = $1 AND habit_id = $2 AND local_date >= $3 AND local_date <= $4 ORDER BY local_date LIMIT $5"
    ))
    .bind(user_id)
    .bind(habit_id)
    .bind(start)
    .bind(end)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// The log of a day of one of a person's habits.
pub async fn find_log(
    connection: &mut Connection,
    user_id: Uuid,
    habit_id: Uuid,
    date: NaiveDate,
) -> sqlx::Result<Option<HabitLog>> {
    query_as(select_log!("WHERE user_id = $1 AND habit_id = $2 AND local_date = $3"))
        .bind(user_id)
        .bind(habit_id)
        .bind(date)
        .fetch_optional(connection)
        .await
}

/// Writes the log of a day, in the place of the one that the day may have.
pub async fn put_log(connection: &mut Connection, user_id: Uuid, log: &HabitLog) -> sqlx::Result<()> {
    query(
        "INSERT INTO habit_logs (id, user_id, habit_id, local_date, done_count, skipped, notes, create_time,
         update_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (user_id, habit_id, local_date) DO UPDATE SET done_count = excluded.done_count,
         skipped = excluded.skipped, notes = excluded.notes, update_time = excluded.update_time",
    )
    .bind(log.id)
    .bind(user_id)
    .bind(log.habit_id)
    .bind(log.local_date)
    .bind(log.done_count)
    .bind(log.skipped)
    .bind(log.notes.clone())
    .bind(log.create_time)
    .bind(log.update_time)
    .execute(connection)
    .await
    .map(drop)
}

/// Deletes a log.
pub async fn delete_log(connection: &mut Connection, user_id: Uuid, id: Uuid) -> sqlx::Result<()> {
    query("DELETE FROM habit_logs WHERE user_id = $1 AND id = $2")
        .bind(user_id)
        .bind(id)
        .execute(connection)
        .await
        .map(drop)
}

/// A person's vacations, in order.
pub async fn vacations(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Vec<DateRange>> {
    query_as("SELECT start_date, end_date FROM vacations WHERE user_id = $1 ORDER BY start_date")
        .bind(user_id)
        .fetch_all(connection)
        .await
}

/// Replaces all of a person's vacations.
pub async fn set_vacations(connection: &mut Connection, user_id: Uuid, vacations: &[DateRange]) -> sqlx::Result<()> {
    query("DELETE FROM vacations WHERE user_id = $1").bind(user_id).execute(&mut *connection).await?;
    for vacation in vacations {
        query("INSERT INTO vacations (user_id, start_date, end_date) VALUES ($1, $2, $3)")
            .bind(user_id)
            .bind(vacation.first)
            .bind(vacation.last)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::plan;

    #[tokio::test]
    async fn habits_are_measured_by_one_walk_along_an_index() {
        let (_directory, mut connection) = plan::sqlite().await;
        for habit_id in [None, Some(Uuid::nil())] {
            let plan = plan::of(days_query(Uuid::nil(), habit_id), &mut connection).await;
            assert!(plan.contains("SEARCH habit_logs USING INDEX") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
