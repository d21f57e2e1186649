//! The files of a credentials directory, as read.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use thiserror::Error;

pub(crate) const CA: &str = "ca.pem";
pub(crate) const CERTIFICATE: &str = "cert.pem";
pub(crate) const KEY: &str = "key.pem";
pub(crate) const REVOCATIONS: &str = "crl.pem";

/// The bytes of one directory's credential files.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialFiles {
    /// `ca.pem`: the roots that vouch for peers, one or several.
    pub ca: Vec<u8>,
    /// `cert.pem`: the process's own certificate, then the intermediates above it, if any.
    pub certificate: Vec<u8>,
    /// `key.pem`: the private key of the certificate.
    pub key: Vec<u8>,
    /// `crl.pem`: lists of revoked certificates. `None` when there is no such file.
    pub revocations: Option<Vec<u8>>,
}

/// A credential file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} cannot be read: {reason}", path.display())]
pub struct ReadFileError {
    /// The file.
    pub path: PathBuf,
    /// What the operating system said.
    pub reason: String,
}

impl CredentialFiles {
    /// Reads the files once. What is read may be a mixture if somebody replaces the files meanwhile.
    pub fn read(directory: &Path) -> Result<Self, ReadFileError> {
        Ok(Self {
            ca: read_file(&directory.join(CA))?,
            certificate: read_file(&directory.join(CERTIFICATE))?,
            key: read_file(&directory.join(KEY))?,
            revocations: read_optional(directory, REVOCATIONS)?,
        })
    }
}

impl fmt::Debug for CredentialFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The private key must not reach a log.
        formatter.debug_struct("CredentialFiles").finish_non_exhaustive()
    }
}

/// Reads one file, and names it if that fails.
pub fn read_file(path: &Path) -> Result<Vec<u8>, ReadFileError> {
    fs::read(path).map_err(|error| ReadFileError { path: path.to_path_buf(), reason: error.to_string() })
}

fn read_optional(directory: &Path, name: &str) -> Result<Option<Vec<u8>>, ReadFileError> {
    let path = directory.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ReadFileError { path, reason: error.to_string() }),
    }
}
