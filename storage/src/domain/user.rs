//! People and their settings.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::Problem;
use super::day::DayRule;
use super::text::{Email, PersonName};

/// How long a person may take back that their account shall end.
pub const END_GRACE: TimeDelta = TimeDelta::days(30);

const MINUTES_PER_DAY: i32 = 24 * 60;

/// What an account is entitled to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Tier {
    /// The default.
    Free,
    /// Paid by a person.
    Premium,
    /// Paid by an organisation.
    Enterprise,
}

/// An IANA time zone, as `Europe/Berlin`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TimeZone(Tz);

/// Minutes after midnight at which a person's day begins: 0 to 719.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct DayStart(i32);

/// The part of the week in which a person plans to work.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct WorkingHours {
    start_minutes: i32,
    end_minutes: i32,
    weekdays: Vec<i32>,
}

/// A person who uses FocusFlow.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct User {
    /// Their id.
    pub id: Uuid,
    /// Where they read mail; unique, compared without case.
    pub email: Email,
    /// Given name.
    pub first_name: PersonName,
    /// Family name.
    pub last_name: PersonName,
    /// Where their days are counted.
    #[sqlx(try_from = "String")]
    pub time_zone: TimeZone,
    /// When their days begin.
    #[sqlx(rename = "day_start_minutes")]
    pub day_start: DayStart,
    /// When they plan to work.
    #[sqlx(flatten)]
    pub working_hours: WorkingHours,
    /// What they are entitled to.
    pub tier: Tier,
    /// Whether they have proven to read mail at `email`.
    pub email_verified: bool,
    /// When the account was created.
    pub create_time: DateTime<Utc>,
    /// When it was last written.
    pub update_time: DateTime<Utc>,
}

impl TimeZone {
    /// Checks that `name` is in the IANA database. Empty is UTC.
    pub fn parse(name: &str) -> Result<Self, Problem> {
        if name.is_empty() {
            return Ok(Self(Tz::UTC));
        }
        name.parse().map(Self).map_err(|_| Problem::new("must be an IANA time zone, such as `Europe/Berlin`"))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

impl TryFrom<String> for TimeZone {
    type Error = Problem;

    fn try_from(name: String) -> Result<Self, Problem> {
        Self::parse(&name)
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.name().to_owned()
    }
}

impl DayStart {
    /// Checks that `minutes` is in the first half of the day.
    pub fn parse(minutes: i32) -> Result<Self, Problem> {
        if !(0..MINUTES_PER_DAY / 2).contains(&minutes) {
            return Err(Problem::new("must be from 0 to 719 minutes after midnight"));
        }
        Ok(Self(minutes))
    }

    /// Minutes after midnight.
    pub fn minutes(self) -> i32 {
        self.0
    }
}

impl WorkingHours {
    /// Checks an interval of minutes after midnight and a list of ISO weekdays, which is sorted.
    pub fn parse(start_minutes: i32, end_minutes: i32, mut weekdays: Vec<i32>) -> Result<Self, Problem> {
        if start_minutes < 0 || end_minutes > MINUTES_PER_DAY || start_minutes >= end_minutes {
            return Err(Problem::new("must start before they end, between 0 and 1440 minutes after midnight"));
        }
        if weekdays.iter().any(|weekday| !(1..=7).contains(weekday)) {
            return Err(Problem::new("must name weekdays from 1 (Monday) to 7 (Sunday)"));
        }
        weekdays.sort_unstable();
        weekdays.dedup();
        Ok(Self { start_minutes, end_minutes, weekdays })
    }

    /// Minutes after midnight at which work starts.
    pub fn start_minutes(&self) -> i32 {
        self.start_minutes
    }

    /// Minutes after midnight at which work ends.
    pub fn end_minutes(&self) -> i32 {
        self.end_minutes
    }

    /// ISO weekdays, ascending.
    pub fn weekdays(&self) -> &[i32] {
        &self.weekdays
    }
}

impl Default for WorkingHours {
    /// Monday to Friday, 09:00 to 17:00.
    fn default() -> Self {
        Self { start_minutes: 9 * 60, end_minutes: 17 * 60, weekdays: (1..=5).collect() }
    }
}

impl<'row, R> sqlx::FromRow<'row, R> for WorkingHours
where
    R: sqlx::Row,
    &'static str: sqlx::ColumnIndex<R>,
    i32: sqlx::Decode<'row, R::Database> + sqlx::Type<R::Database>,
    Json<Vec<i32>>: sqlx::Decode<'row, R::Database> + sqlx::Type<R::Database>,
{
    fn from_row(row: &'row R) -> sqlx::Result<Self> {
        Ok(Self {
            start_minutes: row.try_get("work_start_minutes")?,
            end_minutes: row.try_get("work_end_minutes")?,
            weekdays: row.try_get::<Json<Vec<i32>>, _>("work_weekdays")?.0,
        })
    }
}

impl User {
    /// How this person's days are counted.
    pub fn day_rule(&self) -> DayRule {
        DayRule::new(self.time_zone.0, self.day_start.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_zone_is_one_of_the_iana_database() {
        assert_eq!(TimeZone::parse("Europe/Berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(TimeZone::parse("").unwrap().name(), "UTC");
        assert!(TimeZone::parse("Mars/Olympus").is_err());
    }

    #[test]
    fn working_hours_end_after_they_start() {
        assert!(WorkingHours::parse(540, 540, vec![1]).is_err());
        assert!(WorkingHours::parse(-1, 540, vec![1]).is_err());
        assert!(WorkingHours::parse(540, 1441, vec![1]).is_err());
        assert!(WorkingHours::parse(540, 1020, vec![0]).is_err());
        assert_eq!(WorkingHours::parse(540, 1440, vec![5, 1, 5]).unwrap().weekdays(), [1, 5]);
    }

    #[test]
    fn a_day_starts_before_noon() {
        assert!(DayStart::parse(719).is_ok());
        assert!(DayStart::parse(720).is_err());
        assert!(DayStart::parse(-1).is_err());
    }
}
