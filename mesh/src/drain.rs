//! Shutdown that loses nothing: say NOT_SERVING, wait until callers know, stop accepting, let calls finish, then force.
//!
//! The order matters. Whoever balances load learns of the shutdown only some time after it began, so the process keeps
//! accepting for the propagation delay; a listener that closes at once would refuse calls that were sent in good faith.

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{info, warn};

use crate::environment::{Environment, EnvironmentError};
use crate::health::Health;

/// How long the phases of a shutdown last.
#[derive(Clone, Copy, Debug)]
pub struct DrainConfig {
    /// How long to keep accepting after saying NOT_SERVING. `DRAIN_DELAY_SECONDS`, default 0; some 5 seconds where
    /// endpoints are discovered (Kubernetes).
    pub propagation_delay: Duration,
    /// How long streams that only read and could go on for ever may, before they are told to begin again elsewhere.
    /// 2 seconds by default: without it every shutdown would last until its deadline.
    pub stream_grace: Duration,
    /// How long calls under way may take to finish. `DRAIN_DEADLINE_SECONDS`, default 25, which leaves 5 of
    /// Kubernetes' 30.
    pub deadline: Duration,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            propagation_delay: Duration::ZERO,
            stream_grace: Duration::from_secs(2),
            deadline: Duration::from_secs(25),
        }
    }
}

impl DrainConfig {
    /// Reads the variables; what is absent is as by default.
    pub fn read(environment: &Environment<'_>) -> Result<Self, EnvironmentError> {
        let defaults = Self::default();
        let seconds = |variable| Ok(environment.parsed(variable)?.map(Duration::from_secs));
        Ok(Self {
            propagation_delay: seconds("DRAIN_DELAY_SECONDS")?.unwrap_or(defaults.propagation_delay),
            deadline: seconds("DRAIN_DEADLINE_SECONDS")?.unwrap_or(defaults.deadline),
            ..defaults
        })
    }
}

/// Starts the shutdown and sees it through. One per process.
#[derive(Debug)]
pub struct DrainHandle {
    config: DrainConfig,
    health: Health,
    phase: watch::Sender<Phase>,
    connections: TaskTracker,
}

/// Tells servers and background tasks of the shutdown. Clones hear the same.
#[derive(Clone, Debug)]
pub struct Drain {
    phase: watch::Receiver<Phase>,
    connections: TaskTracker,
}

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every call finished.
    Clean,
    /// The deadline passed and this many connections or tasks were cut.
    Forced {
        /// How many.
        cut: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Draining,
    EndingStreams,
    Forced,
    Finished,
}

/// The two halves of a process's shutdown; `health` is what says NOT_SERVING when it begins.
pub fn channel(config: DrainConfig, health: Health) -> (DrainHandle, Drain) {
    let (sender, receiver) = watch::channel(Phase::Serving);
    let connections = TaskTracker::new();
    let drain = Drain { phase: receiver, connections: connections.clone() };
    (DrainHandle { config, health, phase: sender, connections }, drain)
}

impl DrainHandle {
    /// Waits for SIGTERM or SIGINT, then drains. A second signal forces.
    pub async fn run_on_signals(self) -> io::Result<Outcome> {
        let mut signals = Signals::new()?;
        let name = signals.next().await;
        info!(signal = name, "shutdown begins");
        let phase = self.phase.clone();
        let drained = self.drain();
        tokio::pin!(drained);
        tokio::select! {
            outcome = &mut drained => return Ok(outcome),
            name = signals.next() => {
                warn!(signal = name, "a second signal forces the shutdown");
                phase.send_replace(Phase::Forced);
            }
        }
        Ok(drained.await)
    }

    /// Drains now; returns when every server that got the [`Drain`] has ended.
    pub async fn drain(self) -> Outcome {
        self.health.draining();
        let mut phase = self.phase.subscribe();
        tokio::select! {
            () = sleep(self.config.propagation_delay) => {}
            () = reached(&mut phase, Phase::Forced) => {}
        }
        self.advance(Phase::Draining);
        self.connections.close();
        let outcome = tokio::select! {
            () = self.connections.wait() => Outcome::Clean,
            () = self.out_of_time() => self.force().await,
            () = reached(&mut phase, Phase::Forced) => self.force().await,
        };
        self.advance(Phase::Finished);
        match outcome {
            Outcome::Clean => info!("shutdown is complete, every call finished"),
            Outcome::Forced { cut } => warn!(connections.cut = cut, "shutdown is complete, the deadline cut calls"),
        }
        outcome
    }

    async fn out_of_time(&self) {
        let deadline = Instant::now() + self.config.deadline;
        sleep(self.config.stream_grace.min(self.config.deadline)).await;
        self.advance(Phase::EndingStreams);
        sleep_until(deadline).await;
    }

    async fn force(&self) -> Outcome {
        let cut = self.connections.len();
        self.advance(Phase::Forced);
        self.connections.wait().await;
        Outcome::Forced { cut }
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let later = to > *phase;
            *phase = to.max(*phase);
            later
        });
    }
}

impl Drain {
    /// A shutdown that never comes.
    pub fn never() -> Self {
        let (_, phase) = watch::channel(Phase::Serving);
        Self { phase, connections: TaskTracker::new() }
    }

    /// Returns when it is time to stop accepting and to finish what is under way.
    pub async fn draining(&self) {
        reached(&mut self.phase.clone(), Phase::Draining).await;
    }

    /// Returns when it is time to end streams that would not end by themselves.
    pub async fn ending_streams(&self) {
        reached(&mut self.phase.clone(), Phase::EndingStreams).await;
    }

    /// Returns when it is time to drop everything.
    pub async fn forced(&self) {
        reached(&mut self.phase.clone(), Phase::Forced).await;
    }

    /// Returns when everything else has ended: for what must be reachable until then, like the admin port.
    pub async fn finished(&self) {
        reached(&mut self.phase.clone(), Phase::Finished).await;
    }

    /// Whether the time to finish has come.
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow() >= Phase::Draining
    }

    /// The shutdown waits until the token is dropped.
    pub fn hold(&self) -> TaskTrackerToken {
        self.connections.token()
    }
}

async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // Without a sender nothing will ever change: `Drain::never`, or a handle that was dropped.
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        pending::<()>().await;
    }
}

/// SIGTERM and SIGINT, which from now on no longer end the process by themselves.
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen.
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one and answers its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_and_the_deadline_can_be_set_and_a_wrong_one_is_named() {
        let set = |name: &str| (name == "DRAIN_DELAY_SECONDS").then(|| "5".to_owned());
        let config = DrainConfig::read(&Environment::new(&set)).unwrap();
        assert_eq!((config.propagation_delay.as_secs(), config.deadline.as_secs()), (5, 25));
        let wrong = |name: &str| (name == "DRAIN_DEADLINE_SECONDS").then(|| "soon".to_owned());
        let error = DrainConfig::read(&Environment::new(&wrong)).unwrap_err();
        assert_eq!(error.variable, "DRAIN_DEADLINE_SECONDS");
    }

    fn with_deadline(seconds: u64) -> DrainConfig {
        DrainConfig {
            propagation_delay: Duration::from_secs(5),
            deadline: Duration::from_secs(seconds),
            ..DrainConfig::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn not_serving_is_said_before_accepting_stops() {
        let health = Health::new();
        let (handle, drain) = channel(with_deadline(25), health.clone());
        assert!(health.is_ready());
        let task = tokio::spawn(handle.drain());
        tokio::task::yield_now().await;
        assert!(!health.is_ready());
        assert!(!drain.is_draining(), "still accepting for the propagation delay");
        drain.draining().await;
        assert_eq!(task.await.unwrap(), Outcome::Clean);
    }

    #[tokio::test(start_paused = true)]
    async fn what_outlives_the_deadline_is_forced() {
        let (handle, drain) = channel(with_deadline(25), Health::new());
        let begun = Instant::now();
        let stuck = tokio::spawn({
            let drain = drain.clone();
            let held = drain.hold();
            async move {
                drain.forced().await;
                drop(held);
            }
        });
        assert_eq!(handle.drain().await, Outcome::Forced { cut: 1 });
        assert_eq!(begun.elapsed(), Duration::from_secs(30));
        stuck.await.unwrap();
        drain.finished().await;
    }
}
