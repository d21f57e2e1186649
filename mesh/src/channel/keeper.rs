//! Keeps one connection of a channel alive.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::client::conn::http2::SendRequest;
use rand::Rng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::connector::{Connection, Connector};
use super::replay::Loan;
use crate::tls::CredentialsReader;

/// A connection that breaks sooner counts as a failed dial, or a peer that accepts and breaks would be redialled in a
/// tight loop.
const BROKEN_WITHIN: Duration = Duration::from_secs(1);

/// A connection that ends sooner, even in order, is not to be redialled at once.
const PAUSE_WITHIN: Duration = Duration::from_millis(5);

/// The place of one connection.
#[derive(Debug, Default)]
pub(super) struct Slot {
    state: RwLock<State>,
}

/// What a call finds in a slot.
#[derive(Clone, Debug, Default)]
pub(super) enum State {
    /// A dial is under way, or will be at once.
    #[default]
    Connecting,
    /// Calls may be sent.
    Ready(SendRequest<Loan>),
    /// The last dial failed.
    Down {
        /// When it is tried again.
        until: Instant,
    },
}

/// Dials, watches and redials.
pub(super) struct Keeper {
    pub(super) slot: Arc<Slot>,
    pub(super) connector: Arc<Connector>,
    pub(super) changes: Arc<watch::Sender<()>>,
    pub(super) backoff_min: Duration,
    pub(super) backoff_max: Duration,
}

impl Slot {
    pub(super) fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What calls are sent with, if the connection takes them.
    pub(super) fn sender(&self) -> Option<SendRequest<Loan>> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Ready(sender) if !sender.is_closed() => Some(sender.clone()),
            _ => None,
        }
    }

    fn set(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Keeper {
    /// Keeps the slot filled; runs until it is dropped.
    pub(super) async fn run(self) {
        let mut credentials = self.connector.credentials();
        let mut failures = 0;
        loop {
            match self.connector.dial().await {
                Ok(connection) => {
                    let begun = Instant::now();
                    self.set(State::Ready(connection.sender.clone()));
                    self.log_connected(failures);
                    let end = self.keep(connection, &mut credentials).await;
                    if was_good(begun, end.is_some()) {
                        self.log_ended(end.as_deref());
                        failures = 0;
                        self.set(State::Connecting);
                        continue;
                    }
                    self.pause(&end.unwrap_or_else(|| "the peer closes new connections".to_owned()), failures).await;
                }
                Err(error) => self.pause(&error.to_string(), failures).await,
            }
            failures += 1;
        }
    }

    /// Watches a connection, and replaces it when the credentials change; returns how the last one ended.
    async fn keep(&self, mut connection: Connection, credentials: &mut Option<CredentialsReader>) -> Option<String> {
        let mut failures = 0;
        loop {
            let retry = if failures > 0 { self.backoff(failures, &mut rand::rng()) } else { Duration::MAX };
            tokio::select! {
                end = &mut connection.closed => return describe(end),
                () = changed(credentials) => {}
                () = sleep(retry) => {}
            }
            // The old connection takes calls until the new one stands, and ends when its last call has.
            match self.connector.dial().await {
                Ok(renewed) => {
                    failures = 0;
                    connection = renewed;
                    self.set(State::Ready(connection.sender.clone()));
                    debug!(target = %self.connector.target(), "connection renewed with changed credentials");
                }
                Err(error) => {
                    failures += 1;
                    warn!(target = %self.connector.target(), %error, "renewing the connection failed, the old one stays");
                }
            }
        }
    }

    /// What was reported as down is reported when it is up again.
    fn log_connected(&self, failures: u32) {
        if failures == 0 {
            debug!(target = %self.connector.target(), "connected");
        } else {
            info!(target = %self.connector.target(), failures, "connected again");
        }
    }

    fn log_ended(&self, error: Option<&str>) {
        if let Some(error) = error {
            info!(target = %self.connector.target(), error, "the connection was lost");
        } else {
            debug!(target = %self.connector.target(), "the peer ended the connection in order");
        }
    }

    async fn pause(&self, error: &str, failures: u32) {
        let pause = self.backoff(failures, &mut rand::rng());
        // Once is news, and each further time is not.
        if failures == 0 {
            info!(target = %self.connector.target(), error, "not connected");
        }
        self.set(State::Down { until: Instant::now() + pause });
        sleep(pause).await;
    }

    /// Doubles with each failure; spread over its upper half, so that clients do not come back all at once.
    fn backoff(&self, failures: u32, random: &mut impl Rng) -> Duration {
        let doubled = self.backoff_min.saturating_mul(1 << failures.min(16));
        doubled.min(self.backoff_max).mul_f64(random.random_range(0.5..=1.0))
    }

    fn set(&self, state: State) {
        self.slot.set(state);
        self.changes.send_replace(());
    }
}

/// Whether the peer is worth an immediate redial.
fn was_good(begun: Instant, broke: bool) -> bool {
    begun.elapsed() > if broke { BROKEN_WITHIN } else { PAUSE_WITHIN }
}

async fn changed(credentials: &mut Option<CredentialsReader>) {
    match credentials {
        Some(credentials) => credentials.changed().await,
        None => std::future::pending().await,
    }
}

/// What went wrong; `None` if the connection ended in order.
fn describe(end: Result<Result<(), hyper::Error>, tokio::task::JoinError>) -> Option<String> {
    match end {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(crate::refusal::Chain(&error).to_string()),
        Err(error) => Some(error.to_string()),
    }
}
