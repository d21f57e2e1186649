//! What a person wants to know of a certificate.

use std::fmt::Write;
use std::path::Path;
use std::time::SystemTime;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::{CaError, files};
use crate::identity::SpiffeId;
use crate::tls::{CERTIFICATE, peer_identity, system_time};

/// The facts of a certificate, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateDescription {
    /// Its subject's distinguished name.
    pub subject: String,
    /// Its issuer's distinguished name.
    pub issuer: String,
    /// Its identity. `None` if it has none that the mesh understands.
    pub spiffe_id: Option<SpiffeId>,
    /// The DNS names among its alternative names.
    pub dns_names: Vec<String>,
    /// When its validity begins.
    pub not_before: SystemTime,
    /// When it expires.
    pub not_after: SystemTime,
    /// Its serial number: pairs of hexadecimal digits with colons between them.
    pub serial: String,
    /// The SHA-256 of its DER form: pairs of hexadecimal digits with colons between them.
    pub fingerprint_sha256: String,
}

/// Describes the certificate of a credentials directory, without judging it.
pub fn describe(directory: &Path) -> Result<CertificateDescription, CaError> {
    let path = directory.join(CERTIFICATE);
    let malformed = |reason: String| CaError::Malformed { path: path.clone(), reason };
    let text = files::read(&path)?;
    let der = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|reason| malformed(reason.to_string()))?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|reason| malformed(reason.to_string()))?;
    Ok(CertificateDescription {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        spiffe_id: peer_identity(std::slice::from_ref(&der)).ok(),
        dns_names: dns_names(&certificate),
        not_before: system_time(certificate.validity().not_before),
        not_after: system_time(certificate.validity().not_after),
        serial: certificate.raw_serial_as_string(),
        fingerprint_sha256: hexadecimal(&Sha256::digest(&der)),
    })
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (index, byte) in bytes.iter().enumerate() {
        let separator = if index == 0 { "" } else { ":" };
        // Writing to a String cannot fail.
        let _always_ok = write!(text, "{separator}{byte:02x}");
    }
    text
}
