//! Which occurrences of a series have to be there by now.

use chrono::{Days, NaiveDate};

use super::{Mode, Recurrence};
use crate::domain::day::DayRule;

/// A month can be planned, and a month without the service makes nothing late.
const DAYS_AHEAD: Days = Days::new(30);
/// Whoever comes back finds what they missed, as overdue. Beyond a year it is no longer a list to work off.
const DAYS_BACK_MAX: Days = Days::new(366);

/// What is to be made of a series now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// The dates of the occurrences to make.
    pub dates: Vec<NaiveDate>,
    /// Up to here, all will have been made.
    pub made_through: NaiveDate,
    /// The local day on which there is more to make; `None`: never.
    pub next_day: Option<NaiveDate>,
}

impl Recurrence {
    /// What is to be made on the local day `today`: all up to 30 days ahead, and at least the next one after today.
    /// Everything up to `made_through` has been made, and `last` is the latest date of all.
    pub fn plan(&self, zone: DayRule, today: NaiveDate, made_through: NaiveDate, last: Option<NaiveDate>) -> Plan {
        let earliest = today.checked_sub_days(DAYS_BACK_MAX).unwrap_or(NaiveDate::MIN);
        let horizon = today.checked_add_days(DAYS_AHEAD).unwrap_or(NaiveDate::MAX);
        let from = made_through.succ_opt().unwrap_or(NaiveDate::MAX).max(earliest);
        let mut plan = Plan { dates: Vec::new(), made_through: made_through.max(horizon), next_day: None };
        let mut last = last.filter(|last| *last > today);
        if self.mode == Mode::Completion {
            return plan;
        }
        for date in self.dates(zone, from) {
            if date > horizon && last.is_some() {
                plan.next_day = date.checked_sub_days(DAYS_AHEAD).into_iter().chain(last).min();
                break;
            }
            plan.dates.push(date);
            plan.made_through = plan.made_through.max(date);
            last = Some(date).filter(|date| *date > today).or(last);
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::recurrence::{Rule, Start};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn utc() -> DayRule {
        DayRule::new(chrono_tz::UTC, 0)
    }

    fn series(rule: &str, start: &str) -> Recurrence {
        let (rule, start) = (Rule::parse(rule).unwrap(), Start::parse(start).unwrap());
        Recurrence { rule, mode: Mode::Schedule, start, exceptions: BTreeSet::new() }
    }

    /// The plans of `days` days in a row, followed whenever they say so.
    fn follow(series: &Recurrence, first_day: &str, days: u64) -> Vec<NaiveDate> {
        let mut made: Vec<NaiveDate> = Vec::new();
        let mut plan = Plan {
            dates: Vec::new(),
            made_through: series.start.date.pred_opt().unwrap(),
            next_day: Some(day(first_day)),
        };
        for offset in 0..days {
            let today = day(first_day) + Days::new(offset);
            if plan.next_day.is_some_and(|next| next <= today) {
                plan = series.plan(utc(), today, plan.made_through, made.last().copied());
                assert!(plan.next_day.is_none_or(|next| next > today), "{today}");
                made.append(&mut plan.dates);
            }
            let has_next = made.last().is_some_and(|last| *last > today);
            assert!(has_next || series.first_from(utc(), today + Days::new(1)).is_none(), "{today}");
        }
        made
    }

    #[test]
    fn a_month_is_made_ahead() {
        let plan = series("FREQ=DAILY", "2026-01-01").plan(utc(), day("2026-01-01"), day("2025-12-31"), None);
        assert_eq!((plan.dates.len(), plan.dates[30]), (31, day("2026-01-31")));
        assert_eq!((plan.made_through, plan.next_day), (day("2026-01-31"), Some(day("2026-01-02"))));
    }

    #[test]
    fn the_next_one_is_there_however_far_it_is() {
        let yearly = series("FREQ=YEARLY", "2026-01-01");
        let plan = yearly.plan(utc(), day("2026-01-01"), day("2025-12-31"), None);
        assert_eq!(plan.dates, [day("2026-01-01"), day("2027-01-01")]);
        assert_eq!(plan.next_day, Some(day("2027-01-01")), "then the one after it becomes the next");
        let plan = yearly.plan(utc(), day("2027-01-01"), plan.made_through, Some(day("2027-01-01")));
        assert_eq!(plan.dates, [day("2028-01-01")]);
    }

    #[test]
    fn following_the_plans_makes_each_occurrence_once_and_in_time() {
        for rule in ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=MONTHLY;BYMONTHDAY=31", "FREQ=DAILY;INTERVAL=45"] {
            let series = series(rule, "2026-01-01");
            let made = follow(&series, "2026-01-01", 400);
            let expected: Vec<_> = series.dates(utc(), series.start.date).take(made.len()).collect();
            assert_eq!(made, expected, "{rule}");
        }
    }

    #[test]
    fn what_was_missed_is_made_as_far_as_a_year_back() {
        let daily = series("FREQ=DAILY", "2020-01-01");
        let plan = daily.plan(utc(), day("2026-03-01"), day("2026-01-31"), Some(day("2026-01-31")));
        assert_eq!((plan.dates[0], plan.dates.len()), (day("2026-02-01"), 28 + 1 + 30));
        let plan = daily.plan(utc(), day("2026-03-01"), day("2020-01-31"), Some(day("2020-01-31")));
        assert_eq!((plan.dates[0], plan.dates.len()), (day("2025-02-28"), 366 + 1 + 30));
    }

    #[test]
    fn a_series_that_has_ended_has_nothing_more_to_make() {
        let twice = series("FREQ=DAILY;COUNT=2", "2026-01-01");
        let plan = twice.plan(utc(), day("2026-01-01"), day("2025-12-31"), None);
        assert_eq!((plan.dates.len(), plan.next_day), (2, None));
    }
}
