//! Streaks and strength: how a person fares with a habit.
//!
//! # Which days ask for something
//!
//! Every day from the first log on does, except days that were skipped, days of a vacation and days on which the habit
//! was archived. Those are taken out of the calendar, for the streak and for the strength. What was done on one all
//! the same counts, but cannot do harm. A day that is not over cannot do harm either: today is not missed yet.
//!
//! # Streaks
//!
//! A streak counts periods: days for [`Period::Day`], ISO weeks for [`Period::Week`]. A period is met when the habit
//! was done as often as its goal says, and missed when it is over without that. In a week with free days, the days
//! that are left ask for no more than they did: 7 days ask for `n`, `d` days for `n · d / 7`, rounded down. A week that
//! asks for nothing is neither met nor missed.
//!
//! # Strength
//!
//! The score of Loop Habit Tracker (its `Score.compute` and `ScoreList.recompute`): an exponential smoothing of how
//! far each day's goal was met,
//!
//! ```text
//! s(t) = s(t-1) · m + c(t) · (1 - m),   m = 0.5 ^ (√f / 13),   s before the first log = 0
//! ```
//!
//! where `f` is the frequency in times per day. A daily habit has `f = 1`, so a half-life of 13 days. Loop knows habits
//! that are done or not, and habits with an amount; ours are both at once, as a day has a count:
//!
//! | goal | Loop's case | `f` | `c(t)` |
//! |---|---|---|---|
//! | once a day | done or not, daily | 1 | 1 if done |
//! | `n` times a day | amount of at least `n`, daily | 1 | `min(1, count / n)` |
//! | `n < 7` times a week | done or not, `n` times in 7 days | `n / 7` | `min(1, sum of 14 days / 2n)` |
//! | `n ≥ 7` times a week | none: smoothed as a daily habit | 1 | `min(1, sum of 7 days / n)` |
//!
//! The doubled window of habits below once a day is Loop's: a weekly habit done on a Monday and then on a Sunday is
//! kept up in both weeks. One thing differs: where Loop keeps the score on a skipped day but lets the window run on, so
//! that a fortnight's vacation empties it, a window here is made of days that ask for something. A skipped day is the
//! same as a day that never was. Without skipped days the numbers are Loop's.
//!
//! The whole past is measured by the goal of today, as in Loop.

use std::collections::VecDeque;

use chrono::{Datelike, NaiveDate, Weekday};

use super::{Goal, Period};
use crate::domain::dates::DateRange;

/// Days in which the strength of a daily habit halves when it is not done.
const HALF_LIFE_DAYS: f64 = 13.0;
const DAYS_PER_WEEK: i32 = 7;

/// What the log of a day says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DayLog {
    /// The local day.
    pub date: NaiveDate,
    /// How often it was done.
    pub count: i32,
    /// Neither done nor missed.
    pub skipped: bool,
}

/// How a person fares with a habit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Periods met in a row up to now.
    pub current_streak: i32,
    /// The most periods ever met in a row.
    pub longest_streak: i32,
    /// 0 to 1.
    pub strength: f64,
}

/// A day from the first log on.
#[derive(Clone, Copy, Debug)]
struct Day {
    date: NaiveDate,
    count: i32,
    /// It asks for something.
    is_due: bool,
    is_over: bool,
}

/// How often in a row the goal was met.
#[derive(Debug, Default)]
struct Streak {
    current: i32,
    longest: i32,
}

/// How a habit's goal is smoothed.
#[derive(Clone, Copy, Debug)]
struct Smoothing {
    /// What is kept of the score of the day before.
    multiplier: f64,
    /// Days over which counts are added up.
    window_days: usize,
    /// The sum that meets the goal.
    sum_needed: i64,
}

/// Measures a habit by its logs. `logs` are in the order of their days, which do not repeat; `free` are the vacations
/// and the times in the archive, in order and not overlapping; `today` is the person's local day.
///
/// Logs after `today`, as one has who flew west over the date line, count as they stand.
pub fn measure(goal: Goal, logs: &[DayLog], free: &[DateRange], today: NaiveDate) -> Progress {
    let days: Vec<Day> = days(logs, free, today).collect();
    let streak = match goal.period {
        Period::Day => daily_streak(goal, &days),
        Period::Week => weekly_streak(goal, &days),
    };
    Progress { current_streak: streak.current, longest_streak: streak.longest, strength: strength(goal, &days) }
}

/// Every day from the first log to today, or to the last log if that is later.
fn days<'a>(logs: &'a [DayLog], free: &'a [DateRange], today: NaiveDate) -> impl Iterator<Item = Day> + 'a {
    let first = logs.first().map(|log| log.date);
    let last = logs.last().map_or(today, |log| log.date.max(today));
    let mut logs = logs.iter().peekable();
    let mut free = free.iter().peekable();
    let dates = std::iter::successors(first, NaiveDate::succ_opt).take_while(move |date| *date <= last);
    dates.map(move |date| {
        while free.next_if(|range| range.last < date).is_some() {}
        let is_free = free.peek().is_some_and(|range| range.first <= date);
        let log = logs.next_if(|log| log.date == date);
        Day {
            date,
            count: log.map_or(0, |log| log.count),
            is_due: !is_free && !log.is_some_and(|log| log.skipped),
            is_over: date < today,
        }
    })
}

fn daily_streak(goal: Goal, days: &[Day]) -> Streak {
    let mut streak = Streak::default();
    for day in days {
        if day.count >= goal.target_count.get() {
            streak.met();
        } else if day.can_be_missed() {
            streak.missed();
        }
    }
    streak
}

fn weekly_streak(goal: Goal, days: &[Day]) -> Streak {
    let mut streak = Streak::default();
    for week in days.chunk_by(|day, next| day.date.iso_week() == next.date.iso_week()) {
        let count: i32 = week.iter().map(|day| day.count).fold(0, i32::saturating_add);
        let needed = needed_in_week(goal, week);
        if count >= goal.target_count.get() || (needed > 0 && count >= needed) {
            streak.met();
        } else if needed > 0 && is_week_over(week) {
            streak.missed();
        }
    }
    streak
}

/// What the days of a week that are not free ask for.
fn needed_in_week(goal: Goal, week: &[Day]) -> i32 {
    let free_days = week.iter().filter(|day| !day.is_due).count();
    let due_days = DAYS_PER_WEEK - i32::try_from(free_days).unwrap_or(DAYS_PER_WEEK);
    goal.target_count.get() * due_days / DAYS_PER_WEEK
}

/// The last week ends with today, or with the last log if that is later.
fn is_week_over(week: &[Day]) -> bool {
    week.last().is_some_and(|day| day.is_over && day.date.weekday() == Weekday::Sun)
}

impl Day {
    fn can_be_missed(self) -> bool {
        self.is_due && self.is_over
    }
}

impl Streak {
    fn met(&mut self) {
        self.current += 1;
        self.longest = self.longest.max(self.current);
    }

    fn missed(&mut self) {
        self.current = 0;
    }
}

fn strength(goal: Goal, days: &[Day]) -> f64 {
    let smoothing = Smoothing::of(goal);
    let mut window = VecDeque::with_capacity(smoothing.window_days + 1);
    let mut sum = 0;
    let mut score: f64 = 0.0;
    for day in days.iter().filter(|day| day.can_be_missed() || day.count > 0) {
        window.push_back(day.count);
        sum += i64::from(day.count);
        if window.len() > smoothing.window_days {
            sum -= window.pop_front().map_or(0, i64::from);
        }
        let next = smoothing.next(score, sum);
        score = if day.can_be_missed() { next } else { next.max(score) };
    }
    score
}

impl Smoothing {
    fn of(goal: Goal) -> Self {
        let count = goal.target_count.get();
        let (times_per_day, window_days, sum_needed) = match goal.period {
            Period::Day => (1.0, 1, count),
            Period::Week if count < DAYS_PER_WEEK => (f64::from(count) / f64::from(DAYS_PER_WEEK), 14, 2 * count),
            Period::Week => (1.0, 7, count),
        };
        let multiplier = 0.5_f64.powf(times_per_day.sqrt() / HALF_LIFE_DAYS);
        Self { multiplier, window_days, sum_needed: sum_needed.into() }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of two weeks are far below 2^53")]
    fn next(self, score: f64, sum: i64) -> f64 {
        let completion = (sum as f64 / self.sum_needed as f64).min(1.0);
        score * self.multiplier + completion * (1.0 - self.multiplier)
    }
}

#[cfg(test)]
mod tests;
