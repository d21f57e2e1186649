//! How long a person's timers usually run, and from when on one counts as forgotten.
//!
//! Of the sessions in a large public data set (CESAW), one in a hundred ran longer than four hours; those are mostly
//! timers that nobody stopped. People differ, so whoever has timed enough is measured by their own sessions.

use chrono::{DateTime, TimeDelta, Utc};

/// Fewer sessions than this say nothing about what is rare.
const SESSIONS_MIN: usize = 100;
/// The longest that is usual for somebody of whom little is known.
const LIMIT_DEFAULT: TimeDelta = TimeDelta::minutes(240);
/// Who works in short sessions is not asked about every longer one.
const LIMIT_MIN: TimeDelta = TimeDelta::minutes(120);
/// A timer that ran over night was forgotten, however often that happens.
const LIMIT_MAX: TimeDelta = TimeDelta::minutes(720);

/// The lengths of a person's timed sessions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UsualLength {
    limit: TimeDelta,
    typical: TimeDelta,
}

impl Default for UsualLength {
    fn default() -> Self {
        Self { limit: LIMIT_DEFAULT, typical: LIMIT_DEFAULT }
    }
}

impl UsualLength {
    /// Measures sessions by their lengths in microseconds, in any order.
    pub fn of(mut sessions: Vec<i64>) -> Self {
        if sessions.len() < SESSIONS_MIN {
            return Self::default();
        }
        sessions.sort_unstable();
        let limit = percentile(&sessions, 99).clamp(LIMIT_MIN, LIMIT_MAX);
        Self { limit, typical: percentile(&sessions, 50).min(limit) }
    }

    /// Whether a timer that runs, or ran, from `start` to `end` can be forgotten, whoever it is of.
    pub fn is_long(start: DateTime<Utc>, end: DateTime<Utc>) -> bool {
        end - start > LIMIT_MIN
    }

    /// Whether a timer that runs, or ran, from `start` to `end` was forgotten.
    pub fn is_forgotten(self, start: DateTime<Utc>, end: DateTime<Utc>) -> bool {
        end - start > self.limit
    }

    /// When a forgotten timer probably should have ended.
    pub fn probable_end(self, start: DateTime<Utc>) -> DateTime<Utc> {
        start + self.typical
    }
}

/// The smallest length that `percent` of the sessions, which are in order, do not exceed.
fn percentile(sessions: &[i64], percent: usize) -> TimeDelta {
    let rank = (sessions.len() * percent).div_ceil(100);
    sessions.get(rank.saturating_sub(1)).map_or(LIMIT_DEFAULT, |micros| TimeDelta::microseconds(*micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn of_minutes(sessions: impl IntoIterator<Item = i64>) -> UsualLength {
        UsualLength::of(sessions.into_iter().map(|minutes| minutes * 60_000_000).collect())
    }

    fn limit_minutes(usual: UsualLength) -> i64 {
        (0..2000).find(|minutes| usual.is_forgotten(START, START + TimeDelta::minutes(minutes + 1))).unwrap()
    }

    fn probable_minutes(usual: UsualLength) -> i64 {
        (usual.probable_end(START) - START).num_minutes()
    }

    #[test]
    fn who_has_timed_little_is_asked_after_four_hours() {
        for usual in [UsualLength::default(), of_minutes([5; 99])] {
            assert_eq!((limit_minutes(usual), probable_minutes(usual)), (240, 240));
        }
    }

    #[test]
    fn who_has_timed_enough_is_asked_beyond_99_of_100_of_their_sessions() {
        // 1, 2, ... 200 minutes: 198 of 200 are at most 198, half are at most 100.
        let usual = of_minutes((1..=200).rev());
        assert_eq!((limit_minutes(usual), probable_minutes(usual)), (198, 100));
    }

    #[test]
    fn nobody_is_asked_before_two_hours_or_later_than_after_twelve() {
        let short = of_minutes([25; 500]);
        assert_eq!((limit_minutes(short), probable_minutes(short)), (120, 25));
        let long = of_minutes([1500; 500]);
        assert_eq!((limit_minutes(long), probable_minutes(long)), (720, 720));
    }

    #[test]
    fn exactly_the_limit_is_not_forgotten() {
        let usual = UsualLength::default();
        assert!(!usual.is_forgotten(START, START + TimeDelta::minutes(240)));
        assert!(usual.is_forgotten(START, START + TimeDelta::minutes(240) + TimeDelta::microseconds(1)));
        assert!(!UsualLength::is_long(START, START + TimeDelta::minutes(120)));
    }
}
