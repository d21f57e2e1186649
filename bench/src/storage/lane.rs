//! The ways to the databases, and their turns.

use std::time::Duration;

use super::Site;
use super::operation::{Caller, Connected, Operation, Way};
use super::tier::Tier;
use crate::load::{self, Block};
use crate::statistics::{median, percentile};

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// One turn.
    pub(super) block: Duration,
    /// Of each lane.
    pub(super) turns: usize,
    /// Requests under way at a time, where it is not one.
    pub(super) concurrency: u64,
}

/// What is measured apart from everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) operation: Operation,
    pub(super) tier: Tier,
    pub(super) way: Way,
    /// Requests under way at a time.
    pub(super) callers: u64,
}

/// One turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Half of the requests were answered within this, in microseconds.
    pub(super) p50: f64,
    /// All but one in a hundred were answered within this, in microseconds.
    pub(super) p99: f64,
    /// CPU time of the service for each request, in microseconds.
    pub(super) service_cpu: f64,
}

/// All turns of one lane, in order of time; turns of the same index followed each other closely.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) key: Key,
    turns: Vec<Turn>,
}

/// A lane, open.
struct Lane<'a> {
    site: &'a Site,
    figures: Figures,
    callers: Vec<Caller>,
}

impl Figures {
    /// The median of one figure over the turns.
    pub(super) fn median(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(figure))
    }

    /// The median of p50's ratio to that of another lane's neighbouring turn.
    pub(super) fn relative_to(&self, other: &Self) -> f64 {
        median(self.turns.iter().zip(&other.turns).map(|(own, others)| own.p50 / others.p50))
    }
}

/// Lets all lanes take turns: those of one operation and concurrency follow each other.
pub(super) async fn measure(plan: &Plan, sites: &[Site]) -> anyhow::Result<Vec<Figures>> {
    let mut measured = Vec::new();
    for operation in Operation::ALL {
        for callers in [1, plan.concurrency] {
            let mut lanes: Vec<Lane<'_>> = sites
                .iter()
                .flat_map(|site| site.ways.iter().map(move |way| open(site, way, operation, callers)))
                .collect();
            // The first turn warms caches, pools and prepared statements.
            for turn in 0..=plan.turns {
                let count = lanes.len();
                for step in 0..count {
                    // Each lane goes first as often as every other.
                    let taken = lanes[(turn + step) % count].take_turn(plan.block).await?;
                    if turn > 0 {
                        lanes[(turn + step) % count].figures.turns.push(taken);
                    }
                }
            }
            measured.extend(lanes.into_iter().map(|lane| lane.figures));
        }
    }
    Ok(measured)
}

fn open<'a>(site: &'a Site, connected: &Connected, operation: Operation, callers: u64) -> Lane<'a> {
    let key = Key { operation, tier: site.tier, way: connected.way(), callers };
    let caller = |number| Caller { connected: connected.clone(), operation, tier: site.tier, number, callers };
    Lane { site, figures: Figures { key, turns: Vec::new() }, callers: (0..callers).map(caller).collect() }
}

impl Lane<'_> {
    async fn take_turn(&mut self, duration: Duration) -> anyhow::Result<Turn> {
        let before = self.site.server.time_used()?;
        let Block { mut latencies_us, .. } = load::run(&mut self.callers, duration).await?;
        let used = self.site.server.time_used()?.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "no block has 2^52 requests")]
        let requests = latencies_us.len() as f64;
        Ok(Turn {
            p50: percentile(&mut latencies_us, 0.5),
            p99: percentile(&mut latencies_us, 0.99),
            service_cpu: used.as_secs_f64() * 1e6 / requests,
        })
    }
}
