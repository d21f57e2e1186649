//! The one place that says which local day an instant belongs to, and when a local day begins.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The longest stretch of wall-clock time that a zone has ever skipped is a whole day.
const LONGEST_GAP_MINUTES: i64 = 25 * 60;

/// A person's time zone and the minute after midnight at which their days begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DayRule {
    zone: Tz,
    day_start: TimeDelta,
}

/// The local day that `instant` belongs to.
pub fn local_day(instant: DateTime<Utc>, rule: DayRule) -> NaiveDate {
    local_day_and_end(instant, rule).0
}

/// The local day that `instant` belongs to, and the first instant after that day.
pub fn local_day_and_end(instant: DateTime<Utc>, rule: DayRule) -> (NaiveDate, DateTime<Utc>) {
    let wall = instant.with_timezone(&rule.zone).naive_local();
    let day = wall.checked_sub_signed(rule.day_start).unwrap_or(wall).date();
    let end = rule.end_of(day);
    // When clocks go back over the day's start, the wall clock shows the old day again although the new one has begun.
    match day.succ_opt() {
        Some(next) if end <= instant => (next, rule.end_of(next)),
        _ => (day, end),
    }
}

impl DayRule {
    /// Days of `zone` that begin `day_start_minutes` after midnight.
    pub fn new(zone: Tz, day_start_minutes: i32) -> Self {
        Self { zone, day_start: TimeDelta::minutes(day_start_minutes.into()) }
    }

    /// The first instant of a local day.
    pub fn start_of(self, day: NaiveDate) -> DateTime<Utc> {
        self.instant(day, self.day_start)
    }

    /// The first instant after a local day.
    pub fn end_of(self, day: NaiveDate) -> DateTime<Utc> {
        self.start_of(day.checked_add_days(Days::new(1)).unwrap_or(day))
    }

    /// The instant at which the clocks of `day` show `minutes` after midnight: the first if they do so twice, the end
    /// of the gap if they skip it.
    pub fn at(self, day: NaiveDate, minutes: i32) -> DateTime<Utc> {
        self.instant(day, TimeDelta::minutes(minutes.into()))
    }

    /// The instant within a local day at which its clocks show `minutes` after midnight. A time before the day's start
    /// is one of the night that the day ends with.
    pub fn within(self, day: NaiveDate, minutes: i32) -> DateTime<Utc> {
        let is_next_date = TimeDelta::minutes(minutes.into()) < self.day_start;
        let date = if is_next_date { day.checked_add_days(Days::new(1)).unwrap_or(day) } else { day };
        self.at(date, minutes)
    }

    /// The same zone with days that begin at midnight, as calendars have them.
    #[must_use]
    pub fn calendar(self) -> Self {
        Self { day_start: TimeDelta::zero(), ..self }
    }

    /// What the clocks show at an instant.
    pub fn wall_clock(self, instant: DateTime<Utc>) -> NaiveDateTime {
        instant.with_timezone(&self.zone).naive_local()
    }

    fn instant(self, day: NaiveDate, after_midnight: TimeDelta) -> DateTime<Utc> {
        let wall = day.and_time(NaiveTime::MIN).checked_add_signed(after_midnight).unwrap_or(NaiveDateTime::MAX);
        (0..=LONGEST_GAP_MINUTES)
            .filter_map(|minutes| wall.checked_add_signed(TimeDelta::minutes(minutes)))
            .find_map(|wall| self.zone.from_local_datetime(&wall).earliest())
            .map_or_else(|| wall.and_utc(), |instant| instant.to_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(zone: &str, day_start_minutes: i32) -> DayRule {
        DayRule::new(zone.parse().unwrap(), day_start_minutes)
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_day_turns_at_local_midnight() {
        let berlin = rule("Europe/Berlin", 0);
        assert_eq!(local_day(utc("2026-06-30T21:59:59Z"), berlin), day("2026-06-30"));
        assert_eq!(local_day(utc("2026-06-30T22:00:00Z"), berlin), day("2026-07-01"));
    }

    #[test]
    fn a_late_day_start_keeps_the_night_with_the_evening() {
        let berlin = rule("Europe/Berlin", 240);
        assert_eq!(local_day(utc("2026-07-01T01:59:59Z"), berlin), day("2026-06-30"));
        assert_eq!(local_day(utc("2026-07-01T02:00:00Z"), berlin), day("2026-07-01"));
    }

    #[test]
    fn a_skipped_midnight_begins_the_day_after_the_gap() {
        // In 2018 the clocks of Sao Paulo went from 00:00 to 01:00 on 4 November.
        let sao_paulo = rule("America/Sao_Paulo", 0);
        assert_eq!(sao_paulo.start_of(day("2018-11-04")), utc("2018-11-04T03:00:00Z"));
        assert_eq!(local_day(utc("2018-11-04T02:59:59Z"), sao_paulo), day("2018-11-03"));
        assert_eq!(local_day(utc("2018-11-04T03:00:00Z"), sao_paulo), day("2018-11-04"));
    }

    #[test]
    fn a_repeated_day_start_begins_one_day_only() {
        // In 2025 the clocks of Havana went from 01:00 back to 00:00 on 2 November, over a day start of 00:30.
        let havana = rule("America/Havana", 30);
        assert_eq!(local_day(utc("2025-11-02T04:29:59Z"), havana), day("2025-11-01"));
        assert_eq!(local_day(utc("2025-11-02T04:30:00Z"), havana), day("2025-11-02"));
        assert_eq!(local_day(utc("2025-11-02T05:10:00Z"), havana), day("2025-11-02"));
    }

    #[test]
    fn the_days_of_both_clock_changes_have_23_and_25_hours() {
        // Berlin: 29 March and 25 October 2026. New York: 8 March and 1 November 2026.
        let hours = |zone, date| {
            let rule = rule(zone, 0);
            (rule.end_of(day(date)) - rule.start_of(day(date))).num_hours()
        };
        assert_eq!(["2026-03-28", "2026-03-29", "2026-03-30"].map(|date| hours("Europe/Berlin", date)), [24, 23, 24]);
        assert_eq!(["2026-10-24", "2026-10-25", "2026-10-26"].map(|date| hours("Europe/Berlin", date)), [24, 25, 24]);
        assert_eq!(["2026-03-08", "2026-11-01"].map(|date| hours("America/New_York", date)), [23, 25]);
    }

    #[test]
    fn a_day_start_at_four_gives_the_changed_hour_to_the_day_before() {
        // Clocks change at 02:00 or 03:00, before the day begins: the night of the change is the end of Saturday.
        let berlin = rule("Europe/Berlin", 240);
        assert_eq!(berlin.start_of(day("2026-03-28")), utc("2026-03-28T03:00:00Z"));
        assert_eq!(berlin.start_of(day("2026-03-29")), utc("2026-03-29T02:00:00Z"));
        assert_eq!(local_day(utc("2026-03-29T01:59:59Z"), berlin), day("2026-03-28"));
        assert_eq!(local_day(utc("2026-03-29T02:00:00Z"), berlin), day("2026-03-29"));
        assert_eq!(berlin.start_of(day("2026-10-25")), utc("2026-10-25T03:00:00Z"));
        // 02:30 is shown twice, and both are Saturday's.
        for instant in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:59:59Z"] {
            assert_eq!(local_day(utc(instant), berlin), day("2026-10-24"), "{instant}");
        }
    }

    #[test]
    fn a_day_start_within_the_skipped_hour_begins_the_day_at_its_end() {
        let berlin = rule("Europe/Berlin", 150);
        assert_eq!(berlin.start_of(day("2026-03-29")), utc("2026-03-29T01:00:00Z"));
        assert_eq!(local_day(utc("2026-03-29T00:59:59Z"), berlin), day("2026-03-28"));
        assert_eq!(local_day(utc("2026-03-29T01:00:00Z"), berlin), day("2026-03-29"));
    }

    #[test]
    fn one_instant_is_three_days_around_the_world() {
        // Kiritimati is 14 hours before UTC, Midway 11 behind: 25 hours lie between them.
        let instant = utc("2026-06-15T10:30:00Z");
        let days = ["Pacific/Kiritimati", "UTC", "Pacific/Midway"].map(|zone| local_day(instant, rule(zone, 0)));
        assert_eq!(days, ["2026-06-16", "2026-06-15", "2026-06-14"].map(day));
    }

    #[test]
    fn who_moves_west_lives_a_day_again_and_who_moves_east_skips_one() {
        let (kiritimati, midway) = (rule("Pacific/Kiritimati", 0), rule("Pacific/Midway", 0));
        // The 16th of June ends in Kiritimati before it begins in Midway.
        assert!(kiritimati.end_of(day("2026-06-16")) < midway.start_of(day("2026-06-16")));
        let landing = kiritimati.end_of(day("2026-06-16"));
        assert_eq!(local_day(landing, kiritimati), day("2026-06-17"));
        assert_eq!(local_day(landing, midway), day("2026-06-15"));
    }

    #[test]
    fn days_tile_time_without_gap_or_overlap_through_ten_years() {
        for zone in ["Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Pacific/Apia", "Australia/Lord_Howe"] {
            for day_start in [0, 30, 150, 719] {
                let rule = rule(zone, day_start);
                let mut date = day("2010-01-01");
                while date < day("2020-01-01") {
                    let (start, end) = (rule.start_of(date), rule.end_of(date));
                    assert!(start <= end, "{zone} {date}");
                    // A day that the zone skipped has no instants.
                    if start < end {
                        assert_eq!(local_day(start, rule), date, "{zone} {date} +{day_start}");
                        assert_eq!(
                            local_day(end - TimeDelta::microseconds(1), rule),
                            date,
                            "{zone} {date} +{day_start}"
                        );
                    }
                    date = date.succ_opt().unwrap();
                }
            }
        }
    }
}
