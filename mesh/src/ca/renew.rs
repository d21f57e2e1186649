//! Keeping leaf directories fresh.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::time::sleep;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::CaError;
use super::leaf::LeafRequest;
use super::root::DevelopmentCa;
use crate::tls::{CredentialFiles, Credentials};

/// How often the leaves are looked at, however long they live. The wall clock is asked each time, because a
/// timer stands still while a laptop sleeps; and what an operator does to the authority shows within this time.
const LOOK_INTERVAL_MAX: Duration = Duration::from_secs(30);

/// The shortest pause, which also follows a failure.
const LOOK_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// A directory and the certificate that belongs into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafDirectory {
    /// Where `ca.pem`, `cert.pem`, `key.pem` and `crl.pem` are written.
    pub directory: PathBuf,
    /// What to issue.
    pub request: LeafRequest,
}

/// When to renew a certificate: after two thirds of its life, so that a failing authority has a third of it
/// to be repaired in.
pub fn renew_at(not_before: SystemTime, not_after: SystemTime) -> SystemTime {
    let life = not_after.duration_since(not_before).unwrap_or_default();
    not_before + life / 3 * 2
}

/// Writes those leaf directories that need it, and says when the next one will.
///
/// A directory needs it when its certificate is past two thirds of its life, is absent or unusable, belongs to
/// somebody else, or does not follow the authority: another root signs now, or roots or revocations changed.
/// One that cannot be written does not keep the others from being written; the first error is returned.
pub fn renew_due(ca_directory: &Path, leaves: &[LeafDirectory], now: SystemTime) -> Result<SystemTime, CaError> {
    let ca = DevelopmentCa::open(ca_directory)?;
    let mut earliest = Ok(now + LOOK_INTERVAL_MAX);
    for leaf in leaves {
        let next = match fresh_until(&ca, leaf, now) {
            Some(due) if due > now => Ok(due),
            _ => renew(&ca, leaf, now),
        };
        earliest = earliest.and_then(|earliest| next.map(|next| earliest.min(next)));
    }
    earliest
}

/// Keeps the leaf directories renewed for ever. Dropping the future ends it.
///
/// `clock` tells the time that certificates are compared with. A failure is logged and tried again.
pub async fn renew_forever<Clock>(ca_directory: PathBuf, leaves: Vec<LeafDirectory>, clock: Clock)
where
    Clock: Fn() -> SystemTime,
{
    let ca_directory: Arc<Path> = ca_directory.into();
    let leaves: Arc<[LeafDirectory]> = leaves.into();
    loop {
        let now = clock();
        let outcome = {
            let (ca_directory, leaves) = (Arc::clone(&ca_directory), Arc::clone(&leaves));
            tokio::task::spawn_blocking(move || renew_due(&ca_directory, &leaves, now)).await
        };
        let pause = match outcome {
            Ok(Ok(next_due)) => next_due.duration_since(now).unwrap_or_default(),
            Ok(Err(error)) => {
                tracing::warn!(
                    ca.directory = %ca_directory.display(),
                    %error,
                    "development certificates cannot be renewed; trying again"
                );
                LOOK_INTERVAL_MIN
            }
            // The runtime is going down.
            Err(_) => return,
        };
        sleep(pause.clamp(LOOK_INTERVAL_MIN, LOOK_INTERVAL_MAX)).await;
    }
}

/// When the certificate that stands in the directory is to be renewed; `None` if it cannot stay at all.
fn fresh_until(ca: &DevelopmentCa, leaf: &LeafDirectory, now: SystemTime) -> Option<SystemTime> {
    let files = CredentialFiles::read(&leaf.directory).ok()?;
    let follows_authority = files.ca == ca.bundle_pem().as_bytes()
        && ca.revocations_pem().is_none_or(|list| files.revocations.as_deref() == Some(list.as_bytes()))
        && is_issued_by(ca, &files.certificate);
    // Somebody else's list may be unusable; another certificate would not mend it.
    let files = CredentialFiles { revocations: None, ..files };
    let credentials = Credentials::new(&files, ca.trust_domain(), now).ok()?;
    let identity = credentials.identity();
    let is_requested =
        identity.namespace() == leaf.request.namespace && identity.service_account() == leaf.request.service_account;
    (follows_authority && is_requested).then(|| renew_at(credentials.not_before(), credentials.not_after()))
}

fn is_issued_by(ca: &DevelopmentCa, certificate_pem: &[u8]) -> bool {
    let Ok(certificate) = CertificateDer::from_pem_slice(certificate_pem) else { return false };
    X509Certificate::from_der(&certificate).is_ok_and(|(_, certificate)| ca.has_issued(&certificate))
}

fn renew(ca: &DevelopmentCa, leaf: &LeafDirectory, now: SystemTime) -> Result<SystemTime, CaError> {
    ca.write_leaf(&leaf.directory, &leaf.request, now)?;
    tracing::info!(
        leaf.service_account = %leaf.request.service_account,
        leaf.directory = %leaf.directory.display(),
        "development certificate issued"
    );
    Ok(renew_at(now, leaf.request.not_after(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
        let not_before = SystemTime::UNIX_EPOCH;
        let not_after = not_before + Duration::from_hours(24);
        assert_eq!(renew_at(not_before, not_after), not_before + Duration::from_hours(16));
    }

    #[test]
    fn a_certificate_without_a_life_is_renewed_at_once() {
        let not_before = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        assert_eq!(renew_at(not_before, SystemTime::UNIX_EPOCH), not_before);
    }
}
