//! Habits on the wire.

use chrono::NaiveDate;
use focusflow_proto::v1;
use focusflow_proto::v1::habit::Period as WirePeriod;

use super::Measured;
use crate::domain::habit::{Habit, HabitLog, Period, TargetCount};
use crate::domain::text::{HabitDescription, HabitName};
use crate::service::error::{Error, InField as _};
use crate::service::request::{Fields, etag, optional_id, timestamp};

/// What an update of a habit may do to its fields.
pub(super) const FIELDS: Fields = Fields {
    mutable: &["name", "description", "category_id", "target_count", "period", "archived"],
    output_only: &["id", "current_streak", "longest_streak", "strength", "create_time", "update_time", "etag"],
};

/// Whether a field has a value other than its default.
pub(super) fn is_set(values: &v1::Habit, field: &str) -> bool {
    match field {
        "name" => !values.name.is_empty(),
        "description" => !values.description.is_empty(),
        "category_id" => !values.category_id.is_empty(),
        "target_count" => values.target_count != 0,
        "period" => values.period != 0,
        "archived" => values.archived,
        _ => false,
    }
}

/// Takes one field.
pub(super) fn set(habit: &mut Habit, field: &str, values: &v1::Habit, today: NaiveDate) -> Result<(), Error> {
    match field {
        "name" => habit.name = HabitName::parse(&values.name).in_field("habit.name")?,
        "description" => {
            habit.description = HabitDescription::parse(&values.description).in_field("habit.description")?;
        }
        "category_id" => habit.category_id = optional_id("habit.category_id", &values.category_id)?,
        "target_count" => {
            habit.target_count = TargetCount::parse(values.target_count).in_field("habit.target_count")?;
        }
        "period" => habit.period = period(values.period)?,
        "archived" => habit.set_archived(values.archived, today),
        _ => {}
    }
    Ok(())
}

/// The period that a request says.
pub(super) fn period(value: i32) -> Result<Period, Error> {
    match WirePeriod::try_from(value) {
        Ok(WirePeriod::Unspecified | WirePeriod::Day) => Ok(Period::Day),
        Ok(WirePeriod::Week) => Ok(Period::Week),
        Err(_) => Err(Error::field("habit.period", format!("has no value {value}"))),
    }
}

impl From<Measured> for v1::Habit {
    fn from(Measured { habit, progress }: Measured) -> Self {
        let period = match habit.period {
            Period::Day => WirePeriod::Day,
            Period::Week => WirePeriod::Week,
        };
        Self {
            id: habit.id.to_string(),
            archived: habit.is_archived(),
            name: habit.name.into(),
            description: habit.description.into(),
            category_id: habit.category_id.map(|id| id.to_string()).unwrap_or_default(),
            target_count: habit.target_count.get(),
            period: period.into(),
            current_streak: progress.current_streak,
            longest_streak: progress.longest_streak,
            strength: progress.strength,
            create_time: Some(timestamp(habit.create_time)),
            update_time: Some(timestamp(habit.update_time)),
            etag: etag(habit.version),
        }
    }
}

impl From<HabitLog> for v1::HabitLog {
    fn from(log: HabitLog) -> Self {
        Self {
            id: log.id.to_string(),
            habit_id: log.habit_id.to_string(),
            local_date: log.local_date.to_string(),
            count: log.done_count.get(),
            skipped: log.skipped,
            notes: log.notes.into(),
            create_time: Some(timestamp(log.create_time)),
            update_time: Some(timestamp(log.update_time)),
        }
    }
}
