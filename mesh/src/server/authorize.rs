//! Who may call an RPC, and for whom: the contract's policy against the peer's certificate.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::HeaderMap;
use uuid::Uuid;

use crate::context::USER_ID_HEADER;
use crate::identity::SpiffeId;
use crate::policy::{Auth, Callers, MethodPolicy};
use crate::refusal::{Reason, Refusal};

/// The service account that may say for whom it calls.
const GATEWAY: &str = "gateway";

/// Decides about calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Authorizer {
    /// Service accounts that may do what the gateway may, except to call RPCs that are internal.
    impersonators: Arc<BTreeSet<String>>,
}

impl Authorizer {
    pub(super) fn new(impersonators: impl IntoIterator<Item = String>) -> Self {
        Self { impersonators: Arc::new(impersonators.into_iter().collect()) }
    }

    /// Whether the peer may make the call; the answer is the person it is made for, if any.
    pub(super) fn authorize(
        &self,
        policy: &MethodPolicy,
        peer: Option<&SpiffeId>,
        headers: &HeaderMap,
    ) -> Result<Option<Uuid>, Refusal> {
        self.check_caller(policy, peer)?;
        let user_id = self.user_id(policy, peer, headers)?;
        match policy.auth {
            Auth::Unspecified => {
                Err(denied(policy, peer, "auth", "the contract does not say whose request this RPC is"))
            }
            Auth::User if user_id.is_none() => Err(Refusal::new(
                Reason::Unauthenticated,
                format!("{} needs a signed-in person and the call names none", policy.method),
            )
            .with("method", full_name(policy))),
            Auth::User | Auth::None | Auth::Internal => Ok(user_id),
        }
    }

    fn check_caller(&self, policy: &MethodPolicy, peer: Option<&SpiffeId>) -> Result<(), Refusal> {
        if policy.callers == Callers::Anyone {
            return Ok(());
        }
        let Some(identity) = peer else {
            return Err(denied(policy, peer, "callers", "the caller has no identity"));
        };
        let account = identity.service_account();
        if policy.callers.admit(account) || self.admits_as_gateway(policy, account) {
            return Ok(());
        }
        Err(denied(policy, peer, "callers", &format!("the service account {account} is not among its callers")))
    }

    fn admits_as_gateway(&self, policy: &MethodPolicy, account: &str) -> bool {
        self.impersonators.contains(account) && policy.auth != Auth::Internal && policy.callers.admit(GATEWAY)
    }

    /// The person that the call names, if whoever names it may.
    fn user_id(
        &self,
        policy: &MethodPolicy,
        peer: Option<&SpiffeId>,
        headers: &HeaderMap,
    ) -> Result<Option<Uuid>, Refusal> {
        let Some(value) = headers.get(USER_ID_HEADER) else { return Ok(None) };
        let believed = peer.is_some_and(|identity| {
            let account = identity.service_account();
            account == GATEWAY || self.impersonators.contains(account)
        });
        if !believed {
            return Err(denied(policy, peer, "user", "only the gateway may say for whom it calls"));
        }
        let text = value.to_str().ok();
        let user_id = text.and_then(|text| Uuid::parse_str(text).ok()).ok_or_else(|| {
            Refusal::new(Reason::BadHeader, format!("the header {USER_ID_HEADER} is not a UUID"))
                .with("header", USER_ID_HEADER.as_str())
        })?;
        Ok(Some(user_id))
    }
}

fn denied(policy: &MethodPolicy, peer: Option<&SpiffeId>, rule: &str, why: &str) -> Refusal {
    let caller = peer.map_or("nobody", SpiffeId::as_str);
    Refusal::new(Reason::PolicyDenied, format!("{} refuses {caller}: {why}", full_name(policy)))
        .with("method", full_name(policy))
        .with("caller", caller)
        .with("rule", rule)
}

fn full_name(policy: &MethodPolicy) -> String {
    format!("{}/{}", policy.service, policy.method)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::policy::Idempotency;

    const USER: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

    fn policy(callers: &[&str], auth: Auth) -> MethodPolicy {
        MethodPolicy {
            service: "test.v1.Service".to_owned(),
            method: "Method".to_owned(),
            callers: Callers::Accounts(callers.iter().map(|&account| account.to_owned()).collect()),
            auth,
            timeout: None,
            cost: 1,
            idempotency: Idempotency::Unknown,
            client_streaming: false,
            server_streaming: false,
        }
    }

    fn peer(account: &str) -> SpiffeId {
        format!("spiffe://focusflow.test/ns/default/sa/{account}").parse().unwrap()
    }

    fn user_header(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(USER_ID_HEADER, HeaderValue::from_str(value).unwrap())])
    }

    fn decide(policy: &MethodPolicy, account: &str, headers: &HeaderMap) -> Result<Option<Uuid>, Reason> {
        let authorizer = Authorizer::new(["developer".to_owned()]);
        authorizer.authorize(policy, Some(&peer(account)), headers).map_err(|refusal| refusal.reason())
    }

    #[test]
    fn the_same_call_is_admitted_from_one_peer_and_refused_from_another() {
        let policy = policy(&["ai"], Auth::None);
        assert_eq!(decide(&policy, "ai", &HeaderMap::new()), Ok(None));
        assert_eq!(decide(&policy, "storage", &HeaderMap::new()), Err(Reason::PolicyDenied));
        let nobody = Authorizer::default().authorize(&policy, None, &HeaderMap::new());
        assert_eq!(nobody.unwrap_err().reason(), Reason::PolicyDenied);
    }

    #[test]
    fn the_person_is_believed_from_the_gateway_and_impersonators_only() {
        let policy = policy(&["gateway", "ai"], Auth::User);
        let person = Uuid::parse_str(USER).unwrap();
        assert_eq!(decide(&policy, "gateway", &user_header(USER)), Ok(Some(person)));
        assert_eq!(decide(&policy, "developer", &user_header(USER)), Ok(Some(person)));
        assert_eq!(decide(&policy, "ai", &user_header(USER)), Err(Reason::PolicyDenied));
        assert_eq!(decide(&policy, "gateway", &user_header("me")), Err(Reason::BadHeader));
        assert_eq!(decide(&policy, "gateway", &HeaderMap::new()), Err(Reason::Unauthenticated));
    }

    #[test]
    fn an_impersonator_reaches_nothing_internal() {
        let internal = policy(&["gateway"], Auth::Internal);
        assert_eq!(decide(&internal, "gateway", &HeaderMap::new()), Ok(None));
        assert_eq!(decide(&internal, "developer", &HeaderMap::new()), Err(Reason::PolicyDenied));
        let of_others = policy(&["ai"], Auth::None);
        assert_eq!(decide(&of_others, "developer", &HeaderMap::new()), Err(Reason::PolicyDenied));
    }

    #[test]
    fn what_the_contract_leaves_out_is_denied() {
        assert_eq!(decide(&policy(&[], Auth::None), "gateway", &HeaderMap::new()), Err(Reason::PolicyDenied));
        let unspecified = policy(&["gateway"], Auth::Unspecified);
        assert_eq!(decide(&unspecified, "gateway", &HeaderMap::new()), Err(Reason::PolicyDenied));
    }
}
