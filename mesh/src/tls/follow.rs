//! Files that are followed: read as one unit, taken once they have settled, and refused without harm.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::files::ReadFileError;

/// How often the files are looked at unless the caller says otherwise.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

/// How soon a change is looked at again, to see whether the writer has finished.
const SETTLE_MAX: Duration = Duration::from_millis(100);

/// How often files that were refused are tried again although they have not changed: their time may come.
const RETRY_REFUSED: Duration = Duration::from_mins(1);

/// How often a first read is repeated while somebody replaces the files under it.
const READ_ATTEMPTS_MAX: usize = 10;

/// Files that make one unit, and what is made of them.
pub trait FileUnit: Send + Sync + 'static {
    /// What is read, compared to tell whether anything has changed.
    type Files: Clone + Eq + Send + 'static;
    /// What the files are good for.
    type Value: Send + Sync + 'static;
    /// Why they cannot be used.
    type Error: fmt::Display + From<ReadFileError>;

    /// Reads the files once. What is read may be a mixture if somebody replaces the files meanwhile.
    fn read(&self) -> Result<Self::Files, ReadFileError>;

    /// Validates the files as one unit, as of `now`.
    fn load(&self, files: &Self::Files, now: SystemTime) -> Result<Self::Value, Self::Error>;

    /// Tells the operator what is in use from now on.
    fn accepted(&self, value: &Self::Value);

    /// Tells the operator that changed files cannot be used.
    fn refused(&self, error: &Self::Error);
}

/// The writer half: follows the files for as long as [`FileWatch::run_by`] is polled.
#[derive(Debug)]
pub struct FileWatch<U: FileUnit> {
    unit: Arc<U>,
    interval: Duration,
    sender: watch::Sender<Arc<U::Value>>,
    /// What was last acted upon, whether it was accepted or refused.
    settled: Result<U::Files, ReadFileError>,
    /// What was seen last, if it differs from `settled`.
    unsettled: Option<Result<U::Files, ReadFileError>>,
    /// When to try `settled` again, if it was refused.
    retry_at: Option<Instant>,
}

/// What the reader half is given: the value of this moment.
pub type Followed<U> = watch::Receiver<Arc<<U as FileUnit>::Value>>;

/// Loads the files and prepares to follow their changes.
///
/// Fails if the files as they stand now cannot be used. Nothing follows until the second value is run; dropping it leaves
/// the reader with what it has.
pub fn watch_files<U: FileUnit>(unit: U) -> Result<(Followed<U>, FileWatch<U>), U::Error> {
    let files = read_settled(&unit)?;
    let value = unit.load(&files, SystemTime::now())?;
    let (sender, receiver) = watch::channel(Arc::new(value));
    let watch = FileWatch {
        unit: Arc::new(unit),
        interval: INTERVAL_DEFAULT,
        sender,
        settled: Ok(files),
        unsettled: None,
        retry_at: None,
    };
    Ok((receiver, watch))
}

impl<U: FileUnit> FileWatch<U> {
    /// Looks at the files this often, instead of every second.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Follows the files for ever, judging them by this clock. Dropping the future ends it at any point without harm.
    pub async fn run_by(mut self, clock: impl Fn() -> SystemTime) {
        loop {
            sleep(self.pause()).await;
            self.look(&clock).await;
        }
    }

    fn pause(&self) -> Duration {
        if self.unsettled.is_some() { self.interval.min(SETTLE_MAX) } else { self.interval }
    }

    /// Acts on a change once it has been seen twice.
    ///
    /// Several files make one unit, and no file system replaces several files at once: what is seen once may be
    /// half of a change. The contents are compared, not their times, because a swapped symbolic link, as
    /// Kubernetes does it, changes one without the other.
    async fn look(&mut self, clock: impl Fn() -> SystemTime) {
        let Some(observation) = self.observe().await else { return };
        if observation == self.settled {
            self.unsettled = None;
            self.retry_if_due(clock());
        } else if self.unsettled.as_ref() == Some(&observation) {
            self.unsettled = None;
            self.settled = observation;
            self.reload(clock());
        } else {
            self.unsettled = Some(observation);
        }
    }

    async fn observe(&self) -> Option<Result<U::Files, ReadFileError>> {
        let unit = Arc::clone(&self.unit);
        // The only error is that the runtime is going down.
        tokio::task::spawn_blocking(move || unit.read()).await.ok()
    }

    fn retry_if_due(&mut self, now: SystemTime) {
        if self.retry_at.is_some_and(|due| Instant::now() >= due) {
            self.reload(now);
        }
    }

    fn reload(&mut self, now: SystemTime) {
        let loaded = match &self.settled {
            Ok(files) => self.unit.load(files, now),
            Err(error) => Err(error.clone().into()),
        };
        match loaded {
            Ok(value) => self.accept(value),
            Err(error) => self.refuse(&error),
        }
    }

    fn accept(&mut self, value: U::Value) {
        self.retry_at = None;
        metrics::counter!("tls_reload_total", "result" => "ok").increment(1);
        self.unit.accepted(&value);
        self.sender.send_replace(Arc::new(value));
    }

    fn refuse(&mut self, error: &U::Error) {
        self.retry_at = Some(Instant::now() + RETRY_REFUSED);
        metrics::counter!("tls_reload_total", "result" => "error").increment(1);
        self.unit.refused(error);
    }
}

/// Reads the files until two reads in a row agree, so that what is returned stood there at one moment.
fn read_settled<U: FileUnit>(unit: &U) -> Result<U::Files, ReadFileError> {
    let mut latest = unit.read();
    for _ in 1..READ_ATTEMPTS_MAX {
        let again = unit.read();
        if again == latest {
            break;
        }
        latest = again;
    }
    latest
}
