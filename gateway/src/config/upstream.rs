//! An upstream for one service of the contract.

use std::str::FromStr;

use focusflow_mesh::channel::{Target, TargetError};

/// Where one service of the contract is served, written `PACKAGE.SERVICE=URL`.
///
/// `http://HOST:PORT` is plaintext (h2c), `https://HOST:PORT` the mesh's mTLS with any peer of the trust domain, and
/// `https://HOST:PORT#ACCOUNT` with that service account only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedUpstream {
    /// The service's full name.
    pub service: String,
    /// Where it is served.
    pub target: Target,
}

/// Why a text is not an upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseUpstreamError {
    /// There is no `=`, or nothing before it.
    #[error("expected PACKAGE.SERVICE=URL, found {0:?}")]
    NoService(String),
    /// What follows is no address.
    #[error("{0}")]
    Target(String),
}

impl FromStr for NamedUpstream {
    type Err = ParseUpstreamError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (service, url) = text
            .split_once('=')
            .filter(|(service, _)| !service.is_empty())
            .ok_or_else(|| ParseUpstreamError::NoService(text.to_owned()))?;
        let target = url.parse().map_err(|error: TargetError| ParseUpstreamError::Target(error.to_string()))?;
        Ok(Self { service: service.to_owned(), target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_upstream_needs_a_name_and_an_address() {
        let named: NamedUpstream = "example.v1.EchoService=http://localhost:1".parse().unwrap();
        assert_eq!(named.service, "example.v1.EchoService");
        assert_eq!(named.target.to_string(), "http://localhost:1");
        for text in ["http://localhost:1", "=http://localhost:1", ""] {
            assert!(matches!(text.parse::<NamedUpstream>(), Err(ParseUpstreamError::NoService(_))), "{text}");
        }
        for text in ["a.B=", "a.B=localhost", "a.B=ftp://localhost:1", "a.B=http://localhost:1/path"] {
            assert!(matches!(text.parse::<NamedUpstream>(), Err(ParseUpstreamError::Target(_))), "{text}");
        }
    }
}
