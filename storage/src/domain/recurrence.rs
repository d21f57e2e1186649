//! When a task comes again.
//!
//! A [`Recurrence`] has a start and a [`Rule`] of RFC 5545. Both are said in wall-clock time without a zone: a person
//! who repeats something at 09:00 means nine o'clock where they are. So a rule is expanded to local dates, and only
//! [`Recurrence::due_time`] makes instants of them, in the zone that the person lives in at that moment. A time that
//! the clocks skip is the end of the gap, one that they show twice is the first, as everywhere ([`DayRule::at`]).
//!
//! An occurrence is a date, and there is at most one on a date. What happens several times a day is not a task.

mod ahead;
mod dates;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod rfc5545;
mod rule;

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};

pub use self::ahead::Plan;
pub use self::dates::Dates;
pub use self::rule::{End, Rule, Until};
use super::Problem;
use super::day::DayRule;

/// The most dates that a series leaves out.
const EXCEPTIONS_MAX: usize = 1_000;
const SECONDS_PER_MINUTE: u32 = 60;

/// What the next occurrence of a series is counted from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// The series' start, whatever becomes of its occurrences.
    #[default]
    Schedule,
    /// The day on which the last one was completed. There is one open occurrence at a time.
    Completion,
}

/// The local date, and perhaps the time of day, at which a series starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The first date that may be an occurrence.
    pub date: NaiveDate,
    /// When its occurrences are due, in whole seconds; `None`: never, they only have a date.
    pub time: Option<NaiveTime>,
}

/// When a task comes again.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Recurrence {
    /// How it repeats.
    pub rule: Rule,
    /// What it repeats from.
    pub mode: Mode,
    /// When it starts.
    pub start: Start,
    /// Dates that it leaves out (EXDATE). They count towards COUNT.
    pub exceptions: BTreeSet<NaiveDate>,
}

/// Which of the two parts of a recurrence is at fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The rule.
    Rule(Problem),
    /// The dates left out.
    Exceptions(Problem),
}

impl Start {
    /// The start at which clocks show what they show at `instant`.
    pub fn at(instant: DateTime<Utc>, zone: DayRule) -> Self {
        let wall = zone.wall_clock(instant);
        Self { date: wall.date(), time: Some(whole_seconds(wall.time())) }
    }

    /// Reads `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let start = match text.split_once('T') {
            None => parse_date(text).map(|date| Self { date, time: None }),
            Some(_) => text
                .parse::<NaiveDateTime>()
                .ok()
                .map(|wall| Self { date: wall.date(), time: Some(whole_seconds(wall.time())) }),
        };
        start
            .filter(|start| (1..=9999).contains(&start.date.year()))
            .ok_or_else(|| Problem::new("must be a local date, `YYYY-MM-DD`, or date and time, `YYYY-MM-DDTHH:MM:SS`"))
    }
}

impl std::fmt::Display for Start {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.time {
            Some(time) => write!(formatter, "{}T{}", self.date, time.format("%H:%M:%S")),
            None => self.date.fmt(formatter),
        }
    }
}

impl Recurrence {
    /// Checks that the parts fit each other and that there is at least one occurrence.
    pub fn check(&self, zone: DayRule) -> Result<(), Fault> {
        if self.exceptions.len() > EXCEPTIONS_MAX {
            return Err(Fault::Exceptions(Problem::new(format!("must be at most {EXCEPTIONS_MAX} dates"))));
        }
        if self.mode == Mode::Completion && matches!(self.rule.end, End::Count(_)) {
            return Err(Fault::Rule(Problem::new("must not have COUNT when it repeats from completion: use UNTIL")));
        }
        if self.first_from(zone, self.start.date).is_none() {
            return Err(Fault::Rule(Problem::new("has no occurrence on or after its start")));
        }
        Ok(())
    }

    /// The dates of its occurrences from `from` on, without those left out.
    pub fn dates(&self, zone: DayRule, from: NaiveDate) -> impl Iterator<Item = NaiveDate> + '_ {
        let has_not_ended = move |date: &NaiveDate| self.rule.end.admits(*date, self.start.time, zone);
        Dates::new(&self.rule, self.start.date, from)
            .take_while(has_not_ended)
            .filter(|date| !self.exceptions.contains(date))
    }

    /// The first occurrence on `from` or later.
    pub fn first_from(&self, zone: DayRule, from: NaiveDate) -> Option<NaiveDate> {
        self.dates(zone, from).next()
    }

    /// When the occurrence of a date is due; `None` if it only has a date.
    pub fn due_time(&self, zone: DayRule, date: NaiveDate) -> Option<DateTime<Utc>> {
        self.start.time.map(|time| instant(zone, date, time))
    }

    /// The date of the occurrence that follows one done on the local day `done`, if it repeats from completion. It is
    /// none of `taken`, those that have one already, so that doing several on one day goes on with the days after.
    pub fn next_after(&self, zone: DayRule, done: NaiveDate, taken: &HashSet<NaiveDate>) -> Option<NaiveDate> {
        let steps = std::iter::successors(self.step(zone, done), |date| self.step(zone, *date));
        // Every turn but the last meets another one of those that are taken.
        steps.take(taken.len() + 1).find(|date| !taken.contains(date))
    }

    /// The first date of the rule, started anew on `day`, that comes after that day.
    fn step(&self, zone: DayRule, day: NaiveDate) -> Option<NaiveDate> {
        let mut day = day;
        // Every turn but the last meets another one of the exceptions.
        for _ in 0..=self.exceptions.len() {
            day = match self.rule.one_interval_after(day) {
                Some(next) => next,
                None => Dates::new(&self.rule, day, day.succ_opt()?).next()?,
            };
            if !self.exceptions.contains(&day) {
                return Some(day).filter(|day| self.rule.end.admits(*day, self.start.time, zone));
            }
        }
        None
    }

    /// Leaves a date out, or no longer. Of more dates than there is room for, the earliest are given up: they are the
    /// first to be past.
    pub fn set_exception(&mut self, date: NaiveDate, left_out: bool) {
        if !left_out {
            self.exceptions.remove(&date);
            return;
        }
        self.exceptions.insert(date);
        while self.exceptions.len() > EXCEPTIONS_MAX {
            self.exceptions.pop_first();
        }
    }

    /// Ends the recurrence before `date`, and answers it together with what goes on from `date`; `None` if nothing
    /// comes before, or if it repeats from completion: then there is one to be done at a time, and none follows it yet.
    pub fn split(&self, zone: DayRule, date: NaiveDate) -> Option<[Self; 2]> {
        if self.mode == Mode::Completion {
            return None;
        }
        let count_before = Dates::new(&self.rule, self.start.date, self.start.date)
            .take_while(|before| *before < date && self.rule.end.admits(*before, self.start.time, zone))
            .count();
        let day_before = date.pred_opt().filter(|_| count_before > 0)?;
        let (mut before, mut after) = (self.clone(), self.clone());
        before.rule.end = End::Until(Until::Date(day_before));
        before.exceptions = self.exceptions.range(..date).copied().collect();
        after.start.date = date;
        after.exceptions = self.exceptions.range(date..).copied().collect();
        if let End::Count(count) = self.rule.end {
            after.rule.end = End::Count(count.saturating_sub(u32::try_from(count_before).unwrap_or(u32::MAX)).max(1));
        }
        Some([before, after])
    }
}

/// Reads `YYYY-MM-DD`.
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    let has_shape = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    text.parse().ok().filter(|_| has_shape)
}

fn instant(zone: DayRule, date: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
    let minutes = time.num_seconds_from_midnight() / SECONDS_PER_MINUTE;
    let on_the_minute = zone.at(date, minutes.cast_signed());
    let shown = zone.wall_clock(on_the_minute).time().num_seconds_from_midnight() / SECONDS_PER_MINUTE;
    // The end of a gap has no seconds of the time that was skipped.
    let seconds = if shown == minutes { time.second() } else { 0 };
    on_the_minute + TimeDelta::seconds(seconds.into())
}

fn whole_seconds(time: NaiveTime) -> NaiveTime {
    time.with_nanosecond(0).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn zone(name: &str) -> DayRule {
        DayRule::new(name.parse().unwrap(), 0)
    }

    fn recurrence(start: &str, rule: &str) -> Recurrence {
        Recurrence {
            rule: Rule::parse(rule).unwrap(),
            mode: Mode::Schedule,
            start: Start::parse(start).unwrap(),
            exceptions: BTreeSet::new(),
        }
    }

    fn from_completion(rule: &str) -> Recurrence {
        Recurrence { mode: Mode::Completion, ..recurrence("2026-01-01", rule) }
    }

    fn due(recurrence: &Recurrence, zone: DayRule, count: usize) -> Vec<String> {
        recurrence
            .dates(zone, recurrence.start.date)
            .take(count)
            .map(|date| recurrence.due_time(zone, date).unwrap().format("%m-%dT%H:%M:%SZ").to_string())
            .collect()
    }

    #[test]
    fn nine_o_clock_stays_nine_o_clock_when_the_clocks_change() {
        let (berlin, new_york) = (zone("Europe/Berlin"), zone("America/New_York"));
        let daily = |start| recurrence(start, "FREQ=DAILY");
        assert_eq!(due(&daily("2026-03-28T09:00:00"), berlin, 2), ["03-28T08:00:00Z", "03-29T07:00:00Z"]);
        assert_eq!(due(&daily("2026-10-24T09:00:00"), berlin, 2), ["10-24T07:00:00Z", "10-25T08:00:00Z"]);
        assert_eq!(due(&daily("2026-03-07T09:00:00"), new_york, 2), ["03-07T14:00:00Z", "03-08T13:00:00Z"]);
        assert_eq!(due(&daily("2026-10-31T09:00:00"), new_york, 2), ["10-31T13:00:00Z", "11-01T14:00:00Z"]);
    }

    #[test]
    fn a_skipped_time_is_the_end_of_the_gap_and_a_repeated_one_the_first() {
        let berlin = zone("Europe/Berlin");
        let spring = recurrence("2026-03-28T02:30:15", "FREQ=DAILY");
        assert_eq!(due(&spring, berlin, 3), ["03-28T01:30:15Z", "03-29T01:00:00Z", "03-30T00:30:15Z"]);
        let autumn = recurrence("2026-10-24T02:30:15", "FREQ=DAILY");
        assert_eq!(due(&autumn, berlin, 3), ["10-24T00:30:15Z", "10-25T00:30:15Z", "10-26T01:30:15Z"]);
    }

    #[test]
    fn a_start_is_what_the_clocks_show_and_reads_back() {
        let start = Start::at("2026-06-15T22:30:45.5Z".parse().unwrap(), zone("Europe/Berlin"));
        assert_eq!(start.to_string(), "2026-06-16T00:30:45");
        for text in ["2026-06-16", "2026-06-16T00:30:45"] {
            assert_eq!(Start::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "16.06.2026", "2026-02-30", "2026-06-16T25:00:00", "2026-06-16T09:00:00Z", "+12026-06-16"] {
            assert!(Start::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_left_out_count_towards_count() {
        let mut daily = recurrence("2026-01-01", "FREQ=DAILY;COUNT=4");
        daily.exceptions = [day("2026-01-02"), day("2026-01-04")].into();
        let dates: Vec<_> = daily.dates(zone("UTC"), daily.start.date).collect();
        assert_eq!(dates, [day("2026-01-01"), day("2026-01-03")]);
    }

    #[test]
    fn until_ends_on_its_local_date_or_at_its_instant() {
        let (berlin, kiritimati) = (zone("Europe/Berlin"), zone("Pacific/Kiritimati"));
        let last = |start: &str, until: &str, zone: DayRule| {
            let series = recurrence(start, &format!("FREQ=DAILY;UNTIL={until}"));
            series.dates(zone, series.start.date).last()
        };
        let start = "2026-01-01T09:00:00";
        assert_eq!(last(start, "20260105", berlin), Some(day("2026-01-05")));
        assert_eq!(last(start, "20260105T085959", berlin), Some(day("2026-01-04")));
        assert_eq!(last(start, "20260105T080000Z", berlin), Some(day("2026-01-05")), "nine in Berlin");
        assert_eq!(last(start, "20260105T075959Z", berlin), Some(day("2026-01-04")));
        assert_eq!(last(start, "20260105T200000Z", kiritimati), Some(day("2026-01-06")), "ten the next day there");
        assert_eq!(last("2026-01-01", "20260104T230000Z", berlin), Some(day("2026-01-05")), "midnight begins the day");
    }

    #[test]
    fn from_completion_the_interval_starts_on_the_day_of_completion() {
        let utc = zone("UTC");
        let next = |rule: &str, done: &str| from_completion(rule).next_after(utc, day(done), &HashSet::new());
        assert_eq!(next("FREQ=DAILY;INTERVAL=3", "2026-01-30"), Some(day("2026-02-02")));
        assert_eq!(next("FREQ=WEEKLY", "2026-01-07"), Some(day("2026-01-14")));
        assert_eq!(next("FREQ=MONTHLY", "2026-01-31"), Some(day("2026-02-28")), "a month later, not in March");
        assert_eq!(next("FREQ=YEARLY", "2028-02-29"), Some(day("2029-02-28")));
        assert_eq!(next("FREQ=WEEKLY;BYDAY=MO", "2026-01-05"), Some(day("2026-01-12")), "the next Monday");
        assert_eq!(next("FREQ=WEEKLY;BYDAY=MO", "2026-01-07"), Some(day("2026-01-12")));
        assert_eq!(next("FREQ=DAILY;UNTIL=20260108", "2026-01-07"), Some(day("2026-01-08")));
        assert_eq!(next("FREQ=DAILY;UNTIL=20260108", "2026-01-08"), None, "it has ended");
    }

    #[test]
    fn doing_several_on_one_day_goes_on_with_the_days_after() {
        let daily = from_completion("FREQ=DAILY");
        let next = |taken: &[&str]| {
            let taken = taken.iter().map(|date| day(date)).collect();
            daily.next_after(zone("UTC"), day("2026-01-10"), &taken)
        };
        assert_eq!(next(&["2026-01-10"]), Some(day("2026-01-11")));
        assert_eq!(next(&["2026-01-10", "2026-01-11"]), Some(day("2026-01-12")));
        assert_eq!(next(&["2026-01-13"]), Some(day("2026-01-11")), "what was done early is not counted from its date");
    }

    #[test]
    fn from_completion_leaves_out_the_exceptions() {
        let mut daily = from_completion("FREQ=DAILY");
        daily.exceptions = [day("2026-01-11"), day("2026-01-12")].into();
        assert_eq!(daily.next_after(zone("UTC"), day("2026-01-10"), &HashSet::new()), Some(day("2026-01-13")));
    }

    #[test]
    fn the_parts_of_a_split_are_the_whole() {
        let utc = zone("UTC");
        for rule in ["FREQ=DAILY;COUNT=9", "FREQ=WEEKLY;BYDAY=MO,TH;COUNT=9", "FREQ=DAILY;INTERVAL=2;UNTIL=20260130"] {
            let mut series = recurrence("2026-01-01T09:00:00", rule);
            series.exceptions = [day("2026-01-02"), day("2026-01-15")].into();
            let whole: Vec<_> = series.dates(utc, series.start.date).collect();
            for date in &whole[1..] {
                let [before, after] = series.split(utc, *date).unwrap();
                let parts: Vec<_> =
                    before.dates(utc, before.start.date).chain(after.dates(utc, after.start.date)).collect();
                assert_eq!(parts, whole, "{rule} at {date}");
                assert!(before.dates(utc, before.start.date).all(|part| part < *date), "{rule} at {date}");
            }
            assert!(series.split(utc, whole[0]).is_none(), "{rule}");
        }
    }

    #[test]
    fn a_recurrence_without_occurrences_is_refused() {
        let utc = zone("UTC");
        for rule in [
            "FREQ=DAILY;UNTIL=20251231",
            "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=MONTHLY;BYMONTH=4;BYMONTHDAY=31",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31",
            "FREQ=YEARLY;BYYEARDAY=1;BYMONTH=7",
            "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
        ] {
            assert!(matches!(recurrence("2026-01-01", rule).check(utc), Err(Fault::Rule(_))), "{rule}");
        }
        assert!(matches!(from_completion("FREQ=DAILY;COUNT=3").check(utc), Err(Fault::Rule(_))));
        let mut crowded = recurrence("2026-01-01", "FREQ=DAILY");
        crowded.exceptions = Dates::new(&crowded.rule, crowded.start.date, crowded.start.date).take(1_001).collect();
        assert!(matches!(crowded.check(utc), Err(Fault::Exceptions(_))));
    }
}
