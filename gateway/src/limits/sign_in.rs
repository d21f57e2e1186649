//! Waits after failed sign-ins, which grow with each failure.
//!
//! An attempt counts when it begins, so that a thousand at once are not all looked at before the first has failed; one
//! that succeeds, or fails for another reason than its secret, is taken back. It counts in three places:
//!
//! * the account as seen from the address, which is strict: who guesses here waits up to 15 minutes;
//! * the address, over all accounts, for who tries one password on many;
//! * the account from everywhere, for who guesses from many addresses. This wait is short, and does not bind addresses
//!   from which the account was signed in to lately: nobody can lock a stranger out for good.
//!
//! Accounts are named by their address's hash and need not exist, so that nothing here tells whether they do. While a
//! wait lasts, attempts are refused and do not count. All is forgotten an hour after the last failure.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use focusflow_mesh::refusal::resource_exhausted;
use fred::types::scripts::Script;
use moka::sync::Cache;
use tonic::Status;

use super::{Shared, network};

const KEYS_MAX: u64 = 100_000;
const REMEMBERED: Duration = Duration::from_hours(1);
/// How long an address is known after it signed in to an account.
const KNOWN: Duration = Duration::from_hours(30 * 24);
const FIRST_WAIT: Duration = Duration::from_secs(1);

const PAIR: Rule = Rule { free: 10, longest: Duration::from_mins(15) };
const ADDRESS: Rule = Rule { free: 50, longest: Duration::from_mins(15) };
const ACCOUNT: Rule = Rule { free: 100, longest: Duration::from_secs(30) };
/// Codes of the second factor, which only who has the password can try.
const CODE: Rule = Rule { free: 10, longest: Duration::from_mins(15) };

/// Counts an attempt under each key, unless one has to wait. KEYS; ARGV: for each key how many are free and the longest
/// wait in ms, then the first wait and how long to remember, in ms. Answers the wait, or 0 and whether one begins.
const BEGIN: &str = "
local wait = 0
for _, key in ipairs(KEYS) do wait = math.max(wait, redis.call('PTTL', key .. ':wait')) end
if wait > 0 then return {wait, 0} end
local first, remembered, begins = tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV]), 0
for i, key in ipairs(KEYS) do
  local count = redis.call('INCR', key)
  redis.call('PEXPIRE', key, remembered)
  local over = count - tonumber(ARGV[2 * i - 1])
  if over > 0 then
    redis.call('SET', key .. ':wait', 1, 'PX', math.min(first * 2 ^ math.min(over - 1, 40), tonumber(ARGV[2 * i])))
    begins = 1
  end
end
return {0, begins}";

/// Takes an attempt back. KEYS; ARGV: 1 to forget the first key altogether.
const TAKE_BACK: &str = "
for i, key in ipairs(KEYS) do
  redis.call('DEL', key .. ':wait')
  if (i == 1 and ARGV[1] == '1') or redis.call('EXISTS', key) == 0 then redis.call('DEL', key)
  elseif redis.call('DECR', key) <= 0 then redis.call('DEL', key) end
end
return {}";

/// Makes guessers wait. Clones share what was counted.
#[derive(Clone)]
pub(crate) struct SignInGuard(Option<Arc<Guard>>);

struct Guard {
    failures: Cache<String, Arc<Mutex<Failures>>>,
    known: Cache<String, ()>,
    shared: Option<Shared>,
    begin: Script,
    take_back: Script,
    now: Now,
}

/// Tells the time.
type Now = Box<dyn Fn() -> Instant + Send + Sync>;

/// An attempt that may go on. Dropped, it has failed.
#[must_use]
pub(crate) struct Attempt {
    guard: Option<Arc<Guard>>,
    keys: Vec<(String, Rule)>,
    /// Names the address at the account, once it has signed in.
    pair: String,
    /// Whether the next attempt has to wait, if this one fails.
    pub(crate) begins_wait: bool,
}

#[derive(Clone, Copy)]
struct Rule {
    /// Failures without a wait.
    free: u32,
    longest: Duration,
}

#[derive(Default)]
struct Failures {
    count: u32,
    wait_until: Option<Instant>,
}

impl SignInGuard {
    /// A guard; `is_on` is `RATE_LIMIT`.
    pub(crate) fn new(is_on: bool, shared: Option<Shared>) -> Self {
        Self::by(Box::new(Instant::now), is_on, shared)
    }

    /// As [`Self::new`], by another clock.
    pub(crate) fn by(now: Now, is_on: bool, shared: Option<Shared>) -> Self {
        Self(is_on.then(|| {
            Arc::new(Guard {
                now,
                failures: Cache::builder().max_capacity(KEYS_MAX).time_to_idle(REMEMBERED).build(),
                known: Cache::builder().max_capacity(KEYS_MAX).time_to_live(KNOWN).build(),
                shared,
                begin: Script::from_lua(BEGIN),
                take_back: Script::from_lua(TAKE_BACK),
            })
        }))
    }

    /// Begins an attempt on the password of an account, which is named by a hash.
    pub(crate) async fn begin(&self, account: &str, address: IpAddr) -> Result<Attempt, Status> {
        let network = network(address);
        let pair = format!("focusflow:sign-in:{account}:{network:x}");
        let mut keys = vec![(pair.clone(), PAIR), (format!("focusflow:sign-in:a:{network:x}"), ADDRESS)];
        if self.0.as_ref().is_some_and(|guard| !guard.known.contains_key(&pair)) {
            keys.push((format!("focusflow:sign-in:{account}"), ACCOUNT));
        }
        self.begin_with(keys, pair).await
    }

    /// Begins an attempt on the second factor of an account, whose password is known.
    pub(crate) async fn begin_code(&self, account: &str) -> Result<Attempt, Status> {
        let key = format!("focusflow:code:{account}");
        self.begin_with(vec![(key.clone(), CODE)], key).await
    }

    async fn begin_with(&self, keys: Vec<(String, Rule)>, pair: String) -> Result<Attempt, Status> {
        let Some(guard) = self.0.clone() else {
            return Ok(Attempt { guard: None, keys, pair, begins_wait: false });
        };
        let (wait, begins_wait) = match guard.begin_shared(&keys).await {
            Some(answer) => answer,
            None => guard.begin_here(&keys),
        };
        if wait > Duration::ZERO {
            let message = "there were too many failed attempts: wait";
            return Err(resource_exhausted("SIGN_IN_DELAYED", message, Some(wait)));
        }
        Ok(Attempt { guard: Some(guard), keys, pair, begins_wait })
    }
}

impl Attempt {
    /// The secret was right.
    pub(crate) async fn succeeded(self) {
        if let Some(guard) = &self.guard {
            guard.known.insert(self.pair.clone(), ());
            guard.take_back(&self.keys, true).await;
        }
    }

    /// It ended before the secret was compared.
    pub(crate) async fn withdrawn(self) {
        if let Some(guard) = &self.guard {
            guard.take_back(&self.keys, false).await;
        }
    }
}

impl Guard {
    async fn begin_shared(&self, keys: &[(String, Rule)]) -> Option<(Duration, bool)> {
        let mut arguments: Vec<u64> =
            keys.iter().flat_map(|(_, rule)| [rule.free.into(), millis(rule.longest)]).collect();
        arguments.extend([millis(FIRST_WAIT), millis(REMEMBERED)]);
        let answer = self.shared.as_ref()?.run(&self.begin, names(keys), arguments).await?;
        let [wait_ms, begins] = answer[..] else { return None };
        Some((Duration::from_millis(u64::try_from(wait_ms).unwrap_or_default()), begins == 1))
    }

    fn begin_here(&self, keys: &[(String, Rule)]) -> (Duration, bool) {
        let now = (self.now)();
        let failures: Vec<_> = keys.iter().map(|(key, rule)| (self.failures_of(key), *rule)).collect();
        let waits = failures.iter().filter_map(|(failures, _)| lock(failures).wait_until);
        let wait = waits.map(|until| until.saturating_duration_since(now)).max().unwrap_or_default();
        if wait > Duration::ZERO {
            return (wait, false);
        }
        let begins = failures.iter().filter(|(failures, rule)| lock(failures).count_one(*rule, now)).count();
        (Duration::ZERO, begins > 0)
    }

    async fn take_back(&self, keys: &[(String, Rule)], forgets_first: bool) {
        if let Some(shared) = &self.shared {
            shared.run(&self.take_back, names(keys), vec![forgets_first.into()]).await;
        }
        for (index, (key, _)) in keys.iter().enumerate() {
            let failures = self.failures_of(key);
            let mut failures = lock(&failures);
            failures.wait_until = None;
            failures.count = if index == 0 && forgets_first { 0 } else { failures.count.saturating_sub(1) };
        }
    }

    fn failures_of(&self, key: &str) -> Arc<Mutex<Failures>> {
        self.failures.get_with_by_ref(key, Arc::default)
    }
}

impl Failures {
    /// Counts an attempt. Answers whether the next one has to wait.
    fn count_one(&mut self, rule: Rule, now: Instant) -> bool {
        self.count = self.count.saturating_add(1);
        let Some(over) = self.count.checked_sub(rule.free).filter(|over| *over > 0) else { return false };
        let wait = FIRST_WAIT.saturating_mul(1_u32.checked_shl(over - 1).unwrap_or(u32::MAX)).min(rule.longest);
        self.wait_until = Some(now + wait);
        true
    }
}

fn lock(failures: &Mutex<Failures>) -> std::sync::MutexGuard<'_, Failures> {
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}

fn names(keys: &[(String, Rule)]) -> Vec<String> {
    keys.iter().map(|(key, _)| key.clone()).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tonic_types::StatusExt as _;

    use super::super::shared::tests::RedisServer;
    use super::*;

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    /// A guard, and what moves its clock by some seconds.
    fn guard() -> (SignInGuard, impl Fn(u64)) {
        let passed = Arc::new(AtomicU64::new(0));
        let (begun, read) = (Instant::now(), Arc::clone(&passed));
        let now = move || begun + Duration::from_secs(read.load(Ordering::Relaxed));
        let advance = move |seconds| {
            passed.fetch_add(seconds, Ordering::Relaxed);
        };
        (SignInGuard::by(Box::new(now), true, None), advance)
    }

    async fn fail(guard: &SignInGuard, account: &str, from: IpAddr) -> Result<(), Duration> {
        match guard.begin(account, from).await {
            Ok(attempt) => {
                drop(attempt);
                Ok(())
            }
            Err(status) => Err(status.get_details_retry_info().unwrap().retry_delay.unwrap()),
        }
    }

    #[tokio::test]
    async fn waits_double_with_each_failure_and_are_not_made_longer_by_asking() {
        let (guard, advance) = guard();
        for _ in 0..=PAIR.free {
            fail(&guard, "ada", address(1)).await.unwrap();
        }
        assert_eq!(fail(&guard, "ada", address(1)).await, Err(Duration::from_secs(1)));
        assert_eq!(fail(&guard, "ada", address(1)).await, Err(Duration::from_secs(1)));
        advance(1);
        fail(&guard, "ada", address(1)).await.unwrap();
        assert_eq!(fail(&guard, "ada", address(1)).await, Err(Duration::from_secs(2)));
    }

    #[tokio::test]
    async fn a_guesser_from_everywhere_does_not_lock_out_who_signed_in_before() {
        let (guard, _) = guard();
        guard.begin("ada", address(200)).await.unwrap().succeeded().await;
        for guess in 0..=ACCOUNT.free {
            let from = address(u8::try_from(guess % 100).unwrap());
            fail(&guard, "ada", from).await.unwrap();
        }
        assert!(fail(&guard, "ada", address(150)).await.is_err());
        assert!(guard.begin("ada", address(200)).await.is_ok());
    }

    #[tokio::test]
    async fn a_success_forgets_the_failures_and_an_attempt_that_ended_early_does_not_count() {
        let (guard, _) = guard();
        for _ in 0..3 * PAIR.free {
            guard.begin("ada", address(1)).await.unwrap().withdrawn().await;
        }
        for _ in 0..PAIR.free {
            fail(&guard, "ada", address(1)).await.unwrap();
        }
        guard.begin("ada", address(1)).await.unwrap().succeeded().await;
        for _ in 0..PAIR.free {
            fail(&guard, "ada", address(1)).await.unwrap();
        }
        assert!(guard.begin("ada", address(1)).await.is_ok());
    }

    #[tokio::test]
    async fn one_password_tried_on_many_accounts_makes_its_address_wait() {
        let (guard, _) = guard();
        for account in 0..=ADDRESS.free {
            fail(&guard, &account.to_string(), address(1)).await.unwrap();
        }
        assert!(fail(&guard, "another", address(1)).await.is_err());
        assert!(fail(&guard, "another", address(2)).await.is_ok());
    }

    #[tokio::test]
    async fn replicas_count_together() {
        let Some(server) = RedisServer::start() else { return };
        let [one, other] = [Shared::connect(&server.url), Shared::connect(&server.url)];
        for shared in [&one, &other] {
            shared.wait_for_connect().await;
        }
        let [one, other] = [one, other].map(|shared| SignInGuard::new(true, Some(shared)));
        let account = uuid::Uuid::now_v7().to_string();
        for _ in 0..=CODE.free {
            drop(one.begin_code(&account).await.unwrap());
        }
        assert!(other.begin_code(&account).await.is_err());
    }
}
