//! Who a request is from, whether they may ask for so much, and how long it may take: what the edge decides before it
//! lets an RPC pass, whatever protocol it came by.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use focusflow_mesh::context::{Context, GRPC_TIMEOUT_HEADER, parse_timeout};
use focusflow_mesh::deadline;
use focusflow_mesh::policy::Auth;
use focusflow_mesh::refusal::{Reason, Refusal, with_reason};
use http::{Extensions, HeaderMap, HeaderName};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::auth::{AccessTokens, ApiToken, ApiTokens, Clock, SessionId, Sessions, TokenError, bearer_token};
use crate::backend::Backend;
use crate::contract::Rpc;
use crate::limits::{self, Caller, RateLimiter, Subject};

/// How long the caller of a REST request will wait: seconds, with a fraction if need be.
pub(crate) const REQUEST_TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-request-timeout");

/// Longer waits are taken for "no limit" and left to the policy.
const TIMEOUT_SECONDS_MAX: f64 = 1e9;

/// Asked by probes and balancers as often as they like.
const FREE_SERVICE: &str = "grpc.health.v1.Health";
/// What a token costs that is not good, where it comes without a call: as much as a call that changes something.
const TOKEN_COST: u32 = 5;

/// Admits requests by their method's policy.
pub(crate) struct Admission {
    /// `None` if the contract has no RPCs for signed-in people.
    pub(crate) tokens: Option<Arc<AccessTokens>>,
    /// `None` if nobody can be asked about them.
    pub(crate) api_tokens: Option<ApiTokens<Backend>>,
    /// `None` if nobody can be asked about them.
    pub(crate) sessions: Option<Sessions<Backend>>,
    pub(crate) limiter: RateLimiter,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A request that may pass.
#[derive(Clone)]
pub(super) struct Admitted {
    pub(super) context: Context,
    session_id: Option<SessionId>,
    caller: Caller,
}

/// Whose token it is.
pub(super) struct Holder {
    pub(super) user_id: Uuid,
    /// How long the token lasts; `None` if it does not expire by itself.
    pub(super) lasts: Option<Duration>,
}

/// Whose request it is, by its token.
struct Bearer {
    user_id: Uuid,
    /// `None` if a program of theirs asks.
    session_id: Option<SessionId>,
}

impl Admitted {
    /// Notes how the call has ended.
    pub(super) fn ended(&self, code: Code) {
        self.caller.set_code(code);
    }

    /// Tells the backend.
    pub(super) fn put_into(self, extensions: &mut Extensions) {
        extensions.insert(self.context);
        extensions.insert(self.caller);
        if let Some(session_id) = self.session_id {
            extensions.insert(session_id);
        }
    }
}

impl Admission {
    /// Completes what the headers say about request and trace by the person and the deadline, and charges the caller.
    pub(super) async fn admit(
        &self,
        mut context: Context,
        rpc: &Rpc,
        headers: &HeaderMap,
        caller: Caller,
    ) -> Result<Admitted, Status> {
        context.deadline = deadline::clamp(timeout(headers)?, &rpc.policy).and_then(deadline::after);
        let stranger = Subject::address(caller.address());
        if rpc.policy.auth != Auth::User {
            self.charge(stranger, rpc, &caller)?;
            return Ok(Admitted { context, session_id: None, caller });
        }
        let bearer = match self.bearer(&context, rpc, headers).await {
            Ok(bearer) => bearer,
            Err(refused) => {
                // Who tries tokens out is charged for it, and hears of nothing else when that is too much.
                self.charge(stranger, rpc, &caller)?;
                return Err(refused);
            }
        };
        let Bearer { user_id, session_id } = bearer;
        self.charge(Subject::Person(user_id), rpc, &caller)?;
        if let (Some(sessions), Some(SessionId(session_id))) = (&self.sessions, session_id) {
            sessions.check(user_id, session_id, &context).await?;
        }
        context.user_id = Some(user_id);
        Ok(Admitted { context, session_id, caller })
    }

    /// The public keys of access tokens, where there are access tokens.
    pub(super) fn jwks(&self) -> Option<String> {
        self.tokens.as_ref().map(|tokens| tokens.jwks())
    }

    fn charge(&self, subject: Subject, rpc: &Rpc, caller: &Caller) -> Result<(), Status> {
        if rpc.policy.service == FREE_SERVICE {
            return Ok(());
        }
        self.charge_cost(subject, rpc.policy.cost, caller)
    }

    fn charge_cost(&self, subject: Subject, cost: u32, caller: &Caller) -> Result<(), Status> {
        let Some(decision) = self.limiter.charge(subject, cost) else { return Ok(()) };
        caller.set_quota(decision.quota);
        if decision.is_admitted {
            return Ok(());
        }
        let by = if matches!(subject, Subject::Person(_)) { "person" } else { "address" };
        metrics::counter!("rate_limited_total", "by" => by).increment(1);
        Err(limits::refusal(decision.quota))
    }

    /// Whose token it is, where there is no RPC yet that it must admit to.
    pub(super) async fn holder(&self, token: &str, context: &Context, caller: &Caller) -> Result<Holder, Status> {
        let holder = self.find_holder(token, context).await;
        if holder.is_err() {
            self.charge_cost(Subject::address(caller.address()), TOKEN_COST, caller)?;
        }
        holder
    }

    async fn find_holder(&self, token: &str, context: &Context) -> Result<Holder, Status> {
        if let Some(api_token) = ApiToken::parse(token) {
            let api_tokens = self.api_tokens.as_ref().ok_or(TokenError::Invalid)?;
            let grant = api_tokens.find(&api_token?, context).await?;
            return Ok(Holder { user_id: grant.user_id, lasts: None });
        }
        let now = self.clock.now();
        let claims = self.tokens.as_ref().ok_or(TokenError::Invalid)?.verify(token, now)?;
        let lasts = (UNIX_EPOCH + Duration::from_secs(claims.exp)).duration_since(now).unwrap_or_default();
        Ok(Holder { user_id: claims.sub, lasts: Some(lasts) })
    }

    async fn bearer(&self, context: &Context, rpc: &Rpc, headers: &HeaderMap) -> Result<Bearer, Status> {
        let token = bearer_token(headers)?;
        if let Some(api_token) = ApiToken::parse(token) {
            return self.program(&api_token?, context, rpc).await;
        }
        let tokens = self.tokens.as_ref().ok_or(TokenError::Invalid)?;
        let claims = tokens.verify(token, self.clock.now())?;
        Ok(Bearer { user_id: claims.sub, session_id: Some(SessionId(claims.sid)) })
    }

    async fn program(&self, token: &ApiToken, context: &Context, rpc: &Rpc) -> Result<Bearer, Status> {
        let api_tokens = self.api_tokens.as_ref().ok_or(TokenError::Invalid)?;
        let grant = api_tokens.find(token, context).await?;
        let scope = rpc.scope.as_deref();
        if !grant.admits_to(scope) {
            api_tokens.note_refusal(grant.user_id);
            let needed = scope.unwrap_or("everything");
            let message = format!("the API token does not have the scope {needed}");
            return Err(with_reason(Code::PermissionDenied, "SCOPE_MISSING", message, &[("scope", needed)]));
        }
        Ok(Bearer { user_id: grant.user_id, session_id: None })
    }
}

fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let grpc_timeout = parse_timeout(headers).map_err(|error| {
        Refusal::new(Reason::BadHeader, error.to_string()).with("header", GRPC_TIMEOUT_HEADER.as_str())
    })?;
    match headers.get(REQUEST_TIMEOUT_HEADER) {
        None => Ok(grpc_timeout),
        Some(value) => {
            let seconds = value.to_str().ok().and_then(parse_seconds).ok_or_else(|| {
                Refusal::new(Reason::BadHeader, "the header x-request-timeout is not a positive number of seconds")
                    .with("header", REQUEST_TIMEOUT_HEADER.as_str())
            })?;
            Ok(Some(grpc_timeout.map_or(seconds, |timeout| timeout.min(seconds))))
        }
    }
}

fn parse_seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    let is_positive = seconds.is_finite() && seconds > 0.0;
    is_positive.then(|| Duration::from_secs_f64(seconds.min(TIMEOUT_SECONDS_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn a_timeout_is_read_in_either_form_and_the_shorter_counts() {
        assert_eq!(timeout(&HeaderMap::new()).unwrap(), None);
        assert_eq!(timeout(&header(REQUEST_TIMEOUT_HEADER, "1.5")).unwrap(), Some(Duration::from_millis(1500)));
        let mut both = header(REQUEST_TIMEOUT_HEADER, "1.5");
        both.insert(GRPC_TIMEOUT_HEADER, "100m".parse().unwrap());
        assert_eq!(timeout(&both).unwrap(), Some(Duration::from_millis(100)));
    }

    #[test]
    fn a_malformed_timeout_is_refused_by_its_header() {
        for (name, value) in [
            (REQUEST_TIMEOUT_HEADER, "soon"),
            (REQUEST_TIMEOUT_HEADER, "-1"),
            (REQUEST_TIMEOUT_HEADER, "0"),
            (REQUEST_TIMEOUT_HEADER, "NaN"),
            (REQUEST_TIMEOUT_HEADER, "inf"),
            (GRPC_TIMEOUT_HEADER, "10"),
        ] {
            let status = timeout(&header(name.clone(), value)).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains(name.as_str()), "{}", status.message());
        }
    }
}
