//! The time and new ids, as arguments, so that tests decide them.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, DurationRound, NaiveDate, TimeDelta, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// The first date that the contract can say.
pub const FIRST_DATE: NaiveDate = FIRST_TIME.naive_utc().date();
/// The first instant that the contract can say.
pub const FIRST_TIME: DateTime<Utc> = instant(-62_135_596_800);
/// The last whole second that the contract can say.
pub const LAST_TIME: DateTime<Utc> = instant(253_402_300_799);

/// Tells what time it is.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

/// Makes UUIDv7 ids that ascend within the process, also within one millisecond.
#[derive(Debug)]
pub struct IdSource(Mutex<ContextV7>);

/// A [`Clock`] and an [`IdSource`], shared by the services.
#[derive(Clone, Debug)]
pub struct TimeAndIds {
    clock: Arc<dyn Clock>,
    ids: Arc<IdSource>,
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock, backwards if `by` is negative.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for IdSource {
    fn default() -> Self {
        Self(Mutex::new(ContextV7::new()))
    }
}

impl TimeAndIds {
    /// Time as `clock` tells it.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ids: Arc::default() }
    }

    /// Now, in the microseconds that every database keeps.
    pub fn now(&self) -> DateTime<Utc> {
        truncate(self.clock.now())
    }

    /// A new id, ordered after all those before it.
    pub fn new_id(&self) -> Uuid {
        let now = self.clock.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(Timestamp::from_unix(&self.ids.0, seconds, now.timestamp_subsec_nanos()))
    }
}

/// Cuts off what is finer than a microsecond.
pub fn truncate(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(time)
}

const fn instant(seconds: i64) -> DateTime<Utc> {
    match DateTime::from_timestamp(seconds, 0) {
        Some(instant) => instant,
        None => DateTime::UNIX_EPOCH,
    }
}
