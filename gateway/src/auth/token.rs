//! Access tokens (JWT, verified without a lookup) and refresh tokens (random, stored only as a hash).

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use moka::sync::Cache;
use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ACCESS_TOKEN_LIFETIME;
use super::keys::{KeyFileError, KeyRing, SecretTooShort};

const ISSUER: &str = "focusflow";
const AUDIENCE: &str = "focusflow";
const REFRESH_TOKEN_BYTES: usize = 32;
/// How far the clocks of two replicas may differ.
const LEEWAY_SECONDS: u64 = 60;
/// Tokens whose verification is remembered, of some 200 bytes each.
const VERIFIED_MAX: u64 = 50_000;

/// Why a request's access token does not admit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The request carries none.
    #[error("an access token is required: send `authorization: Bearer TOKEN`")]
    Missing,
    /// It is not one of ours, or was changed.
    #[error("the access token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the access token has expired")]
    Expired,
    /// Its session has ended.
    #[error("the session of the access token has ended")]
    Revoked,
}

/// What an access token says. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessClaims {
    /// The person.
    pub sub: Uuid,
    /// The session that the token was issued in.
    pub sid: Uuid,
    /// When it was issued.
    pub iat: u64,
    /// When it stops being valid.
    pub exp: u64,
}

/// The claims as they travel.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    iat: u64,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
    /// Tells two tokens of one session apart.
    jti: Uuid,
}

/// Issues and verifies access tokens under a ring of keys.
pub struct AccessTokens {
    ring: RwLock<Arc<KeyRing>>,
    /// By the hash of the token, what it says. Whether its time is over is asked each time.
    verified: Cache<[u8; 32], AccessClaims>,
}

impl AccessTokens {
    /// Tokens under one secret of at least 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Self, SecretTooShort> {
        KeyRing::new(secret, &[]).map(Self::with_ring)
    }

    /// Tokens under a ring of keys.
    pub fn with_ring(ring: KeyRing) -> Self {
        let verified = Cache::builder().max_capacity(VERIFIED_MAX).time_to_live(ACCESS_TOKEN_LIFETIME).build();
        Self { ring: RwLock::new(Arc::new(ring)), verified }
    }

    /// Takes over the key files of a directory as they are now. If they cannot be used, the keys stay as they are.
    pub fn reload(&self, directory: &Path, now: SystemTime) -> Result<(), KeyFileError> {
        let before = self.ring();
        let ring = before.with_files(directory, now)?;
        let is_same = ring.has_keys_of(&before);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        if !is_same {
            // A key that was taken away must not live on in what it verified.
            self.verified.invalidate_all();
            tracing::info!("the keys of access tokens have changed");
        }
        Ok(())
    }

    /// The public keys as a JSON Web Key Set.
    pub fn jwks(&self) -> String {
        self.ring().jwks()
    }

    /// A token for a person's session, good from `now` for [`ACCESS_TOKEN_LIFETIME`].
    pub fn issue(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        now: SystemTime,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let issued_at = seconds_since_epoch(now);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user_id,
            sid: session_id,
            iat: issued_at,
            exp: issued_at + ACCESS_TOKEN_LIFETIME.as_secs(),
            nbf: None,
            jti: Uuid::new_v4(),
        };
        let ring = self.ring();
        let key = ring.signer().ok_or(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat)?;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(key.algorithm) };
        encode(&header, &claims, &key.signing)
    }

    /// What the token says, if it is ours and its time is not over.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<AccessClaims, TokenError> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let claims = if let Some(claims) = self.verified.get(&hash) {
            claims
        } else {
            let claims = self.decode(token, now)?;
            self.verified.insert(hash, claims);
            claims
        };
        if claims.exp <= seconds_since_epoch(now) { Err(TokenError::Expired) } else { Ok(claims) }
    }

    fn decode(&self, token: &str, now: SystemTime) -> Result<AccessClaims, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        let ring = self.ring();
        let claims = ring
            .candidates(header.kid.as_deref())
            .find_map(|key| decode::<Claims>(token, &key.verifying, &validation(key.algorithm)).ok())
            .ok_or(TokenError::Invalid)?
            .claims;
        let latest = seconds_since_epoch(now) + LEEWAY_SECONDS;
        if claims.iat > latest || claims.nbf.is_some_and(|time| time > latest) {
            return Err(TokenError::Invalid);
        }
        Ok(AccessClaims { sub: claims.sub, sid: claims.sid, iat: claims.iat, exp: claims.exp })
    }

    fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a token must say. Times are compared with the caller's clock instead.
fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation.validate_exp = false;
    validation
}

/// The token of `authorization: Bearer TOKEN`. The scheme is compared without case, as RFC 9110 says.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, TokenError> {
    let value = headers.get(AUTHORIZATION).ok_or(TokenError::Missing)?;
    let value = value.to_str().map_err(|_| TokenError::Invalid)?;
    let (scheme, token) = value.split_once(' ').ok_or(TokenError::Invalid)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(TokenError::Invalid) }
}

/// A secret that is good for one exchange. It is shown to its owner once; storage gets the hash.
pub struct RefreshToken([u8; REFRESH_TOKEN_BYTES]);

impl RefreshToken {
    /// A new one.
    pub fn generate(random: &mut impl RngCore) -> Self {
        let mut bytes = [0; REFRESH_TOKEN_BYTES];
        random.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The inverse of [`Self::encode`]; `None` if the text cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// As its owner keeps it: base64url without padding.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// As storage keeps it: SHA-256. The token has 256 random bits, so a slow hash would add nothing.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }
}

fn seconds_since_epoch(instant: SystemTime) -> u64 {
    instant.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::EncodingKey;

    use super::super::keys::tests::write_key;
    use super::*;

    const SECRET: &[u8] = b"a secret that is long enough to be one";
    const LIFETIME: Duration = ACCESS_TOKEN_LIFETIME;

    fn tokens() -> AccessTokens {
        AccessTokens::new(SECRET).unwrap()
    }

    fn noon() -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(500_000)
    }

    fn claims() -> Claims {
        let now = seconds_since_epoch(noon());
        Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: Uuid::now_v7(),
            sid: Uuid::now_v7(),
            iat: now,
            exp: now + 60,
            nbf: None,
            jti: Uuid::now_v7(),
        }
    }

    #[test]
    fn a_token_from_the_future_is_invalid() {
        let now = seconds_since_epoch(noon());
        let valid = |claims: &Claims| {
            let token = encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET)).unwrap();
            tokens().verify(&token, noon()).is_ok()
        };
        let later = now + LEEWAY_SECONDS + 1;
        assert!(valid(&claims()));
        assert!(valid(&Claims { iat: now + LEEWAY_SECONDS, nbf: Some(now), ..claims() }));
        assert!(!valid(&Claims { iat: later, exp: later + 60, ..claims() }));
        assert!(!valid(&Claims { nbf: Some(later), ..claims() }));
    }

    #[test]
    fn a_token_without_a_key_id_is_one_of_a_secrets() {
        let token = encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(SECRET)).unwrap();
        assert!(tokens().verify(&token, noon()).is_ok());
        let unknown = Header { kid: Some("unknown".to_owned()), ..Header::new(Algorithm::HS256) };
        let token = encode(&unknown, &claims(), &EncodingKey::from_secret(SECRET)).unwrap();
        assert_eq!(tokens().verify(&token, noon()), Err(TokenError::Invalid));
    }

    #[test]
    fn a_rotation_signs_nobody_out() {
        let (user_id, session_id) = (Uuid::now_v7(), Uuid::now_v7());
        let issued_before = tokens().issue(user_id, session_id, noon()).unwrap();
        let ring = KeyRing::new(&[9; 32], &[SECRET]).unwrap();
        let rotated = AccessTokens::with_ring(ring);
        assert!(rotated.verify(&issued_before, noon()).is_ok());
        let directory = tempfile::tempdir().unwrap();
        write_key(directory.path(), "a.pem");
        rotated.reload(directory.path(), noon()).unwrap();
        let issued_after = rotated.issue(user_id, session_id, noon()).unwrap();
        assert_eq!(decode_header(&issued_after).unwrap().alg, Algorithm::EdDSA);
        for token in [&issued_before, &issued_after] {
            assert!(rotated.verify(token, noon()).is_ok());
        }
        std::fs::write(directory.path().join("b.pem"), "broken").unwrap();
        assert!(rotated.reload(directory.path(), noon()).is_err());
        assert!(rotated.verify(&issued_after, noon()).is_ok());
    }

    #[test]
    fn a_key_that_was_taken_away_admits_nobody_any_more() {
        let directory = tempfile::tempdir().unwrap();
        write_key(directory.path(), "a.pem");
        let tokens = tokens();
        tokens.reload(directory.path(), noon()).unwrap();
        let token = tokens.issue(Uuid::now_v7(), Uuid::now_v7(), noon()).unwrap();
        assert!(tokens.verify(&token, noon()).is_ok());
        std::fs::remove_file(directory.path().join("a.pem")).unwrap();
        tokens.reload(directory.path(), noon()).unwrap();
        assert_eq!(tokens.verify(&token, noon()), Err(TokenError::Invalid));
    }

    #[test]
    fn a_public_key_is_no_secret_of_hmac() {
        let directory = tempfile::tempdir().unwrap();
        write_key(directory.path(), "a.pem");
        let tokens = tokens();
        tokens.reload(directory.path(), noon()).unwrap();
        let set: serde_json::Value = serde_json::from_str(&tokens.jwks()).unwrap();
        let public = URL_SAFE_NO_PAD.decode(set["keys"][0]["x"].as_str().unwrap()).unwrap();
        let header = Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::HS256) };
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(&public)).unwrap();
        assert_eq!(tokens.verify(&forged, noon()), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_says_who_and_which_session() {
        let (user_id, session_id) = (Uuid::now_v7(), Uuid::now_v7());
        let token = tokens().issue(user_id, session_id, noon()).unwrap();
        let claims = tokens().verify(&token, noon()).unwrap();
        assert_eq!((claims.sub, claims.sid), (user_id, session_id));
        assert_eq!(claims.exp - claims.iat, 900);
    }

    #[test]
    fn a_token_ends_with_its_last_second() {
        let token = tokens().issue(Uuid::now_v7(), Uuid::now_v7(), noon()).unwrap();
        assert!(tokens().verify(&token, noon() + LIFETIME - Duration::from_secs(1)).is_ok());
        assert_eq!(tokens().verify(&token, noon() + LIFETIME), Err(TokenError::Expired));
    }

    #[test]
    fn a_token_of_another_secret_is_invalid() {
        let stranger = AccessTokens::new(b"another secret that is long enough too").unwrap();
        let token = stranger.issue(Uuid::now_v7(), Uuid::now_v7(), noon()).unwrap();
        assert_eq!(tokens().verify(&token, noon()), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_cannot_choose_its_algorithm() {
        let token = tokens().issue(Uuid::now_v7(), Uuid::now_v7(), noon()).unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"HS512","typ":"JWT"}"#] {
            let header = URL_SAFE_NO_PAD.encode(header);
            for forged in [format!("{header}.{claims}."), format!("{header}.{claims}.{signature}")] {
                assert_eq!(tokens().verify(&forged, noon()), Err(TokenError::Invalid));
            }
        }
    }

    #[test]
    fn a_token_for_another_audience_or_issuer_is_invalid() {
        for (issuer, audience) in [("elsewhere", AUDIENCE), (ISSUER, "elsewhere")] {
            let claims = Claims { iss: issuer.to_owned(), aud: audience.to_owned(), ..claims() };
            let token = encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET)).unwrap();
            assert_eq!(tokens().verify(&token, noon()), Err(TokenError::Invalid), "{issuer} {audience}");
        }
    }

    #[test]
    fn the_bearer_scheme_is_asked_for_in_any_case() {
        let headers = |value: &'static str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        assert_eq!(bearer_token(&headers("bearer abc")), Ok("abc"));
        assert_eq!(bearer_token(&headers("Bearer abc")), Ok("abc"));
        assert_eq!(bearer_token(&headers("Basic abc")), Err(TokenError::Invalid));
        assert_eq!(bearer_token(&headers("abc")), Err(TokenError::Invalid));
        assert_eq!(bearer_token(&HeaderMap::new()), Err(TokenError::Missing));
    }

    #[test]
    fn a_refresh_token_reads_back_to_the_same_hash() {
        let token = RefreshToken::generate(&mut rand::rng());
        let read = RefreshToken::parse(&token.encode()).unwrap();
        assert_eq!(read.hash(), token.hash());
        assert_eq!(token.hash().len(), 32);
        assert_ne!(token.hash(), RefreshToken::generate(&mut rand::rng()).hash());
    }

    #[test]
    fn text_that_is_no_refresh_token_is_not_read() {
        for text in ["", "abc", "!!!!", &"A".repeat(44)] {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }
}
