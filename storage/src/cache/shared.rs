//! Values in Redis, for all processes on one database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fred::types::Value;
use tokio::time::timeout;

use super::trust::{CLOSED_RENEWAL, Epochs, Trust};
use super::{Cached, Found, Key, LOAD_TIME_MAX, Mark, Ticket, VALUE_LIFETIME, WRITE_TIME_MAX, count, new_mark};
use crate::redis::{Redis, Script, Unavailable};

/// How long a writer waits for Redis to come back before it does without.
const PATIENCE: Duration = Duration::from_millis(300);
/// Changes with the form of the values, so that versions that run side by side do not read each other's.
const FORMAT: &str = "focusflow:1";

/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct Shared {
    redis: Redis,
    trust: Arc<Trust>,
}

impl Shared {
    /// A cache in `redis`, as long as the database's `epochs` allow it.
    pub(crate) fn new(redis: Redis, epochs: impl Epochs) -> Self {
        Self { redis, trust: Arc::new(Trust::new(epochs)) }
    }

    pub(super) async fn read<T: Cached>(&self, key: Key) -> Found<T> {
        if !self.redis.is_up() {
            return Found::Unusable;
        }
        let Some(epoch) = self.trust.epoch() else { return Found::Unusable };
        let mark = new_mark();
        let arguments = vec![loading(mark), milliseconds(LOAD_TIME_MAX), epoch.to_string()];
        match self.redis.run(Script::Read, name(key), arguments).await {
            Ok(Value::Integer(_)) => Found::Nothing(Ticket { key, mark, epoch }),
            Ok(Value::Null) => Found::Unusable,
            // Asked again, as the answer may have taken long.
            Ok(bytes) if self.trust.epoch() == Some(epoch) => bytes
                .as_bytes()
                .and_then(|bytes| serde_json::from_slice(bytes).ok())
                .map_or(Found::Unusable, Found::Value),
            Ok(_) => Found::Unusable,
            Err(error) => {
                failed(key, &error);
                Found::Unusable
            }
        }
    }

    pub(super) async fn fill<T: Cached>(&self, ticket: &Ticket, value: &T) {
        let Ticket { key, mark, epoch } = *ticket;
        let Ok(bytes) = serde_json::to_vec(value) else { return };
        let arguments: Vec<Value> = vec![
            loading(mark).into(),
            Value::Bytes(bytes.into()),
            milliseconds(VALUE_LIFETIME).into(),
            epoch.to_string().into(),
        ];
        if let Err(error) = self.redis.run(Script::Fill, name(key), arguments).await {
            failed(key, &error);
        }
    }

    /// Tries once: what follows the commit does not depend on it.
    pub(super) async fn hold(&self, keys: &[Key], mark: Mark) {
        let arguments = vec![held(mark), milliseconds(WRITE_TIME_MAX)];
        if let Err(error) = self.redis.run(Script::Hold, names(keys), arguments).await {
            for key in keys {
                failed(*key, &error);
            }
        }
    }

    pub(super) async fn release(&self, keys: &[Key], mark: Mark) {
        if self.try_release(keys, mark).await.is_ok() || self.trust.is_closed() {
            return;
        }
        let released = timeout(PATIENCE, async {
            loop {
                self.redis.up().await;
                if self.try_release(keys, mark).await.is_ok() {
                    return;
                }
            }
        });
        if released.await.is_err() {
            self.trust.close().await;
        }
    }

    async fn try_release(&self, keys: &[Key], mark: Mark) -> Result<Value, Unavailable> {
        self.redis.run(Script::Release, names(keys), vec![held(mark)]).await
    }
}

/// Keeps the cache closed for every process while this one has no connection to Redis, so that its writes need not
/// wait.
pub(crate) async fn keep_closed(Shared { redis, trust }: Shared) {
    loop {
        redis.down().await;
        if timeout(PATIENCE, redis.up()).await.is_ok() {
            continue;
        }
        tracing::warn!("the cache is closed until redis is back");
        while !redis.is_up() {
            trust.close_on().await;
            let _ = timeout(CLOSED_RENEWAL, redis.up()).await;
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("redis", &self.redis).finish_non_exhaustive()
    }
}

fn name(key: Key) -> String {
    format!("{FORMAT}:{}:{}", key.kind.as_str(), key.id.simple())
}

fn names(keys: &[Key]) -> Vec<String> {
    keys.iter().copied().map(name).collect()
}

fn loading(mark: Mark) -> String {
    format!("L{}", mark.simple())
}

fn held(mark: Mark) -> String {
    format!("H{}", mark.simple())
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn failed(key: Key, error: &Unavailable) {
    count(key.kind, "error");
    tracing::debug!(%error, kind = key.kind.as_str(), "the cache failed");
}
