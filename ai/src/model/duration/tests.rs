use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

fn outline(tags: &[&str], estimated_minutes: u32) -> Outline {
    Outline { tags: tags.iter().map(ToString::to_string).collect(), estimated_minutes, ..Outline::default() }
}

fn finished(tags: &[&str], estimated_minutes: u32, actual_minutes: f64) -> FinishedTask {
    FinishedTask { outline: outline(tags, estimated_minutes), actual_minutes }
}

fn quantiles(estimate: &Estimate) -> [u32; 3] {
    [estimate.p10_minutes, estimate.p50_minutes, estimate.p90_minutes]
}

#[test]
fn without_history_the_minutes_are_the_persons_own() {
    let model = DurationModel::default();
    let estimate = model.estimate(&outline(&["writing"], 45));
    assert_eq!(quantiles(&estimate), [45, 45, 45]);
    assert_eq!(estimate.basis, Basis::Nothing);
    assert_eq!(quantiles(&model.estimate(&outline(&[], 0))), [0, 0, 0]);
}

#[test]
fn tasks_without_an_estimate_or_without_time_say_nothing_of_ratios() {
    let model = DurationModel::fit([
        finished(&[], 0, 50.0),
        finished(&[], 30, 0.0),
        finished(&[], 30, -5.0),
        finished(&[], 30, f64::NAN),
        finished(&[], 30, f64::INFINITY),
    ]);
    assert_eq!(model.len(), 1);
    assert_eq!(model.estimate(&outline(&[], 30)).basis, Basis::Nothing);
    assert_eq!(model.estimate(&outline(&[], 0)).p50_minutes, 50);
}

#[test]
fn twenty_tasks_at_four_times_the_estimate_count_half_and_so_double_it() {
    let model = DurationModel::fit((0..20).map(|_| finished(&[], 30, 120.0)));
    let estimate = model.estimate(&outline(&[], 30));
    // Half of ln 4 is ln 2; the spread is half of the prior's, exp(1.025 / 2) = 1.6695.
    assert!((estimate.ratio - 2.0).abs() < 1e-9);
    assert_eq!(quantiles(&estimate), [36, 60, 100]);
    assert_eq!(
        estimate.basis,
        Basis::Personal(Evidence { sample_count: 20, median: (120.0_f64.ln() - 30.0_f64.ln()).exp() })
    );
}

#[test]
fn a_tag_is_shrunk_to_the_overall_ratio() {
    // Overall: 60 tasks, median ratio 1, so the personal ratio is 1. The tag: 20 tasks at a quarter.
    let exact = (0..40).map(|_| finished(&["deep"], 60, 60.0));
    let quick = (0..20).map(|_| finished(&["Mail"], 60, 15.0));
    let model = DurationModel::fit(exact.chain(quick));
    let estimate = model.estimate(&outline(&["mail"], 60));
    assert_eq!(estimate.p50_minutes, 30);
    let Basis::Tags(tags, evidence) = estimate.basis else { panic!("rests on {:?}", estimate.basis) };
    assert_eq!((tags.as_slice(), evidence.sample_count), (["mail".to_owned()].as_slice(), 20));
    assert!((evidence.median - 0.25).abs() < 1e-9);
}

#[test]
fn a_handful_of_tagged_tasks_leaves_the_basis_personal() {
    let tasks = (0..100).map(|_| finished(&["deep"], 60, 60.0)).chain((0..3).map(|_| finished(&["mail"], 60, 15.0)));
    let estimate = DurationModel::fit(tasks).estimate(&outline(&["mail"], 60));
    assert!(matches!(estimate.basis, Basis::Personal(Evidence { sample_count: 103, .. })));
    assert!(estimate.p50_minutes < 60, "the few still count a little");
}

#[test]
fn a_task_that_shares_two_tags_counts_once() {
    let model = DurationModel::fit((0..25).map(|_| finished(&["a", "b"], 60, 60.0)));
    let Basis::Tags(tags, evidence) = model.estimate(&outline(&["b", "a", "A", "unseen"], 60)).basis else {
        panic!("not tags");
    };
    assert_eq!(tags, ["a", "b"]);
    assert_eq!(evidence.sample_count, 25);
}

#[test]
fn the_category_stands_in_where_no_tag_is_known() {
    let category = |minutes, actual_minutes| FinishedTask {
        outline: Outline { category_id: "work".into(), estimated_minutes: minutes, ..Outline::default() },
        actual_minutes,
    };
    let model = DurationModel::fit((0..20).map(|_| category(30, 30.0)));
    let task = Outline { category_id: "work".into(), ..outline(&["unseen"], 30) };
    assert!(matches!(model.estimate(&task).basis, Basis::Category(Evidence { sample_count: 20, .. })));
    assert!(matches!(model.estimate(&outline(&["unseen"], 30)).basis, Basis::Personal(_)));
}

#[test]
fn without_an_estimate_the_tags_own_minutes_speak() {
    let tasks = (0..20).map(|_| finished(&["mail"], 0, 10.0)).chain((0..60).map(|_| finished(&["deep"], 0, 90.0)));
    let model = DurationModel::fit(tasks);
    let mail = model.estimate(&outline(&["mail"], 0));
    // Half way, in log space, from 90 to 10.
    assert_eq!(mail.p50_minutes, 30);
    assert!((mail.ratio - 1.0).abs() < f64::EPSILON);
    assert_eq!(model.estimate(&outline(&[], 0)).p50_minutes, 90);
}

#[test]
fn an_estimate_beyond_all_reason_saturates() {
    let model = DurationModel::fit((0..50).map(|_| finished(&[], 1, 1e300)));
    assert_eq!(model.estimate(&outline(&[], u32::MAX)).p90_minutes, u32::MAX);
}

#[test]
fn eight_in_ten_outcomes_fall_within_the_interval() {
    let history = log_normal_history(2_000);
    let (mut model, mut covered, mut judged) = (DurationModel::default(), 0, 0);
    // In order of time: a task is judged by what was known when it began.
    for task in history {
        if model.len() >= 50 {
            let estimate = model.estimate(&task.outline);
            let interval = f64::from(estimate.p10_minutes)..=f64::from(estimate.p90_minutes);
            covered += u32::from(interval.contains(&task.actual_minutes));
            judged += 1;
        }
        model.learn(task);
    }
    let coverage = f64::from(covered) / f64::from(judged);
    assert!((0.77..=0.83).contains(&coverage), "covered {coverage:.3} of {judged}");
}

/// A person who is right on writing, slow on meetings and quick on mail, with a spread of 0.9 in log space.
fn log_normal_history(tasks: usize) -> Vec<FinishedTask> {
    let kinds = [("writing", 1.0_f64), ("meeting", 1.6), ("mail", 0.7), ("rare", 1.2)];
    let mut random = StdRng::seed_from_u64(7);
    (0..tasks)
        .map(|_| {
            let (tag, bias) = kinds[(random.random_range(0..31_usize)) / 10];
            let estimated_minutes = random.random_range(1..=8) * 30;
            let ratio = (bias.ln() + 0.9 * standard_normal(&mut random)).exp();
            finished(&[tag], estimated_minutes, f64::from(estimated_minutes) * ratio)
        })
        .collect()
}

/// Box and Muller's transform.
fn standard_normal(random: &mut StdRng) -> f64 {
    let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

fn any_tags() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "D"]).prop_map(str::to_owned), 0..4)
}

fn any_outline() -> impl Strategy<Value = Outline> {
    (any_tags(), prop::sample::select(vec!["", "x", "y"]), 0_u32..10_000).prop_map(
        |(tags, category, estimated_minutes)| Outline { tags, category_id: category.into(), estimated_minutes },
    )
}

fn any_history() -> impl Strategy<Value = Vec<FinishedTask>> {
    let task = (any_outline(), 0.0_f64..10_000.0)
        .prop_map(|(outline, actual_minutes)| FinishedTask { outline, actual_minutes });
    prop::collection::vec(task, 0..80)
}

proptest! {
    #[test]
    fn quantiles_are_in_order_and_at_least_a_minute(history in any_history(), task in any_outline()) {
        let estimate = DurationModel::fit(history).estimate(&task);
        prop_assert!(estimate.p10_minutes <= estimate.p50_minutes);
        prop_assert!(estimate.p50_minutes <= estimate.p90_minutes);
        prop_assert!(estimate.p10_minutes >= 1 || estimate.basis == Basis::Nothing);
        prop_assert!(estimate.ratio.is_finite() && estimate.ratio > 0.0);
    }

    #[test]
    fn more_estimated_is_never_less_expected(history in any_history(), task in any_outline(), more in 0_u32..500) {
        let model = DurationModel::fit(history);
        let task = Outline { estimated_minutes: task.estimated_minutes.max(1), ..task };
        let longer = Outline { estimated_minutes: task.estimated_minutes + more, ..task.clone() };
        for (short, long) in quantiles(&model.estimate(&task)).into_iter().zip(quantiles(&model.estimate(&longer))) {
            prop_assert!(short <= long);
        }
    }

    #[test]
    fn the_order_of_history_does_not_matter(history in any_history(), task in any_outline()) {
        let backwards: Vec<_> = history.iter().rev().cloned().collect();
        prop_assert_eq!(DurationModel::fit(history).estimate(&task), DurationModel::fit(backwards).estimate(&task));
    }

    #[test]
    fn the_applied_ratio_lies_between_an_exact_estimator_and_what_was_seen(ratio in 0.1_f64..10.0, count in 1_usize..400) {
        let model = DurationModel::fit((0..count).map(|_| finished(&["a"], 100, 100.0 * ratio)));
        let applied = model.estimate(&outline(&["a"], 100)).ratio;
        prop_assert!(applied.ln().abs() <= ratio.ln().abs() + 1e-9);
        prop_assert!(applied.ln() * ratio.ln() >= -1e-9);
    }
}
