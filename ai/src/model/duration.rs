//! How long a task will take.
//!
//! A person's own estimate is the strongest predictor that there is, so with an estimate the model learns only how
//! far off such estimates have been: the ratio of actual to estimated minutes, in log space, where too long and too
//! short by the same factor weigh the same. Without an estimate it falls back on how long such tasks took.
//!
//! "Such tasks" are the finished ones that share a tag with the task, pooled; if there are none, those of its
//! category. Pooling counts every task once, however many tags it shares, and leaves one sample to take quantiles
//! from. A small pool is shrunk to all of the person's tasks, and those, while they are few, to an exact estimator
//! with a wide spread.

use std::collections::{BTreeSet, HashMap};

use super::sample::{Distribution, Sample};

/// Ratios of a person of whom nothing is known: right in the median, with the log-normal spread (sd 0.8) that
/// published logs of estimates show.
const UNKNOWN_RATIO: Distribution = Distribution { median: 0.0, below: -1.025, above: 1.025 };

/// Half the log width of the range that holds 80 % of tasks of one kind, where no estimate tells them apart.
const UNKNOWN_MINUTES_SPREAD: f64 = 1.55;

/// A task as it is described before it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Compared without case.
    pub tags: Vec<String>,
    /// Empty: in no category.
    pub category_id: String,
    /// The person's own estimate; 0: none.
    pub estimated_minutes: u32,
}

/// A task whose outcome is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FinishedTask {
    /// As it was described.
    pub outline: Outline,
    /// What it took. A task that took no time says nothing and is left out.
    pub actual_minutes: f64,
}

/// How long a task will take. The three quantiles are in order, and each is at least one minute unless the basis is
/// [`Basis::Nothing`].
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// One in ten such tasks took less.
    pub p10_minutes: u32,
    /// Half of such tasks took less.
    pub p50_minutes: u32,
    /// Nine in ten such tasks took less.
    pub p90_minutes: u32,
    /// Actual over estimated minutes, as applied; 1 where no estimate was given to apply it to.
    pub ratio: f64,
    /// What the estimate rests on.
    pub basis: Basis,
}

/// What an estimate rests on.
#[derive(Debug, Clone, PartialEq)]
pub enum Basis {
    /// No history: the minutes are the person's own estimate, or 0.
    Nothing,
    /// All of the person's finished tasks.
    Personal(Evidence),
    /// The person's finished tasks that share at least one of these tags.
    Tags(Vec<String>, Evidence),
    /// The person's finished tasks of the same category.
    Category(Evidence),
}

/// What was observed, before any shrinking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// How many finished tasks there are.
    pub sample_count: usize,
    /// Their median: of actual over estimated minutes where the task has an estimate, else of actual minutes.
    pub median: f64,
}

/// A person's finished tasks, indexed by what they have in common with the next one.
#[derive(Debug, Default)]
pub struct DurationModel {
    outcomes: Vec<Outcome>,
    by_tag: HashMap<String, Vec<usize>>,
    by_category: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct Outcome {
    log_minutes: f64,
    /// Absent where the person made no estimate.
    log_ratio: Option<f64>,
}

/// The tasks that an estimate rests on most, and why they are alike.
enum Peers {
    Tags(Vec<String>),
    Category,
}

impl DurationModel {
    /// Learns from finished tasks, in any order.
    pub fn fit(tasks: impl IntoIterator<Item = FinishedTask>) -> Self {
        let mut model = Self::default();
        for task in tasks {
            model.learn(task);
        }
        model
    }

    /// Learns from one more finished task.
    pub fn learn(&mut self, task: FinishedTask) {
        if !task.actual_minutes.is_finite() || task.actual_minutes <= 0.0 {
            return;
        }
        let index = self.outcomes.len();
        let log_minutes = task.actual_minutes.ln();
        let estimate = task.outline.estimated_minutes;
        let log_ratio = (estimate > 0).then(|| log_minutes - f64::from(estimate).ln());
        self.outcomes.push(Outcome { log_minutes, log_ratio });
        for tag in distinct_tags(&task.outline.tags) {
            self.by_tag.entry(tag).or_default().push(index);
        }
        if !task.outline.category_id.is_empty() {
            self.by_category.entry(task.outline.category_id).or_default().push(index);
        }
    }

    /// How many finished tasks were learned from.
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether nothing was learned.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    /// How long a task will take.
    pub fn estimate(&self, task: &Outline) -> Estimate {
        match task.estimated_minutes {
            0 => self.without_estimate(task),
            minutes => self.with_estimate(task, minutes),
        }
    }

    fn with_estimate(&self, task: &Outline, minutes: u32) -> Estimate {
        let Some(all) = Sample::new(self.outcomes.iter().filter_map(|outcome| outcome.log_ratio)) else {
            return unlearned(minutes);
        };
        let (ratio, basis) = self.narrowed(task, &all, all.shrunk_to(UNKNOWN_RATIO), |outcome| outcome.log_ratio);
        Estimate { ratio: ratio.median.exp(), ..expected(f64::from(minutes).ln(), ratio, basis) }
    }

    fn without_estimate(&self, task: &Outline) -> Estimate {
        let Some(all) = Sample::new(self.outcomes.iter().map(|outcome| outcome.log_minutes)) else {
            return unlearned(0);
        };
        // Nothing is known of how long anybody's tasks take, so only the spread is shrunk.
        let unknown =
            Distribution { median: all.median(), below: -UNKNOWN_MINUTES_SPREAD, above: UNKNOWN_MINUTES_SPREAD };
        let (minutes, basis) = self.narrowed(task, &all, all.shrunk_to(unknown), |outcome| Some(outcome.log_minutes));
        expected(0.0, minutes, basis)
    }

    /// From all of the person's tasks to those like this one, as far as these are enough.
    fn narrowed(
        &self,
        task: &Outline,
        all: &Sample,
        personal: Distribution,
        outcome: impl Fn(&Outcome) -> Option<f64>,
    ) -> (Distribution, Basis) {
        let (peers, indices) = self.peers(task);
        let pool = Sample::new(indices.into_iter().filter_map(|index| outcome(&self.outcomes[index])));
        let Some(pool) = pool else {
            return (personal, Basis::Personal(evidence(all)));
        };
        let narrowed = pool.shrunk_to(personal);
        // The basis names whatever carries most of the weight.
        let basis = match peers {
            _ if pool.weight() < 0.5 => Basis::Personal(evidence(all)),
            Peers::Tags(tags) => Basis::Tags(tags, evidence(&pool)),
            Peers::Category => Basis::Category(evidence(&pool)),
        };
        (narrowed, basis)
    }

    fn peers(&self, task: &Outline) -> (Peers, BTreeSet<usize>) {
        let mut tags = distinct_tags(&task.tags);
        tags.retain(|tag| self.by_tag.contains_key(tag));
        if tags.is_empty() {
            let indices = self.by_category.get(&task.category_id).into_iter().flatten().copied().collect();
            return (Peers::Category, indices);
        }
        let indices = tags.iter().filter_map(|tag| self.by_tag.get(tag)).flatten().copied().collect();
        (Peers::Tags(tags.into_iter().collect()), indices)
    }
}

fn distinct_tags(tags: &[String]) -> BTreeSet<String> {
    tags.iter().map(|tag| tag.trim().to_lowercase()).filter(|tag| !tag.is_empty()).collect()
}

fn evidence(sample: &Sample) -> Evidence {
    Evidence { sample_count: sample.len(), median: sample.median().exp() }
}

fn unlearned(minutes: u32) -> Estimate {
    Estimate { p10_minutes: minutes, p50_minutes: minutes, p90_minutes: minutes, ratio: 1.0, basis: Basis::Nothing }
}

/// What a distribution says of a task whose expected minutes are one in its unit.
fn expected(log_minutes: f64, distribution: Distribution, basis: Basis) -> Estimate {
    let centre = log_minutes + distribution.median;
    Estimate {
        p10_minutes: whole_minutes(centre + distribution.below),
        p50_minutes: whole_minutes(centre),
        p90_minutes: whole_minutes(centre + distribution.above),
        ratio: 1.0,
        basis,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, and the cast saturates")]
fn whole_minutes(log_minutes: f64) -> u32 {
    log_minutes.exp().round().max(1.0) as u32
}

#[cfg(test)]
mod tests;
