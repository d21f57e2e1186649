//! What a person is told, and how they want to be told it.

pub mod push;
pub mod schedule;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::Problem;
use super::text::{NotificationBody, NotificationTitle};

const MINUTES_PER_DAY: i32 = 24 * 60;
/// A week: who needs to know earlier plans with a task of its own.
const LEAD_MINUTES_MAX: i32 = 7 * MINUTES_PER_DAY;

/// How long a notification that was sent is kept.
pub const RETENTION: TimeDelta = TimeDelta::days(90);
/// How far ahead a notification can be scheduled.
pub const SCHEDULE_AHEAD_MAX: TimeDelta = TimeDelta::days(5 * 366);

/// What a notification is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// A task is due.
    TaskReminder,
    /// A habit is due.
    HabitReminder,
    /// A streak is about to end.
    StreakAlert,
    /// Something was learned.
    AiInsight,
}

/// Something that a person is told once.
#[derive(Clone, Debug, Eq, PartialEq, sqlx::FromRow)]
pub struct Notification {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub kind: Kind,
    /// One line.
    pub title: NotificationTitle,
    /// More than that.
    pub body: NotificationBody,
    /// The task that it is about.
    pub task_id: Option<Uuid>,
    /// The habit that it is about.
    pub habit_id: Option<Uuid>,
    /// Says what the server told the person about, so that it does so once; `None` if the person asked for it.
    pub occasion: Option<String>,
    /// When it is to be sent.
    pub schedule_time: DateTime<Utc>,
    /// When it was sent.
    pub send_time: Option<DateTime<Utc>>,
    /// When it was read.
    pub read_time: Option<DateTime<Utc>>,
    /// When it was created.
    pub create_time: DateTime<Utc>,
}

/// A wall-clock time, in minutes after midnight: 0 to 1439.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, sqlx::Type)]
#[sqlx(transparent)]
pub struct TimeOfDay(i32);

/// How long before a task is due its person is reminded: 0 minutes to a week.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Lead(i32);

/// How a person wants to be told.
#[derive(Clone, Debug, Eq, PartialEq, sqlx::FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// Whether by mail too.
    pub email: bool,
    /// Whether by web push too.
    pub web_push: bool,
    /// From when on nothing is sent.
    pub quiet_start_minutes: TimeOfDay,
    /// Until when nothing is sent; equal to the start, there are no quiet hours.
    pub quiet_end_minutes: TimeOfDay,
    /// Whether mail is gathered into one a day.
    pub digest: bool,
    /// When the day's mail is sent.
    pub digest_minutes: TimeOfDay,
    /// Whether tasks that are due are announced.
    pub task_reminders: bool,
    /// How long before.
    pub task_reminder_minutes: Lead,
    /// Whether a streak that would end with the day is announced.
    pub streak_alerts: bool,
    /// When.
    pub streak_alert_minutes: TimeOfDay,
}

/// A time of day at which a person wants to be reminded of a habit that is not yet done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HabitReminder {
    time: TimeOfDay,
    weekdays: Vec<i32>,
}

impl TimeOfDay {
    /// Checks that `minutes` is within a day.
    pub fn parse(minutes: i32) -> Result<Self, Problem> {
        if !(0..MINUTES_PER_DAY).contains(&minutes) {
            return Err(Problem::new("must be from 0 to 1439 minutes after midnight"));
        }
        Ok(Self(minutes))
    }

    /// Minutes after midnight.
    pub fn minutes(self) -> i32 {
        self.0
    }
}

impl Lead {
    /// Checks that `minutes` is at most a week.
    pub fn parse(minutes: i32) -> Result<Self, Problem> {
        if !(0..=LEAD_MINUTES_MAX).contains(&minutes) {
            return Err(Problem::new("must be from 0 to 10080 minutes"));
        }
        Ok(Self(minutes))
    }

    /// Minutes.
    pub fn minutes(self) -> i32 {
        self.0
    }
}

impl Default for Settings {
    /// Nothing leaves the application unasked; within it, a person hears of what is due when it is.
    fn default() -> Self {
        Self {
            email: false,
            web_push: false,
            quiet_start_minutes: TimeOfDay(0),
            quiet_end_minutes: TimeOfDay(0),
            digest: false,
            digest_minutes: TimeOfDay(8 * 60),
            task_reminders: true,
            task_reminder_minutes: Lead(0),
            streak_alerts: true,
            streak_alert_minutes: TimeOfDay(20 * 60),
        }
    }
}

impl HabitReminder {
    /// A reminder at `time` on these ISO weekdays, which are sorted; on none means on all.
    pub fn parse(time: TimeOfDay, mut weekdays: Vec<i32>) -> Result<Self, Problem> {
        if weekdays.iter().any(|weekday| !(1..=7).contains(weekday)) {
            return Err(Problem::new("must name weekdays from 1 (Monday) to 7 (Sunday)"));
        }
        weekdays.sort_unstable();
        weekdays.dedup();
        Ok(Self { time, weekdays })
    }

    /// When.
    pub fn time(&self) -> TimeOfDay {
        self.time
    }

    /// ISO weekdays, ascending; empty means all.
    pub fn weekdays(&self) -> &[i32] {
        &self.weekdays
    }

    /// Whether it is for this local day.
    pub fn is_on(&self, day: NaiveDate) -> bool {
        let weekday = i32::try_from(day.weekday().number_from_monday()).unwrap_or_default();
        self.weekdays.is_empty() || self.weekdays.contains(&weekday)
    }
}

impl<'row, R> sqlx::FromRow<'row, R> for HabitReminder
where
    R: sqlx::Row,
    &'static str: sqlx::ColumnIndex<R>,
    i32: sqlx::Decode<'row, R::Database> + sqlx::Type<R::Database>,
    Json<Vec<i32>>: sqlx::Decode<'row, R::Database> + sqlx::Type<R::Database>,
{
    fn from_row(row: &'row R) -> sqlx::Result<Self> {
        let time = TimeOfDay(row.try_get("minutes")?);
        Ok(Self { time, weekdays: row.try_get::<Json<Vec<i32>>, _>("weekdays")?.0 })
    }
}
