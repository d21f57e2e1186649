//! Habits: what a person means to do again and again.

pub mod progress;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::Problem;
use super::dates::{self, DateRange};
use super::text::{HabitDescription, HabitName, Notes};

/// How many times in the archive a habit remembers. Of older ones, the days count as missed again.
const PAUSES_MAX: usize = 100;

/// The period that a habit's target count is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Period {
    /// The person's local day.
    #[default]
    Day,
    /// ISO 8601 week.
    Week,
}

/// How often a habit is to be done in each period: 1 to 100,000.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
pub struct TargetCount(i32);

/// How often a habit was done on a day: 0 to 1,000,000.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
pub struct DoneCount(i32);

/// How often a habit is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Goal {
    /// This often.
    pub target_count: TargetCount,
    /// In each of these.
    pub period: Period,
}

/// Something to be done repeatedly.
#[derive(Clone, Debug, Eq, PartialEq, sqlx::FromRow)]
pub struct Habit {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub name: HabitName,
    /// What it is about.
    pub description: HabitDescription,
    /// The category that it is in.
    pub category_id: Option<Uuid>,
    /// How often in each period.
    pub target_count: TargetCount,
    /// The period that the target count is for.
    pub period: Period,
    /// The first local day on which it is no longer due; `None` if it is.
    pub archive_date: Option<NaiveDate>,
    /// When it was in the archive before, in order.
    pub pauses: Json<Vec<DateRange>>,
    /// Counts its writes, from 1.
    pub version: i64,
    /// When it was created.
    pub create_time: DateTime<Utc>,
    /// When it was last written.
    pub update_time: DateTime<Utc>,
}

/// What was done of a habit on one local day.
#[derive(Clone, Debug, Eq, PartialEq, sqlx::FromRow)]
pub struct HabitLog {
    /// Its id.
    pub id: Uuid,
    /// The habit.
    pub habit_id: Uuid,
    /// The person's local day; a habit has one log for each.
    pub local_date: NaiveDate,
    /// How often it was done.
    pub done_count: DoneCount,
    /// Neither done nor missed.
    pub skipped: bool,
    /// What the person remarks on it.
    pub notes: Notes,
    /// When it was created.
    pub create_time: DateTime<Utc>,
    /// When it was last written.
    pub update_time: DateTime<Utc>,
}

impl TargetCount {
    /// The most that a target can be.
    const MAX: i32 = 100_000;

    /// Checks that `count` is at least 1 and not absurd.
    pub fn parse(count: i32) -> Result<Self, Problem> {
        if !(1..=Self::MAX).contains(&count) {
            return Err(Problem::new(format!("must be from 1 to {}", Self::MAX)));
        }
        Ok(Self(count))
    }

    /// Times in each period.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl DoneCount {
    /// The most that a day can have.
    const MAX: i32 = 1_000_000;

    /// Checks that `count` is not negative and not absurd.
    pub fn parse(count: i32) -> Result<Self, Problem> {
        if !(0..=Self::MAX).contains(&count) {
            return Err(Problem::new(format!("must be from 0 to {}", Self::MAX)));
        }
        Ok(Self(count))
    }

    /// Times on that day.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl Habit {
    /// How often it is to be done.
    pub fn goal(&self) -> Goal {
        Goal { target_count: self.target_count, period: self.period }
    }

    /// Whether it is kept, but no longer due.
    pub fn is_archived(&self) -> bool {
        self.archive_date.is_some()
    }

    /// Puts the habit into the archive from `today` on, or takes it back, from when on it is due again. The days in
    /// between are not missed.
    pub fn set_archived(&mut self, archived: bool, today: NaiveDate) {
        match (archived, self.archive_date) {
            (true, None) => self.archive_date = Some(today),
            (false, Some(first)) => {
                self.archive_date = None;
                self.remember_pause(first, today);
            }
            _ => {}
        }
    }

    fn remember_pause(&mut self, first: NaiveDate, today: NaiveDate) {
        let pause = today.pred_opt().and_then(|last| DateRange::between(first, last));
        let mut pauses = std::mem::take(&mut self.pauses.0);
        pauses.extend(pause);
        let mut pauses = dates::merge(pauses);
        let forgotten = pauses.len().saturating_sub(PAUSES_MAX);
        pauses.drain(..forgotten);
        self.pauses.0 = pauses;
    }

    /// The days that ask for nothing: vacations and times in the archive, in order and not overlapping.
    pub fn free_days(&self, vacations: &[DateRange]) -> Vec<DateRange> {
        let in_archive = self.archive_date.and_then(|first| DateRange::between(first, NaiveDate::MAX));
        dates::merge(vacations.iter().chain(&self.pauses.0).copied().chain(in_archive))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn range(first: &str, last: &str) -> DateRange {
        DateRange::between(day(first), day(last)).unwrap()
    }

    fn habit() -> Habit {
        Habit {
            id: Uuid::nil(),
            name: HabitName::parse("Read").unwrap(),
            description: HabitDescription::default(),
            category_id: None,
            target_count: TargetCount::parse(1).unwrap(),
            period: Period::Day,
            archive_date: None,
            pauses: Json(Vec::new()),
            version: 1,
            create_time: DateTime::UNIX_EPOCH,
            update_time: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn counts_have_a_least_and_a_most() {
        assert!(TargetCount::parse(0).is_err());
        assert!(TargetCount::parse(100_001).is_err());
        assert!(DoneCount::parse(-1).is_err());
        assert!(DoneCount::parse(1_000_001).is_err());
        assert_eq!((TargetCount::parse(1).unwrap().get(), DoneCount::parse(0).unwrap().get()), (1, 0));
    }

    #[test]
    fn days_in_the_archive_ask_for_nothing_until_it_is_taken_back() {
        let mut habit = habit();
        habit.set_archived(true, day("2026-06-10"));
        assert!(habit.is_archived());
        assert_eq!(habit.free_days(&[]), [DateRange::between(day("2026-06-10"), NaiveDate::MAX).unwrap()]);
        habit.set_archived(true, day("2026-06-12"));
        assert_eq!(habit.archive_date, Some(day("2026-06-10")), "archiving again changes nothing");

        habit.set_archived(false, day("2026-06-15"));
        assert!(!habit.is_archived());
        let vacations = [range("2026-06-01", "2026-06-02"), range("2026-06-14", "2026-06-16")];
        assert_eq!(habit.free_days(&vacations), [range("2026-06-01", "2026-06-02"), range("2026-06-10", "2026-06-16")]);
    }

    #[test]
    fn taking_it_back_on_the_same_day_leaves_no_trace() {
        let mut habit = habit();
        habit.set_archived(true, day("2026-06-10"));
        habit.set_archived(false, day("2026-06-10"));
        assert_eq!(habit.pauses.0, []);
    }

    #[test]
    fn a_habit_remembers_a_limited_number_of_times_in_the_archive() {
        let mut habit = habit();
        for week in 0..=PAUSES_MAX {
            let first = day("2020-01-01") + chrono::Days::new(week as u64 * 7);
            habit.set_archived(true, first);
            habit.set_archived(false, first + chrono::Days::new(1));
        }
        assert_eq!(habit.pauses.0.len(), PAUSES_MAX);
        assert_eq!(habit.pauses.0[0].first, day("2020-01-08"), "the oldest is forgotten first");
    }
}
