//! Where a browser takes web push (RFC 8030), and the keys that messages to it are encrypted with (RFC 8291).

use std::net::IpAddr;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, Utc};
use http::Uri;
use uuid::Uuid;

use crate::domain::Problem;

/// Browsers' endpoints are a few hundred characters long.
const ENDPOINT_LENGTH_MAX: usize = 2_000;
/// An uncompressed point of P-256: a tag and two coordinates.
const PUBLIC_KEY_LENGTH: usize = 65;
const UNCOMPRESSED_POINT: u8 = 4;
const SECRET_LENGTH: usize = 16;
/// Some browsers pad base64url, most do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where a browser takes push messages: an https URL of a public host.
///
/// A host name may still lead to a private address; whoever pushes must look at the address that it resolves to.
#[derive(Clone, Debug, Eq, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Endpoint(String);

/// A browser's public key, base64url.
#[derive(Clone, Debug, Eq, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
pub struct PublicKey(String);

/// A browser's authentication secret, base64url. Not `Debug`, so that no log shows it.
#[derive(Clone, Eq, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
pub struct AuthSecret(String);

/// A browser that accepts web push.
#[derive(Clone, sqlx::FromRow)]
pub struct PushSubscription {
    /// Its id.
    pub id: Uuid,
    /// Where to push to.
    pub endpoint: Endpoint,
    /// The browser's public key.
    pub p256dh: PublicKey,
    /// The browser's authentication secret.
    pub auth: AuthSecret,
    /// When it was registered first.
    pub create_time: DateTime<Utc>,
}

impl Endpoint {
    /// Checks that `text` is an https URL of a public host.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > ENDPOINT_LENGTH_MAX {
            return Err(Problem::new(format!("must be at most {ENDPOINT_LENGTH_MAX} characters long")));
        }
        let uri: Uri = text.parse().map_err(|_| Problem::new("must be a URL"))?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let host = host.ok_or_else(|| Problem::new("must be an https URL"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(Problem::new("must not have a user name"));
        }
        if !is_public(host) {
            return Err(Problem::new("must be on a public host"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PublicKey {
    /// Checks that `text` is an uncompressed point of P-256.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let key = BASE64.decode(text).unwrap_or_default();
        if key.len() != PUBLIC_KEY_LENGTH || key.first() != Some(&UNCOMPRESSED_POINT) {
            return Err(Problem::new("must be an uncompressed P-256 point, base64url"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key, base64url.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AuthSecret {
    /// Checks that `text` is 16 bytes.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if BASE64.decode(text).unwrap_or_default().len() != SECRET_LENGTH {
            return Err(Problem::new("must be 16 bytes, base64url"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret, base64url.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a host can be a push service of the internet. Addresses are never: push services have names.
fn is_public(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_address = address.parse::<IpAddr>().is_ok() || is_numeric(&name);
    let is_local = ["localhost", "local", "internal", "home.arpa", "lan"]
        .iter()
        .any(|suffix| name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    name.contains('.') && !is_address && !is_local
}

/// Whether a resolver may read the name as an IPv4 address, in one of its old forms such as `0x7f.1`.
fn is_numeric(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_https_urls_of_public_hosts() {
        for endpoint in [
            "https://fcm.googleapis.com/fcm/send/abc:def",
            "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
            "https://web.push.apple.com:443/Q",
        ] {
            assert_eq!(Endpoint::parse(endpoint).unwrap().as_str(), endpoint);
        }
    }

    #[test]
    fn endpoints_that_would_reach_inside_are_refused() {
        for endpoint in [
            "",
            "http://fcm.googleapis.com/a",
            "/fcm/send",
            "https://localhost/a",
            "https://db.localhost/a",
            "https://postgres/a",
            "https://metadata.google.internal/a",
            "https://printer.local./a",
            "https://127.0.0.1/a",
            "https://10.0.0.1/a",
            "https://8.8.8.8/a",
            "https://0x7f.1/a",
            "https://127.1/a",
            "https://2130706433/a",
            "https://[::1]/a",
            "https://[fd00::1]:8443/a",
            "https://user@fcm.googleapis.com/a",
        ] {
            assert!(Endpoint::parse(endpoint).is_err(), "{endpoint}");
        }
        assert!(Endpoint::parse(&format!("https://push.example.com/{}", "a".repeat(2_000))).is_err());
    }

    #[test]
    fn keys_have_their_lengths() {
        let encode = |bytes: &[u8]| BASE64.encode(bytes);
        let point = [&[4][..], &[7; 64]].concat();
        assert!(PublicKey::parse(&encode(&point)).is_ok());
        assert!(PublicKey::parse(encode(&point).trim_end_matches('=')).is_ok());
        assert!(PublicKey::parse(&encode(&[7; 65])).is_err(), "a compressed point's tag");
        assert!(PublicKey::parse(&encode(&point[..64])).is_err());
        assert!(PublicKey::parse("not base64!").is_err());
        assert!(AuthSecret::parse(&encode(&[1; 16])).is_ok());
        assert!(AuthSecret::parse(&encode(&[1; 15])).is_err());
    }
}
