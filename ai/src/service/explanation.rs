//! What an estimate rests on, in words that a person can check against their own history.

use crate::model::{Basis, Estimate, Evidence};

/// How far from 1 a median ratio is before it is worth a number.
const RATIO_WORTH_TELLING: f64 = 0.05;

/// One sentence. `has_estimate` says whether the person gave an estimate of their own.
pub(super) fn explain(estimate: &Estimate, has_estimate: bool) -> String {
    let (evidence, kind) = match &estimate.basis {
        Basis::Nothing => return nothing_learned(has_estimate).to_owned(),
        Basis::Personal(evidence) => (evidence, String::new()),
        Basis::Tags(tags, evidence) => (evidence, format!(" tagged {}", tags.join(" or "))),
        Basis::Category(evidence) => (evidence, " in this category".to_owned()),
    };
    let tasks = format!("{}{kind}", counted_tasks(evidence.sample_count));
    if has_estimate {
        format!("Your {tasks} took {} (median).", compared_to_estimates(evidence))
    } else {
        format!("Half of your {tasks} took {} or less.", counted_minutes(evidence))
    }
}

fn nothing_learned(has_estimate: bool) -> &'static str {
    if has_estimate {
        "No finished task with an estimate and logged time to learn from yet, so this is your own estimate."
    } else {
        "No finished task with an estimate and logged time to learn from yet, and no estimate of your own."
    }
}

fn counted_tasks(count: usize) -> String {
    match count {
        1 => "1 finished task".to_owned(),
        _ => format!("{count} finished tasks"),
    }
}

fn compared_to_estimates(evidence: &Evidence) -> String {
    match evidence.median {
        median if (median - 1.0).abs() < RATIO_WORTH_TELLING => "as long as you estimated".to_owned(),
        median if median < 1.0 => format!("{median:.2} times your estimates"),
        median => format!("{median:.1} times your estimates"),
    }
}

fn counted_minutes(evidence: &Evidence) -> String {
    match evidence.median.round() {
        minutes if minutes <= 1.0 => "a minute".to_owned(),
        minutes => format!("{minutes:.0} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(basis: Basis, has_estimate: bool) -> String {
        let estimate = Estimate { p10_minutes: 1, p50_minutes: 2, p90_minutes: 3, ratio: 1.0, basis };
        explain(&estimate, has_estimate)
    }

    #[test]
    fn a_tags_ratio_is_told_with_the_number_of_tasks_behind_it() {
        let basis = Basis::Tags(vec!["meeting".into()], Evidence { sample_count: 163, median: 1.2 });
        assert_eq!(
            explained(basis, true),
            "Your 163 finished tasks tagged meeting took 1.2 times your estimates (median)."
        );
    }

    #[test]
    fn several_tags_are_alternatives() {
        let basis = Basis::Tags(vec!["mail".into(), "meeting".into()], Evidence { sample_count: 30, median: 0.75 });
        assert_eq!(
            explained(basis, true),
            "Your 30 finished tasks tagged mail or meeting took 0.75 times your estimates (median)."
        );
    }

    #[test]
    fn a_ratio_of_about_one_is_told_without_a_number() {
        let basis = Basis::Personal(Evidence { sample_count: 1, median: 1.01 });
        assert_eq!(explained(basis, true), "Your 1 finished task took as long as you estimated (median).");
    }

    #[test]
    fn without_an_estimate_minutes_are_told() {
        let basis = Basis::Category(Evidence { sample_count: 40, median: 24.6 });
        assert_eq!(explained(basis, false), "Half of your 40 finished tasks in this category took 25 minutes or less.");
    }

    #[test]
    fn no_history_is_said_to_be_none() {
        assert!(explained(Basis::Nothing, true).ends_with("so this is your own estimate."));
        assert!(explained(Basis::Nothing, false).ends_with("no estimate of your own."));
    }
}
