//! How much a caller may ask for: rate limits by person and by address, and the waits after failed sign-ins.
//!
//! Every call costs what its policy says. A call of a signed-in person is charged to the person, any other to the
//! address that it comes from, by the generic cell rate algorithm ([`gcra`]). A limit is kept in this process and never
//! waits for anything; with Redis, replicas of the edge settle every 100 ms what they admitted ([`shared`]). Until then
//! each of `n` replicas may admit a burst of its own, so a caller gets at most `n` bursts once; what was too much is
//! paid back, as the settled sum counts in full. While Redis is away, each replica limits by itself.

mod caller;
mod gcra;
mod proxies;
mod shared;
mod sign_in;

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use focusflow_mesh::refusal::resource_exhausted;
use focusflow_mesh::server::network;
use moka::sync::Cache;
use tonic::Status;
use uuid::Uuid;

pub(crate) use self::caller::{Browser, Caller};
pub use self::gcra::Rate;
pub(crate) use self::gcra::{Decision, Quota};
pub use self::proxies::{ForwardedHeader, TrustedProxies};
pub use self::shared::RedisUrl;
pub(crate) use self::shared::Shared;
pub(crate) use self::sign_in::SignInGuard;

/// Callers whose use is remembered. Beyond, those are forgotten that were not seen for longest.
const CALLERS_MAX: u64 = 100_000;

/// Who is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A signed-in person.
    Person(Uuid),
    /// An address, by its [`network`].
    Address(u128),
}

/// How much callers may ask for.
#[derive(Debug, Clone, Copy)]
pub struct RateLimits {
    /// A person's calls.
    pub person: Rate,
    /// Calls of nobody who is signed in, by address.
    pub address: Rate,
}

/// Charges callers for their calls. Clones share what was charged.
#[derive(Clone)]
pub(crate) struct RateLimiter(Option<Arc<Limiter>>);

struct Limiter {
    limits: RateLimits,
    buckets: Cache<Subject, Arc<Bucket>>,
    shared: Option<Shared>,
    begun: Instant,
}

/// What one caller used.
#[derive(Default)]
pub(super) struct Bucket {
    /// When all that was charged is paid off, in ns since the limiter began.
    paid_off_ns: AtomicU64,
    /// What was charged and not settled with other replicas, in ns.
    unsettled_ns: AtomicU64,
}

impl Subject {
    pub(crate) fn address(address: IpAddr) -> Self {
        Self::Address(network(address))
    }
}

impl RateLimiter {
    /// A limiter; without limits it charges nobody.
    pub(crate) fn new(limits: Option<RateLimits>, shared: Option<Shared>) -> Self {
        Self(limits.map(|limits| {
            let idle = limits.person.full_after().max(limits.address.full_after());
            // What was not used for so long is as if it had never been.
            let buckets = Cache::builder().max_capacity(CALLERS_MAX).time_to_idle(idle.max(Duration::from_secs(1)));
            Arc::new(Limiter { limits, buckets: buckets.build(), shared, begun: Instant::now() })
        }))
    }

    /// Charges a call, if there is room for it. `None`: nothing is limited.
    pub(crate) fn charge(&self, subject: Subject, cost: u32) -> Option<Decision> {
        self.0.as_ref().map(|limiter| limiter.charge(subject, cost, gcra::nanos(limiter.begun.elapsed())))
    }

    /// Settles with other replicas for as long as the process lives.
    pub(crate) async fn settle(self) {
        if let Some(limiter) = self.0
            && let Some(shared) = limiter.shared.clone()
        {
            shared.settle(limiter.begun).await;
        }
    }
}

impl Limiter {
    fn charge(&self, subject: Subject, cost: u32, now_ns: u64) -> Decision {
        let rate = match subject {
            Subject::Person(_) => self.limits.person,
            Subject::Address(_) => self.limits.address,
        };
        let bucket = self.buckets.get_with(subject, Arc::default);
        let decision = bucket.charge(rate, cost, now_ns);
        if decision.is_admitted
            && let Some(shared) = &self.shared
        {
            // Only the first charge since the last settlement has to say that there is something to settle.
            if bucket.unsettled_ns.fetch_add(rate.price_ns(cost), Ordering::Relaxed) == 0 {
                shared.note(subject, &bucket);
            }
        }
        decision
    }
}

impl Bucket {
    fn charge(&self, rate: Rate, cost: u32, now_ns: u64) -> Decision {
        let mut paid_off_ns = self.paid_off_ns.load(Ordering::Relaxed);
        loop {
            let (decision, next_ns) = gcra::decide(rate, cost, paid_off_ns, now_ns);
            if !decision.is_admitted {
                return decision;
            }
            match self.paid_off_ns.compare_exchange_weak(paid_off_ns, next_ns, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return decision,
                Err(changed_ns) => paid_off_ns = changed_ns,
            }
        }
    }
}

/// The refusal of a call that a limit has no room for.
pub(crate) fn refusal(quota: Quota) -> Status {
    let message = format!("the rate limit of {} is used up; calls weigh differently", quota.limit);
    resource_exhausted("RATE_LIMITED", message, Some(quota.retry_after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(burst: u32, per_minute: u32) -> RateLimiter {
        let rate = Rate::new(per_minute, burst);
        RateLimiter::new(Some(RateLimits { person: rate, address: rate }), None)
    }

    #[test]
    fn a_caller_has_a_burst_and_then_the_rate() {
        let RateLimiter(Some(limiter)) = limiter(10, 60) else { panic!("it limits") };
        let ada = Subject::Person(Uuid::from_u128(1));
        assert!((0..10).all(|_| limiter.charge(ada, 1, 0).is_admitted));
        let refused = limiter.charge(ada, 1, 0);
        assert!(!refused.is_admitted);
        assert_eq!(refused.quota.retry_after, Duration::from_secs(1));
        let later_ns = 1_000_000_000;
        assert!(limiter.charge(ada, 1, later_ns).is_admitted);
        assert!(!limiter.charge(ada, 1, later_ns).is_admitted);
    }

    #[test]
    fn one_callers_use_is_not_anothers() {
        let limiter = limiter(1, 1);
        let is_admitted = |subject| limiter.charge(subject, 1).unwrap().is_admitted;
        assert!(is_admitted(Subject::Person(Uuid::from_u128(1))));
        assert!(is_admitted(Subject::Person(Uuid::from_u128(2))));
        let of = |text: &str| Subject::address(text.parse().unwrap());
        assert!(is_admitted(of("192.0.2.1")));
        assert!(is_admitted(of("192.0.2.2")));
    }

    #[test]
    fn without_limits_nothing_is_charged() {
        let limiter = RateLimiter::new(None, None);
        assert!(limiter.charge(Subject::Person(Uuid::nil()), 1).is_none());
    }
}
