//! Access tokens (JWT, verified without a lookup) and refresh tokens (random, stored only as a hash).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ACCESS_TOKEN_LIFETIME;

const ISSUER: &str = "focusflow";
const AUDIENCE: &str = "focusflow";
const SECRET_BYTES_MIN: usize = 32;
const REFRESH_TOKEN_BYTES: usize = 32;

/// The signing secret is too short to resist guessing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected at least {SECRET_BYTES_MIN} bytes, found {found}")]
pub struct SecretTooShort {
    /// The length of what was given, in bytes.
    pub found: usize,
}

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
}

/// What an access token says. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    iss: String,
    aud: String,
    /// The person.
    pub sub: Uuid,
    /// The session that the token was issued in.
    pub sid: Uuid,
    /// When it was issued.
    pub iat: u64,
    /// When it stops being valid.
    pub exp: u64,
    /// Tells two tokens of one session apart.
    pub jti: Uuid,
}

/// Issues and verifies access tokens under one secret.
pub struct AccessTokens {
    signing_key: EncodingKey,
    verifying_key: DecodingKey,
    validation: Validation,
}

impl AccessTokens {
    /// Tokens under a secret of at least 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Self, SecretTooShort> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(SecretTooShort { found: secret.len() });
        }
        // The algorithm is ours to choose and never the token's. Expiry is compared below, with the caller's clock.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.validate_exp = false;
        Ok(Self {
            signing_key: EncodingKey::from_secret(secret),
            verifying_key: DecodingKey::from_secret(secret),
            validation,
        })
    }

    /// A token for a person's session, good from `now` for [`ACCESS_TOKEN_LIFETIME`].
    pub fn issue(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        now: SystemTime,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let issued_at = seconds_since_epoch(now);
        let claims = AccessClaims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user_id,
            sid: session_id,
            iat: issued_at,
            exp: issued_at + ACCESS_TOKEN_LIFETIME.as_secs(),
            jti: Uuid::new_v4(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing_key)
    }

    /// What the token says, if it is ours and its time is not over.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<AccessClaims, TokenError> {
        let claims = decode::<AccessClaims>(token, &self.verifying_key, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        if claims.exp <= seconds_since_epoch(now) {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
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
    use super::*;

    const SECRET: &[u8] = b"a secret that is long enough to be one";
    const LIFETIME: Duration = ACCESS_TOKEN_LIFETIME;

    fn tokens() -> AccessTokens {
        AccessTokens::new(SECRET).unwrap()
    }

    fn noon() -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(500_000)
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
            let claims = AccessClaims {
                iss: issuer.to_owned(),
                aud: audience.to_owned(),
                sub: Uuid::now_v7(),
                sid: Uuid::now_v7(),
                iat: seconds_since_epoch(noon()),
                exp: seconds_since_epoch(noon()) + 60,
                jti: Uuid::now_v7(),
            };
            let token = encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET)).unwrap();
            assert_eq!(tokens().verify(&token, noon()), Err(TokenError::Invalid), "{issuer} {audience}");
        }
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(AccessTokens::new(&[7; 31]).err(), Some(SecretTooShort { found: 31 }));
        assert!(AccessTokens::new(&[7; 32]).is_ok());
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
