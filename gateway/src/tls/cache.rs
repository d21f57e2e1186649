//! Where an account and its certificate outlive the process: files that only their owner may read.
//!
//! Without them each start would order anew, and authorities refuse whoever orders too often.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use std::{fs, io};

use async_trait::async_trait;
use focusflow_mesh::tls::{report_expiry, validity};
use rustls_acme::{AccountCache, CertCache};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use super::IDENTITY;

const ONLY_OWNER_DIRECTORY: u32 = 0o700;
const ONLY_OWNER_FILE: u32 = 0o600;

/// A directory of certificates and account keys. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    directory: Arc<Path>,
    /// From when until when the latest certificate is good.
    validity: Arc<Mutex<Option<(SystemTime, SystemTime)>>>,
}

impl Cache {
    /// Makes the directory if it is not there, and sees whether it can be written to.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(ONLY_OWNER_DIRECTORY).create(&directory)?;
        let probe = directory.join(".writable");
        write(&probe, b"")?;
        fs::remove_file(probe)?;
        Ok(Self { directory: directory.into(), validity: Arc::default() })
    }

    /// From when until when the latest certificate that went through here is good.
    pub(super) fn validity(&self) -> Option<(SystemTime, SystemTime)> {
        *self.validity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every certificate comes by here, an old one when it is read and a new one when it is kept.
    fn note(&self, pem: &[u8]) {
        let certificate = CertificateDer::pem_slice_iter(pem).next().and_then(Result::ok);
        let Some(Ok(validity)) = certificate.map(|certificate| validity(&certificate)) else { return };
        report_expiry(IDENTITY, validity.1);
        *self.validity.lock().unwrap_or_else(PoisonError::into_inner) = Some(validity);
    }

    async fn load(&self, name: String) -> io::Result<Option<Vec<u8>>> {
        match tokio::fs::read(self.directory.join(name)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    async fn store(&self, name: String, contents: &[u8]) -> io::Result<()> {
        let (path, contents) = (self.directory.join(name), contents.to_vec());
        tokio::task::spawn_blocking(move || replace(&path, &contents)).await?
    }
}

#[async_trait]
impl CertCache for Cache {
    type EC = io::Error;

    async fn load_cert(&self, domains: &[String], directory_url: &str) -> io::Result<Option<Vec<u8>>> {
        let pem = self.load(name("certificate", domains, directory_url)).await?;
        if let Some(pem) = &pem {
            self.note(pem);
        }
        Ok(pem)
    }

    async fn store_cert(&self, domains: &[String], directory_url: &str, pem: &[u8]) -> io::Result<()> {
        self.note(pem);
        self.store(name("certificate", domains, directory_url), pem).await
    }
}

#[async_trait]
impl AccountCache for Cache {
    type EA = io::Error;

    async fn load_account(&self, contacts: &[String], directory_url: &str) -> io::Result<Option<Vec<u8>>> {
        self.load(name("account", contacts, directory_url)).await
    }

    async fn store_account(&self, contacts: &[String], directory_url: &str, key: &[u8]) -> io::Result<()> {
        self.store(name("account", contacts, directory_url), key).await
    }
}

/// A certificate is for its domains and an account for its contacts, at one authority: others have other files.
fn name(kind: &str, parts: &[String], directory_url: &str) -> String {
    let mut hash = Sha256::new();
    for part in parts.iter().map(String::as_str).chain([directory_url]) {
        hash.update(part);
        hash.update([0]);
    }
    let mut name = format!("{kind}-");
    for byte in &hash.finalize()[..16] {
        // Writing to a string does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// A process that is killed in between leaves the old file.
fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    write(&next, contents)?;
    fs::rename(next, path)
}

fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(ONLY_OWNER_FILE).open(path)?;
    io::Write::write_all(&mut file, contents)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const AUTHORITY: &str = "https://ca.example.org/directory";

    fn domains(domain: &str) -> [String; 1] {
        [domain.to_owned()]
    }

    #[tokio::test]
    async fn what_was_kept_is_there_for_the_next_process_and_for_nobody_else() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("data/acme");
        let made = rcgen::generate_simple_self_signed(["example.org".to_owned()]).unwrap();
        let pem = made.signing_key.serialize_pem() + &made.cert.pem();
        let cache = Cache::open(directory.clone()).unwrap();
        cache.store_cert(&domains("example.org"), AUTHORITY, pem.as_bytes()).await.unwrap();
        assert!(cache.validity().is_some());

        let next = Cache::open(directory.clone()).unwrap();
        assert_eq!(next.load_cert(&domains("example.org"), AUTHORITY).await.unwrap().unwrap(), pem.as_bytes());
        assert_eq!(next.validity(), cache.validity());
        assert_eq!(next.load_cert(&domains("other.org"), AUTHORITY).await.unwrap(), None);
        assert_eq!(next.load_cert(&domains("example.org"), "https://other.org").await.unwrap(), None);

        let files: Vec<_> = fs::read_dir(&directory).unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, ONLY_OWNER_FILE);
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, ONLY_OWNER_DIRECTORY);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_found_out_at_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Cache::open(file.path().join("acme")).is_err());
    }
}
