//! The data directory: what `up` makes there on its first run and finds there on the next.
//!
//! | path | what |
//! |---|---|
//! | `ca/` | the development authority |
//! | `certs/ACCOUNT/` | a certificate for each service, and for the developer |
//! | `focusflow.db` | the database |
//! | `jwt-secret` | signs access tokens |

use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use focusflow_mesh::ca::{self, DevelopmentCa, LeafDirectory, LeafRequest};
use focusflow_mesh::identity::TrustDomain;
use rand::TryRngCore as _;
use rand::rngs::OsRng;

pub(super) const GATEWAY: &str = "gateway";
pub(super) const STORAGE: &str = "storage";
pub(super) const AI: &str = "ai";
/// The person at the keyboard, who may explore storage and ai with grpcurl.
pub(super) const DEVELOPER: &str = "developer";

const ACCOUNTS: [&str; 4] = [GATEWAY, STORAGE, AI, DEVELOPER];
const JWT_SECRET_BYTES: usize = 48;
const OWNER_ONLY: u32 = 0o600;
const OWNER_ONLY_DIRECTORY: u32 = 0o700;

pub(super) struct Data {
    directory: PathBuf,
    jwt_secret: String,
}

impl Data {
    /// Makes what is missing and renews what is old.
    pub(super) fn prepare(directory: &Path, trust_domain: &TrustDomain, now: SystemTime) -> Result<Self> {
        let named = || directory.display().to_string();
        fs::create_dir_all(directory).with_context(named)?;
        fs::set_permissions(directory, Permissions::from_mode(OWNER_ONLY_DIRECTORY)).with_context(named)?;
        let jwt_secret = read_or_create_secret(&directory.join("jwt-secret"))?;
        let data = Self { directory: directory.to_owned(), jwt_secret };

        let ca = DevelopmentCa::open_or_create(data.ca_directory(), trust_domain, now)?;
        if ca.trust_domain() != trust_domain {
            return Err(anyhow!(
                "MESH_TRUST_DOMAIN: {} holds an authority for {}, not for {trust_domain}",
                data.ca_directory().display(),
                ca.trust_domain(),
            ));
        }
        ca::renew_due(&data.ca_directory(), &data.leaves(), now)?;
        Ok(data)
    }

    pub(super) fn ca_directory(&self) -> PathBuf {
        self.directory.join("ca")
    }

    pub(super) fn leaf_directory(&self, account: &str) -> PathBuf {
        self.directory.join("certs").join(account)
    }

    pub(super) fn leaves(&self) -> Vec<LeafDirectory> {
        let leaf = |account: &&str| LeafDirectory {
            directory: self.leaf_directory(account),
            request: LeafRequest::new(account),
        };
        ACCOUNTS.iter().map(leaf).collect()
    }

    pub(super) fn database_url(&self) -> String {
        format!("sqlite:{}", self.directory.join("focusflow.db").display())
    }

    pub(super) fn jwt_secret(&self) -> &str {
        &self.jwt_secret
    }
}

fn read_or_create_secret(path: &Path) -> Result<String> {
    let named = || path.display().to_string();
    match fs::read_to_string(path) {
        Ok(secret) => return Ok(secret.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(named),
    }
    let mut bytes = [0; JWT_SECRET_BYTES];
    OsRng.try_fill_bytes(&mut bytes).context("the system has no randomness")?;
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path).with_context(named)?;
    file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).with_context(named)?;
    Ok(secret)
}
