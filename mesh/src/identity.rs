//! Who a process is: a SPIFFE id in a trust domain.
//!
//! The mesh uses one form of SPIFFE id, `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
//! An id is parsed once, where a certificate enters the process, and is trusted as a type from then on.
//! Parsing and printing are inverses: an id that parses prints as the text it came from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

const SCHEME: &str = "spiffe://";
const NAMESPACE: &str = "/ns/";
const SERVICE_ACCOUNT: &str = "/sa/";

/// The SPIFFE specification's limit on the length of a trust domain, in bytes.
const TRUST_DOMAIN_BYTES_MAX: usize = 255;

/// The longest name of a namespace or a service account that Kubernetes allows, in bytes.
const SEGMENT_BYTES_MAX: usize = 253;

/// The name under which a mesh's certificates are issued, such as `focusflow.local`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(Arc<str>);

/// The identity of one service account: `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
///
/// A clone costs one reference count, so an id can travel with every request of its connection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    uri: Arc<str>,
    /// Where the namespace begins in `uri`; the parts around it follow from the fixed form.
    namespace_start: usize,
    service_account_start: usize,
}

/// Why a text is not an identity of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseIdentityError {
    /// The text does not begin with `spiffe://`.
    #[error("\"{0}\" is not a SPIFFE id: it does not begin with spiffe://")]
    Scheme(String),
    /// The trust domain is empty, too long or has a character that SPIFFE does not allow.
    #[error(
        "\"{0}\" is not a trust domain: 1 to 255 lower-case letters, digits, dots, hyphens and underscores are allowed"
    )]
    TrustDomain(String),
    /// The path is not `/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
    #[error("the path of \"{0}\" is not /ns/NAMESPACE/sa/SERVICE_ACCOUNT")]
    Path(String),
    /// A namespace or service account is empty, too long or has a character that SPIFFE does not allow.
    #[error(
        "\"{0}\" is not a name: 1 to 253 letters, digits, dots, hyphens and underscores are allowed, and not . or .."
    )]
    Segment(String),
}

impl TrustDomain {
    /// The trust domain's name, without a scheme.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SpiffeId {
    /// Puts an id together from its parts.
    pub fn new(trust_domain: &TrustDomain, namespace: &str, service_account: &str) -> Result<Self, ParseIdentityError> {
        check_segment(namespace)?;
        check_segment(service_account)?;
        Ok(Self::assemble(trust_domain.as_str(), namespace, service_account))
    }

    /// The id as it stands in a certificate.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The name of the trust domain that vouches for this id.
    pub fn trust_domain(&self) -> &str {
        &self.uri[SCHEME.len()..self.namespace_start - NAMESPACE.len()]
    }

    /// The namespace that the service account lives in.
    pub fn namespace(&self) -> &str {
        &self.uri[self.namespace_start..self.service_account_start - SERVICE_ACCOUNT.len()]
    }

    /// The service account, which is the name that policies speak of: `gateway`, `storage`.
    pub fn service_account(&self) -> &str {
        &self.uri[self.service_account_start..]
    }

    /// Whether `trust_domain` vouches for this id.
    pub fn is_in(&self, trust_domain: &TrustDomain) -> bool {
        self.trust_domain() == trust_domain.as_str()
    }

    fn assemble(trust_domain: &str, namespace: &str, service_account: &str) -> Self {
        let uri = format!("{SCHEME}{trust_domain}{NAMESPACE}{namespace}{SERVICE_ACCOUNT}{service_account}");
        let namespace_start = SCHEME.len() + trust_domain.len() + NAMESPACE.len();
        let service_account_start = namespace_start + namespace.len() + SERVICE_ACCOUNT.len();
        Self { uri: uri.into(), namespace_start, service_account_start }
    }
}

impl FromStr for TrustDomain {
    type Err = ParseIdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_trust_domain(text)?;
        Ok(Self(text.into()))
    }
}

impl FromStr for SpiffeId {
    type Err = ParseIdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| ParseIdentityError::Scheme(text.to_owned()))?;
        let not_a_path = || ParseIdentityError::Path(text.to_owned());
        let (trust_domain, path) = rest.split_once('/').ok_or_else(not_a_path)?;
        check_trust_domain(trust_domain)?;

        let mut segments = path.split('/');
        let (Some("ns"), Some(namespace), Some("sa"), Some(service_account), None) =
            (segments.next(), segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(not_a_path());
        };
        check_segment(namespace)?;
        check_segment(service_account)?;
        Ok(Self::assemble(trust_domain, namespace, service_account))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TrustDomain({self})")
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SpiffeId({self})")
    }
}

fn check_trust_domain(text: &str) -> Result<(), ParseIdentityError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_');
    if text.is_empty() || text.len() > TRUST_DOMAIN_BYTES_MAX || !text.bytes().all(allowed) {
        return Err(ParseIdentityError::TrustDomain(text.to_owned()));
    }
    Ok(())
}

fn check_segment(text: &str) -> Result<(), ParseIdentityError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_relative = matches!(text, "." | "..");
    if text.is_empty() || text.len() > SEGMENT_BYTES_MAX || is_relative || !text.bytes().all(allowed) {
        return Err(ParseIdentityError::Segment(text.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEGMENT: &str = "[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,62}";
    const DOMAIN: &str = "[a-z0-9._-]{1,80}";

    proptest! {
        #[test]
        fn parsing_and_printing_are_inverses(domain in DOMAIN, namespace in SEGMENT, account in SEGMENT) {
            let domain: TrustDomain = domain.parse().unwrap();
            let id = SpiffeId::new(&domain, &namespace, &account).unwrap();
            let parsed: SpiffeId = id.to_string().parse().unwrap();

            prop_assert_eq!(&parsed, &id);
            prop_assert_eq!(parsed.trust_domain(), domain.as_str());
            prop_assert_eq!(parsed.namespace(), namespace);
            prop_assert_eq!(parsed.service_account(), account);
            prop_assert!(parsed.is_in(&domain));
        }

        #[test]
        fn a_text_that_parses_prints_as_itself(text in "spiffe://[a-z./]{0,12}/ns/[a-z./]{0,6}/sa/[a-z./?#%]{0,6}") {
            if let Ok(id) = text.parse::<SpiffeId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            let _either_is_fine = text.parse::<SpiffeId>();
            let _either_is_fine = format!("spiffe://{text}").parse::<SpiffeId>();
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for text in ["", "https://mesh/ns/a/sa/b", "SPIFFE://mesh/ns/a/sa/b", " spiffe://mesh/ns/a/sa/b"] {
            assert_eq!(text.parse::<SpiffeId>(), Err(ParseIdentityError::Scheme(text.to_owned())));
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for text in [
            "spiffe://mesh",
            "spiffe://mesh/",
            "spiffe://mesh/workload",
            "spiffe://mesh/ns/a",
            "spiffe://mesh/ns/a/sa",
            "spiffe://mesh/ns/a/sa/b/",
            "spiffe://mesh/ns/a/sa/b/c",
            "spiffe://mesh/sa/b/ns/a",
            "spiffe://mesh//ns/a/sa/b",
        ] {
            assert_eq!(text.parse::<SpiffeId>(), Err(ParseIdentityError::Path(text.to_owned())));
        }
    }

    #[test]
    fn names_that_could_be_read_in_two_ways_are_refused() {
        let too_long = "a".repeat(SEGMENT_BYTES_MAX + 1);
        for name in ["", ".", "..", "a b", "a%62", "a?b", "a#b", "gate\u{0}way", "g\u{e4}teway", &too_long] {
            let text = format!("spiffe://mesh/ns/default/sa/{name}");
            assert_eq!(text.parse::<SpiffeId>(), Err(ParseIdentityError::Segment(name.to_owned())));
        }
    }

    #[test]
    fn trust_domains_are_lower_case_names_without_port_or_user() {
        let too_long = "a".repeat(TRUST_DOMAIN_BYTES_MAX + 1);
        for name in ["", "Mesh", "mesh:80", "user@mesh", "mesh/other", "m%65sh", &too_long] {
            assert_eq!(name.parse::<TrustDomain>(), Err(ParseIdentityError::TrustDomain(name.to_owned())));
        }
        assert!("a".repeat(TRUST_DOMAIN_BYTES_MAX).parse::<TrustDomain>().is_ok());
    }

    #[test]
    fn a_trust_domain_does_not_vouch_for_its_subdomains() {
        let id: SpiffeId = "spiffe://evil.mesh.local/ns/default/sa/gateway".parse().unwrap();
        assert!(!id.is_in(&"mesh.local".parse().unwrap()));
    }
}
