//! What replicas of the edge share through Redis. It is never waited for by a call that is only charged, and nothing is
//! refused because Redis is away.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::ClientLike as _;
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy};
use fred::types::scripts::Script;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::gcra::nanos;
use super::{Bucket, Subject};

/// How long replicas go without knowing of each other's admissions.
const SETTLE_INTERVAL: Duration = Duration::from_millis(100);
/// How long a command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(100);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const RECONNECT_DELAY_MS_MIN: u32 = 50;
const RECONNECT_DELAY_MS_MAX: u32 = 1_000;
/// Callers that one script settles, so that Redis does not stand still for it.
const CALLERS_PER_SCRIPT: usize = 500;
const NANOS_PER_MICRO: u64 = 1_000;

/// Adds to each caller's debt, by Redis's own clock, and answers what each owes now, in µs.
const SETTLE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local owed = {}
for i, key in ipairs(KEYS) do
  local paid_off = math.max(tonumber(redis.call('GET', key)) or 0, now) + tonumber(ARGV[i])
  redis.call('SET', key, string.format('%.0f', paid_off), 'PX', math.ceil((paid_off - now) / 1000) + 1)
  owed[i] = paid_off - now
end
return owed";

/// Where Redis is. `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://…` over TLS.
#[derive(Clone)]
pub struct RedisUrl(Config);

/// A `REDIS_URL` that cannot be used. Says nothing of what it holds, which may be a password.
#[derive(Debug, thiserror::Error)]
#[error("must have the form `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://…`")]
pub struct RedisUrlError;

/// The connection to Redis, and what is to be settled. Clones share both.
#[derive(Clone)]
pub(crate) struct Shared {
    client: Client,
    settle: Script,
    noted: Arc<Mutex<Vec<Noted>>>,
}

/// A caller that was charged since the last settlement.
type Noted = (Subject, Arc<Bucket>);

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if !["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(RedisUrlError);
        }
        let parsed = Config::from_url_centralized(url);
        // Redis that is away at the start is like Redis that goes away later.
        parsed.map(|config| Self(Config { fail_fast: false, ..config })).map_err(|_| RedisUrlError)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RedisUrl(..)")
    }
}

impl Shared {
    /// Begins to connect. Needs a Tokio runtime.
    pub(crate) fn connect(url: &RedisUrl) -> Self {
        let connection = ConnectionConfig {
            connection_timeout: CONNECT_TIMEOUT,
            internal_command_timeout: CONNECT_TIMEOUT,
            max_command_attempts: 1,
            reconnect_on_auth_error: true,
            ..ConnectionConfig::default()
        };
        let performance =
            PerformanceConfig { default_command_timeout: COMMAND_TIMEOUT, ..PerformanceConfig::default() };
        let reconnect = ReconnectPolicy::new_exponential(0, RECONNECT_DELAY_MS_MIN, RECONNECT_DELAY_MS_MAX, 2);
        let client = Client::new(url.0.clone(), Some(performance), Some(connection), Some(reconnect));
        client.connect();
        Self { client, settle: Script::from_lua(SETTLE), noted: Arc::default() }
    }

    /// Waits for a connection; attempts before the server listens fail.
    #[cfg(test)]
    pub(super) async fn wait_for_connect(&self) {
        while !self.client.is_connected() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Lets a caller be settled next time.
    pub(super) fn note(&self, subject: Subject, bucket: &Arc<Bucket>) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).push((subject, Arc::clone(bucket)));
    }

    /// Runs a script; `None` if Redis does not answer in time.
    pub(super) async fn run(&self, script: &Script, keys: Vec<String>, arguments: Vec<u64>) -> Option<Vec<i64>> {
        if !self.client.is_connected() {
            return None;
        }
        // fred's futures are large: each caller's would be, too.
        let command = Box::pin(script.evalsha_with_reload(&self.client, keys, arguments));
        match timeout(COMMAND_TIMEOUT, command).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::debug!(%error, "redis did not do its part of a limit");
                None
            }
            Err(_) => None,
        }
    }

    /// Settles again and again.
    pub(super) async fn settle(&self, begun: Instant) {
        let mut ticks = interval(SETTLE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
            for callers in noted.chunks(CALLERS_PER_SCRIPT) {
                self.settle_some(callers, begun).await;
            }
        }
    }

    /// What Redis does not hear is not made up for: while it is away, each replica limits by itself.
    async fn settle_some(&self, callers: &[Noted], begun: Instant) {
        let keys = callers.iter().map(|(subject, _)| key(*subject)).collect();
        let charged = callers
            .iter()
            .map(|(_, bucket)| bucket.unsettled_ns.swap(0, Ordering::Relaxed).div_ceil(NANOS_PER_MICRO))
            .collect();
        let Some(owed_us) = self.run(&self.settle, keys, charged).await else { return };
        let now_ns = nanos(begun.elapsed());
        for ((_, bucket), owed_us) in callers.iter().zip(owed_us) {
            let owed_ns = u64::try_from(owed_us).unwrap_or_default().saturating_mul(NANOS_PER_MICRO);
            bucket.paid_off_ns.fetch_max(now_ns.saturating_add(owed_ns), Ordering::Relaxed);
        }
    }
}

fn key(subject: Subject) -> String {
    match subject {
        Subject::Person(id) => format!("focusflow:rate:p:{id}"),
        Subject::Address(network) => format!("focusflow:rate:a:{network:x}"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::process::{Child, Command};

    use uuid::Uuid;

    use super::super::{Rate, RateLimiter, RateLimits};
    use super::*;

    /// A Redis of the test's own, which ends with it.
    pub(in crate::limits) struct RedisServer {
        pub(in crate::limits) url: RedisUrl,
        process: Child,
    }

    impl RedisServer {
        /// `None` where there is none to be started: only under `scripts/with-databases` there must be.
        pub(in crate::limits) fn start() -> Option<Self> {
            std::env::var_os("TEST_REDIS_URL")?;
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let mut command = Command::new("redis-server");
            command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
            let process = command.stdout(std::process::Stdio::null()).spawn().unwrap();
            Some(Self { url: format!("redis://127.0.0.1:{port}").parse().unwrap(), process })
        }
    }

    impl Drop for RedisServer {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    fn replica(url: &RedisUrl) -> (RateLimiter, Shared) {
        let rate = Rate::new(1, 10);
        let shared = Shared::connect(url);
        (RateLimiter::new(Some(RateLimits { person: rate, address: rate }), Some(shared.clone())), shared)
    }

    #[tokio::test]
    async fn what_one_replica_admitted_another_knows_after_a_settlement() {
        let Some(server) = RedisServer::start() else { return };
        let ((one, redis), (other, _)) = (replica(&server.url), replica(&server.url));
        redis.wait_for_connect().await;
        let caller = Subject::Person(Uuid::now_v7());
        for limiter in [&one, &other] {
            tokio::spawn(limiter.clone().settle());
        }
        for _ in 0..10 {
            assert!(one.charge(caller, 1).unwrap().is_admitted);
        }
        // The other replica learns of it with its own next charge, which it admits.
        let learnt = async {
            while other.charge(caller, 1).unwrap().is_admitted {
                tokio::time::sleep(SETTLE_INTERVAL).await;
            }
        };
        timeout(Duration::from_secs(30), learnt).await.unwrap();
        let quota = other.charge(caller, 1).unwrap().quota;
        assert!(quota.reset_after > Duration::from_mins(10), "the debt of both counts: {quota:?}");
    }

    #[tokio::test]
    async fn without_redis_a_replica_limits_by_itself() {
        let (limiter, _) = replica(&"redis://127.0.0.1:1".parse().unwrap());
        let caller = Subject::Person(Uuid::now_v7());
        assert_eq!((0..20).filter(|_| limiter.charge(caller, 1).unwrap().is_admitted).count(), 10);
    }

    #[test]
    fn a_wrong_url_is_refused_without_repeating_its_password() {
        for url in ["", "http://user:secret@host", "redis://:secret@host/x"] {
            assert!(!url.parse::<RedisUrl>().unwrap_err().to_string().contains("secret"));
        }
    }
}
