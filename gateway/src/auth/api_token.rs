//! API tokens: `ff_` and a random secret, which programs send instead of an access token.
//!
//! Unlike an access token it lives until it is deleted, so each request asks storage about it: a deletion takes effect
//! at once.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use focusflow_mesh::context::Context;
use focusflow_proto::internal::v1::credential_service_client::CredentialServiceClient;
use focusflow_proto::internal::v1::{FindApiTokenRequest, RecordSecurityEventRequest};
use focusflow_proto::v1::security_event::Kind;
use moka::sync::Cache;
use rand::RngCore;
use sha2::{Digest, Sha256};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use super::TokenError;
use super::service::Storage;

const PREFIX: &str = "ff_";
const SECRET_BYTES: usize = 32;

/// An API token. It is shown to its owner once; storage gets the hash.
pub struct ApiToken([u8; SECRET_BYTES]);

/// Whose an API token is and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTokenGrant {
    /// The person.
    pub user_id: Uuid,
    /// What it may do; empty is everything.
    pub scopes: Vec<String>,
}

/// A person's refused tokens are written down once in this time: a program that is set up wrongly asks again and again.
const REFUSAL_INTERVAL: Duration = Duration::from_mins(1);
const REFUSALS_MAX: u64 = 10_000;

/// Asks storage about API tokens.
#[derive(Clone)]
pub(crate) struct ApiTokens<C> {
    storage: CredentialServiceClient<C>,
    refused: Cache<Uuid, ()>,
}

impl ApiToken {
    /// A new one.
    pub fn generate(random: &mut impl RngCore) -> Self {
        let mut bytes = [0; SECRET_BYTES];
        random.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The API token that a bearer token is: `None` if it is of another kind, an error if it only begins like one.
    pub fn parse(bearer: &str) -> Option<Result<Self, TokenError>> {
        let secret = bearer.strip_prefix(PREFIX)?;
        let bytes = URL_SAFE_NO_PAD.decode(secret).ok().and_then(|bytes| bytes.try_into().ok());
        Some(bytes.map(Self).ok_or(TokenError::Invalid))
    }

    /// As its owner keeps it.
    pub fn encode(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// As storage keeps it: SHA-256. The secret has 256 random bits, so a slow hash would add nothing.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }
}

impl ApiTokenGrant {
    /// Whether it admits to calls of `scope`; those that have none are only for tokens that may do everything.
    pub fn admits_to(&self, scope: Option<&str>) -> bool {
        self.scopes.is_empty() || scope.is_some_and(|scope| self.scopes.iter().any(|granted| granted == scope))
    }
}

impl<C: Storage> ApiTokens<C> {
    pub(crate) fn new(storage: C) -> Self {
        let refused = Cache::builder().max_capacity(REFUSALS_MAX).time_to_live(REFUSAL_INTERVAL).build();
        Self { storage: CredentialServiceClient::new(storage), refused }
    }

    /// Writes down that a token was presented for more than it may do. The refusal does not wait for it.
    pub(crate) fn note_refusal(&self, user_id: Uuid) {
        if self.refused.contains_key(&user_id) {
            return;
        }
        self.refused.insert(user_id, ());
        let mut storage = self.storage.clone();
        tokio::spawn(async move {
            let user_id = user_id.to_string();
            let event =
                RecordSecurityEventRequest { user_id, kind: Kind::ApiTokenRefused.into(), ..Default::default() };
            if let Err(status) = storage.record_security_event(event).await {
                tracing::warn!(%status, "the refusal of an API token was not recorded");
            }
        });
    }

    /// What a token grants, asked in the `context` of the request that carries it.
    pub(crate) async fn find(&self, token: &ApiToken, context: &Context) -> Result<ApiTokenGrant, Status> {
        let mut request = Request::new(FindApiTokenRequest { token_hash: token.hash() });
        request.extensions_mut().insert(context.clone());
        let found = self.storage.clone().find_api_token(request).await.map_err(|status| match status.code() {
            Code::NotFound => TokenError::Invalid.into(),
            _ => status,
        })?;
        let found = found.into_inner();
        let user_id = super::service::parse_id(&found.user_id)?;
        Ok(ApiTokenGrant { user_id, scopes: found.scopes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_to_the_same_hash() {
        let token = ApiToken::generate(&mut rand::rng());
        assert!(token.encode().starts_with("ff_"));
        let read = ApiToken::parse(&token.encode()).unwrap().unwrap();
        assert_eq!(read.hash(), token.hash());
        assert_ne!(token.hash(), ApiToken::generate(&mut rand::rng()).hash());
    }

    #[test]
    fn other_tokens_are_told_from_broken_ones() {
        assert!(ApiToken::parse("eyJhbGciOiJIUzI1NiJ9.e30.c2ln").is_none());
        for broken in ["ff_", "ff_abc", "ff_!!!!", &format!("ff_{}", "A".repeat(44))] {
            assert_eq!(ApiToken::parse(broken).unwrap().err(), Some(TokenError::Invalid), "{broken}");
        }
    }

    #[test]
    fn a_scope_admits_to_itself_only_and_no_scope_to_everything() {
        let grant = |scopes: &[&str]| ApiTokenGrant {
            user_id: Uuid::nil(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
        };
        assert!(grant(&["tasks:read"]).admits_to(Some("tasks:read")));
        assert!(!grant(&["tasks:read"]).admits_to(Some("tasks:write")));
        assert!(!grant(&["tasks:read"]).admits_to(None));
        assert!(grant(&[]).admits_to(None) && grant(&[]).admits_to(Some("tasks:write")));
    }
}
