//! A certificate authority for development: one machine, one directory, no server.
//!
//! The directory holds `ca.pem`, the roots that peers should trust; `issuer.pem`, the root that signs, with its
//! private key; and, at times, `successor.pem` and `crl.pem`. Leaves live a day, so nobody has to revoke them:
//! [`renew_forever`] replaces each at two thirds of its life, and processes pick the new files up without a
//! restart.
//!
//! A root is replaced in three steps, with a pause after each in which every leaf directory is renewed:
//! [`DevelopmentCa::stage_successor`] makes peers trust both roots, [`DevelopmentCa::promote_successor`] makes
//! the new root sign, [`DevelopmentCa::retire_predecessors`] makes peers forget the old one. No handshake fails
//! in between.

mod describe;
mod files;
mod leaf;
mod renew;
mod root;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use self::describe::{CertificateDescription, describe};
pub use self::leaf::{Leaf, LeafRequest};
pub use self::renew::{LeafDirectory, renew_at, renew_due, renew_forever};
pub use self::root::DevelopmentCa;
use crate::identity::ParseIdentityError;

/// Why the authority cannot do what it was asked for.
#[derive(Debug, Error)]
pub enum CaError {
    /// The directory holds an authority already, which creating another would overwrite.
    #[error("{} holds a certificate authority already", .0.display())]
    Exists(PathBuf),
    /// The directory holds no authority.
    #[error("{} holds no certificate authority", .0.display())]
    Absent(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or list could not be made, most often because a DNS name is not one.
    #[error("cannot sign: {0}")]
    Sign(#[from] rcgen::Error),
    /// The service account or namespace asked for is no part of an identity.
    #[error(transparent)]
    Identity(#[from] ParseIdentityError),
    /// A serial number to revoke is not hexadecimal.
    #[error("\"{0}\" is not a serial number: hexadecimal digits, with or without colons, are expected")]
    Serial(String),
    /// A successor is staged already.
    #[error("a successor is staged already: promote it first")]
    SuccessorStaged,
    /// There is no successor to promote.
    #[error("no successor is staged")]
    NoSuccessor,
}
