//! How one side of a connection judges the other: certificate path, revocation, identity.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use thiserror::Error as ThisError;
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptions,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

use crate::identity::{ParseIdentityError, SpiffeId, TrustDomain};

/// Whom a dialling side wants to reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExpectedPeer {
    /// This service account of the own trust domain.
    ServiceAccount(String),
    /// Anybody of the own trust domain.
    AnyInTrustDomain,
}

/// Why a certificate does not make its holder an acceptable peer.
#[derive(Debug, Clone, ThisError)]
pub enum PeerError {
    /// The peer showed no certificate.
    #[error("no certificate was presented")]
    NoCertificate,
    /// The path from the certificate to a root does not hold: expired, revoked, another CA, not a certificate.
    #[error("the certificate {}", explain(.0))]
    Path(webpki::Error),
    /// A SPIFFE certificate has exactly one URI among its alternative names.
    #[error("the certificate has {0} URIs among its alternative names, not one")]
    UriCount(usize),
    /// The URI is not an identity of the mesh.
    #[error("the certificate names no identity: {0}")]
    Identity(ParseIdentityError),
    /// Another trust domain vouches for the holder.
    #[error("the certificate is that of {actual}, which is not in the trust domain {expected}")]
    TrustDomain {
        /// The own trust domain.
        expected: TrustDomain,
        /// The holder's identity.
        actual: SpiffeId,
    },
    /// The holder is somebody else than the one dialled.
    #[error("the certificate is that of {actual}, not of the service account {expected}")]
    ServiceAccount {
        /// The service account that was dialled.
        expected: String,
        /// The holder's identity.
        actual: SpiffeId,
    },
}

impl ExpectedPeer {
    /// The name to dial with. It only fills the SNI field: peers are judged by their SPIFFE id.
    pub fn server_name(&self) -> ServerName<'static> {
        const ANYBODY: &str = "mesh.invalid";
        let name = match self {
            Self::ServiceAccount(name) => name.clone(),
            Self::AnyInTrustDomain => ANYBODY.to_owned(),
        };
        // A service account may have a name that DNS does not allow; any name will do then.
        ServerName::try_from(name).unwrap_or(ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()))
    }

    fn check(&self, identity: &SpiffeId) -> Result<(), PeerError> {
        match self {
            Self::ServiceAccount(expected) if expected != identity.service_account() => {
                Err(PeerError::ServiceAccount { expected: expected.clone(), actual: identity.clone() })
            }
            Self::ServiceAccount(_) | Self::AnyInTrustDomain => Ok(()),
        }
    }
}

/// The identity in a peer's certificate chain, which a handshake has verified.
pub fn peer_identity(chain: &[CertificateDer<'_>]) -> Result<SpiffeId, PeerError> {
    let end_entity = chain.first().ok_or(PeerError::NoCertificate)?;
    identity_of(&EndEntityCert::try_from(end_entity).map_err(PeerError::Path)?)
}

/// What a process trusts: the roots, the lists of revoked certificates, the trust domain.
#[derive(Debug)]
pub(super) struct TrustBundle {
    pub(super) roots: RootCertStore,
    pub(super) revocations: Vec<CertRevocationList<'static>>,
    pub(super) trust_domain: TrustDomain,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl TrustBundle {
    /// Judges a chain of which the first certificate is the peer's own.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<SpiffeId, PeerError> {
        let (end_entity, intermediates) = chain.split_first().ok_or(PeerError::NoCertificate)?;
        self.verify_parts(end_entity, intermediates, now, usage)
    }

    fn verify_parts(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<SpiffeId, PeerError> {
        let revocations = self.revocations.iter().collect::<Vec<_>>();
        let certificate = EndEntityCert::try_from(end_entity).map_err(PeerError::Path)?;
        certificate
            .verify_for_usage(
                self.algorithms.all,
                &self.roots.roots,
                intermediates,
                now,
                usage,
                revocation_options(&revocations),
                None,
            )
            .map_err(PeerError::Path)?;

        let identity = identity_of(&certificate)?;
        if !identity.is_in(&self.trust_domain) {
            return Err(PeerError::TrustDomain { expected: self.trust_domain.clone(), actual: identity });
        }
        Ok(identity)
    }
}

/// Judges peers inside a handshake, for either side of it.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    bundle: Arc<TrustBundle>,
    expected: ExpectedPeer,
}

impl PeerVerifier {
    pub(super) fn new(bundle: Arc<TrustBundle>, expected: ExpectedPeer) -> Self {
        Self { bundle, expected }
    }

    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        let judgement = self
            .bundle
            .verify_parts(end_entity, intermediates, now, usage)
            .and_then(|identity| self.expected.check(&identity));
        judgement.map_err(|error| Error::InvalidCertificate(certificate_error(error)))
    }

    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.bundle.algorithms)
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, now, KeyUsage::server_auth()).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12_is_not_offered())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.bundle.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Without hints a client shows the certificate it has. With them, one that trusts a new root before
        // this side does would show none, and the refusal would hide the reason.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates, now, KeyUsage::client_auth()).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12_is_not_offered())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.bundle.algorithms.supported_schemes()
    }
}

fn identity_of(certificate: &EndEntityCert<'_>) -> Result<SpiffeId, PeerError> {
    let mut uris = certificate.valid_uri_names();
    match (uris.next(), uris.count()) {
        (Some(uri), 0) => uri.parse().map_err(PeerError::Identity),
        (first, others) => Err(PeerError::UriCount(usize::from(first.is_some()) + others)),
    }
}

/// Every certificate of the path is looked up in the list of its issuer.
///
/// An issuer without a list revokes nothing: while roots rotate, the new one has no list yet. A list past its
/// next update still counts: what it revoked stays revoked, and an overdue list must not stop the whole mesh.
fn revocation_options<'a>(revocations: &'a [&'a CertRevocationList<'a>]) -> Option<RevocationOptions<'a>> {
    // The builder refuses an empty list, which here means that nothing is revoked.
    let builder = RevocationOptionsBuilder::new(revocations).ok()?;
    Some(
        builder
            .with_depth(RevocationCheckDepth::Chain)
            .with_status_policy(UnknownStatusPolicy::Allow)
            .with_expiration_policy(ExpirationPolicy::Ignore)
            .build(),
    )
}

fn explain(error: &webpki::Error) -> String {
    use webpki::Error as Path;
    let seconds_between = |earlier: &UnixTime, later: &UnixTime| later.as_secs().saturating_sub(earlier.as_secs());
    match error {
        Path::CertExpired { time, not_after } => {
            format!("has expired {} seconds ago", seconds_between(not_after, time))
        }
        Path::CertNotValidYet { time, not_before } => {
            format!("is not valid for another {} seconds", seconds_between(time, not_before))
        }
        Path::CertRevoked => "has been revoked".to_owned(),
        Path::UnknownIssuer => "was issued by no trusted root".to_owned(),
        other => format!("is not valid: {other}"),
    }
}

/// Picks the error whose TLS alert tells the peer what is wrong with its certificate.
fn certificate_error(error: PeerError) -> CertificateError {
    use webpki::Error as Path;
    match error {
        PeerError::Path(Path::CertExpired { time, not_after }) => CertificateError::ExpiredContext { time, not_after },
        PeerError::Path(Path::CertNotValidYet { time, not_before }) => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        PeerError::Path(Path::CertRevoked) => CertificateError::Revoked,
        PeerError::Path(Path::UnknownIssuer) => CertificateError::UnknownIssuer,
        PeerError::Path(Path::InvalidSignatureForPublicKey) => CertificateError::BadSignature,
        PeerError::Path(Path::BadDer | Path::BadDerTime | Path::TrailingData(_)) => CertificateError::BadEncoding,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    }
}

fn tls12_is_not_offered() -> Error {
    Error::General("the mesh speaks TLS 1.3 only".to_owned())
}
