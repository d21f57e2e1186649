//! The client side: a channel to one service, over connections that mend themselves.
//!
//! A [`Channel`] connects when it is first used, with several connections, and redials with a backoff when one is
//! lost. When the credentials change it dials with the new ones before it lets go of the old, so that no call notices.
//! It writes the [`Context`] into the headers of each call and enforces the deadline on its own side too. Whatever goes
//! wrong becomes a gRPC response: a generated client sees a `Status` that explains itself, a proxy can pass it on. What
//! strangers should not learn, such as addresses, goes to the log.

mod connector;
mod keeper;
mod replay;
mod request;
mod response;
mod target;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tower::Service;

use crate::framing::{Cardinality, Rules};
use crate::policy::Policies;
use crate::telemetry::{RpcMetrics, Side};
use crate::tls::CredentialsReader;

pub use self::response::errors_as_trailers;
pub use self::target::{SecureTarget, Target, TargetError};

use self::connector::{Connector, Trust};
use self::keeper::{Keeper, Slot};

/// The service account that says for whom it calls.
const GATEWAY: &str = "gateway";

/// What is known about an RPC, looked up once.
struct Rpc {
    metrics: Arc<RpcMetrics>,
    response: Rules,
}

/// RPCs with metrics of their own; further ones are counted as one, so that a stranger's paths cannot fill the memory.
const METRICS_MAX: usize = 2_000;

/// How a channel connects.
#[derive(Clone, Debug)]
pub struct ChannelConfig {
    /// Connections to keep; calls take turns. One HTTP/2 connection is one lock. 2.
    pub connections: usize,
    /// From the look-up of the name to the end of the handshake. 5 seconds.
    pub connect_timeout: Duration,
    /// The wait after the first dial that failed; it doubles with each further one, and is spread. 50 milliseconds.
    pub backoff_min: Duration,
    /// The longest wait between two dials. 5 seconds.
    pub backoff_max: Duration,
    /// The deadline of calls that have none. Absent: what the server's policy says.
    pub timeout: Option<Duration>,
    /// How often to ask a silent peer whether it is there. 20 seconds.
    pub keepalive_interval: Duration,
    /// How long to wait for its answer before the connection counts as lost. 10 seconds.
    pub keepalive_timeout: Duration,
    /// How much of one stream the peer may send ahead, in bytes. 256 KiB.
    pub stream_window_bytes: u32,
    /// How much of all streams the peer may send ahead, in bytes. 64 MiB: a response that is not read, as that of an
    /// edge's client who takes nothing, must not hold up the others, so this has room for many of them.
    pub connection_window_bytes: u32,
    /// Calls at the same time; further ones are shed. 10,000.
    pub calls_max: usize,
    /// How large a message of a response may be on the wire, in bytes. Not limited here: a generated client limits what
    /// it decodes, and a proxy what it holds.
    pub message_bytes_max: usize,
    /// Says of which RPCs the response is exactly one message, so that none and several are refused. Absent: of none.
    pub contract: Option<Policies>,
    /// Whether to tell the peer for whom we call. Absent: if we are the gateway, or without identity (plaintext), since
    /// servers refuse it from anyone else but impersonators.
    pub forward_user: Option<bool>,
}

/// A channel to one service. Clones share its connections; the last one to be dropped closes them.
#[derive(Clone)]
pub struct Channel {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    config: ChannelConfig,
    forward_user: bool,
    slots: Vec<Arc<Slot>>,
    next_slot: AtomicUsize,
    /// Sent to whenever a slot's state changes.
    changes: Arc<watch::Sender<()>>,
    started: AtomicBool,
    connector: Arc<Connector>,
    stop: CancellationToken,
    calls: Arc<AtomicUsize>,
    rpcs: RwLock<HashMap<String, Arc<Rpc>>>,
    _stop_when_dropped: DropGuard,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        const MEBIBYTE: u32 = 1024 * 1024;
        Self {
            connections: 2,
            connect_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            timeout: None,
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            stream_window_bytes: MEBIBYTE / 4,
            connection_window_bytes: 64 * MEBIBYTE,
            calls_max: 10_000,
            message_bytes_max: usize::MAX,
            contract: None,
            forward_user: None,
        }
    }
}

impl Channel {
    /// A channel to `target`, which connects when it is first used. An `https` target needs credentials: without them
    /// every call is refused.
    pub fn new(target: Target, credentials: Option<CredentialsReader>, config: ChannelConfig) -> Self {
        let is_gateway = credentials
            .as_ref()
            .is_none_or(|credentials| credentials.current().identity().service_account() == GATEWAY);
        let forward_user = config.forward_user.unwrap_or(is_gateway);
        Self::trusting(Trust::Mesh(credentials), target, config, forward_user)
    }

    /// A channel to a service outside the mesh, whose `https` is that of the Web: `tls` says which hosts it believes. It
    /// does not tell for whom it calls unless the configuration says so.
    pub fn outside(target: Target, tls: Arc<rustls::ClientConfig>, config: ChannelConfig) -> Self {
        let forward_user = config.forward_user.unwrap_or(false);
        Self::trusting(Trust::Web(tls), target, config, forward_user)
    }

    fn trusting(trust: Trust, target: Target, config: ChannelConfig, forward_user: bool) -> Self {
        let stop = CancellationToken::new();
        let inner = Inner {
            forward_user,
            slots: (0..config.connections.max(1)).map(|_| Arc::default()).collect(),
            next_slot: AtomicUsize::new(0),
            changes: Arc::new(watch::Sender::new(())),
            started: AtomicBool::new(false),
            connector: Arc::new(Connector::new(target.clone(), trust, &config)),
            _stop_when_dropped: stop.clone().drop_guard(),
            stop,
            calls: Arc::default(),
            rpcs: RwLock::default(),
            target,
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where the channel leads.
    pub fn target(&self) -> &Target {
        &self.inner.target
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Channel").field("target", &self.inner.target).finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    /// Always ready: a call that finds no connection waits for one or is refused within its own future.
    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Taken here and not in the future: the future may be polled where another context is current.
        let context = request::context(&request);
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { Ok(request::send(&inner, context, request).await) })
    }
}

impl Inner {
    /// Starts the tasks that keep the connections, at the first call: only then is there a runtime for certain.
    fn start(&self) {
        if self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        for slot in &self.slots {
            let keeper = Keeper {
                slot: Arc::clone(slot),
                connector: Arc::clone(&self.connector),
                changes: Arc::clone(&self.changes),
                backoff_min: self.config.backoff_min,
                backoff_max: self.config.backoff_max,
            };
            tokio::spawn(self.stop.clone().run_until_cancelled_owned(keeper.run()));
        }
    }

    fn rpc(&self, path: &str) -> Arc<Rpc> {
        let known = self.rpcs.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(rpc) = known.get(path) {
            return Arc::clone(rpc);
        }
        let full = known.len() >= METRICS_MAX;
        drop(known);
        let path = if full { "/other/other" } else { path };
        let (service, method) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or((path, ""));
        let mut known = self.rpcs.write().unwrap_or_else(PoisonError::into_inner);
        let rpc = known.entry(path.to_owned()).or_insert_with(|| {
            let metrics = Arc::new(RpcMetrics::new(Side::Client, service, method));
            Arc::new(Rpc { metrics, response: self.response_rules(path) })
        });
        Arc::clone(rpc)
    }

    fn response_rules(&self, path: &str) -> Rules {
        let policy = self.config.contract.as_ref().and_then(|contract| contract.method(path));
        let cardinality = Cardinality::of(policy.is_none_or(|policy| policy.server_streaming));
        Rules { message_bytes_max: self.config.message_bytes_max, cardinality }
    }
}
