//! The connection to Redis: never waited for, never relied on.
//!
//! Commands fail at once while Redis is away, and within [`COMMAND_TIMEOUT`] when it hangs. What is kept there belongs
//! to one run of the server: every script carries the server's `run_id` in its text, marks values with it, and is called
//! by its hash, which a server that was restarted does not know. So nothing that a server kept from an earlier run, on
//! disk or in a replica, is ever taken for what this run was told, and no command reaches a server that was not greeted.

mod script;
mod supervise;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, SubscriberClient};
use fred::interfaces::{ClientLike as _, LuaInterface as _, PubsubInterface as _};
use fred::types::config::{ConnectionConfig, Options, PerformanceConfig, ReconnectPolicy, UnresponsiveConfig};
use fred::types::{MultipleKeys, MultipleValues, Value};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

pub(crate) use self::script::Script;
pub(crate) use self::supervise::{report_in_process, supervise};
pub use self::url::{RedisUrl, RedisUrlError};

/// How long a command may take. Redis answers in a tenth of a millisecond; the database is the better choice long
/// before this.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(100);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection on which an answer is missing for so long is given up.
const UNRESPONSIVE_MAX: Duration = Duration::from_secs(1);
const UNRESPONSIVE_CHECK_INTERVAL: Duration = Duration::from_millis(250);
const RECONNECT_DELAY_MS_MIN: u32 = 50;
const RECONNECT_DELAY_MS_MAX: u32 = 1_000;
/// Messages that wait for their reader here; what comes beyond that is found in the database.
const MESSAGES_MAX: usize = 4_096;

/// A connection to Redis. Clones share it.
#[derive(Clone)]
pub(crate) struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    url: RedisUrl,
    client: Client,
    options: Options,
    server: watch::Sender<Option<Arc<Server>>>,
    /// Asks for the server to be greeted again.
    doubt: Notify,
}

/// One run of the Redis server, greeted.
#[derive(Debug)]
struct Server {
    run_id: String,
    hashes: script::Hashes,
}

/// Redis cannot be used now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unavailable {
    /// It is not connected.
    #[error("redis is not connected")]
    Away,
    /// It takes too long.
    #[error("redis does not answer")]
    Slow,
    /// A command failed.
    #[error("redis failed: {0}")]
    Failed(#[from] fred::error::Error),
    /// The server was restarted during its greeting.
    #[error("redis restarted")]
    Restarted,
}

impl Redis {
    /// A connection to `url`, which [`supervise`] makes and keeps.
    pub(crate) fn new(url: RedisUrl) -> Self {
        let client = Client::new(url.config(), Some(performance()), Some(connection()), Some(reconnect_policy()));
        let options =
            Options { max_attempts: Some(1), timeout: Some(COMMAND_TIMEOUT), fail_fast: true, ..Options::default() };
        let (server, doubt) = (watch::Sender::new(None), Notify::new());
        Self { shared: Arc::new(Shared { url, client, options, server, doubt }) }
    }

    /// A further connection, for messages. It is not connected yet.
    pub(crate) fn subscriber(&self) -> SubscriberClient {
        let config = self.shared.url.config();
        SubscriberClient::new(config, Some(performance()), Some(connection()), Some(reconnect_policy()))
    }

    /// Where the connection leads, without its password.
    pub(crate) fn url(&self) -> &RedisUrl {
        &self.shared.url
    }

    /// Whether there is a server that can be used.
    pub(crate) fn is_up(&self) -> bool {
        self.shared.server.borrow().is_some()
    }

    /// Waits until there is a server that can be used.
    pub(crate) async fn up(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.server.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits until there is none.
    pub(crate) async fn down(&self) {
        let _ = self.shared.server.subscribe().wait_for(Option::is_none).await;
    }

    /// Runs a script on the server that was greeted last, and on no other.
    pub(crate) async fn run(
        &self,
        script: Script,
        keys: impl Into<MultipleKeys> + Send,
        arguments: impl TryInto<MultipleValues, Error: Into<fred::error::Error> + Send> + Send,
    ) -> Result<Value, Unavailable> {
        let server = self.shared.server.borrow().clone().ok_or(Unavailable::Away)?;
        let client = self.shared.client.with_options(&self.shared.options);
        // fred's futures are large: each caller's would be, too.
        let command = Box::pin(client.evalsha(server.hashes.of(script), keys, arguments));
        in_time(command).await.inspect_err(|_| self.doubt(&server))
    }

    /// Sends a message to whoever subscribed to the channel.
    pub(crate) async fn publish(&self, channel: &'static str, message: Vec<u8>) -> Result<(), Unavailable> {
        let client = self.shared.client.with_options(&self.shared.options);
        in_time(Box::pin(client.publish(channel, message.as_slice()))).await
    }

    /// Stops using a server that failed, until it is greeted again.
    fn doubt(&self, failed: &Arc<Server>) {
        let is_current = |server: &mut Option<Arc<Server>>| {
            let is_current = server.as_ref().is_some_and(|server| Arc::ptr_eq(server, failed));
            if is_current {
                *server = None;
            }
            is_current
        };
        if self.shared.server.send_if_modified(is_current) {
            self.shared.doubt.notify_one();
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redis").field("url", &self.shared.url).field("is_up", &self.is_up()).finish()
    }
}

/// fred's own timeout does not end a command that waits for a connection to come back.
async fn in_time<T>(command: impl Future<Output = Result<T, fred::error::Error>>) -> Result<T, Unavailable> {
    Ok(timeout(COMMAND_TIMEOUT, command).await.map_err(|_| Unavailable::Slow)??)
}

fn performance() -> PerformanceConfig {
    PerformanceConfig { broadcast_channel_capacity: MESSAGES_MAX, ..PerformanceConfig::default() }
}

fn connection() -> ConnectionConfig {
    ConnectionConfig {
        connection_timeout: CONNECT_TIMEOUT,
        internal_command_timeout: CONNECT_TIMEOUT,
        max_command_attempts: 1,
        unresponsive: UnresponsiveConfig { max_timeout: Some(UNRESPONSIVE_MAX), interval: UNRESPONSIVE_CHECK_INTERVAL },
        // A password may be changed on either side first.
        reconnect_on_auth_error: true,
        ..ConnectionConfig::default()
    }
}

fn reconnect_policy() -> ReconnectPolicy {
    ReconnectPolicy::new_exponential(0, RECONNECT_DELAY_MS_MIN, RECONNECT_DELAY_MS_MAX, 2)
}
