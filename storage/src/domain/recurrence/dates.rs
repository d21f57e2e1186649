//! The dates that a rule names, by the crate `rrule`.
//!
//! Dates are given to it as UTC, so that no clock change touches them. From its source (0.14) come these rules for its
//! use, each of which a test of this file or of `rfc5545` holds:
//!
//! * It completes a rule by the start's day before it expands, and its first week begins at the start rather than at
//!   WKST, which shifts BYSETPOS. So rules are completed here, and expanded from the beginning of a period.
//! * COUNT and UNTIL are applied here, to what is not before the start.
//! * It looks for the next date without an end unless it is told to `limit` itself, to 100,000 empty periods.
//! * Of weekdays with and without a number it takes those that both name, where RFC 5545 has those that either does. So
//!   beside one with a number, every weekday is named with all its numbers.
//! * It misses days of January that belong to the last week of the year before. So BYWEEKNO is applied here.

use chrono::{DateTime, Datelike, Days, Month, Months, NaiveDate, NaiveTime, Weekday};
use rrule::{NWeekday, RRule, RRuleSet, RRuleSetIter, Tz, Unvalidated};

use super::rule::{ByDay, End, Frequency, Rule};

/// Of this many dates in a row, one is in the weeks that BYWEEKNO names, or none ever is: every day of 56 years, in
/// which the calendar comes back to where it was.
const DAYS_OUTSIDE_WEEKS_MAX: usize = 56 * 366;

/// The dates of a rule in ascending order, at most COUNT of them. UNTIL is left to the caller, who knows the zone.
pub struct Dates {
    expansion: Option<RRuleSetIter>,
    weeks: Weeks,
    start: NaiveDate,
    from: NaiveDate,
    remaining: Option<u32>,
}

impl Dates {
    /// The dates of a rule that starts on `start` (which need not be one of them), from `from` on.
    pub fn new(rule: &Rule, start: NaiveDate, from: NaiveDate) -> Self {
        let remaining = match rule.end {
            End::Count(count) => Some(count),
            End::Never | End::Until(_) => None,
        };
        // Whoever counts has to begin at the beginning. All others skip the periods that are over.
        let expand_from = if remaining.is_some() { start } else { from.max(start) };
        let expansion = period_of(rule, start, expand_from).and_then(|period| expand(&completed(rule, start), period));
        let weeks = Weeks { numbers: rule.by_week_number.clone(), week_start: rule.week_start };
        Self { expansion, weeks, start, from, remaining }
    }

    fn next_in_weeks(&mut self) -> Option<NaiveDate> {
        let (expansion, weeks) = (self.expansion.as_mut()?, &self.weeks);
        expansion.take(DAYS_OUTSIDE_WEEKS_MAX).map(|time| time.date_naive()).find(|date| weeks.contain(*date))
    }
}

/// The weeks of the year that a rule is limited to, if it is.
struct Weeks {
    numbers: Vec<i16>,
    week_start: Weekday,
}

impl Weeks {
    /// Week 1 is the first with at least four days in the year, so a week is of the year that its fourth day is in.
    fn contain(&self, date: NaiveDate) -> bool {
        if self.numbers.is_empty() {
            return true;
        }
        let fourth_day = |date| week_of(date, self.week_start)?.checked_add_days(Days::new(3));
        let number = |fourth_day: NaiveDate| i16::try_from(fourth_day.ordinal0() / 7 + 1).ok();
        let in_last_week = |year| NaiveDate::from_ymd_opt(year, 12, 28);
        let found = fourth_day(date).and_then(|day| {
            let last = number(fourth_day(in_last_week(day.year())?)?)?;
            number(day).map(|number| (number, number - last - 1))
        });
        found.is_some_and(|(number, from_end)| self.numbers.contains(&number) || self.numbers.contains(&from_end))
    }
}

impl Iterator for Dates {
    type Item = NaiveDate;

    fn next(&mut self) -> Option<NaiveDate> {
        loop {
            if self.remaining == Some(0) {
                return None;
            }
            let date = self.next_in_weeks()?;
            if date < self.start {
                continue;
            }
            self.remaining = self.remaining.map(|remaining| remaining - 1);
            if date >= self.from {
                return Some(date);
            }
        }
    }
}

/// The first day of the latest period of the rule that does not begin after `from`.
fn period_of(rule: &Rule, start: NaiveDate, from: NaiveDate) -> Option<NaiveDate> {
    let interval = u32::from(rule.interval);
    let whole = |units: i64| u32::try_from(units).ok().map(|units| units - units % interval);
    match rule.frequency {
        Frequency::Daily => start.checked_add_days(Days::new(whole((from - start).num_days())?.into())),
        Frequency::Weekly => {
            let first = week_of(start, rule.week_start)?;
            let weeks = whole((from - first).num_days() / 7)?;
            first.checked_add_days(Days::new(u64::from(weeks) * 7))
        }
        Frequency::Monthly => {
            let months =
                i64::from(from.year() - start.year()) * 12 + i64::from(from.month()) - i64::from(start.month());
            start.with_day(1)?.checked_add_months(Months::new(whole(months)?))
        }
        Frequency::Yearly => {
            let years = whole(i64::from(from.year() - start.year()))?;
            NaiveDate::from_ymd_opt(start.year(), 1, 1)?.checked_add_months(Months::new(years * 12))
        }
    }
}

fn week_of(day: NaiveDate, week_start: Weekday) -> Option<NaiveDate> {
    day.checked_sub_days(Days::new(day.weekday().days_since(week_start).into()))
}

/// The rule with what RFC 5545 takes from the start: the weekday, the day of the month, the month.
pub(super) fn completed(rule: &Rule, start: NaiveDate) -> Rule {
    let mut rule = rule.clone();
    let names_days = !rule.by_day.is_empty() || !rule.by_month_day.is_empty() || !rule.by_year_day.is_empty();
    if names_days {
        return rule;
    }
    let month_day = i16::try_from(start.day()).unwrap_or(1);
    match rule.frequency {
        Frequency::Daily => {}
        Frequency::Weekly => rule.by_day = vec![ByDay { ordinal: None, weekday: start.weekday() }],
        Frequency::Yearly if !rule.by_week_number.is_empty() => {
            rule.by_day = vec![ByDay { ordinal: None, weekday: start.weekday() }];
        }
        Frequency::Monthly => rule.by_month_day = vec![month_day],
        Frequency::Yearly => {
            rule.by_month_day = vec![month_day];
            if rule.by_month.is_empty() {
                rule.by_month = vec![i16::try_from(start.month()).unwrap_or(1)];
            }
        }
    }
    rule
}

/// `None` if the crate refuses the rule, which it has no reason to after it has been parsed.
fn expand(rule: &Rule, period: NaiveDate) -> Option<RRuleSetIter> {
    let start: DateTime<Tz> = period.and_time(NaiveTime::MIN).and_utc().with_timezone(&Tz::UTC);
    let rule = of_crate(rule).validate(start).ok()?;
    Some((&RRuleSet::new(start).rrule(rule).limit()).into_iter())
}

fn of_crate(rule: &Rule) -> RRule<Unvalidated> {
    let frequency = match rule.frequency {
        Frequency::Daily => rrule::Frequency::Daily,
        Frequency::Weekly => rrule::Frequency::Weekly,
        Frequency::Monthly => rrule::Frequency::Monthly,
        Frequency::Yearly => rrule::Frequency::Yearly,
    };
    let months: Vec<Month> =
        narrow::<u8>(&rule.by_month).into_iter().filter_map(|month| month.try_into().ok()).collect();
    RRule::new(frequency)
        .interval(rule.interval)
        .week_start(rule.week_start)
        .by_month(&months)
        .by_year_day(rule.by_year_day.clone())
        .by_month_day(narrow(&rule.by_month_day))
        .by_weekday(weekdays(rule))
        .by_set_pos(rule.by_position.iter().map(|position| i32::from(*position)).collect())
}

fn weekdays(rule: &Rule) -> Vec<NWeekday> {
    let is_mixed = [true, false].iter().all(|some| rule.by_day.iter().any(|day| day.ordinal.is_some() == *some));
    let is_within_month = rule.frequency == Frequency::Monthly || !rule.by_month.is_empty();
    let all_ordinals = || 1..=if is_within_month { 5 } else { 53 };
    let days = rule.by_day.iter().flat_map(|day| -> Vec<NWeekday> {
        match day.ordinal {
            None if is_mixed => all_ordinals().map(|ordinal| NWeekday::new(Some(ordinal), day.weekday)).collect(),
            ordinal => vec![NWeekday::new(ordinal, day.weekday)],
        }
    });
    days.collect()
}

fn narrow<T: TryFrom<i16>>(numbers: &[i16]) -> Vec<T> {
    numbers.iter().filter_map(|number| T::try_from(*number).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn first(rule: &str, start: &str, count: usize) -> Vec<String> {
        let dates = Dates::new(&Rule::parse(rule).unwrap(), day(start), day(start));
        dates.take(count).map(|date| date.to_string()).collect()
    }

    #[test]
    fn months_without_the_day_are_left_out() {
        assert_eq!(first("FREQ=MONTHLY", "2026-01-31", 3), ["2026-01-31", "2026-03-31", "2026-05-31"]);
        assert_eq!(first("FREQ=MONTHLY", "2026-01-30", 3), ["2026-01-30", "2026-03-30", "2026-04-30"]);
        assert_eq!(first("FREQ=MONTHLY", "2027-12-29", 4), ["2027-12-29", "2028-01-29", "2028-02-29", "2028-03-29"]);
        assert_eq!(first("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31", 3), ["2026-01-31", "2026-02-28", "2026-03-31"]);
    }

    #[test]
    fn weekdays_with_and_without_a_number_go_together() {
        let expected =
            ["2026-01-02", "2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26", "2026-02-02", "2026-02-06"];
        assert_eq!(first("FREQ=MONTHLY;BYDAY=MO,1FR", "2026-01-01", 7), expected);
        let last = ["2026-12-25", "2026-12-28", "2027-01-04"];
        let rule = Rule::parse("FREQ=YEARLY;BYDAY=MO,-1FR").unwrap();
        let dates = Dates::new(&rule, day("2026-01-01"), day("2026-12-22"));
        assert_eq!(dates.take(3).map(|date| date.to_string()).collect::<Vec<_>>(), last);
    }

    #[test]
    fn a_leap_day_comes_with_its_years() {
        assert_eq!(first("FREQ=YEARLY", "2096-02-29", 3), ["2096-02-29", "2104-02-29", "2108-02-29"]);
    }

    #[test]
    fn the_year_ends_within_a_week() {
        let dates = first("FREQ=WEEKLY;BYDAY=MO,FR", "2026-12-28", 4);
        assert_eq!(dates, ["2026-12-28", "2027-01-01", "2027-01-04", "2027-01-08"]);
        let dates = first("FREQ=WEEKLY;INTERVAL=2;BYDAY=WE,SU;WKST=SU", "2026-12-30", 4);
        assert_eq!(dates, ["2026-12-30", "2027-01-10", "2027-01-13", "2027-01-24"]);
        assert_eq!(first("FREQ=YEARLY;BYYEARDAY=-1", "2026-01-01", 2), ["2026-12-31", "2027-12-31"]);
    }

    #[test]
    fn a_position_counts_from_the_beginning_of_the_first_week() {
        // The Monday of the first week is before the start, so that week has none.
        assert_eq!(first("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1", "2026-06-17", 2), ["2026-06-22", "2026-06-29"]);
        assert_eq!(first("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=-1", "2026-06-17", 2), ["2026-06-19", "2026-06-26"]);
    }

    #[test]
    fn a_week_of_the_year_without_a_weekday_takes_that_of_the_start() {
        assert_eq!(first("FREQ=YEARLY;BYWEEKNO=20", "1997-05-14", 2), ["1997-05-14", "1998-05-13"]);
    }

    #[test]
    fn week_numbers_are_those_of_iso_8601() {
        let (start, end) = (day("1990-01-01"), day("2060-01-01"));
        let days: Vec<_> = start.iter_days().take_while(|date| *date < end).collect();
        let is_last = |date: NaiveDate| (date + Days::new(7)).iso_week().week() == 1;
        for week in [-1, 1, 2, 20, 52, 53] {
            let rule = Rule::parse(&format!("FREQ=YEARLY;BYWEEKNO={week};BYDAY=MO,TU,WE,TH,FR,SA,SU")).unwrap();
            let dates: Vec<_> = Dates::new(&rule, start, start).take_while(|date| *date < end).collect();
            let is_in = |date: &NaiveDate| match u32::try_from(week) {
                Ok(week) => date.iso_week().week() == week,
                Err(_) => is_last(*date),
            };
            assert!(dates == days.iter().copied().filter(is_in).collect::<Vec<_>>(), "week {week}");
        }
    }

    #[test]
    fn a_window_shows_what_the_whole_has_there() {
        let rules = [
            "FREQ=DAILY;INTERVAL=3",
            "FREQ=DAILY;INTERVAL=5;BYMONTH=2,3",
            "FREQ=DAILY;INTERVAL=3;COUNT=200",
            "FREQ=WEEKLY;INTERVAL=3;BYDAY=TU,SU;WKST=SU",
            "FREQ=WEEKLY;INTERVAL=2",
            "FREQ=MONTHLY;INTERVAL=5;BYDAY=-1FR",
            "FREQ=MONTHLY;INTERVAL=7",
            "FREQ=YEARLY;INTERVAL=3;BYDAY=20MO",
            "FREQ=YEARLY;BYMONTH=1,6;BYDAY=MO,TU;BYSETPOS=1,-1",
        ];
        for rule in rules.map(|rule| Rule::parse(rule).unwrap()) {
            let start = day("2025-05-31");
            let until = day("2040-01-01");
            let whole: Vec<_> = Dates::new(&rule, start, start).take_while(|date| *date < until).collect();
            for from in start.iter_days().step_by(37).take_while(|from| *from < until) {
                let window: Vec<_> = Dates::new(&rule, start, from).take_while(|date| *date < until).collect();
                let expected: Vec<_> = whole.iter().copied().filter(|date| *date >= from).collect();
                assert_eq!(window, expected, "{rule} from {from}");
            }
        }
    }

    #[test]
    fn a_rule_that_never_matches_comes_to_an_end() {
        for rule in [
            "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
            "FREQ=YEARLY;BYYEARDAY=1;BYMONTH=2",
            "FREQ=YEARLY;BYWEEKNO=1;BYMONTH=7;BYDAY=MO,TU,WE,TH,FR,SA,SU",
        ] {
            assert_eq!(first(rule, "2026-01-01", 1), Vec::<String>::new(), "{rule}");
        }
    }

    #[test]
    fn the_calendar_ends_without_a_panic() {
        for rule in ["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY;INTERVAL=1000", "FREQ=YEARLY;INTERVAL=1000"] {
            assert!(first(rule, "9999-12-01", 100_000).len() < 100_000, "{rule}");
        }
    }
}
