//! Who a request is from and how long it may take: what the edge decides before it lets an RPC pass.

use std::sync::Arc;
use std::time::Duration;

use focusflow_mesh::context::{Context, GRPC_TIMEOUT_HEADER, parse_timeout};
use focusflow_mesh::deadline;
use focusflow_mesh::policy::{Auth, MethodPolicy};
use focusflow_mesh::refusal::{Reason, Refusal};
use http::{HeaderMap, HeaderName};
use tonic::Status;

use crate::auth::{AccessTokens, Clock, TokenError, bearer_token};

/// How long the caller of a REST request will wait: seconds, with a fraction if need be.
pub(crate) const REQUEST_TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-request-timeout");

/// Longer waits are taken for "no limit" and left to the policy.
const TIMEOUT_SECONDS_MAX: f64 = 1e9;

/// Admits requests by their method's policy.
pub(crate) struct Admission {
    /// `None` if the contract has no RPCs for signed-in people.
    tokens: Option<Arc<AccessTokens>>,
    clock: Arc<dyn Clock>,
}

impl Admission {
    pub(crate) fn new(tokens: Option<Arc<AccessTokens>>, clock: Arc<dyn Clock>) -> Self {
        Self { tokens, clock }
    }

    /// Completes what the headers say about request and trace by the person and the deadline.
    pub(super) fn admit(
        &self,
        mut context: Context,
        policy: &MethodPolicy,
        headers: &HeaderMap,
    ) -> Result<Context, Status> {
        if policy.auth == Auth::User {
            context.user_id = Some(self.signed_in(headers)?);
        }
        context.deadline = deadline::clamp(timeout(headers)?, policy).and_then(deadline::after);
        Ok(context)
    }

    fn signed_in(&self, headers: &HeaderMap) -> Result<uuid::Uuid, TokenError> {
        let token = bearer_token(headers)?;
        let tokens = self.tokens.as_ref().ok_or(TokenError::Invalid)?;
        Ok(tokens.verify(token, self.clock.now())?.sub)
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
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.message().contains(name.as_str()), "{}", status.message());
        }
    }
}
