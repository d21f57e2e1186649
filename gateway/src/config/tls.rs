//! How the public port proves who it is, as variables say it.

use std::path::PathBuf;

use focusflow_mesh::environment::{Environment, EnvironmentError};
use http::Uri;
use rustls_acme::acme::LETS_ENCRYPT_PRODUCTION_DIRECTORY;
use rustls_pki_types::DnsName;

const DOMAINS: &str = "ACME_DOMAINS";
const CONTACT: &str = "ACME_CONTACT";
const DIRECTORY_URL: &str = "ACME_DIRECTORY_URL";
const CA_FILE: &str = "ACME_CA_FILE";
const CACHE_DIR: &str = "ACME_CACHE_DIR";

/// How the public port proves who it is.
#[derive(Debug, Clone, Default)]
pub enum TlsConfig {
    /// Not at all: a proxy before it speaks TLS.
    #[default]
    Off,
    /// By a certificate from files, which are followed.
    Files(CertificateFiles),
    /// By a certificate that is obtained and renewed by itself.
    Acme(AcmeSettings),
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The certificate and the intermediates above it, in PEM. `EDGE_TLS_CERT_FILE`, no default.
    pub certificate: PathBuf,
    /// Its private key, in PEM. `EDGE_TLS_KEY_FILE`, no default.
    pub key: PathBuf,
}

/// An authority that issues certificates by itself (RFC 8555).
#[derive(Debug, Clone)]
pub struct AcmeSettings {
    /// What the certificate is for. `ACME_DOMAINS`, a comma list, no default.
    pub domains: Vec<String>,
    /// Whom the authority writes to. `ACME_CONTACT`, a comma list of e-mail addresses, default nobody.
    pub contacts: Vec<String>,
    /// Where the authority is. `ACME_DIRECTORY_URL`, default Let's Encrypt.
    pub directory_url: String,
    /// Who vouches for the authority's own server. `ACME_CA_FILE`, PEM, default the system's roots.
    pub roots: Option<PathBuf>,
    /// Where account and certificate are kept. `ACME_CACHE_DIR`, default `acme` under `FOCUSFLOW_DATA_DIR`.
    pub cache: PathBuf,
}

impl TlsConfig {
    /// What addresses of the public port begin with, as far as this process knows.
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Off => "http",
            Self::Files(_) | Self::Acme(_) => "https",
        }
    }
}

impl CertificateFiles {
    pub(crate) const CERTIFICATE: &'static str = "EDGE_TLS_CERT_FILE";
    pub(crate) const KEY: &'static str = "EDGE_TLS_KEY_FILE";
}

pub(super) fn read(variables: &Environment<'_>) -> Result<TlsConfig, EnvironmentError> {
    let domains = domains(variables)?;
    match (files(variables)?, domains.is_empty()) {
        (Some(_), false) => {
            let problem = "either a certificate is obtained, or EDGE_TLS_CERT_FILE and EDGE_TLS_KEY_FILE name one";
            Err(EnvironmentError::new(DOMAINS, problem))
        }
        (None, false) => acme(variables, domains).map(TlsConfig::Acme),
        (files, true) => {
            refuse_strays(variables)?;
            Ok(files.map_or(TlsConfig::Off, TlsConfig::Files))
        }
    }
}

fn files(variables: &Environment<'_>) -> Result<Option<CertificateFiles>, EnvironmentError> {
    let file = |variable| variables.text(variable).map(PathBuf::from);
    match (file(CertificateFiles::CERTIFICATE), file(CertificateFiles::KEY)) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
        (Some(_), None) => Err(needed(CertificateFiles::KEY, CertificateFiles::CERTIFICATE)),
        (None, Some(_)) => Err(needed(CertificateFiles::CERTIFICATE, CertificateFiles::KEY)),
    }
}

/// What is set for nothing was meant for something.
fn refuse_strays(variables: &Environment<'_>) -> Result<(), EnvironmentError> {
    let stray = [CONTACT, DIRECTORY_URL, CA_FILE, CACHE_DIR].into_iter().find(|name| variables.text(name).is_some());
    stray.map_or(Ok(()), |stray| Err(needed(DOMAINS, stray)))
}

fn acme(variables: &Environment<'_>, domains: Vec<String>) -> Result<AcmeSettings, EnvironmentError> {
    let data = || PathBuf::from(variables.text("FOCUSFLOW_DATA_DIR").unwrap_or_else(|| ".focusflow".to_owned()));
    Ok(AcmeSettings {
        domains,
        contacts: contacts(variables)?,
        directory_url: directory_url(variables)?,
        roots: variables.text(CA_FILE).map(PathBuf::from),
        cache: variables.text(CACHE_DIR).map_or_else(|| data().join("acme"), PathBuf::from),
    })
}

fn domains(variables: &Environment<'_>) -> Result<Vec<String>, EnvironmentError> {
    let domains = variables.list_or::<String>(DOMAINS, "")?;
    // The handshake's names are compared as they are written in certificates, in small letters.
    domains.into_iter().map(|domain| domain_name(&domain.to_ascii_lowercase())).collect()
}

fn domain_name(domain: &str) -> Result<String, EnvironmentError> {
    let is_name = DnsName::try_from(domain).is_ok() && domain.contains('.');
    if is_name && !domain.ends_with(|last: char| last.is_ascii_digit()) {
        return Ok(domain.to_owned());
    }
    let problem = format!("\"{domain}\" cannot be used: expected names as app.example.org, without * and no addresses");
    Err(EnvironmentError::new(DOMAINS, problem))
}

fn contacts(variables: &Environment<'_>) -> Result<Vec<String>, EnvironmentError> {
    let contacts = variables.list_or::<String>(CONTACT, "")?;
    match contacts.iter().find(|contact| !contact.contains('@') || contact.contains(':')) {
        None => Ok(contacts),
        // An address is a person's: it is not repeated.
        Some(_) => Err(EnvironmentError::new(CONTACT, "expected e-mail addresses as ops@example.org")),
    }
}

fn directory_url(variables: &Environment<'_>) -> Result<String, EnvironmentError> {
    let url = variables.parsed_or::<Uri>(DIRECTORY_URL, LETS_ENCRYPT_PRODUCTION_DIRECTORY)?;
    match url.scheme_str() {
        Some("https") => Ok(url.to_string()),
        _ => Err(EnvironmentError::new(DIRECTORY_URL, "must begin with https://")),
    }
}

fn needed(variable: &'static str, because: &str) -> EnvironmentError {
    EnvironmentError::new(variable, format!("needed because {because} is set"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(variables: &[(&str, &str)]) -> Result<TlsConfig, EnvironmentError> {
        let find =
            |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        read(&Environment::new(&find))
    }

    #[test]
    fn without_variables_the_port_is_plain_http() {
        assert!(matches!(read_from(&[]), Ok(TlsConfig::Off)));
    }

    #[test]
    fn domains_are_all_that_an_authority_needs_to_be_told() {
        let Ok(TlsConfig::Acme(acme)) = read_from(&[(DOMAINS, "App.example.org, www.example.org")]) else {
            panic!("it is ACME")
        };
        assert_eq!(acme.domains, ["app.example.org", "www.example.org"]);
        assert_eq!(acme.directory_url, "https://acme-v02.api.letsencrypt.org/directory");
        assert_eq!(acme.cache, PathBuf::from(".focusflow/acme"));
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let (certificate, key) = ((CertificateFiles::CERTIFICATE, "c.pem"), (CertificateFiles::KEY, "k.pem"));
        let domain = (DOMAINS, "example.org");
        for (variables, named) in [
            (vec![certificate], CertificateFiles::KEY),
            (vec![key], CertificateFiles::CERTIFICATE),
            (vec![certificate, key, domain], DOMAINS),
            (vec![key, domain], CertificateFiles::CERTIFICATE),
            (vec![(CONTACT, "ops@example.org")], DOMAINS),
            (vec![(CA_FILE, "ca.pem"), certificate, key], DOMAINS),
            (vec![(DOMAINS, "*.example.org")], DOMAINS),
            (vec![(DOMAINS, "192.0.2.1")], DOMAINS),
            (vec![domain, (CONTACT, "ops")], CONTACT),
            (vec![domain, (DIRECTORY_URL, "http://ca.example.org")], DIRECTORY_URL),
        ] {
            let error = read_from(&variables).unwrap_err();
            assert_eq!(error.variable, named, "{variables:?}");
        }
    }
}
