//! One validated unit of certificate, key, roots and revocations, and the TLS configurations made from it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem};
use thiserror::Error;
use webpki::{CertRevocationList, KeyUsage, OwnedCertRevocationList};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::time::ASN1Time;

use super::files::{CredentialFiles, ReadFileError};
use super::verifier::{ExpectedPeer, PeerError, PeerVerifier, TrustBundle};
use super::{files, provider};
use crate::identity::{SpiffeId, TrustDomain};

/// How far in the future an own certificate's validity may begin: the issuer's clock may run ahead of ours.
const CLOCK_SKEW_MAX: Duration = Duration::from_mins(1);

/// Who this process is and whom it trusts, validated together.
#[derive(Debug)]
pub struct Credentials {
    identity: SpiffeId,
    not_before: SystemTime,
    not_after: SystemTime,
    bundle: Arc<TrustBundle>,
    server_config: Arc<ServerConfig>,
    /// Complete but for the peer it expects.
    client_config: ClientConfig,
}

/// Why a set of files is not usable as credentials. Every message names the file.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadFileError),
    /// A file is not PEM.
    #[error("{file} is not PEM: {source}")]
    Pem {
        /// The file's name.
        file: &'static str,
        /// Where the reading stopped.
        source: pem::Error,
    },
    /// A file has none of what it is for.
    #[error("{file} holds no {item}")]
    Empty {
        /// The file's name.
        file: &'static str,
        /// What was looked for.
        item: &'static str,
    },
    /// A certificate or a list is PEM, but not X.509.
    #[error("{file}, item {position}: {reason}")]
    Malformed {
        /// The file's name.
        file: &'static str,
        /// Which item of the file, from 1.
        position: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is of no supported kind.
    #[error("key.pem cannot be used: {0}")]
    Key(rustls::Error),
    /// Certificate and key belong to different pairs.
    #[error("key.pem is not the key of cert.pem")]
    KeyMismatch,
    /// The certificate is expired, of another CA, or its identity is not one of this trust domain.
    #[error("cert.pem would be refused by peers that trust ca.pem: {0}")]
    Certificate(PeerError),
    /// A list names a root as its issuer that has not signed it.
    #[error("crl.pem, list {position}: {issuer} has not signed it")]
    RevocationSignature {
        /// Which list of the file, from 1.
        position: usize,
        /// The root that the list names.
        issuer: String,
    },
    /// The TLS library refuses the configuration as a whole.
    #[error("TLS cannot be configured: {0}")]
    Tls(rustls::Error),
}

impl Credentials {
    /// Validates the files as one unit, as of `now`.
    pub fn new(files: &CredentialFiles, trust_domain: &TrustDomain, now: SystemTime) -> Result<Self, CredentialsError> {
        let provider = provider();
        let chain = certificates(files::CERTIFICATE, &files.certificate)?;
        let certified_key = certified_key(&chain, &files.key, &provider)?;
        let (not_before, not_after) =
            validity(&chain[0]).map_err(|reason| malformed(files::CERTIFICATE, 0, &reason))?;

        let root_certificates = certificates(files::CA, &files.ca)?;
        let trust = |revocations| -> Result<TrustBundle, CredentialsError> {
            Ok(TrustBundle {
                roots: root_store(&root_certificates)?,
                revocations,
                trust_domain: trust_domain.clone(),
                algorithms: provider.signature_verification_algorithms,
            })
        };
        // The own certificate is not looked up in the lists: a process whose certificate has been revoked must
        // still learn which other ones have been.
        let identity = verify_own(&trust(Vec::new())?, &chain, not_before, now)?;
        let bundle = Arc::new(trust(revocations(files.revocations.as_deref(), &root_certificates)?)?);

        Ok(Self {
            identity,
            not_before,
            not_after,
            server_config: Arc::new(server_config(&bundle, &certified_key, &provider)?),
            client_config: client_config(&bundle, certified_key, provider)?,
            bundle,
        })
    }

    /// The own identity.
    pub fn identity(&self) -> &SpiffeId {
        &self.identity
    }

    /// When the own certificate's validity began.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// When the own certificate expires.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// What to accept connections with: TLS 1.3, a client certificate required, HTTP/2 or HTTP/1.1.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server_config)
    }

    /// What to dial with, which fails the handshake unless the peer is the expected one. HTTP/2 only.
    pub fn client_config(&self, expected: &ExpectedPeer) -> Arc<ClientConfig> {
        let mut config = self.client_config.clone();
        let verifier = PeerVerifier::new(Arc::clone(&self.bundle), expected.clone());
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        Arc::new(config)
    }

    /// Judges a client's certificate chain once more, as of `now`.
    ///
    /// A connection outlives the credentials it was accepted with. When they change, this says whether the peer
    /// would be accepted still: its certificate may have been revoked since, or its root no longer be trusted.
    pub fn verify_client(&self, chain: &[CertificateDer<'_>], now: SystemTime) -> Result<SpiffeId, PeerError> {
        self.bundle.verify(chain, unix_time(now), KeyUsage::client_auth())
    }
}

fn certificates(file: &'static str, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let certificates = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| CredentialsError::Pem { file, source })?;
    if certificates.is_empty() {
        return Err(CredentialsError::Empty { file, item: "certificate" });
    }
    Ok(certificates)
}

fn certified_key(
    chain: &[CertificateDer<'static>],
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, CredentialsError> {
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
        pem::Error::NoItemsFound => CredentialsError::Empty { file: files::KEY, item: "private key" },
        source => CredentialsError::Pem { file: files::KEY, source },
    })?;
    match CertifiedKey::from_der(chain.to_vec(), key, provider) {
        Ok(certified_key) => Ok(Arc::new(certified_key)),
        Err(rustls::Error::InconsistentKeys(_)) => Err(CredentialsError::KeyMismatch),
        Err(rustls::Error::InvalidCertificate(reason)) => Err(malformed(files::CERTIFICATE, 0, &reason)),
        Err(error) => Err(CredentialsError::Key(error)),
    }
}

/// When a certificate's validity begins, and when it ends. Fails with what keeps it from being read.
pub fn validity(certificate: &CertificateDer<'_>) -> Result<(SystemTime, SystemTime), String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|reason| reason.to_string())?;
    let validity = parsed.validity();
    Ok((system_time(validity.not_before), system_time(validity.not_after)))
}

fn root_store(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, CredentialsError> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|reason| malformed(files::CA, index, &reason))?;
    }
    Ok(roots)
}

/// Judges the own certificate as both kinds of peer will.
fn verify_own(
    bundle: &TrustBundle,
    chain: &[CertificateDer<'_>],
    not_before: SystemTime,
    now: SystemTime,
) -> Result<SpiffeId, CredentialsError> {
    let begins_soon = not_before > now && not_before <= now + CLOCK_SKEW_MAX;
    let moment = unix_time(if begins_soon { not_before } else { now });
    bundle.verify(chain, moment, KeyUsage::server_auth()).map_err(CredentialsError::Certificate)?;
    bundle.verify(chain, moment, KeyUsage::client_auth()).map_err(CredentialsError::Certificate)
}

fn revocations(
    file: Option<&[u8]>,
    roots: &[CertificateDer<'_>],
) -> Result<Vec<CertRevocationList<'static>>, CredentialsError> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let lists = CertificateRevocationListDer::pem_slice_iter(file)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| CredentialsError::Pem { file: files::REVOCATIONS, source })?;
    if lists.is_empty() {
        // Taking it for "nothing is revoked" would let in whom the list was to lock out.
        return Err(CredentialsError::Empty { file: files::REVOCATIONS, item: "list of revoked certificates" });
    }
    let mut owned = Vec::with_capacity(lists.len());
    for (index, list) in lists.iter().enumerate() {
        check_revocation_signature(index, list, roots)?;
        let list =
            OwnedCertRevocationList::from_der(list).map_err(|reason| malformed(files::REVOCATIONS, index, &reason))?;
        owned.push(list.into());
    }
    Ok(owned)
}

/// A list with a forged signature would fail every handshake, so it is refused before it is used.
///
/// A list of an issuer that is not in the bundle passes, for it touches nobody: it may be one of a retired root.
fn check_revocation_signature(
    index: usize,
    list: &CertificateRevocationListDer<'_>,
    roots: &[CertificateDer<'_>],
) -> Result<(), CredentialsError> {
    let (_, parsed) =
        CertificateRevocationList::from_der(list).map_err(|reason| malformed(files::REVOCATIONS, index, &reason))?;
    let mut issuers = roots
        .iter()
        .filter_map(|root| X509Certificate::from_der(root).ok())
        .map(|(_, root)| root)
        .filter(|root| root.subject().as_raw() == parsed.issuer().as_raw())
        .peekable();
    if issuers.peek().is_none() || issuers.any(|root| parsed.verify_signature(root.public_key()).is_ok()) {
        return Ok(());
    }
    Err(CredentialsError::RevocationSignature { position: index + 1, issuer: parsed.issuer().to_string() })
}

fn server_config(
    bundle: &Arc<TrustBundle>,
    certified_key: &Arc<CertifiedKey>,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, CredentialsError> {
    let verifier = PeerVerifier::new(Arc::clone(bundle), ExpectedPeer::AnyInTrustDomain);
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(CredentialsError::Tls)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(certified_key))));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_config(
    bundle: &Arc<TrustBundle>,
    certified_key: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, CredentialsError> {
    let verifier = PeerVerifier::new(Arc::clone(bundle), ExpectedPeer::AnyInTrustDomain);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(CredentialsError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified_key)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn malformed(file: &'static str, index: usize, reason: &impl ToString) -> CredentialsError {
    CredentialsError::Malformed { file, position: index + 1, reason: reason.to_string() }
}

fn unix_time(time: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// A certificate's time, of which X.509 knows only whole seconds. What lies before 1970 reads as 1970.
pub(crate) fn system_time(time: ASN1Time) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or_default())
}
