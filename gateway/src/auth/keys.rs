//! The keys that sign and verify access tokens: a ring of them, each with an id, so that one can take another's place
//! and nobody is signed out.
//!
//! Every key of the ring verifies; one signs. A token names its key (`kid`), and the key decides the algorithm, never
//! the token.
//!
//! * `JWT_SECRET` (HS256) is the ring's foundation, `JWT_SECRET_PREVIOUS` the secrets before it.
//! * Ed25519 keys are files, `*.pem` with a PKCS #8 private key, in the directory that `JWT_KEYS_DIR` names. Their names
//!   are their ids, and the last in alphabetical order signs, once it has been there for [`SETTLING`]: by then all
//!   replicas have it. The directory is read again and again; files that cannot be used leave the ring as it is.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;
use sha2::{Digest, Sha256};

/// How long a new key verifies before it signs.
pub const SETTLING: Duration = Duration::from_mins(2);

const SECRET_BYTES_MIN: usize = 32;
const SECRET_ID_BYTES: usize = 8;
const KEY_FILES_MAX: usize = 32;

/// The signing secret is too short to resist guessing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected at least {SECRET_BYTES_MIN} bytes, found {found}")]
pub struct SecretTooShort {
    /// The length of what was given, in bytes.
    pub found: usize,
}

/// Why key files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The directory or a file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{path} is no Ed25519 private key (PKCS #8, PEM)")]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// More files than anybody rotates.
    #[error("{path} holds more than {KEY_FILES_MAX} keys")]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
}

/// A key of the ring.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) algorithm: Algorithm,
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
    /// The public half, where there is one.
    public: Option<Vec<u8>>,
    seen: SystemTime,
}

/// Keys by their ids, and the one that signs.
#[derive(Clone)]
pub struct KeyRing {
    /// The first is `JWT_SECRET`.
    secrets: Vec<Key>,
    /// By name.
    files: Vec<Key>,
    signer: usize,
}

impl KeyRing {
    /// A ring of secrets, each of at least 32 bytes. The first signs while there are no files.
    pub fn new(secret: &[u8], previous: &[&[u8]]) -> Result<Self, SecretTooShort> {
        let secrets = [secret].into_iter().chain(previous.iter().copied()).map(of_secret).collect::<Result<_, _>>()?;
        Ok(Self { secrets, files: Vec::new(), signer: 0 })
    }

    /// The ring with the keys of a directory as it is now. Keys that the ring had are not new.
    pub fn with_files(&self, directory: &Path, now: SystemTime) -> Result<Self, KeyFileError> {
        let mut files = read(directory, now)?;
        let is_first = self.files.is_empty();
        let known: HashMap<&str, SystemTime> = self.files.iter().map(|key| (key.id.as_str(), key.seen)).collect();
        for key in &mut files {
            // What is there at the start is there for all who start.
            key.seen = if is_first { SystemTime::UNIX_EPOCH } else { known.get(&*key.id).copied().unwrap_or(now) };
        }
        let mut ring = Self { files, ..self.clone() };
        ring.signer = ring.files.iter().rposition(|key| key.seen + SETTLING <= now).unwrap_or(0);
        Ok(ring)
    }

    pub(super) fn signer(&self) -> Option<&Key> {
        self.files.get(self.signer).or(self.secrets.first())
    }

    /// The keys that a token may be of. One that names none is of a version that had secrets only.
    pub(super) fn candidates<'r>(&'r self, id: Option<&'r str>) -> impl Iterator<Item = &'r Key> {
        let all = self.files.iter().chain(&self.secrets);
        all.filter(move |key| id.map_or(key.public.is_none(), |id| key.id == id))
    }

    /// Whether the two verify the same tokens.
    pub(super) fn has_keys_of(&self, other: &Self) -> bool {
        let ids = |ring: &Self| ring.files.iter().map(|key| (key.id.clone(), key.public.clone())).collect::<Vec<_>>();
        ids(self) == ids(other)
    }

    /// The public keys as a JSON Web Key Set (RFC 7517).
    pub fn jwks(&self) -> String {
        let public = |key: &Key| {
            let x = URL_SAFE_NO_PAD.encode(key.public.as_ref()?);
            Some(json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.id, "x": x}))
        };
        json!({"keys": self.files.iter().filter_map(public).collect::<Vec<_>>()}).to_string()
    }
}

/// The id of a secret: enough of its hash to tell it from others.
fn of_secret(secret: &[u8]) -> Result<Key, SecretTooShort> {
    if secret.len() < SECRET_BYTES_MIN {
        return Err(SecretTooShort { found: secret.len() });
    }
    let hash = Sha256::new().chain_update("focusflow key id").chain_update(secret).finalize();
    Ok(Key {
        id: URL_SAFE_NO_PAD.encode(&hash[..SECRET_ID_BYTES]),
        algorithm: Algorithm::HS256,
        signing: EncodingKey::from_secret(secret),
        verifying: DecodingKey::from_secret(secret),
        public: None,
        seen: SystemTime::UNIX_EPOCH,
    })
}

fn read(directory: &Path, now: SystemTime) -> Result<Vec<Key>, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: directory.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            paths.push(path);
        }
    }
    if paths.len() > KEY_FILES_MAX {
        return Err(KeyFileError::TooMany { path: directory.to_owned() });
    }
    paths.sort_unstable();
    paths.into_iter().map(|path| of_file(path, now)).collect()
}

fn of_file(path: PathBuf, now: SystemTime) -> Result<Key, KeyFileError> {
    let pem = match fs::read(&path) {
        Ok(pem) => pem,
        Err(source) => return Err(KeyFileError::Read { path, source }),
    };
    let id = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).ok();
    let der = der.as_ref().map(PrivatePkcs8KeyDer::secret_pkcs8_der);
    let pair = der.and_then(|der| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok());
    let (Some(id), Some(der), Some(pair)) = (id, der, pair) else { return Err(KeyFileError::Key { path }) };
    let public = pair.public_key().as_ref().to_vec();
    Ok(Key {
        id,
        algorithm: Algorithm::EdDSA,
        signing: EncodingKey::from_ed_der(der),
        verifying: DecodingKey::from_ed_der(&public),
        public: Some(public),
        seen: now,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A new Ed25519 key as a file of a key directory.
    pub(in crate::auth) fn write_key(directory: &Path, name: &str) {
        let der = Ed25519KeyPair::generate().unwrap();
        let der = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&der).unwrap();
        let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        fs::write(directory.join(name), pem).unwrap();
    }

    fn ring() -> KeyRing {
        KeyRing::new(&[7; 32], &[&[8; 32]]).unwrap()
    }

    #[test]
    fn a_new_file_verifies_at_once_and_signs_when_all_have_it() {
        let directory = tempfile::tempdir().unwrap();
        let noon = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        write_key(directory.path(), "2026-01.pem");
        let first = ring().with_files(directory.path(), noon).unwrap();
        assert_eq!(first.signer().unwrap().id, "2026-01");
        write_key(directory.path(), "2026-02.pem");
        let second = first.with_files(directory.path(), noon).unwrap();
        assert_eq!(second.signer().unwrap().id, "2026-01");
        assert!(second.candidates(Some("2026-02")).next().is_some());
        let later = second.with_files(directory.path(), noon + SETTLING).unwrap();
        assert_eq!(later.signer().unwrap().id, "2026-02");
    }

    #[test]
    fn only_public_keys_are_published() {
        let directory = tempfile::tempdir().unwrap();
        write_key(directory.path(), "a.pem");
        let ring = ring().with_files(directory.path(), SystemTime::UNIX_EPOCH).unwrap();
        let set: serde_json::Value = serde_json::from_str(&ring.jwks()).unwrap();
        assert_eq!(set["keys"].as_array().unwrap().len(), 1);
        assert_eq!((&set["keys"][0]["kid"], &set["keys"][0]["crv"]), (&json!("a"), &json!("Ed25519")));
        assert!(set["keys"][0].get("d").is_none());
    }

    #[test]
    fn a_file_that_is_no_key_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("broken.pem"), "not a key").unwrap();
        let error = ring().with_files(directory.path(), SystemTime::now()).err().unwrap();
        assert!(error.to_string().contains("broken.pem"), "{error}");
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(KeyRing::new(&[7; 31], &[]).err(), Some(SecretTooShort { found: 31 }));
        assert_eq!(KeyRing::new(&[7; 32], &[&[8; 3]]).err(), Some(SecretTooShort { found: 3 }));
    }
}
