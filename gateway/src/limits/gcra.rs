//! The generic cell rate algorithm: one number per caller, the time at which all that was charged is paid off.

use std::time::Duration;

const NANOS_PER_MINUTE: u64 = 60_000_000_000;

/// How fast use is paid off, and how much may be owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    unit_ns: u64,
    burst: u32,
}

/// Whether a call is admitted, and what is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decision {
    pub(crate) is_admitted: bool,
    pub(crate) quota: Quota,
}

/// What a caller has left, in units of cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    /// The burst.
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Until `remaining` is `limit` again, if nothing is asked for.
    pub(crate) reset_after: Duration,
    /// Until the same call would be admitted; zero if it was.
    pub(crate) retry_after: Duration,
}

impl Rate {
    /// `per_minute` units of cost, up to `burst` of them at once; both count as 1 at least.
    pub fn new(per_minute: u32, burst: u32) -> Self {
        Self { unit_ns: NANOS_PER_MINUTE / u64::from(per_minute.max(1)), burst: burst.max(1) }
    }

    /// What a call pays, in ns. One that costs more than a burst would never be admitted; it takes all of it.
    pub(super) fn price_ns(self, cost: u32) -> u64 {
        self.unit_ns * u64::from(cost.clamp(1, self.burst))
    }

    /// How long it takes to pay a burst off.
    pub(super) fn full_after(self) -> Duration {
        Duration::from_nanos(self.burst_ns())
    }

    fn burst_ns(self) -> u64 {
        self.unit_ns * u64::from(self.burst)
    }
}

/// Whether a call is admitted at `now_ns`, and when all is paid off with it.
pub(super) fn decide(rate: Rate, cost: u32, paid_off_ns: u64, now_ns: u64) -> (Decision, u64) {
    let with_call_ns = paid_off_ns.max(now_ns) + rate.price_ns(cost);
    let allowed_ns = now_ns + rate.burst_ns();
    let is_admitted = with_call_ns <= allowed_ns;
    let owed_until_ns = if is_admitted { with_call_ns } else { paid_off_ns };
    let remaining = allowed_ns.saturating_sub(owed_until_ns) / rate.unit_ns.max(1);
    let quota = Quota {
        limit: rate.burst,
        remaining: u32::try_from(remaining).unwrap_or(u32::MAX).min(rate.burst),
        reset_after: Duration::from_nanos(owed_until_ns.saturating_sub(now_ns)),
        retry_after: Duration::from_nanos(with_call_ns.saturating_sub(allowed_ns)),
    };
    (Decision { is_admitted, quota }, with_call_ns)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_shrinks_by_the_cost_and_comes_back_with_time() {
        let rate = Rate::new(60, 10);
        let (first, paid_off_ns) = decide(rate, 4, 0, 0);
        assert_eq!((first.is_admitted, first.quota.remaining), (true, 6));
        assert_eq!(first.quota.reset_after, Duration::from_secs(4));
        let two_seconds = 2_000_000_000;
        let (second, _) = decide(rate, 1, paid_off_ns, two_seconds);
        assert_eq!(second.quota.remaining, 7);
    }

    #[test]
    fn a_call_that_costs_more_than_a_burst_takes_all_of_it() {
        let (decision, _) = decide(Rate::new(60, 10), 1_000, 0, 0);
        assert_eq!((decision.is_admitted, decision.quota.remaining), (true, 0));
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_the_burst_and_the_rate(
            gaps_ms in proptest::collection::vec((0_u64..3_000, 1_u32..20), 1..200),
        ) {
            let rate = Rate::new(120, 30);
            let (mut now_ns, mut paid_off_ns, mut spent) = (0, 0, 0_u64);
            for (gap_ms, cost) in gaps_ms {
                now_ns += gap_ms * 1_000_000;
                let (decision, next_ns) = decide(rate, cost, paid_off_ns, now_ns);
                if decision.is_admitted {
                    paid_off_ns = next_ns;
                    spent += u64::from(cost);
                }
                prop_assert!(spent <= 30 + now_ns / rate.unit_ns);
            }
        }
    }
}
