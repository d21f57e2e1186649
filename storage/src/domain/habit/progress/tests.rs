//! Series whose arithmetic is written out, and properties of any series.

use chrono::Days;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::domain::habit::TargetCount;

/// A Monday.
const FIRST: &str = "2026-01-05";
const TOLERANCE: f64 = 1e-12;

/// What happened on a day, in the order of days from [`FIRST`] on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Did {
    Times(i32),
    Skip,
    Nothing,
}
use Did::{Nothing, Skip, Times};

fn date(offset: usize) -> NaiveDate {
    FIRST.parse::<NaiveDate>().unwrap() + Days::new(offset as u64)
}

fn daily(count: i32) -> Goal {
    Goal { target_count: TargetCount::parse(count).unwrap(), period: Period::Day }
}

fn weekly(count: i32) -> Goal {
    Goal { period: Period::Week, ..daily(count) }
}

fn logs(series: &[Did]) -> Vec<DayLog> {
    let log = |(offset, did): (usize, &Did)| match did {
        Times(count) => Some(DayLog { date: date(offset), count: *count, skipped: false }),
        Skip => Some(DayLog { date: date(offset), count: 0, skipped: true }),
        Nothing => None,
    };
    series.iter().enumerate().filter_map(log).collect()
}

/// The series as it stands on the day after its last.
fn after(goal: Goal, series: &[Did]) -> Progress {
    measure(goal, &logs(series), &[], date(series.len()))
}

fn vacation(first: usize, last: usize) -> DateRange {
    DateRange::between(date(first), date(last)).unwrap()
}

fn streaks(progress: Progress) -> (i32, i32) {
    (progress.current_streak, progress.longest_streak)
}

#[track_caller]
fn assert_close(value: f64, expected: f64) {
    assert!((value - expected).abs() < TOLERANCE, "{value} is not {expected}");
}

/// What a day keeps of the score before it.
fn multiplier(times_per_day: f64) -> f64 {
    0.5_f64.powf(times_per_day.sqrt() / 13.0)
}

#[test]
fn nothing_logged_is_nothing_achieved() {
    assert_eq!(measure(daily(1), &[], &[], date(0)), Progress::default());
}

#[test]
fn thirteen_days_in_a_row_make_half_the_strength_and_thirteen_without_halve_it() {
    let done = [Times(1); 13];
    assert_close(after(daily(1), &done).strength, 0.5);
    let missed = [done.as_slice(), &[Nothing; 13]].concat();
    assert_close(after(daily(1), &missed).strength, 0.25);
}

#[test]
fn a_perfect_daily_series_follows_the_closed_form() {
    // s(1) = 1 - m, s(2) = s(1) m + 1 - m = 1 - m², and so on: s(n) = 1 - m^n with m = 2^(-1/13).
    // To six places these are the numbers of Loop's own test: 0.051922, 0.101149, 0.655747.
    for (days, loop_score) in [(1_u8, 0.051_922), (2, 0.101_149), (20, 0.655_747)] {
        let strength = after(daily(1), &vec![Times(1); days.into()]).strength;
        assert_close(strength, 1.0 - 0.5_f64.powf(f64::from(days) / 13.0));
        assert!((strength - loop_score).abs() < 1e-6, "{days} days: {strength}");
    }
}

#[test]
fn a_missed_day_decays_and_a_skipped_one_does_not() {
    // Loop's own test: done, skipped, missed twice: 0.051922, 0.051922, 0.049226, 0.046670.
    let m = multiplier(1.0);
    assert_close(after(daily(1), &[Times(1), Skip]).strength, 1.0 - m);
    assert_close(after(daily(1), &[Times(1), Skip, Nothing]).strength, (1.0 - m) * m);
    assert_close(after(daily(1), &[Times(1), Skip, Nothing, Nothing]).strength, (1.0 - m) * m * m);
}

#[test]
fn a_part_of_the_daily_amount_counts_in_part_and_more_than_it_no_more_than_all() {
    // Target 8: 4 gives c = 1/2, then 16 gives c = 1.
    let m = multiplier(1.0);
    let half = 0.5 * (1.0 - m);
    assert_close(after(daily(8), &[Times(4)]).strength, half);
    assert_close(after(daily(8), &[Times(4), Times(16)]).strength, half * m + (1.0 - m));
}

#[test]
fn three_times_a_week_looks_back_on_a_fortnight() {
    // f = 3/7, window 14 days, 6 needed. Sums: 1, 1, 2.
    let m = multiplier(3.0 / 7.0);
    let first = (1.0 / 6.0) * (1.0 - m);
    let second = first * m + (1.0 / 6.0) * (1.0 - m);
    let third = second * m + (2.0 / 6.0) * (1.0 - m);
    assert_close(after(weekly(3), &[Times(1)]).strength, first);
    assert_close(after(weekly(3), &[Times(1), Nothing]).strength, second);
    assert_close(after(weekly(3), &[Times(1), Nothing, Times(1)]).strength, third);
}

#[test]
fn what_is_older_than_a_fortnight_leaves_the_window() {
    // Once a week, done on the first day only: 14 days with sum 1 of 2, then sum 0.
    let m = multiplier(1.0 / 7.0);
    let fortnight = 0.5 * (1.0 - m.powi(14));
    let once = |days: usize| [&[Times(1)], vec![Nothing; days - 1].as_slice()].concat();
    assert_close(after(weekly(1), &once(14)).strength, fortnight);
    assert_close(after(weekly(1), &once(15)).strength, fortnight * m);
}

#[test]
fn two_of_three_each_week_end_at_two_thirds() {
    let week = [Times(1), Times(1), Nothing, Nothing, Nothing, Nothing, Nothing];
    assert!((after(weekly(3), &week.repeat(100)).strength - 2.0 / 3.0).abs() < 1e-6);
}

#[test]
fn once_a_week_on_changing_days_is_kept_up() {
    let early = [Times(1), Nothing, Nothing, Nothing, Nothing, Nothing, Nothing];
    let late = [Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Times(1)];
    let progress = after(weekly(1), &[early, late].concat().repeat(50));
    assert!(progress.strength > 0.999, "{}", progress.strength);
    assert_eq!(progress.current_streak, 100);
}

#[test]
fn more_than_daily_in_a_week_is_smoothed_as_a_daily_habit() {
    // 14 a week, all on the first day: c = 1 for seven days, then 0.
    let m = multiplier(1.0);
    let series = [&[Times(14)], [Nothing; 7].as_slice()].concat();
    assert_close(after(weekly(14), &series[..7]).strength, 1.0 - m.powi(7));
    assert_close(after(weekly(14), &series).strength, (1.0 - m.powi(7)) * m);
}

#[test]
fn today_is_not_missed_until_it_is_over() {
    let series = [Times(1), Times(1), Times(1)];
    let yesterday_done = measure(daily(1), &logs(&series), &[], date(3));
    let today_open = measure(daily(1), &logs(&series), &[], date(2));
    assert_eq!(streaks(yesterday_done), (3, 3));
    assert_eq!(yesterday_done, today_open, "a day that has just begun takes nothing away");
    let a_day_missed = measure(daily(1), &logs(&series), &[], date(4));
    assert_eq!(streaks(a_day_missed), (0, 3));
    assert!(a_day_missed.strength < today_open.strength);
}

#[test]
fn what_is_done_of_today_can_only_raise_the_strength() {
    let days = [vec![Times(8); 30], vec![Times(1)]].concat();
    let before = measure(daily(8), &logs(&days[..30]), &[], date(30));
    let begun = measure(daily(8), &logs(&days), &[], date(30));
    assert_eq!(begun, before);
    let over = measure(daily(8), &logs(&days), &[], date(31));
    assert!(over.strength < before.strength);
}

#[test]
fn a_skipped_day_keeps_the_streak_and_does_not_lengthen_it() {
    assert_eq!(streaks(after(daily(1), &[Times(1), Times(1), Skip, Times(1)])), (3, 3));
    assert_eq!(streaks(after(daily(1), &[Times(1), Times(1), Nothing, Times(1)])), (1, 2));
    assert_eq!(streaks(after(daily(2), &[Times(2), Times(1), Times(2)])), (1, 1), "half a day is no day");
}

#[test]
fn a_vacation_keeps_streak_and_strength() {
    let worked = [vec![Times(1); 10], vec![Nothing; 20], vec![Times(1); 5]].concat();
    let without = after(daily(1), &[Times(1); 15]);
    let with = measure(daily(1), &logs(&worked), &[vacation(10, 29)], date(35));
    assert_eq!(with, without);
}

#[test]
fn what_is_done_on_vacation_counts_and_what_is_begun_does_no_harm() {
    let free = [vacation(3, 5)];
    let measured = |series: &[Did]| measure(daily(2), &logs(series), &free, date(series.len()));
    let idle = measured(&[Times(2), Times(2), Times(2), Nothing, Nothing, Nothing]);
    let done = measured(&[Times(2), Times(2), Times(2), Nothing, Times(2), Nothing]);
    assert_eq!(streaks(done), (4, 4));
    assert!(done.strength > idle.strength);
    let begun = measured(&[Times(2); 3].into_iter().chain([Nothing, Times(1), Nothing]).collect::<Vec<_>>());
    assert_eq!(streaks(begun), (3, 3));
    assert!(begun.strength >= idle.strength);
}

#[test]
fn a_weekly_streak_counts_weeks_and_the_present_one_stays_open() {
    let met = [Times(1), Nothing, Times(1), Nothing, Times(1), Nothing, Nothing];
    let missed = [Times(1), Nothing, Nothing, Nothing, Nothing, Nothing, Nothing];
    let weeks = [met, met, missed].concat();
    // On the third week's Sunday there is still time; on the Monday after, there is none.
    assert_eq!(streaks(measure(weekly(3), &logs(&weeks), &[], date(20))), (2, 2));
    assert_eq!(streaks(measure(weekly(3), &logs(&weeks), &[], date(21))), (0, 2));
    assert_eq!(streaks(after(weekly(3), &[met, met, met].concat())), (3, 3));
}

#[test]
fn the_days_of_a_week_that_are_left_ask_for_no_more_than_they_did() {
    // Three free days of seven: 3 · 4 / 7 = 1.7, so once is enough, and not at all is a miss.
    let met = [Times(1), Times(1), Times(1), Nothing, Nothing, Nothing, Nothing];
    let free = [vacation(7, 9)];
    let once = [met.as_slice(), &[Nothing, Nothing, Nothing, Times(1), Nothing, Nothing, Nothing]].concat();
    let never = [met.as_slice(), &[Nothing; 7]].concat();
    assert_eq!(streaks(measure(weekly(3), &logs(&once), &free, date(14))), (2, 2));
    assert_eq!(streaks(measure(weekly(3), &logs(&never), &free, date(14))), (0, 1));
    // A whole week free, or so little left that nothing can be asked for, is neither met nor missed.
    assert_eq!(streaks(measure(weekly(3), &logs(&never), &[vacation(7, 13)], date(14))), (1, 1));
    assert_eq!(streaks(measure(weekly(3), &logs(&never), &[vacation(7, 11)], date(14))), (1, 1));
}

#[test]
fn a_week_across_the_year_is_one() {
    // 2026-12-28 to 2027-01-03 is week 53 of 2026.
    let monday: NaiveDate = "2026-12-28".parse().unwrap();
    let log = |offset: u64| DayLog { date: monday + Days::new(offset), count: 1, skipped: false };
    let progress = measure(weekly(2), &[log(1), log(5)], &[], monday + Days::new(7));
    assert_eq!(streaks(progress), (1, 1));
}

#[test]
fn who_flies_west_over_the_date_line_keeps_what_they_did() {
    // Logged up to day 10 in Kiritimati, where it is day 9 in Midway.
    let series = logs(&[Times(1); 11]);
    let kiritimati = measure(daily(1), &series, &[], date(10));
    let midway = measure(daily(1), &series, &[], date(9));
    assert_eq!(streaks(midway), (11, 11));
    assert_eq!(midway, kiritimati);
}

fn did() -> impl Strategy<Value = Did> {
    prop_oneof![(0..4).prop_map(Times), Just(Skip), Just(Nothing)]
}

fn goal() -> impl Strategy<Value = Goal> {
    (1..15, any::<bool>()).prop_map(|(count, is_weekly)| if is_weekly { weekly(count) } else { daily(count) })
}

proptest! {
    #[test]
    fn strength_is_a_share_and_no_streak_is_longer_than_the_longest(goal in goal(), series in vec(did(), 0..200)) {
        let progress = after(goal, &series);
        prop_assert!((0.0..=1.0).contains(&progress.strength), "{}", progress.strength);
        prop_assert!((0..=progress.longest_streak).contains(&progress.current_streak));
        prop_assert!(usize::try_from(progress.longest_streak).unwrap() <= series.len());
    }

    #[test]
    fn a_skipped_day_is_a_day_that_never_was(goal in goal(), series in vec(did(), 0..100), at in 0_usize..100) {
        let at = at.min(series.len());
        let mut with = series.clone();
        with.insert(at, Skip);
        let (without, with) = (after(goal, &series), after(goal, &with));
        prop_assert!((with.strength - without.strength).abs() < TOLERANCE);
        if goal.period == Period::Day {
            prop_assert_eq!(streaks(with), streaks(without));
        }
    }

    #[test]
    fn a_vacation_is_as_good_as_skipping_each_of_its_days(
        goal in goal(),
        series in vec(did(), 1..60),
        first in 1_usize..60,
        length in 0_usize..20,
    ) {
        // A habit begins with its first log, and a vacation before that is none from it.
        let mut idle = series;
        idle[0] = Times(1);
        idle.resize(100, Nothing);
        let (first, last) = (first, first + length);
        idle[first..=last].fill(Nothing);
        let mut skipped = idle.clone();
        skipped[first..=last].fill(Skip);
        prop_assert_eq!(measure(goal, &logs(&idle), &[vacation(first, last)], date(100)), after(goal, &skipped));
    }

    #[test]
    fn doing_it_once_more_never_weakens(goal in goal(), series in vec(did(), 1..100), at in 0_usize..100) {
        let at = at.min(series.len() - 1);
        let mut more = series.clone();
        more[at] = match more[at] {
            Times(count) => Times(count + 1),
            Nothing => Times(1),
            Skip => Skip,
        };
        let (before, after) = (after(goal, &series), after(goal, &more));
        prop_assert!(after.strength >= before.strength - TOLERANCE);
        prop_assert!(after.longest_streak >= before.longest_streak);
    }
}
