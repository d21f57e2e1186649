//! Certificates minted for one test, and handshakes between their holders.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use focusflow_mesh::ca::{DevelopmentCa, LeafRequest};
use focusflow_mesh::identity::{SpiffeId, TrustDomain};
use focusflow_mesh::tls::{CredentialFiles, Credentials, ExpectedPeer, peer_identity};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) const TRUST_DOMAIN: &str = "mesh.test";

/// A certificate authority in a temporary directory, with room for leaf directories beside it.
pub(crate) struct Pki {
    pub(crate) ca: DevelopmentCa,
    directory: TempDir,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::of(TRUST_DOMAIN)
    }

    pub(crate) fn of(trust_domain: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let trust_domain = trust_domain.parse().unwrap();
        let ca = DevelopmentCa::create(directory.path().join("ca"), &trust_domain, SystemTime::now()).unwrap();
        Self { ca, directory }
    }

    pub(crate) fn trust_domain(&self) -> &TrustDomain {
        self.ca.trust_domain()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the leaf directory of a service account.
    pub(crate) fn write(&self, service_account: &str) -> PathBuf {
        self.write_as_of(service_account, SystemTime::now())
    }

    pub(crate) fn write_as_of(&self, service_account: &str, now: SystemTime) -> PathBuf {
        let directory = self.path(service_account);
        self.ca.write_leaf(&directory, &LeafRequest::new(service_account), now).unwrap();
        directory
    }

    pub(crate) fn credentials(&self, service_account: &str) -> Credentials {
        self.credentials_as_of(service_account, SystemTime::now())
    }

    /// Credentials that were loaded at another time, for instance before they expired.
    pub(crate) fn credentials_as_of(&self, service_account: &str, now: SystemTime) -> Credentials {
        load(&self.write_as_of(service_account, now), self.trust_domain(), now)
    }
}

pub(crate) fn load(directory: &Path, trust_domain: &TrustDomain, now: SystemTime) -> Credentials {
    Credentials::new(&CredentialFiles::read(directory).unwrap(), trust_domain, now).unwrap()
}

/// Makes peers that follow `directory` trust the roots of `other` too.
pub(crate) fn trust_also(directory: &Path, other: &DevelopmentCa) {
    let path = directory.join("ca.pem");
    let bundle = fs::read_to_string(&path).unwrap() + other.bundle_pem();
    fs::write(path, bundle).unwrap();
}

pub(crate) fn two_days_ago() -> SystemTime {
    SystemTime::now() - Duration::from_hours(48)
}

/// What both sides learned from a handshake that succeeded.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) client_saw: SpiffeId,
    pub(crate) server_saw: SpiffeId,
    pub(crate) client_chain: Vec<CertificateDer<'static>>,
    pub(crate) protocol: Option<Vec<u8>>,
    pub(crate) kind: Option<HandshakeKind>,
}

/// Why a handshake failed, as each side saw it. The side that refuses knows the reason, the other the alert.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) client: Option<String>,
    pub(crate) server: Option<String>,
}

/// Dials a service account over memory and passes a byte in both directions.
///
/// In TLS 1.3 a client has finished before the server judges it, so only the byte shows that it was admitted.
pub(crate) async fn meet(server: &Credentials, client: &Credentials, service_account: &str) -> Result<Met, Refused> {
    let expected = ExpectedPeer::ServiceAccount(service_account.to_owned());
    handshake(server.server_config(), client.client_config(&expected), expected.server_name()).await
}

pub(crate) async fn handshake(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<Met, Refused> {
    let (client_io, server_io) = tokio::io::duplex(16 * 1024);
    let accepting = async {
        let mut stream = TlsAcceptor::from(server).accept(server_io).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await?;
        io::Result::Ok(stream)
    };
    let dialling = async {
        let mut stream = TlsConnector::from(client).connect(name, client_io).await?;
        stream.write_u8(42).await?;
        stream.flush().await?;
        assert_eq!(stream.read_u8().await?, 42);
        io::Result::Ok(stream)
    };
    match tokio::join!(accepting, dialling) {
        (Ok(accepted), Ok(dialled)) => {
            let (accepted, dialled) = (accepted.get_ref().1, dialled.get_ref().1);
            Ok(Met {
                client_saw: peer_identity(dialled.peer_certificates().unwrap()).unwrap(),
                server_saw: peer_identity(accepted.peer_certificates().unwrap()).unwrap(),
                client_chain: accepted.peer_certificates().unwrap().to_vec(),
                protocol: accepted.alpn_protocol().map(<[u8]>::to_vec),
                kind: accepted.handshake_kind(),
            })
        }
        (accepted, dialled) => Err(Refused {
            client: dialled.err().map(|error| error.to_string()),
            server: accepted.err().map(|error| error.to_string()),
        }),
    }
}

impl Refused {
    /// Asserts that the server refused for this reason and that the client was told.
    pub(crate) fn by_server(&self, reason: &str) {
        assert!(self.server.as_ref().is_some_and(|text| text.contains(reason)), "{self:?} does not say {reason}");
        assert!(self.client.is_some(), "the client was not told: {self:?}");
    }

    /// Asserts that the client refused for this reason and that the server was told.
    pub(crate) fn by_client(&self, reason: &str) {
        assert!(self.client.as_ref().is_some_and(|text| text.contains(reason)), "{self:?} does not say {reason}");
        assert!(self.server.is_some(), "the server was not told: {self:?}");
    }
}
