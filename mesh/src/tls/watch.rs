//! Credentials that follow their directory: a writer half and a reader half.

use std::future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::sync::watch;

use super::credentials::{Credentials, CredentialsError};
use super::files::{CredentialFiles, ReadFileError};
use super::follow::{FileUnit, FileWatch, watch_files};
use crate::identity::TrustDomain;

/// The reader half: the credentials of this moment. Clones share them.
#[derive(Debug, Clone)]
pub struct CredentialsReader {
    receiver: watch::Receiver<Arc<Credentials>>,
}

/// The writer half: follows the directory for as long as [`CredentialsWatch::run`] is polled.
#[derive(Debug)]
pub struct CredentialsWatch(FileWatch<Directory>);

/// A directory's files cannot be used as credentials.
#[derive(Debug, Error)]
#[error("the credentials in {} cannot be used: {source}", directory.display())]
pub struct LoadError {
    directory: PathBuf,
    source: CredentialsError,
}

/// The directory, and whose credentials are looked for there.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    trust_domain: TrustDomain,
}

/// Loads the credentials of a directory and prepares to follow its changes.
///
/// Fails if the files as they stand now cannot be used. Nothing follows until the second value's
/// [`run`](CredentialsWatch::run) is polled; dropping it leaves the reader with what it has.
pub fn watch_directory(
    directory: impl AsRef<Path>,
    trust_domain: &TrustDomain,
) -> Result<(CredentialsReader, CredentialsWatch), LoadError> {
    let path = directory.as_ref().to_path_buf();
    let unit = Directory { path: path.clone(), trust_domain: trust_domain.clone() };
    let (receiver, watch) = watch_files(unit).map_err(|source| LoadError { directory: path, source })?;
    report(&receiver.borrow());
    Ok((CredentialsReader { receiver }, CredentialsWatch(watch)))
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
    pub fn with_interval(self, interval: Duration) -> Self {
        Self(self.0.with_interval(interval))
    }

    /// Follows the directory for ever. Dropping the future ends it at any point without harm.
    pub async fn run(self) {
        self.run_by(SystemTime::now).await;
    }

    /// Follows the directory for ever, judging certificates by this clock.
    pub async fn run_by(self, clock: impl Fn() -> SystemTime) {
        self.0.run_by(clock).await;
    }
}

impl FileUnit for Directory {
    type Files = CredentialFiles;
    type Value = Credentials;
    type Error = CredentialsError;

    fn read(&self) -> Result<CredentialFiles, ReadFileError> {
        CredentialFiles::read(&self.path)
    }

    fn load(&self, files: &CredentialFiles, now: SystemTime) -> Result<Credentials, CredentialsError> {
        Credentials::new(files, &self.trust_domain, now)
    }

    fn accepted(&self, credentials: &Credentials) {
        report(credentials);
        tracing::info!(
            tls.identity = %credentials.identity(),
            tls.directory = %self.path.display(),
            "credentials reloaded"
        );
    }

    fn refused(&self, error: &CredentialsError) {
        tracing::warn!(
            tls.directory = %self.path.display(),
            %error,
            "changed credentials cannot be used; the last good ones stay"
        );
    }
}

/// Publishes when the certificate expires.
fn report(credentials: &Credentials) {
    super::report_expiry(credentials.identity().to_string(), credentials.not_after());
}
