//! Where a channel leads.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};
use thiserror::Error;

use crate::tls::ExpectedPeer;

/// A service's address and who must answer there.
///
/// `http://HOST:PORT` is plaintext HTTP/2. `https://HOST:PORT` is mTLS with any peer of the trust domain, and
/// `https://HOST:PORT#ACCOUNT` with that service account only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) port: u16,
    pub(super) expected: ExpectedPeer,
}

/// A [`Target`] that only mTLS reaches, for addresses of services that speak nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureTarget(pub Target);

/// Why a text is not a target.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TargetError {
    /// Not a URL with a host.
    #[error("\"{0}\" is not a URL of the form http://HOST:PORT or https://HOST:PORT#SERVICE-ACCOUNT")]
    Url(String),
    /// Neither http nor https.
    #[error("\"{0}\" has a scheme that is neither http nor https")]
    Scheme(String),
    /// The service would not answer in plaintext.
    #[error("must be https: services speak mutual TLS only")]
    Plaintext,
    /// A channel leads to a service; paths belong to calls.
    #[error("\"{0}\" has a path")]
    Path(String),
}

impl Target {
    /// The same address, where only this service account may answer.
    #[must_use]
    pub fn expecting(mut self, service_account: impl Into<String>) -> Self {
        self.expected = ExpectedPeer::ServiceAccount(service_account.into());
        self
    }

    /// Whether the connection is mTLS.
    pub fn is_secure(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// What a caller's caller may know of the peer: who it is, and not where.
    pub(super) fn service(&self) -> &str {
        match &self.expected {
            ExpectedPeer::ServiceAccount(account) => account,
            ExpectedPeer::AnyInTrustDomain => "the service",
        }
    }

    /// The host without brackets, as name look-up wants it.
    pub(super) fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (url, account) = text.split_once('#').map_or((text, None), |(url, account)| (url, Some(account)));
        let parts = url.parse::<Uri>().map_err(|_| TargetError::Url(text.to_owned()))?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(TargetError::Url(text.to_owned()));
        };
        let default_port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Err(TargetError::Scheme(text.to_owned())),
        };
        if parts.path_and_query.is_some_and(|path| path.as_str() != "/") {
            return Err(TargetError::Path(text.to_owned()));
        }
        if authority.host().is_empty() {
            return Err(TargetError::Url(text.to_owned()));
        }
        let expected = match account {
            Some(account) if !account.is_empty() => ExpectedPeer::ServiceAccount(account.to_owned()),
            _ => ExpectedPeer::AnyInTrustDomain,
        };
        Ok(Self { scheme, port: authority.port_u16().unwrap_or(default_port), authority, expected })
    }
}

impl FromStr for SecureTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let target: Target = text.parse()?;
        if target.is_secure() { Ok(Self(target)) } else { Err(TargetError::Plaintext) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.authority)?;
        match &self.expected {
            ExpectedPeer::ServiceAccount(account) => write!(formatter, "#{account}"),
            ExpectedPeer::AnyInTrustDomain => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_print_as_they_were_written() {
        for text in ["http://localhost:7000", "https://storage:7000", "https://[::1]:7000#storage"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        let target: Target = "https://[::1]:7000#storage".parse().unwrap();
        assert_eq!((target.host(), target.port), ("::1", 7000));
        assert_eq!("http://storage".parse::<Target>().unwrap().port, 80);
    }

    #[test]
    fn plaintext_is_no_secure_target() {
        assert_eq!("http://storage:7000".parse::<SecureTarget>(), Err(TargetError::Plaintext));
        assert!("https://storage:7000".parse::<SecureTarget>().unwrap().0.is_secure());
    }

    #[test]
    fn what_is_no_target_is_refused() {
        assert!(matches!("storage:7000".parse::<Target>(), Err(TargetError::Url(_) | TargetError::Scheme(_))));
        assert!(matches!("/tmp/socket".parse::<Target>(), Err(TargetError::Url(_))));
        assert!(matches!("redis://storage:7000".parse::<Target>(), Err(TargetError::Scheme(_))));
        assert!(matches!("http://storage:7000/v1".parse::<Target>(), Err(TargetError::Path(_))));
    }
}
