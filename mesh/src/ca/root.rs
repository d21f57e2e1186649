//! The authority itself: its roots, what it signs and what it revokes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, RevokedCertParams, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

use super::files::NewFile;
use super::leaf::{LIFETIME_MAX, Leaf, LeafRequest};
use super::{CaError, files};
use crate::identity::TrustDomain;
use crate::tls::{CA, CERTIFICATE, KEY, REVOCATIONS, system_time};

const ISSUER: &str = "issuer.pem";
const SUCCESSOR: &str = "successor.pem";

const KEY_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const LIST_END: &str = "-----END X509 CRL-----";
const TRUST_DOMAIN_SCHEME: &str = "spiffe://";

const DAY: Duration = Duration::from_hours(24);
const REVOCATIONS_LIFETIME: Duration = DAY.saturating_mul(365);

/// A certificate authority in a directory.
///
/// The value is a snapshot: what another process does to the directory shows after the next
/// [`DevelopmentCa::open`].
pub struct DevelopmentCa {
    directory: PathBuf,
    trust_domain: TrustDomain,
    root: Root,
    /// What peers should trust: the signing root, its successor or predecessors.
    bundle_pem: String,
    revocations_pem: Option<String>,
}

/// A root certificate with its private key.
struct Root {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl DevelopmentCa {
    /// Makes an authority with a root of its own, which lives ten years.
    pub fn create(directory: impl Into<PathBuf>, trust_domain: &TrustDomain, now: SystemTime) -> Result<Self, CaError> {
        let directory = directory.into();
        if directory.join(ISSUER).exists() {
            return Err(CaError::Exists(directory));
        }
        let (certificate_pem, root_pem) = generate_root(trust_domain, now)?;
        let issuer = NewFile { name: ISSUER, contents: &root_pem, private: true };
        let bundle = NewFile { name: CA, contents: &certificate_pem, private: false };
        files::write_all(&directory, &[bundle, issuer])?;
        Self::open(directory)
    }

    /// Opens the authority that a directory holds.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, CaError> {
        let directory = directory.into();
        let path = directory.join(ISSUER);
        let root_pem = files::read_optional(&path)?.ok_or_else(|| CaError::Absent(directory.clone()))?;
        let root = Root::parse(&path, &root_pem)?;
        Ok(Self {
            trust_domain: trust_domain_of(&path, &root.certificate)?,
            bundle_pem: files::read(&directory.join(CA))?,
            revocations_pem: files::read_optional(&directory.join(REVOCATIONS))?,
            root,
            directory,
        })
    }

    /// Opens the authority that a directory holds, or makes one if it holds none.
    pub fn open_or_create(
        directory: impl Into<PathBuf>,
        trust_domain: &TrustDomain,
        now: SystemTime,
    ) -> Result<Self, CaError> {
        match Self::open(directory) {
            Err(CaError::Absent(directory)) => Self::create(directory, trust_domain, now),
            outcome => outcome,
        }
    }

    /// The trust domain that the authority vouches for.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The roots that peers should trust, in PEM.
    pub fn bundle_pem(&self) -> &str {
        &self.bundle_pem
    }

    /// The lists of revoked certificates, in PEM. `None` while nothing is revoked.
    pub fn revocations_pem(&self) -> Option<&str> {
        self.revocations_pem.as_deref()
    }

    /// Issues a certificate that is valid from about `now`.
    pub fn issue(&self, request: &LeafRequest, now: SystemTime) -> Result<Leaf, CaError> {
        request.issue(&self.trust_domain, &self.root.issuer, now)
    }

    /// Issues a certificate and writes all that a process needs into its directory: `ca.pem`, `cert.pem`,
    /// `key.pem` and, if anything is revoked, `crl.pem`. An authority that has revoked nothing leaves a `crl.pem`
    /// that stands there as it is: somebody locked a peer out with it.
    pub fn write_leaf(&self, directory: &Path, request: &LeafRequest, now: SystemTime) -> Result<(), CaError> {
        let leaf = self.issue(request, now)?;
        // Roots and revocations first: a reader between two renames may trust a root early, but never misses one.
        let mut new = vec![NewFile { name: CA, contents: &self.bundle_pem, private: false }];
        if let Some(revocations_pem) = &self.revocations_pem {
            new.push(NewFile { name: REVOCATIONS, contents: revocations_pem, private: false });
        }
        new.push(NewFile { name: KEY, contents: &leaf.key_pem, private: true });
        new.push(NewFile { name: CERTIFICATE, contents: &leaf.certificate_pem, private: false });
        files::write_all(directory, &new)
    }

    /// Revokes a certificate that the signing root has issued, by its serial number in hexadecimal.
    ///
    /// Leaf directories learn of it when they are written next.
    pub fn revoke(&mut self, serial: &str, now: SystemTime) -> Result<(), CaError> {
        let serial = parse_serial(serial)?;
        let (mut revoked, other_lists_pem) = self.split_revocations()?;
        revoked.retain(|entry| entry.serial_number.as_ref() != serial);
        revoked.push(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: now.into(),
            next_update: (now + REVOCATIONS_LIFETIME).into(),
            crl_number: now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs().into(),
            issuing_distribution_point: None,
            revoked_certs: revoked,
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        self.write_revocations(other_lists_pem + &list.signed_by(&self.root.issuer)?.pem()?)
    }

    /// First step of a rotation: a new root that peers trust, but that does not sign yet.
    pub fn stage_successor(&mut self, now: SystemTime) -> Result<(), CaError> {
        if self.directory.join(SUCCESSOR).exists() {
            return Err(CaError::SuccessorStaged);
        }
        let (certificate_pem, root_pem) = generate_root(&self.trust_domain, now)?;
        let bundle_pem = format!("{}{certificate_pem}", self.bundle_pem);
        let bundle = NewFile { name: CA, contents: &bundle_pem, private: false };
        let successor = NewFile { name: SUCCESSOR, contents: &root_pem, private: true };
        files::write_all(&self.directory, &[bundle, successor])?;
        self.bundle_pem = bundle_pem;
        Ok(())
    }

    /// Second step: the new root signs from now on. Every peer must trust it by then.
    pub fn promote_successor(&mut self) -> Result<(), CaError> {
        let path = self.directory.join(SUCCESSOR);
        let root_pem = files::read_optional(&path)?.ok_or(CaError::NoSuccessor)?;
        let root = Root::parse(&path, &root_pem)?;
        files::rename(&self.directory, SUCCESSOR, ISSUER)?;
        self.root = root;
        Ok(())
    }

    /// Last step: only the signing root is trusted from now on. Every leaf must be signed by it by then.
    ///
    /// What predecessors revoked stays listed; it concerns nobody any more.
    pub fn retire_predecessors(&mut self) -> Result<(), CaError> {
        if self.directory.join(SUCCESSOR).exists() {
            return Err(CaError::SuccessorStaged);
        }
        let bundle_pem = self.root.certificate_pem.clone();
        files::write_all(&self.directory, &[NewFile { name: CA, contents: &bundle_pem, private: false }])?;
        self.bundle_pem = bundle_pem;
        Ok(())
    }

    /// Whether the signing root is the issuer of this certificate.
    pub(super) fn has_issued(&self, certificate: &X509Certificate<'_>) -> bool {
        X509Certificate::from_der(&self.root.certificate).is_ok_and(|(_, root)| {
            root.subject().as_raw() == certificate.issuer().as_raw()
                && certificate.verify_signature(Some(root.public_key())).is_ok()
        })
    }

    /// What the signing root has revoked so far, and the lists of other roots as they stand.
    fn split_revocations(&self) -> Result<(Vec<RevokedCertParams>, String), CaError> {
        let mut revoked = Vec::new();
        let mut other_lists_pem = String::new();
        for list_pem in self.revocations_pem().unwrap_or_default().split_inclusive(LIST_END) {
            let Ok(der) = CertificateRevocationListDer::from_pem_slice(list_pem.as_bytes()) else { continue };
            let (_, list) = CertificateRevocationList::from_der(&der)
                .map_err(|reason| malformed(&self.directory.join(REVOCATIONS), &reason))?;
            if self.is_issuer_of(&list) {
                revoked.extend(list.iter_revoked_certificates().map(revoked_before));
            } else {
                other_lists_pem.push_str(list_pem.trim_start());
                other_lists_pem.push('\n');
            }
        }
        Ok((revoked, other_lists_pem))
    }

    fn is_issuer_of(&self, list: &CertificateRevocationList<'_>) -> bool {
        X509Certificate::from_der(&self.root.certificate)
            .is_ok_and(|(_, root)| root.subject().as_raw() == list.issuer().as_raw())
    }

    fn write_revocations(&mut self, revocations_pem: String) -> Result<(), CaError> {
        let file = NewFile { name: REVOCATIONS, contents: &revocations_pem, private: false };
        files::write_all(&self.directory, &[file])?;
        self.revocations_pem = Some(revocations_pem);
        Ok(())
    }
}

impl Root {
    /// Reads a root from its file: the certificate, then its private key.
    fn parse(path: &Path, text: &str) -> Result<Self, CaError> {
        let key_start = text.find(KEY_BEGIN).ok_or_else(|| malformed(path, &"there is no private key"))?;
        let (certificate_pem, key_pem) = text.split_at(key_start);
        let certificate =
            CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|reason| malformed(path, &reason))?;
        let key = KeyPair::from_pem(key_pem).map_err(|reason| malformed(path, &reason))?;
        let public_key = X509Certificate::from_der(&certificate)
            .map(|(_, parsed)| parsed.public_key().raw.to_vec())
            .map_err(|reason| malformed(path, &reason))?;
        if public_key != key.subject_public_key_info() {
            return Err(malformed(path, &"the private key is not the certificate's"));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { certificate_pem: certificate_pem.to_owned(), certificate, issuer })
    }
}

/// Makes a root: its certificate, and the contents of its file.
fn generate_root(trust_domain: &TrustDomain, now: SystemTime) -> Result<(String, String), CaError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.not_before = (now - DAY).into();
    params.not_after = (now + LIFETIME_MAX).into();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, root_name(trust_domain, &key));
    params.subject_alt_names = vec![SanType::URI(format!("{TRUST_DOMAIN_SCHEME}{trust_domain}").try_into()?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate_pem = params.self_signed(&key)?.pem();
    let root_pem = format!("{certificate_pem}{}", key.serialize_pem());
    Ok((certificate_pem, root_pem))
}

/// Every root has a name of its own, because revocation lists are matched to their issuer by name.
fn root_name(trust_domain: &TrustDomain, key: &KeyPair) -> String {
    let digest = Sha256::digest(key.subject_public_key_info());
    format!("{trust_domain} development CA {:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

/// The trust domain is the root's SPIFFE id, which for an authority has no path.
fn trust_domain_of(path: &Path, certificate: &CertificateDer<'_>) -> Result<TrustDomain, CaError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|reason| malformed(path, &reason))?;
    let names = parsed.subject_alternative_name().map_err(|reason| malformed(path, &reason))?;
    let trust_domain = names.iter().flat_map(|extension| &extension.value.general_names).find_map(|name| match name {
        GeneralName::URI(uri) => uri.strip_prefix(TRUST_DOMAIN_SCHEME),
        _ => None,
    });
    Ok(trust_domain.ok_or_else(|| malformed(path, &"the certificate names no trust domain"))?.parse()?)
}

fn revoked_before(entry: &RevokedCertificate<'_>) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: SerialNumber::from_slice(without_leading_zeros(entry.raw_serial())),
        revocation_time: system_time(entry.revocation_date).into(),
        reason_code: None,
        invalidity_date: None,
    }
}

fn parse_serial(text: &str) -> Result<Vec<u8>, CaError> {
    let digits: String = text.chars().filter(|&character| character != ':').collect();
    let not_a_serial = || CaError::Serial(text.to_owned());
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(not_a_serial());
    }
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|start| u8::from_str_radix(&digits[start..start + 2], 16))
        .collect::<Result<Vec<u8>, _>>()
        .map_err(|_| not_a_serial())?;
    Ok(without_leading_zeros(&bytes).to_vec())
}

/// DER puts a zero before a number whose first bit is set; it is no part of the number.
fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    &bytes[start..]
}

fn malformed(path: &Path, reason: &impl ToString) -> CaError {
    CaError::Malformed { path: path.to_path_buf(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_read_with_and_without_colons() {
        assert_eq!(parse_serial("00:a1:0F").unwrap(), [0xa1, 0x0f]);
        assert_eq!(parse_serial("a10f").unwrap(), [0xa1, 0x0f]);
    }

    #[test]
    fn what_is_not_a_serial_is_refused() {
        for text in ["", ":", "a", "a1:f", "+1", "zz", "\u{e9}"] {
            assert!(matches!(parse_serial(text), Err(CaError::Serial(_))), "{text:?}");
        }
    }
}
