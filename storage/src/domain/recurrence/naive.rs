//! Rules at random, expanded by the definition: every day of every period is asked whether it matches.

use chrono::{Datelike, Days, NaiveDate};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::rule::{ByDay, Frequency};
use super::{Dates, Rule};

const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const YEARS: i32 = 12;

/// The dates from `start` to the end of some years, by the definition.
fn naive(rule: &Rule, start: NaiveDate) -> Vec<NaiveDate> {
    let rule = super::dates::completed(rule, start);
    let begin = NaiveDate::from_ymd_opt(start.year() - 1, 1, 1).unwrap();
    let mut periods: Vec<(i32, Vec<NaiveDate>)> = Vec::new();
    for date in begin.iter_days().take_while(|date| date.year() < start.year() + YEARS + 1) {
        let period = period(&rule, date) - period(&rule, start);
        if period < 0 || period % i32::from(rule.interval) != 0 || !matches(&rule, date) {
            continue;
        }
        match periods.last_mut() {
            Some((last, dates)) if *last == period => dates.push(date),
            _ => periods.push((period, vec![date])),
        }
    }
    let dates = periods.into_iter().flat_map(|(_, dates)| positions(&rule, &dates));
    dates.filter(|date| *date >= start && date.year() < start.year() + YEARS).collect()
}

fn period(rule: &Rule, date: NaiveDate) -> i32 {
    match rule.frequency {
        Frequency::Daily => date.num_days_from_ce(),
        Frequency::Weekly => {
            (date - Days::new(date.weekday().days_since(rule.week_start).into())).num_days_from_ce().div_euclid(7)
        }
        Frequency::Monthly => date.year() * 12 + date.month0().cast_signed(),
        Frequency::Yearly => date.year(),
    }
}

fn matches(rule: &Rule, date: NaiveDate) -> bool {
    let month_end = date.num_days_in_month();
    let year_end = if date.leap_year() { 366 } else { 365 };
    let is_in = |list: &[i16], number: u32, last: u32| {
        let (number, last) = (i16::try_from(number).unwrap(), i16::try_from(last).unwrap());
        list.is_empty() || list.contains(&number) || list.contains(&(number - last - 1))
    };
    is_in(&rule.by_month, date.month(), 12)
        && is_in(&rule.by_month_day, date.day(), month_end.into())
        && is_in(&rule.by_year_day, date.ordinal(), year_end)
        && (rule.by_day.is_empty() || rule.by_day.iter().any(|by_day| matches_weekday(rule, *by_day, date)))
}

fn matches_weekday(rule: &Rule, by_day: ByDay, date: NaiveDate) -> bool {
    let within_month = rule.frequency == Frequency::Monthly || !rule.by_month.is_empty();
    let same = |other: NaiveDate| other.year() == date.year() && (!within_month || other.month() == date.month());
    let count = |step: fn(NaiveDate) -> NaiveDate| {
        i16::try_from(std::iter::successors(Some(date), |date| Some(step(*date))).take_while(|day| same(*day)).count())
    };
    by_day.weekday == date.weekday()
        && by_day.ordinal.is_none_or(|ordinal| match ordinal {
            0.. => count(|date| date - Days::new(7)).unwrap() == ordinal,
            _ => count(|date| date + Days::new(7)).unwrap() == -ordinal,
        })
}

fn positions(rule: &Rule, dates: &[NaiveDate]) -> Vec<NaiveDate> {
    let count = i16::try_from(dates.len()).unwrap();
    let is_chosen = |index: usize| {
        let position = i16::try_from(index).unwrap() + 1;
        rule.by_position.contains(&position) || rule.by_position.contains(&(position - count - 1))
    };
    let chosen = dates.iter().enumerate().filter(|(index, _)| rule.by_position.is_empty() || is_chosen(*index));
    chosen.map(|(_, date)| *date).collect()
}

fn list(name: &'static str, numbers: impl Strategy<Value = i32>, sizes: usize) -> impl Strategy<Value = String> {
    btree_set(numbers, 0..=sizes).prop_map(move |numbers| {
        let numbers: Vec<_> =
            numbers.into_iter().filter(|number| *number != 0).map(|number| number.to_string()).collect();
        if numbers.is_empty() { String::new() } else { format!(";{name}={}", numbers.join(",")) }
    })
}

fn days(ordinals: bool) -> impl Strategy<Value = String> {
    let ordinal = select(if ordinals { vec!["", "1", "2", "-1", "5"] } else { vec![""] });
    vec((ordinal, select(WEEKDAYS.to_vec())), 0..=3).prop_map(|days| {
        let days: Vec<_> = days.into_iter().map(|(ordinal, day)| format!("{ordinal}{day}")).collect();
        if days.is_empty() { String::new() } else { format!(";BYDAY={}", days.join(",")) }
    })
}

/// Rules, and some texts that are none.
fn rules() -> impl Strategy<Value = String> {
    let head = (select(vec!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]), 1..5_u8, select(WEEKDAYS.to_vec()));
    let parts = (
        list("BYMONTH", 1..=12, 2),
        list("BYMONTHDAY", -31..=31, 2),
        list("BYYEARDAY", -366..=366, 1),
        any::<bool>().prop_flat_map(days),
        list("BYSETPOS", -3..=3, 1),
    );
    (head, parts).prop_map(|((frequency, interval, week_start), (months, month_days, year_days, days, positions))| {
        let year_days = if frequency == "YEARLY" { year_days } else { String::new() };
        let month_days = if frequency == "WEEKLY" { String::new() } else { month_days };
        format!(
            "FREQ={frequency};INTERVAL={interval};WKST={week_start}{months}{month_days}{year_days}{days}{positions}"
        )
    })
}

proptest! {
    // A rule that never matches takes the expansion a while to give up.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rules_have_the_dates_of_their_definition(text in rules(), start in 0..4000_u64) {
        let Ok(rule) = Rule::parse(&text) else { return Ok(()) };
        let start = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap() + Days::new(start);
        let dates: Vec<_> =
            Dates::new(&rule, start, start).take_while(|date| date.year() < start.year() + YEARS).collect();
        prop_assert_eq!(dates, naive(&rule, start), "{} from {}", text, start);
    }
}
