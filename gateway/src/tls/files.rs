//! The public port's certificate and key in files that are followed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use focusflow_mesh::tls::{
    FileUnit, FileWatch, Followed, ReadFileError, read_file, report_expiry, validity, watch_files,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem};
use thiserror::Error;
use tracing::{info, warn};

use crate::config::CertificateFiles;

use super::{IDENTITY, provider, server_config};

/// Follows the two files.
pub(crate) type FilesWatch = FileWatch<ServerFiles>;

/// A file as the operator named it: `VARIABLE (PATH)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFile {
    variable: &'static str,
    path: PathBuf,
}

/// Why certificate and key cannot be used. Every message names the variable and the file.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("EDGE_TLS_CERT_FILE, EDGE_TLS_KEY_FILE: {0}")]
    Read(#[from] ReadFileError),
    /// A file is not PEM.
    #[error("{file} is not PEM: {source}")]
    Pem {
        /// Which.
        file: TlsFile,
        /// Where the reading stopped.
        source: pem::Error,
    },
    /// A file has none of what it is for.
    #[error("{file} holds no {item}")]
    Empty {
        /// Which.
        file: TlsFile,
        /// What was looked for.
        item: &'static str,
    },
    /// A file is PEM, and what it holds cannot be used.
    #[error("{file} cannot be used: {reason}")]
    Unusable {
        /// Which.
        file: TlsFile,
        /// Why not.
        reason: String,
    },
    /// The two are of different pairs.
    #[error("{key} is not the key of {certificate}")]
    KeyMismatch {
        /// The key.
        key: TlsFile,
        /// The certificate.
        certificate: TlsFile,
    },
    /// Every client would refuse it.
    #[error("{file} has expired")]
    Expired {
        /// Which.
        file: TlsFile,
    },
}

/// The two files as one unit.
#[derive(Debug)]
pub(crate) struct ServerFiles {
    certificate: TlsFile,
    key: TlsFile,
}

/// The two files' bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Loads the files and prepares to follow them.
pub(super) fn open(files: CertificateFiles) -> Result<(Followed<ServerFiles>, FilesWatch), CertificateError> {
    let unit = ServerFiles {
        certificate: TlsFile { variable: CertificateFiles::CERTIFICATE, path: files.certificate },
        key: TlsFile { variable: CertificateFiles::KEY, path: files.key },
    };
    watch_files(unit)
}

impl ServerFiles {
    fn chain(&self, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let file = &self.certificate;
        let chain = CertificateDer::pem_slice_iter(bytes)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| CertificateError::Pem { file: file.clone(), source })?;
        if chain.is_empty() {
            return Err(CertificateError::Empty { file: file.clone(), item: "certificate" });
        }
        Ok(chain)
    }

    fn key(&self, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
        let file = self.key.clone();
        PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::Empty { file, item: "private key" },
            source => CertificateError::Pem { file, source },
        })
    }

    fn certified_key(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<CertifiedKey, CertificateError> {
        CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::KeyMismatch { key: self.key.clone(), certificate: self.certificate.clone() }
            }
            rustls::Error::InvalidCertificate(reason) => unusable(&self.certificate, &reason),
            error => unusable(&self.key, &error),
        })
    }
}

impl FileUnit for ServerFiles {
    type Files = Pair;
    type Value = ServerConfig;
    type Error = CertificateError;

    fn read(&self) -> Result<Pair, ReadFileError> {
        Ok(Pair { certificate: read_file(&self.certificate.path)?, key: read_file(&self.key.path)? })
    }

    fn load(&self, files: &Pair, now: SystemTime) -> Result<ServerConfig, CertificateError> {
        let chain = self.chain(&files.certificate)?;
        let (_, not_after) = validity(&chain[0]).map_err(|reason| unusable(&self.certificate, &reason))?;
        let certified_key = self.certified_key(chain, self.key(&files.key)?)?;
        if not_after <= now {
            return Err(CertificateError::Expired { file: self.certificate.clone() });
        }
        let resolver = Arc::new(SingleCertAndKey::from(certified_key));
        let config = server_config(resolver).map_err(|error| unusable(&self.key, &error))?;
        // What is loaded is what is used: nothing after this can refuse it.
        report_expiry(IDENTITY, not_after);
        Ok(config)
    }

    fn accepted(&self, _: &ServerConfig) {
        info!(tls.certificate_file = %self.certificate.path.display(), "the public port's certificate is reloaded");
    }

    fn refused(&self, error: &CertificateError) {
        warn!(%error, "the public port's changed certificate cannot be used; the last good one stays");
    }
}

impl fmt::Display for TlsFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.variable, self.path.display())
    }
}

fn unusable(file: &TlsFile, reason: &impl ToString) -> CertificateError {
    CertificateError::Unusable { file: file.clone(), reason: reason.to_string() }
}
