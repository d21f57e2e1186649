//! Time logs: half-open intervals of a person's time, no two of which overlap.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Problem;
use super::text::Notes;

/// How far into the future a running timer is taken to reach, where others are laid around it.
const RUNNING_REACH: TimeDelta = TimeDelta::days(30);

/// `[start, end)`, not empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Interval {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

/// An interval spent on something.
#[derive(Clone, Debug, Eq, PartialEq, sqlx::FromRow)]
pub struct TimeLog {
    /// Its id.
    pub id: Uuid,
    /// The task that it was spent on.
    pub task_id: Option<Uuid>,
    /// Included.
    pub start_time: DateTime<Utc>,
    /// Not included; absent while the timer runs.
    pub end_time: Option<DateTime<Utc>>,
    /// What the person remarks on it.
    pub notes: Notes,
    /// Entered by hand or imported, rather than timed.
    pub manual: bool,
    /// It ran too long to be believed, and the person has not confirmed it; false while it runs.
    pub forgotten: bool,
    /// When it was created.
    pub create_time: DateTime<Utc>,
    /// When it was last written.
    pub update_time: DateTime<Utc>,
}

/// Time that a log takes up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, sqlx::FromRow)]
pub struct Occupied {
    /// The log.
    pub id: Uuid,
    /// Included.
    #[sqlx(rename = "start_time")]
    pub start: DateTime<Utc>,
    /// Not included; absent while the timer runs, which overlaps all that comes after.
    #[sqlx(rename = "end_time")]
    pub end: Option<DateTime<Utc>>,
}

/// What to do with a log that would overlap another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OverlapPolicy {
    /// Refuse it.
    Refuse,
    /// Shorten it to the longest part that is free.
    Trim,
}

/// The time that is taken, as merged intervals in which free slots are found quickly.
#[derive(Debug, Default)]
pub struct Timetable {
    /// End by start. No two touch.
    taken: BTreeMap<DateTime<Utc>, DateTime<Utc>>,
}

/// Checks that the end of a log is not far ahead: logs are what was done, not plans.
pub fn check_not_far_ahead(end: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Problem> {
    if end > now + Interval::AHEAD_MAX {
        return Err(Problem::new(format!("must be at most {} days from now", Interval::AHEAD_MAX.num_days())));
    }
    Ok(())
}

impl Interval {
    /// The most that a log entered by hand can have.
    pub const LENGTH_MAX: TimeDelta = TimeDelta::days(366);
    /// How far ahead of now a log can end.
    pub const AHEAD_MAX: TimeDelta = TimeDelta::days(7);

    /// Checks that the interval ends after it starts, and not too long after.
    pub fn parse(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Self, Problem> {
        let interval = Self::between(start, end).ok_or_else(|| Problem::new("must be later than the start time"))?;
        if interval.length() > Self::LENGTH_MAX {
            let days = Self::LENGTH_MAX.num_days();
            return Err(Problem::new(format!("must be at most {days} days later than the start time")));
        }
        Ok(interval)
    }

    /// The interval between two instants; `None` if it is empty.
    pub fn between(start: DateTime<Utc>, end: DateTime<Utc>) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// Checks that the interval does not end far ahead.
    pub fn check_not_far_ahead(self, now: DateTime<Utc>) -> Result<(), Problem> {
        check_not_far_ahead(self.end, now)
    }

    /// Included.
    pub fn start(self) -> DateTime<Utc> {
        self.start
    }

    /// Not included.
    pub fn end(self) -> DateTime<Utc> {
        self.end
    }

    fn length(self) -> TimeDelta {
        self.end - self.start
    }
}

impl TimeLog {
    /// The log's length, in microseconds; `None` while it runs.
    pub fn duration_micros(&self) -> Option<i64> {
        self.end_time.map(|end| micros_between(self.start_time, end))
    }

    /// What the log adds to totals, in microseconds: its length, once it has ended and is not in doubt.
    pub fn counted_micros(&self) -> Option<i64> {
        self.duration_micros().filter(|_| !self.forgotten)
    }
}

impl Occupied {
    fn overlaps(&self, interval: Interval) -> bool {
        // An empty log takes up no time, wherever it lies.
        self.end != Some(self.start) && self.start < interval.end && self.end.is_none_or(|end| end > interval.start)
    }
}

/// Fits `wanted` beside the logs in `occupied`, which are in the order of their starts: all of it, or what the policy
/// leaves of it. The error is the first log in its way.
pub fn fit(wanted: Interval, occupied: &[Occupied], policy: OverlapPolicy) -> Result<Interval, Uuid> {
    let mut in_the_way = occupied.iter().filter(|other| other.overlaps(wanted)).peekable();
    let Some(first) = in_the_way.peek().map(|other| other.id) else { return Ok(wanted) };
    if policy == OverlapPolicy::Refuse {
        return Err(first);
    }
    longest_free_part(wanted, in_the_way).ok_or(first)
}

fn longest_free_part<'a>(wanted: Interval, occupied: impl Iterator<Item = &'a Occupied>) -> Option<Interval> {
    let mut longest: Option<Interval> = None;
    let mut consider = |start: DateTime<Utc>, end: DateTime<Utc>| {
        let part = Interval::between(start, end);
        if part.is_some_and(|part| longest.is_none_or(|longest| part.length() > longest.length())) {
            longest = part;
        }
    };
    let mut free_from = wanted.start;
    for other in occupied {
        consider(free_from, other.start.min(wanted.end));
        free_from = free_from.max(other.end.unwrap_or(wanted.end));
    }
    consider(free_from, wanted.end);
    longest
}

/// Microseconds from `start` to `end`; 0 if `end` is earlier.
pub fn micros_between(start: DateTime<Utc>, end: DateTime<Utc>) -> i64 {
    (end - start).num_microseconds().unwrap_or(i64::MAX).max(0)
}

impl Timetable {
    /// A timetable in which `logs` have their place. A running timer takes what follows it, as far as plans reach.
    pub fn of(logs: impl IntoIterator<Item = Occupied>, now: DateTime<Utc>) -> Self {
        let mut timetable = Self::default();
        for log in logs {
            timetable.take(log.start, log.end.unwrap_or_else(|| now.max(log.start) + RUNNING_REACH));
        }
        timetable
    }

    /// Takes the first slot of this length that starts at `from` or later.
    pub fn place(&mut self, from: DateTime<Utc>, length: TimeDelta) -> Option<Interval> {
        let mut start = match self.taken.range(..=from).next_back() {
            Some((_, &end)) => from.max(end),
            None => from,
        };
        for (&taken_start, &taken_end) in self.taken.range(start..) {
            if taken_start - start >= length {
                break;
            }
            start = taken_end;
        }
        let interval = Interval::between(start, start.checked_add_signed(length)?)?;
        self.take(interval.start, interval.end);
        Some(interval)
    }

    /// Takes `wanted`, or what the policy leaves of it; `None` if that is nothing.
    pub fn fit(&mut self, wanted: Interval, policy: OverlapPolicy) -> Option<Interval> {
        let before = self.taken.range(..wanted.start).next_back();
        let occupied: Vec<Occupied> = before
            .into_iter()
            .chain(self.taken.range(wanted.start..wanted.end))
            .map(|(&start, &end)| Occupied { id: Uuid::nil(), start, end: Some(end) })
            .collect();
        let interval = fit(wanted, &occupied, policy).ok()?;
        self.take(interval.start, interval.end);
        Some(interval)
    }

    fn take(&mut self, mut start: DateTime<Utc>, mut end: DateTime<Utc>) {
        if let Some((&before_start, &before_end)) = self.taken.range(..=start).next_back()
            && before_end >= start
        {
            start = before_start;
            end = end.max(before_end);
        }
        while let Some((&after_start, &after_end)) = self.taken.range(start..).next()
            && after_start <= end
        {
            self.taken.remove(&after_start);
            end = end.max(after_end);
        }
        if start < end {
            self.taken.insert(start, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn interval(start: i64, end: i64) -> Interval {
        Interval::parse(at(start), at(end)).unwrap()
    }

    fn occupied(number: u128, start: i64, end: Option<i64>) -> Occupied {
        Occupied { id: Uuid::from_u128(number), start: at(start), end: end.map(at) }
    }

    #[test]
    fn an_interval_is_not_empty() {
        assert!(Interval::parse(at(1), at(1)).is_err());
        assert!(Interval::parse(at(2), at(1)).is_err());
    }

    #[test]
    fn an_interval_ends_at_most_a_week_ahead() {
        let day = 24 * 60;
        assert!(interval(0, 8 * day).check_not_far_ahead(at(day)).is_ok());
        assert!(interval(0, 8 * day + 1).check_not_far_ahead(at(day)).is_err());
    }

    #[test]
    fn touching_is_not_overlapping() {
        let others = [occupied(1, 0, Some(10)), occupied(2, 20, Some(30))];
        assert_eq!(fit(interval(10, 20), &others, OverlapPolicy::Refuse), Ok(interval(10, 20)));
        assert_eq!(fit(interval(9, 20), &others, OverlapPolicy::Refuse), Err(Uuid::from_u128(1)));
        assert_eq!(fit(interval(10, 21), &others, OverlapPolicy::Refuse), Err(Uuid::from_u128(2)));
    }

    #[test]
    fn a_running_timer_overlaps_all_that_follows() {
        let others = [occupied(1, 10, None)];
        assert_eq!(fit(interval(5, 10), &others, OverlapPolicy::Refuse), Ok(interval(5, 10)));
        assert_eq!(fit(interval(500, 510), &others, OverlapPolicy::Refuse), Err(Uuid::from_u128(1)));
        assert_eq!(fit(interval(5, 510), &others, OverlapPolicy::Trim), Ok(interval(5, 10)));
    }

    #[test]
    fn trimming_keeps_the_longest_free_part() {
        let others = [occupied(1, 10, Some(20)), occupied(2, 50, Some(60))];
        assert_eq!(fit(interval(15, 55), &others, OverlapPolicy::Trim), Ok(interval(20, 50)));
        assert_eq!(fit(interval(5, 25), &others, OverlapPolicy::Trim), Ok(interval(5, 10)));
        assert_eq!(fit(interval(12, 18), &others, OverlapPolicy::Trim), Err(Uuid::from_u128(1)));
    }

    #[test]
    fn an_empty_log_is_in_nobodys_way() {
        assert_eq!(fit(interval(0, 10), &[occupied(1, 5, Some(5))], OverlapPolicy::Refuse), Ok(interval(0, 10)));
    }

    #[test]
    fn a_timetable_lays_back_to_back_and_around_what_is_taken() {
        let mut timetable = Timetable::of([occupied(1, 30, Some(60))], at(0));
        let length = TimeDelta::minutes(20);
        assert_eq!(timetable.place(at(0), length), Some(interval(0, 20)));
        assert_eq!(timetable.place(at(0), length), Some(interval(60, 80)));
        assert_eq!(timetable.place(at(0), TimeDelta::minutes(10)), Some(interval(20, 30)));
        assert_eq!(timetable.place(at(40), length), Some(interval(80, 100)));
        assert_eq!(timetable.taken.len(), 1, "what touches is merged");
    }

    #[test]
    fn a_timetable_gives_what_is_free_and_takes_it() {
        let mut timetable = Timetable::of([occupied(1, 30, Some(60))], at(0));
        assert_eq!(timetable.fit(interval(20, 40), OverlapPolicy::Refuse), None);
        assert_eq!(timetable.fit(interval(60, 70), OverlapPolicy::Refuse), Some(interval(60, 70)));
        assert_eq!(timetable.fit(interval(20, 90), OverlapPolicy::Trim), Some(interval(70, 90)));
        assert_eq!(timetable.fit(interval(40, 80), OverlapPolicy::Trim), None);
    }

    #[test]
    fn a_timetable_goes_beyond_a_running_timer() {
        let mut timetable = Timetable::of([occupied(1, 30, None)], at(40));
        let placed = timetable.place(at(35), TimeDelta::minutes(5)).unwrap();
        assert_eq!(placed.start(), at(40) + RUNNING_REACH);
    }
}
