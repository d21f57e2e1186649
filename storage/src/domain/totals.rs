//! Totals of logged time, by period or by what it was spent on.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use uuid::Uuid;

use super::Problem;
use super::day::{DayRule, local_day_and_end};
use super::time_log::{Interval, micros_between};

/// What a total is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GroupBy {
    /// The person's local day.
    Day,
    /// ISO 8601 week of local days.
    Week,
    /// Month of local days.
    Month,
    /// Each tag of the log's task.
    Tag,
    /// The category of the log's task.
    Category,
    /// The log's task.
    Task,
}

/// How the minutes of a total are rounded: to multiples of a number of minutes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rounding {
    step_micros: i64,
    mode: RoundingMode,
}

/// Which multiple is taken. One that is a multiple already stays, so rounding twice is rounding once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RoundingMode {
    /// The nearest; the middle goes up.
    Nearest,
    /// The next above.
    Up,
    /// The next below.
    Down,
}

/// A finished log, as far as totals need it.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct LoggedTime {
    /// The task that it was spent on.
    pub task_id: Option<Uuid>,
    /// Included.
    pub start_time: DateTime<Utc>,
    /// Not included.
    pub end_time: DateTime<Utc>,
}

/// A task, as far as totals need it.
#[derive(Clone, Debug, Default)]
pub struct TaskFacts {
    /// The category that it is in.
    pub category_id: Option<Uuid>,
    /// What it is expected to take; 0: unknown.
    pub estimated_minutes: i32,
    /// What it has taken, all in all.
    pub logged_micros: i64,
    /// Its tags, in the form under which they are compared.
    pub tags: Vec<String>,
}

/// The time that one key received.
#[derive(Clone, Debug, PartialEq)]
pub struct Total {
    /// `YYYY-MM-DD`, `YYYY-Www`, `YYYY-MM`, a tag or an id; empty: none.
    pub key: String,
    /// Not rounded.
    pub minutes: f64,
    /// Rounded as asked for.
    pub rounded_minutes: f64,
    /// How many logs have a part in it.
    pub log_count: usize,
    /// How many tasks those logs are of.
    pub task_count: usize,
    /// How many of those tasks have an estimate.
    pub estimated_task_count: usize,
    /// The sum of their estimates.
    pub estimated_minutes: f64,
    /// What those that have an estimate have taken, all in all: an estimate is of the whole task.
    pub actual_minutes: f64,
}

/// Keys in the order in which periods are reported; `None` sorts first.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Key<'a> {
    Day(NaiveDate),
    Week(i32, u32),
    Month(i32, u32),
    Tag(&'a str),
    Id(Option<Uuid>),
}

#[derive(Default)]
struct Bucket {
    micros: i64,
    log_count: usize,
    task_ids: HashSet<Uuid>,
}

const MICROS_PER_MINUTE: i64 = 60_000_000;

impl Rounding {
    /// The most minutes that a total can be a multiple of: a day.
    const MINUTES_MAX: i32 = 24 * 60;

    /// Checks that `minutes` is at least 1 and at most a day.
    pub fn parse(minutes: i32, mode: RoundingMode) -> Result<Self, Problem> {
        if !(1..=Self::MINUTES_MAX).contains(&minutes) {
            return Err(Problem::new(format!("must be from 1 to {}", Self::MINUTES_MAX)));
        }
        Ok(Self { step_micros: i64::from(minutes) * MICROS_PER_MINUTE, mode })
    }

    fn round(self, micros: i64) -> i64 {
        let below = micros - micros.rem_euclid(self.step_micros);
        let goes_up = match self.mode {
            RoundingMode::Nearest => (micros - below) * 2 >= self.step_micros,
            RoundingMode::Up => micros > below,
            RoundingMode::Down => false,
        };
        if goes_up { below + self.step_micros } else { below }
    }
}

/// Adds up `logs`. Periods come in their order, other keys by minutes, most first.
///
/// A log that crosses the border of a day counts on both sides with its own part.
pub fn summarize(
    logs: &[LoggedTime],
    tasks: &BTreeMap<Uuid, TaskFacts>,
    group_by: GroupBy,
    days: DayRule,
    rounding: Option<Rounding>,
) -> Vec<Total> {
    let mut buckets: BTreeMap<Key<'_>, Bucket> = BTreeMap::new();
    for log in logs {
        for (key, micros) in parts(log, tasks, group_by, days) {
            let bucket = buckets.entry(key).or_default();
            bucket.micros += micros;
            bucket.log_count += 1;
            bucket.task_ids.extend(log.task_id);
        }
    }

    let mut totals: Vec<Total> = buckets.into_iter().map(|(key, bucket)| bucket.total(&key, tasks, rounding)).collect();
    if matches!(group_by, GroupBy::Tag | GroupBy::Category | GroupBy::Task) {
        totals.sort_by(|a, b| b.minutes.total_cmp(&a.minutes));
    }
    totals
}

/// Cuts a log to the part that lies within the bounds; `None` if there is none.
pub fn clip(log: LoggedTime, start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) -> Option<LoggedTime> {
    let start = start.map_or(log.start_time, |start| log.start_time.max(start));
    let end = end.map_or(log.end_time, |end| log.end_time.min(end));
    let part = Interval::between(start, end)?;
    Some(LoggedTime { task_id: log.task_id, start_time: part.start(), end_time: part.end() })
}

fn parts<'a>(
    log: &LoggedTime,
    tasks: &'a BTreeMap<Uuid, TaskFacts>,
    group_by: GroupBy,
    days: DayRule,
) -> Vec<(Key<'a>, i64)> {
    let task = log.task_id.and_then(|id| tasks.get(&id));
    let micros = micros_between(log.start_time, log.end_time);
    match group_by {
        GroupBy::Day | GroupBy::Week | GroupBy::Month => period_parts(log, group_by, days),
        GroupBy::Tag => match task.map(|task| task.tags.as_slice()).unwrap_or_default() {
            [] => vec![(Key::Tag(""), micros)],
            tags => tags.iter().map(|tag| (Key::Tag(tag), micros)).collect(),
        },
        GroupBy::Category => vec![(Key::Id(task.and_then(|task| task.category_id)), micros)],
        GroupBy::Task => vec![(Key::Id(log.task_id), micros)],
    }
}

fn period_parts<'a>(log: &LoggedTime, group_by: GroupBy, days: DayRule) -> Vec<(Key<'a>, i64)> {
    let mut parts: Vec<(Key<'a>, i64)> = Vec::with_capacity(1);
    let mut start = log.start_time;
    while start < log.end_time {
        let (day, day_end) = local_day_and_end(start, days);
        // At the end of the calendar a day has no end; what is left belongs to it.
        let day_end = Some(day_end).filter(|end| *end > start).unwrap_or(log.end_time);
        let end = day_end.min(log.end_time);
        let key = period(day, group_by);
        match parts.last_mut() {
            Some((last, micros)) if *last == key => *micros += micros_between(start, end),
            _ => parts.push((key, micros_between(start, end))),
        }
        start = end;
    }
    parts
}

fn period<'a>(day: NaiveDate, group_by: GroupBy) -> Key<'a> {
    match group_by {
        GroupBy::Week => Key::Week(day.iso_week().year(), day.iso_week().week()),
        GroupBy::Month => Key::Month(day.year(), day.month()),
        _ => Key::Day(day),
    }
}

impl Bucket {
    fn total(self, key: &Key<'_>, tasks: &BTreeMap<Uuid, TaskFacts>, rounding: Option<Rounding>) -> Total {
        let estimated: Vec<_> =
            self.task_ids.iter().filter_map(|id| tasks.get(id)).filter(|task| task.estimated_minutes > 0).collect();
        let rounded = rounding.map_or(self.micros, |rounding| rounding.round(self.micros));
        Total {
            key: key.to_string(),
            minutes: minutes(self.micros),
            rounded_minutes: minutes(rounded),
            log_count: self.log_count,
            task_count: self.task_ids.len(),
            estimated_task_count: estimated.len(),
            estimated_minutes: estimated.iter().map(|task| f64::from(task.estimated_minutes)).sum(),
            actual_minutes: minutes(estimated.iter().map(|task| task.logged_micros).sum()),
        }
    }
}

impl Total {
    /// What the tasks that have an estimate have taken, by their estimates; 0 without an estimate.
    pub fn estimate_ratio(&self) -> f64 {
        if self.estimated_minutes > 0.0 { self.actual_minutes / self.estimated_minutes } else { 0.0 }
    }
}

impl std::fmt::Display for Key<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Day(day) => write!(formatter, "{day}"),
            Self::Week(year, week) => write!(formatter, "{year:04}-W{week:02}"),
            Self::Month(year, month) => write!(formatter, "{year:04}-{month:02}"),
            Self::Tag(tag) => formatter.write_str(tag),
            Self::Id(Some(id)) => write!(formatter, "{id}"),
            Self::Id(None) => Ok(()),
        }
    }
}

/// Microseconds as minutes. A double holds the microseconds of 285 years exactly.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 microseconds")]
pub fn minutes(micros: i64) -> f64 {
    micros as f64 / 60_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: &str = "Europe/Berlin";

    fn log(task: Option<u128>, start: &str, end: &str) -> LoggedTime {
        LoggedTime {
            task_id: task.map(Uuid::from_u128),
            start_time: start.parse().unwrap(),
            end_time: end.parse().unwrap(),
        }
    }

    fn facts(estimated_minutes: i32, tags: &[&str]) -> TaskFacts {
        let tags = tags.iter().map(ToString::to_string).collect();
        TaskFacts { estimated_minutes, logged_micros: 90 * MICROS_PER_MINUTE, category_id: None, tags }
    }

    fn keys_and_minutes(totals: &[Total]) -> Vec<(&str, f64)> {
        totals.iter().map(|total| (total.key.as_str(), total.minutes)).collect()
    }

    fn berlin() -> DayRule {
        DayRule::new(BERLIN.parse().unwrap(), 0)
    }

    #[test]
    fn a_log_across_local_midnight_counts_on_both_days() {
        let logs = [log(None, "2026-06-30T21:30:00Z", "2026-06-30T23:00:00Z")];
        let totals = summarize(&logs, &BTreeMap::new(), GroupBy::Day, berlin(), None);
        assert_eq!(keys_and_minutes(&totals), [("2026-06-30", 30.0), ("2026-07-01", 60.0)]);
        let totals = summarize(&logs, &BTreeMap::new(), GroupBy::Month, berlin(), None);
        assert_eq!(keys_and_minutes(&totals), [("2026-06", 30.0), ("2026-07", 60.0)]);
    }

    #[test]
    fn a_log_of_several_days_counts_once_in_its_week() {
        let logs = [log(None, "2026-12-31T10:00:00Z", "2027-01-02T10:00:00Z")];
        let totals = summarize(&logs, &BTreeMap::new(), GroupBy::Week, berlin(), None);
        assert_eq!(keys_and_minutes(&totals), [("2026-W53", 2880.0)]);
        assert_eq!(totals[0].log_count, 1);
    }

    #[test]
    fn a_log_of_a_task_with_two_tags_counts_for_both() {
        let tasks =
            BTreeMap::from([(Uuid::from_u128(1), facts(50, &["a", "b"])), (Uuid::from_u128(2), facts(25, &["b"]))]);
        let logs = [
            log(Some(1), "2026-01-01T10:00:00Z", "2026-01-01T10:30:00Z"),
            log(Some(1), "2026-01-02T10:00:00Z", "2026-01-02T10:30:00Z"),
            log(Some(2), "2026-01-03T10:00:00Z", "2026-01-03T10:30:00Z"),
            log(None, "2026-01-04T10:00:00Z", "2026-01-04T10:10:00Z"),
        ];
        let totals = summarize(&logs, &tasks, GroupBy::Tag, berlin(), None);
        assert_eq!(keys_and_minutes(&totals), [("b", 90.0), ("a", 60.0), ("", 10.0)]);
        assert_eq!((totals[0].log_count, totals[0].task_count, totals[0].estimated_minutes), (3, 2, 75.0));
        assert_eq!((totals[1].log_count, totals[1].task_count, totals[1].estimated_minutes), (2, 1, 50.0));
    }

    #[test]
    fn the_parts_of_a_log_add_up_to_it() {
        let logs = [log(None, "2026-03-01T00:00:00Z", "2026-11-30T12:34:56Z")];
        for group_by in [GroupBy::Day, GroupBy::Week, GroupBy::Month] {
            let totals = summarize(&logs, &BTreeMap::new(), group_by, berlin(), None);
            let sum: f64 = totals.iter().map(|total| total.minutes).sum();
            let whole = minutes(micros_between(logs[0].start_time, logs[0].end_time));
            assert!((sum - whole).abs() < 1e-6, "{group_by:?}: {sum} is not {whole}");
        }
    }

    #[test]
    fn actual_time_is_set_against_the_estimates_of_whole_tasks() {
        let tasks = BTreeMap::from([(Uuid::from_u128(1), facts(60, &[])), (Uuid::from_u128(2), facts(0, &[]))]);
        let logs = [
            log(Some(1), "2026-01-01T10:00:00Z", "2026-01-01T10:30:00Z"),
            log(Some(2), "2026-01-01T11:00:00Z", "2026-01-01T11:30:00Z"),
            log(None, "2026-01-02T10:00:00Z", "2026-01-02T10:10:00Z"),
        ];
        let totals = summarize(&logs, &tasks, GroupBy::Day, berlin(), None);
        // 30 of the 90 minutes that the first task has taken lie on this day; the second has no estimate.
        assert_eq!((totals[0].task_count, totals[0].estimated_task_count), (2, 1));
        assert_eq!((totals[0].estimated_minutes, totals[0].actual_minutes), (60.0, 90.0));
        assert_eq!((totals[0].estimate_ratio(), totals[1].estimate_ratio()), (1.5, 0.0));
    }

    #[test]
    fn a_total_is_rounded_to_the_nearest_the_next_above_or_the_next_below() {
        let second = 1_000_000;
        let cases = [
            (RoundingMode::Nearest, [(0, 0), (449, 0), (450, 15), (900, 15), (1349, 15), (1350, 30)]),
            (RoundingMode::Up, [(0, 0), (1, 15), (899, 15), (900, 15), (901, 30), (1800, 30)]),
            (RoundingMode::Down, [(0, 0), (899, 0), (900, 15), (901, 15), (1799, 15), (1800, 30)]),
        ];
        for (mode, cases) in cases {
            let rounding = Rounding::parse(15, mode).unwrap();
            for (seconds, expected) in cases {
                assert_eq!(rounding.round(seconds * second), expected * MICROS_PER_MINUTE, "{mode:?} {seconds} s");
            }
        }
        for minutes in [0, -1, 1441] {
            assert!(Rounding::parse(minutes, RoundingMode::Up).is_err());
        }
    }

    #[test]
    fn totals_are_rounded_and_not_their_logs() {
        let logs = [
            log(None, "2026-01-01T10:00:00Z", "2026-01-01T10:07:00Z"),
            log(None, "2026-01-01T11:00:00Z", "2026-01-01T11:07:00Z"),
        ];
        let rounding = Rounding::parse(15, RoundingMode::Up).unwrap();
        let totals = summarize(&logs, &BTreeMap::new(), GroupBy::Day, berlin(), Some(rounding));
        assert_eq!((totals[0].minutes, totals[0].rounded_minutes), (14.0, 15.0));
    }

    proptest::proptest! {
        #[test]
        fn rounding_twice_is_rounding_once(micros in 0_i64..10_000_000_000_000, minutes in 1..=1440) {
            for mode in [RoundingMode::Nearest, RoundingMode::Up, RoundingMode::Down] {
                let rounding = Rounding::parse(minutes, mode).unwrap();
                let once = rounding.round(micros);
                proptest::prop_assert_eq!(rounding.round(once), once);
                proptest::prop_assert!((once - micros).abs() < rounding.step_micros);
            }
        }
    }

    #[test]
    fn what_lies_outside_the_bounds_is_cut_off() {
        let whole = log(None, "2026-01-01T10:00:00Z", "2026-01-01T12:00:00Z");
        let start = "2026-01-01T11:00:00Z".parse().unwrap();
        assert_eq!(clip(whole, Some(start), None).unwrap().start_time, start);
        assert!(clip(whole, None, Some(whole.start_time)).is_none());
    }
}
