//! Mutual TLS with certificates that change while the process runs.
//!
//! A directory holds what a process needs to prove who it is and to judge its peers: `ca.pem`, `cert.pem`,
//! `key.pem` and, if there is one, `crl.pem`. The four files are read and validated as one unit
//! ([`Credentials`]), so a connection never sees a new certificate with an old key. [`watch_directory`] returns
//! two halves: the reader is cloned to whoever accepts or dials, the watch runs as a task and replaces the unit
//! when the files change. Files that do not validate change nothing: the last good unit stays.
//!
//! Both sides of a connection present a certificate, and both judge the other by its SPIFFE id, not by a host
//! name: an address says where a peer is, not who it is. Sessions are never resumed, because a resumed session
//! skips the judgement.

mod credentials;
mod files;
mod follow;
mod verifier;
mod watch;

use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use self::credentials::{Credentials, CredentialsError, validity};
pub use self::files::{CredentialFiles, ReadFileError, read_file};
pub use self::follow::{FileUnit, FileWatch, Followed, watch_files};
pub use self::verifier::{ExpectedPeer, PeerError, peer_identity};
pub use self::watch::{CredentialsReader, CredentialsWatch, LoadError, watch_directory};

pub(crate) use self::credentials::system_time;
pub(crate) use self::files::{CA, CERTIFICATE, KEY, REVOCATIONS};

/// Makes aws-lc-rs the provider of libraries that ask for the process's default.
///
/// For the first line of `main`. The mesh's own configurations name their provider and do not depend on it.
/// A provider that is installed already stays.
pub fn install_provider() {
    // The only error is that a default exists, which is as good.
    let _already_installed = aws_lc_rs::default_provider().install_default();
}

/// Publishes when the certificate of `identity` expires, as a Unix time.
pub fn report_expiry(identity: impl Into<metrics::SharedString>, not_after: SystemTime) {
    let expiry = not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    metrics::gauge!("tls_certificate_expiry_seconds", "identity" => identity.into()).set(expiry.as_secs_f64());
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
