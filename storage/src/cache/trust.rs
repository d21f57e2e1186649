//! Whether the shared cache may be used, agreed on in the database.
//!
//! A process that cannot reach Redis cannot tell it what it writes, while others may still read there. So the
//! processes agree by one row of the database: the cache's epoch, and until when it is closed.
//!
//! * A reader uses the cache only within [`LEASE`] of a moment at which the row said that it is open, and only values
//!   of the row's epoch.
//! * A writer who cannot reach Redis begins a new epoch and closes the cache for [`CLOSED`], waits until every lease
//!   from before has ended, and acknowledges then. It goes on closing the cache while it has no connection, so that
//!   only the first writes of an outage wait. Values from before are of an old epoch when the cache opens again.
//!
//! Leases are measured by each process's own steady clock, and the closing by the database's. A step of the latter
//! by more than half of [`CLOSED`] during an outage is the one thing that this does not survive.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

/// How long an answer of the database's counts.
pub(super) const LEASE: Duration = Duration::from_secs(2);
/// How long a process closes the cache for, unless it goes on.
pub(super) const CLOSED: Duration = Duration::from_secs(10);
/// How often it goes on.
pub(super) const CLOSED_RENEWAL: Duration = Duration::from_secs(3);
/// How long until the database is asked again after it said that the cache is closed.
const ASK_INTERVAL: Duration = Duration::from_millis(500);
/// How often the database is asked to close the cache when it fails. Requests have met their deadlines by then.
const TRIES_MAX: usize = 60;

/// What the row says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Epoch {
    /// Which epoch it is.
    pub(crate) number: i64,
    /// Whether the cache is closed.
    pub(crate) is_closed: bool,
}

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'a>>;

/// The row in the database.
pub(crate) trait Epochs: Send + Sync + 'static {
    /// What it says.
    fn read(&self) -> Answer<'_, Epoch>;

    /// Begins a new epoch and closes the cache for a while from now. Answers whether it was closed before.
    fn close(&self, time: Duration) -> Answer<'_, bool>;
}

pub(crate) struct Trust {
    epochs: Box<dyn Epochs>,
    state: Mutex<State>,
    /// One process closes the cache once at a time.
    closing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    /// The epoch, and until when it counts.
    lease: Option<(i64, Instant)>,
    /// When the database may be asked next.
    ask_time: Instant,
    /// Between when this process knows the cache to be closed for everybody.
    closed: Option<(Instant, Instant)>,
}

impl Trust {
    pub(super) fn new(epochs: impl Epochs) -> Self {
        let state = State { lease: None, ask_time: Instant::now(), closed: None };
        Self { epochs: Box::new(epochs), state: Mutex::new(state), closing: tokio::sync::Mutex::default() }
    }

    /// The epoch whose values may be used now, if any. Sees to it that it is known next time.
    pub(super) fn epoch(self: &Arc<Self>) -> Option<i64> {
        let now = Instant::now();
        let mut state = self.state();
        let lease = state.lease.filter(|(_, end)| now < *end);
        let is_ending = lease.is_none_or(|(_, end)| end - now < LEASE / 2);
        if is_ending && state.ask_time <= now {
            state.ask_time = now + ASK_INTERVAL;
            tokio::spawn(Arc::clone(self).ask());
        }
        lease.map(|(epoch, _)| epoch)
    }

    /// Whether nobody uses the cache, as far as this process has seen to it.
    pub(super) fn is_closed(&self) -> bool {
        let now = Instant::now();
        self.state().closed.is_some_and(|(begin, end)| begin <= now && now < end)
    }

    /// Returns when nobody uses what the cache holds now.
    pub(super) async fn close(&self) {
        let _closing = self.closing.lock().await;
        if !self.is_closed() {
            self.close_now().await;
        }
    }

    /// As [`close`](Self::close), and for longer than it was.
    pub(super) async fn close_on(&self) {
        let _closing = self.closing.lock().await;
        self.close_now().await;
    }

    async fn close_now(&self) {
        for _ in 0..TRIES_MAX {
            let asked = Instant::now();
            match self.epochs.close(CLOSED).await {
                Ok(was_closed) => return sleep_until(self.closed(asked, was_closed)).await,
                Err(error) => {
                    tracing::warn!(%error, "the cache could not be closed");
                    sleep(ASK_INTERVAL).await;
                }
            }
        }
    }

    /// Notes that the cache is closed, and answers from when on everybody knows.
    fn closed(&self, asked: Instant, was_closed: bool) -> Instant {
        let now = Instant::now();
        let mut state = self.state();
        let known = state.closed.filter(|(_, end)| was_closed && asked < *end);
        let begin = known.map_or(now + LEASE, |(begin, _)| begin);
        state.closed = Some((begin, asked + CLOSED));
        state.lease = None;
        begin
    }

    async fn ask(self: Arc<Self>) {
        // The answer may be as old as the question.
        let asked = Instant::now();
        match self.epochs.read().await {
            Ok(epoch) => self.state().lease = (!epoch.is_closed).then_some((epoch.number, asked + LEASE)),
            Err(error) => tracing::debug!(%error, "the cache's epoch is not known"),
        }
    }

    /// Every change here is complete in itself, so a panic elsewhere does no harm.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Trust").field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row, shared by the processes of a test.
    #[derive(Clone, Default)]
    struct Row(Arc<Mutex<(i64, Option<Instant>)>>);

    impl Epochs for Row {
        fn read(&self) -> Answer<'_, Epoch> {
            let (number, end) = *self.0.lock().unwrap();
            Box::pin(async move { Ok(Epoch { number, is_closed: end.is_some_and(|end| Instant::now() < end) }) })
        }

        fn close(&self, time: Duration) -> Answer<'_, bool> {
            let mut row = self.0.lock().unwrap();
            let was_closed = row.1.is_some_and(|end| Instant::now() < end);
            *row = (row.0 + 1, Some(Instant::now() + time));
            Box::pin(async move { Ok(was_closed) })
        }
    }

    /// A process that uses the cache.
    async fn process(row: &Row) -> Arc<Trust> {
        let trust = Arc::new(Trust::new(row.clone()));
        assert_eq!(trust.epoch(), None, "nothing is known yet");
        tokio::task::yield_now().await;
        trust
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_uses_the_cache_once_it_is_closed() {
        let row = Row::default();
        let (reader, writer) = (process(&row).await, process(&row).await);
        assert_eq!(reader.epoch(), Some(0));
        writer.close().await;
        assert_eq!((reader.epoch(), writer.epoch()), (None, None));
        assert!(writer.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_first_writes_of_an_outage_wait() {
        let row = Row::default();
        let writer = process(&row).await;
        let begin = Instant::now();
        tokio::join!(writer.close(), writer.close());
        assert_eq!(begin.elapsed(), LEASE);
        for _ in 0..10 {
            tokio::time::advance(CLOSED_RENEWAL).await;
            let begin = Instant::now();
            writer.close().await;
            writer.close_on().await;
            assert_eq!(begin.elapsed(), Duration::ZERO);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_does_not_rely_on_another_that_has_just_closed_the_cache() {
        let row = Row::default();
        let (one, other) = (process(&row).await, process(&row).await);
        let begin = Instant::now();
        tokio::join!(one.close(), other.close());
        assert_eq!(begin.elapsed(), LEASE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cache_opens_again_in_another_epoch() {
        let row = Row::default();
        let (reader, writer) = (process(&row).await, process(&row).await);
        writer.close().await;
        tokio::time::advance(CLOSED).await;
        reader.epoch();
        tokio::task::yield_now().await;
        assert_eq!(reader.epoch(), Some(1));
        assert!(!writer.is_closed(), "the next outage begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_renewed_while_it_is_used_and_ends_otherwise() {
        let row = Row::default();
        let reader = process(&row).await;
        for _ in 0..10 {
            tokio::time::advance(LEASE / 2 + Duration::from_millis(1)).await;
            assert_eq!(reader.epoch(), Some(0));
            tokio::task::yield_now().await;
        }
        tokio::time::advance(LEASE).await;
        assert_eq!(reader.epoch(), None);
    }
}
