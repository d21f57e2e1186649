//! Certificates for service accounts.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};

use super::CaError;
use crate::identity::{SpiffeId, TrustDomain};

const NAMESPACE_DEFAULT: &str = "default";
const LIFETIME_DEFAULT: Duration = Duration::from_hours(24);

/// As long as a root lives; a longer one would promise what the root cannot keep.
pub(super) const LIFETIME_MAX: Duration = LIFETIME_DEFAULT.saturating_mul(3650);

/// How far a certificate's validity reaches back, for peers whose clock is behind. A short-lived one reaches
/// back a tenth of its life at most.
const BACKDATE_MAX: Duration = Duration::from_mins(5);
const BACKDATE_SHARE: u32 = 10;

/// What to issue a certificate for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafRequest {
    /// The namespace in the identity. Default: `default`.
    pub namespace: String,
    /// The service account in the identity.
    pub service_account: String,
    /// DNS names beside the identity, for tools that check host names. Default: the service account, `localhost`.
    pub dns_names: Vec<String>,
    /// How long the certificate is valid from now on. Default: one day. More than ten years count as ten.
    pub lifetime: Duration,
}

/// A certificate that has been issued.
pub struct Leaf {
    /// The certificate in PEM.
    pub certificate_pem: String,
    /// Its private key in PEM.
    pub key_pem: String,
}

impl LeafRequest {
    /// A request with the defaults.
    pub fn new(service_account: &str) -> Self {
        Self {
            namespace: NAMESPACE_DEFAULT.to_owned(),
            service_account: service_account.to_owned(),
            dns_names: vec![service_account.to_owned(), "localhost".to_owned()],
            lifetime: LIFETIME_DEFAULT,
        }
    }

    /// The same request for another lifetime.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// When a certificate that is issued now expires.
    pub(super) fn not_after(&self, now: SystemTime) -> SystemTime {
        now + self.lifetime.min(LIFETIME_MAX)
    }

    pub(super) fn issue(
        &self,
        trust_domain: &TrustDomain,
        issuer: &Issuer<'_, KeyPair>,
        now: SystemTime,
    ) -> Result<Leaf, CaError> {
        let identity = SpiffeId::new(trust_domain, &self.namespace, &self.service_account)?;
        let key = KeyPair::generate()?;
        let certificate = self.params(&identity, now)?.signed_by(&key, issuer)?;
        Ok(Leaf { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    fn params(&self, identity: &SpiffeId, now: SystemTime) -> Result<CertificateParams, CaError> {
        let mut params = CertificateParams::default();
        params.not_before = (now - BACKDATE_MAX.min(self.lifetime / BACKDATE_SHARE)).into();
        params.not_after = self.not_after(now).into();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, identity.service_account());
        params.subject_alt_names = vec![SanType::URI(identity.as_str().try_into()?)];
        for name in &self.dns_names {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}
