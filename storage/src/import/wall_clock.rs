//! Times as clocks on the wall show them, which are ambiguous when clocks go back and absent when they go forward.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// The longest stretch of wall-clock time that a zone has ever skipped is a whole day.
const LONGEST_GAP_MINUTES: i64 = 25 * 60;

/// The clocks of a time zone.
#[derive(Clone, Copy, Debug)]
pub struct WallClock(Tz);

/// An interval whose ends are known as clocks show them.
#[derive(Clone, Copy, Debug)]
pub struct WallInterval {
    /// What clocks showed at its start.
    pub start: NaiveDateTime,
    /// What they showed at its end.
    pub end: Option<NaiveDateTime>,
    /// How long it was.
    pub length: Option<TimeDelta>,
}

impl WallClock {
    /// The clocks of `zone`.
    pub fn new(zone: Tz) -> Self {
        Self(zone)
    }

    /// The instant at which clocks show `wall`: the first if they do so twice, the end of the gap if they skip it.
    pub fn instant(self, wall: NaiveDateTime) -> DateTime<Utc> {
        self.instants(wall).0
    }

    /// What clocks show at an instant.
    pub fn shown_at(self, instant: DateTime<Utc>) -> NaiveDateTime {
        instant.with_timezone(&self.0).naive_local()
    }

    /// The day that clocks show.
    pub fn day(self, instant: DateTime<Utc>) -> NaiveDate {
        self.shown_at(instant).date()
    }

    /// The ends of an interval. Where clocks show a time twice, its length says which one is meant; where they skip
    /// the end, its length says where it is. `None` if neither end nor length is known.
    pub fn interval(self, wall: WallInterval) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let starts = self.instants(wall.start);
        let Some(end) = wall.end else {
            return Some((starts.0, starts.0.checked_add_signed(wall.length?)?));
        };
        let ends = self.instants(end);
        let candidates = [(starts.0, ends.0), (starts.1, ends.1), (starts.0, ends.1), (starts.1, ends.0)];
        let fitting = candidates.into_iter().find(|(start, end)| Some(*end - *start) == wall.length);
        let forward = || candidates.into_iter().find(|(start, end)| start <= end);
        fitting.or_else(forward).or(Some(candidates[0]))
    }

    /// The first and the last instant at which clocks show `wall`.
    fn instants(self, wall: NaiveDateTime) -> (DateTime<Utc>, DateTime<Utc>) {
        (0..=LONGEST_GAP_MINUTES)
            .filter_map(|minutes| wall.checked_add_signed(TimeDelta::minutes(minutes)))
            .find_map(|wall| {
                let local = self.0.from_local_datetime(&wall);
                Some((local.earliest()?.to_utc(), local.latest()?.to_utc()))
            })
            .unwrap_or_else(|| (wall.and_utc(), wall.and_utc()))
    }
}

/// A time of the day, as `9:05`, `09:05:30` or `9:05 PM`.
pub(super) fn time_of_day(text: &str) -> Option<NaiveTime> {
    let upper = text.trim().to_ascii_uppercase();
    ["%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M%p"]
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(&upper, format).ok())
        .or_else(|| NaiveTime::parse_from_str(&hour_with_minutes(&upper)?, "%I:%M%p").ok())
}

/// `9PM` as `9:00PM`.
fn hour_with_minutes(text: &str) -> Option<String> {
    let (hour, half) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let hour: u8 = hour.trim().parse().ok()?;
    Some(format!("{hour}:00{half}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    fn hours_between(start: &str, end: Option<&str>, length: Option<TimeDelta>) -> TimeDelta {
        let berlin = WallClock::new(chrono_tz::Europe::Berlin);
        let (start, end) = berlin.interval(WallInterval { start: wall(start), end: end.map(wall), length }).unwrap();
        end - start
    }

    #[test]
    fn the_length_tells_the_two_passes_of_an_hour_apart() {
        let (start, end) = ("2023-10-29T02:30:00", "2023-10-29T02:45:00");
        for minutes in [15, 75] {
            let length = TimeDelta::minutes(minutes);
            assert_eq!(hours_between(start, Some(end), Some(length)), length);
        }
        assert_eq!(hours_between(start, Some(end), None), TimeDelta::minutes(15));
        assert_eq!(hours_between("2023-10-29T02:45:00", Some("2023-10-29T02:15:00"), None), TimeDelta::minutes(30));
    }

    #[test]
    fn a_time_that_clocks_skip_is_the_end_of_the_gap() {
        assert_eq!(
            hours_between("2023-03-26T01:30:00", Some("2023-03-26T02:30:00"), None),
            TimeDelta::minutes(30),
            "02:30 is not shown, 03:00 follows 02:00"
        );
    }

    #[test]
    fn an_interval_without_an_end_is_as_long_as_it_says() {
        assert_eq!(hours_between("2023-03-26T01:30:00", None, Some(TimeDelta::hours(2))), TimeDelta::hours(2));
    }

    #[test]
    fn times_of_day_are_read_in_both_counts() {
        let time = |hour, minute, second| NaiveTime::from_hms_opt(hour, minute, second);
        for (text, expected) in [
            ("9:05", time(9, 5, 0)),
            ("09:05:30", time(9, 5, 30)),
            ("9:05 pm", time(21, 5, 0)),
            ("12:00 AM", time(0, 0, 0)),
            ("9am", time(9, 0, 0)),
            ("12 pm", time(12, 0, 0)),
            ("25:00", None),
            ("soon", None),
            ("ü", None),
        ] {
            assert_eq!(time_of_day(text), expected, "{text}");
        }
    }
}
