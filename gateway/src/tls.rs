//! How the public port proves who it is: by a certificate from files, or one that an authority issues by itself.
//!
//! Either way the port takes, for each connection, the configuration of that moment ([`Transport::Tls`]); a task beside it
//! keeps that current. Behind a proxy that speaks TLS itself there is neither.

mod acme;
mod cache;
mod files;

use std::sync::Arc;

use focusflow_mesh::server::Transport;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ResolvesServerCert;
use rustls::version::{TLS12, TLS13};

use crate::config::TlsConfig;

pub use self::acme::AcmeError;
pub use self::files::{CertificateError, TlsFile};

use self::acme::Renewal;
use self::files::FilesWatch;

/// What clients and we may agree to speak, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What the metric of expiry calls the public port's certificate.
const IDENTITY: &str = "edge";

/// What keeps the certificate current.
pub(crate) enum Upkeep {
    /// There is none.
    Nothing,
    /// Its files are followed.
    Files(FilesWatch),
    /// It is obtained, and renewed before it expires.
    Acme(Box<Renewal>),
}

/// Why the public port cannot speak TLS as it is told to.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The files cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No certificate can be asked for.
    #[error(transparent)]
    Acme(#[from] AcmeError),
}

/// What the public port speaks over, and what has to run beside it.
pub(crate) fn open(config: TlsConfig) -> Result<(Transport, Upkeep), TlsError> {
    match config {
        TlsConfig::Off => Ok((Transport::Plaintext, Upkeep::Nothing)),
        TlsConfig::Files(files) => {
            let (current, watch) = files::open(files)?;
            Ok((Transport::Tls(current), Upkeep::Files(watch)))
        }
        TlsConfig::Acme(settings) => {
            let (current, renewal) = Renewal::new(settings)?;
            Ok((Transport::Tls(current), Upkeep::Acme(Box::new(renewal))))
        }
    }
}

impl Upkeep {
    /// Keeps the certificate current for as long as the process lives; returns at once if there is none.
    pub(crate) async fn run(self) {
        match self {
            Self::Nothing => {}
            Self::Files(watch) => watch.run_by(std::time::SystemTime::now).await,
            Self::Acme(renewal) => renewal.run().await,
        }
    }
}

/// TLS 1.2 and 1.3, for anyone.
fn server_config(certificates: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
