//! Credentials that follow their directory: a writer half and a reader half.

use std::future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::credentials::{Credentials, CredentialsError};
use super::files::{CredentialFiles, ReadFileError};
use crate::identity::TrustDomain;

/// How often the directory is looked at unless the caller says otherwise.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

/// How soon a change is looked at again, to see whether the writer has finished.
const SETTLE_MAX: Duration = Duration::from_millis(100);

/// How often files that were refused are tried again although they have not changed: their time may come.
const RETRY_REFUSED: Duration = Duration::from_mins(1);

/// The reader half: the credentials of this moment. Clones share them.
#[derive(Debug, Clone)]
pub struct CredentialsReader {
    receiver: watch::Receiver<Arc<Credentials>>,
}

/// The writer half: follows the directory for as long as [`CredentialsWatch::run`] is polled.
#[derive(Debug)]
pub struct CredentialsWatch {
    directory: Arc<Path>,
    trust_domain: TrustDomain,
    interval: Duration,
    sender: watch::Sender<Arc<Credentials>>,
    /// What was last acted upon, whether it was accepted or refused.
    settled: Observation,
    /// What was seen last, if it differs from `settled`.
    unsettled: Option<Observation>,
    /// When to try `settled` again, if it was refused.
    retry_at: Option<Instant>,
}

/// A directory's files cannot be used as credentials.
#[derive(Debug, Error)]
#[error("the credentials in {} cannot be used: {source}", directory.display())]
pub struct LoadError {
    directory: PathBuf,
    source: CredentialsError,
}

type Observation = Result<CredentialFiles, ReadFileError>;

/// Loads the credentials of a directory and prepares to follow its changes.
///
/// Fails if the files as they stand now cannot be used. Nothing follows until the second value's
/// [`run`](CredentialsWatch::run) is polled; dropping it leaves the reader with what it has.
pub fn watch_directory(
    directory: impl AsRef<Path>,
    trust_domain: &TrustDomain,
) -> Result<(CredentialsReader, CredentialsWatch), LoadError> {
    let directory = directory.as_ref();
    let fail = |source| LoadError { directory: directory.to_path_buf(), source };
    let files = CredentialFiles::read_settled(directory).map_err(|error| fail(error.into()))?;
    let credentials = Credentials::new(&files, trust_domain, SystemTime::now()).map_err(fail)?;
    report(&credentials);

    let (sender, receiver) = watch::channel(Arc::new(credentials));
    let watch = CredentialsWatch {
        directory: directory.into(),
        trust_domain: trust_domain.clone(),
        interval: INTERVAL_DEFAULT,
        sender,
        settled: Ok(files),
        unsettled: None,
        retry_at: None,
    };
    Ok((CredentialsReader { receiver }, watch))
}

impl CredentialsReader {
    /// A reader of credentials that never change.
    pub fn fixed(credentials: Credentials) -> Self {
        let (_, receiver) = watch::channel(Arc::new(credentials));
        Self { receiver }
    }

    /// The credentials of this moment. For each new connection ask again.
    pub fn current(&self) -> Arc<Credentials> {
        Arc::clone(&self.receiver.borrow())
    }

    /// Waits until the credentials differ from those that this reader saw when it was made or last returned
    /// from here. Waits for ever if nothing follows the directory any more.
    pub async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            future::pending::<()>().await;
        }
    }
}

impl CredentialsWatch {
    /// Looks at the directory this often, instead of every second.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Follows the directory for ever. Dropping the future ends it at any point without harm.
    pub async fn run(self) {
        self.run_by(SystemTime::now).await;
    }

    /// Follows the directory for ever, judging certificates by this clock.
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

    async fn observe(&self) -> Option<Observation> {
        let directory = Arc::clone(&self.directory);
        // The only error is that the runtime is going down.
        tokio::task::spawn_blocking(move || CredentialFiles::read(&directory)).await.ok()
    }

    fn retry_if_due(&mut self, now: SystemTime) {
        if self.retry_at.is_some_and(|due| Instant::now() >= due) {
            self.reload(now);
        }
    }

    fn reload(&mut self, now: SystemTime) {
        let loaded = match &self.settled {
            Ok(files) => Credentials::new(files, &self.trust_domain, now),
            Err(error) => Err(error.clone().into()),
        };
        match loaded {
            Ok(credentials) => self.accept(credentials),
            Err(error) => self.refuse(&error),
        }
    }

    fn accept(&mut self, credentials: Credentials) {
        self.retry_at = None;
        metrics::counter!("tls_reload_total", "result" => "ok").increment(1);
        report(&credentials);
        tracing::info!(
            tls.identity = %credentials.identity(),
            tls.directory = %self.directory.display(),
            "credentials reloaded"
        );
        self.sender.send_replace(Arc::new(credentials));
    }

    fn refuse(&mut self, error: &CredentialsError) {
        self.retry_at = Some(Instant::now() + RETRY_REFUSED);
        metrics::counter!("tls_reload_total", "result" => "error").increment(1);
        tracing::warn!(
            tls.directory = %self.directory.display(),
            %error,
            "changed credentials cannot be used; the last good ones stay"
        );
    }
}

/// Publishes when the certificate expires, as a Unix time.
fn report(credentials: &Credentials) {
    let expiry = credentials.not_after().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    metrics::gauge!("tls_certificate_expiry_seconds").set(expiry.as_secs_f64());
}
