//! Refusals that explain themselves.
//!
//! A failure that the mesh makes is a [`Refusal`]: a gRPC code, a sentence for people, an `ErrorInfo.reason` for
//! programs and, where trying again makes sense, a `RetryInfo`. The functions beside it are the statuses that services
//! answer with, so that the same failure has the same shape everywhere.

use std::collections::HashMap;
use std::time::Duration;

use http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::status::GRPC_DETAILS;

/// `ErrorInfo.domain` of the failures that the mesh makes.
pub const MESH_DOMAIN: &str = "mesh.focusflow";

/// `ErrorInfo.domain` of the failures that the services make.
pub const SERVICE_DOMAIN: &str = "focusflow";

/// Why the mesh refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The policy of the RPC does not admit this caller, or the caller claimed what it may not.
    PolicyDenied,
    /// No service here has this RPC.
    UnknownMethod,
    /// The RPC wants a signed-in person and the call names none.
    Unauthenticated,
    /// A header of the mesh cannot be read.
    BadHeader,
    /// The deadline passed.
    DeadlineExceeded,
    /// As many calls are under way as are allowed.
    LoadShed,
    /// The request is not what a gRPC request is over HTTP: another method, or another media type.
    NotGrpc,
    /// The call has no message or several where the contract knows exactly one.
    MessageCount,
    /// A message is larger than is taken.
    MessageTooLarge,
    /// No connection to the service, and none could be made.
    NoEndpoint,
    /// The connection was lost during the call; whether the call took effect is not known.
    ConnectionLost,
    /// The process is shutting down.
    Draining,
    /// The peer answered what is not gRPC.
    BadResponse,
    /// The peer's HTTP calls the request malformed, which is this side's fault.
    BadRequest,
    /// The peer compressed in a way that it was not told we read.
    UnknownEncoding,
}

/// A failure that the mesh makes itself; it becomes a [`Status`].
#[derive(Debug, Clone)]
pub struct Refusal {
    reason: Reason,
    message: String,
    metadata: HashMap<String, String>,
    retry_after: Option<Duration>,
}

impl Reason {
    /// The value of `ErrorInfo.reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PolicyDenied => "POLICY_DENIED",
            Self::UnknownMethod => "UNKNOWN_METHOD",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::BadHeader => "BAD_HEADER",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::LoadShed => "LOAD_SHED",
            Self::NotGrpc => "NOT_GRPC",
            Self::MessageCount => "MESSAGE_COUNT",
            Self::MessageTooLarge => "MESSAGE_TOO_LARGE",
            Self::NoEndpoint => "NO_ENDPOINT",
            Self::ConnectionLost => "CONNECTION_LOST",
            Self::Draining => "DRAINING",
            Self::BadResponse => "BAD_RESPONSE",
            Self::BadRequest => "BAD_REQUEST",
            Self::UnknownEncoding => "UNKNOWN_ENCODING",
        }
    }

    /// The gRPC code that goes with the reason.
    pub const fn code(self) -> Code {
        match self {
            Self::PolicyDenied => Code::PermissionDenied,
            Self::UnknownMethod | Self::NotGrpc | Self::MessageCount => Code::Unimplemented,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::BadHeader => Code::InvalidArgument,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::LoadShed | Self::MessageTooLarge => Code::ResourceExhausted,
            Self::NoEndpoint | Self::ConnectionLost | Self::Draining => Code::Unavailable,
            Self::BadResponse => Code::Unknown,
            Self::BadRequest | Self::UnknownEncoding => Code::Internal,
        }
    }
}

impl Refusal {
    /// A refusal; `message` is what a person reads.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), metadata: HashMap::new(), retry_after: None }
    }

    /// Adds a fact to `ErrorInfo.metadata`.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Says when trying again may succeed.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Why the mesh refused.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What a person reads.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = ErrorDetails::with_error_info(refusal.reason.as_str(), MESH_DOMAIN, refusal.metadata);
        if let Some(delay) = refusal.retry_after {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(refusal.reason.code(), refusal.message, details)
    }
}

/// INVALID_ARGUMENT that names one field by its path in the request, such as `task.title`.
pub fn invalid_argument(field: impl Into<String>, description: impl Into<String>) -> Status {
    invalid_arguments(vec![(field.into(), description.into())])
}

/// INVALID_ARGUMENT that names every wrong field; pairs are a field's path and what is wrong with it.
pub fn invalid_arguments(violations: Vec<(String, String)>) -> Status {
    let message = violations.first().map_or_else(
        || "the request is not valid".to_owned(),
        |(field, description)| format!("{field}: {description}"),
    );
    let violations: Vec<FieldViolation> =
        violations.into_iter().map(|(field, description)| FieldViolation::new(field, description)).collect();
    Status::with_error_details(Code::InvalidArgument, message, ErrorDetails::with_bad_request(violations))
}

/// `status` with another message, with violations that name each part of the request that is wrong, and with more facts
/// where it has a reason.
pub fn with_violations(
    status: &Status,
    message: impl Into<String>,
    violations: Vec<FieldViolation>,
    facts: &[(String, String)],
) -> Status {
    let mut details = status.get_error_details();
    details.set_bad_request(violations);
    if let Some(mut info) = details.error_info().cloned() {
        info.metadata.extend(facts.iter().cloned());
        details.set_error_info(info.reason, info.domain, info.metadata);
    }
    Status::with_error_details(status.code(), message, details)
}

/// NOT_FOUND for a resource, such as `not_found("task", id)`.
pub fn not_found(resource: &str, name: impl Into<String>) -> Status {
    resource_status(Code::NotFound, resource, name.into(), "does not exist")
}

/// ALREADY_EXISTS for a resource, such as `already_exists("category", "Work")`.
pub fn already_exists(resource: &str, name: impl Into<String>) -> Status {
    resource_status(Code::AlreadyExists, resource, name.into(), "exists already")
}

/// FAILED_PRECONDITION: the state does not allow it; `metadata` tells programs what to look at.
pub fn failed_precondition(reason: &str, message: impl Into<String>, metadata: &[(&str, &str)]) -> Status {
    with_reason(Code::FailedPrecondition, reason, message, metadata)
}

/// ABORTED: someone else was quicker; read again and decide anew.
pub fn aborted(reason: &str, message: impl Into<String>, metadata: &[(&str, &str)]) -> Status {
    with_reason(Code::Aborted, reason, message, metadata)
}

/// UNAUTHENTICATED: who is calling is not known, and `reason` says why.
pub fn unauthenticated(reason: &str, message: impl Into<String>) -> Status {
    with_reason(Code::Unauthenticated, reason, message, &[])
}

/// PERMISSION_DENIED: who is calling is known and may not.
pub fn permission_denied(reason: &str, message: impl Into<String>) -> Status {
    with_reason(Code::PermissionDenied, reason, message, &[])
}

/// RESOURCE_EXHAUSTED: a limit is reached; trying again after `retry_after` may succeed.
pub fn resource_exhausted(reason: &str, message: impl Into<String>, retry_after: Option<Duration>) -> Status {
    retryable(Code::ResourceExhausted, reason, message, retry_after)
}

/// UNAVAILABLE: something that this process depends on is down.
pub fn unavailable(reason: &str, message: impl Into<String>, retry_after: Option<Duration>) -> Status {
    retryable(Code::Unavailable, reason, message, retry_after)
}

/// UNIMPLEMENTED: the contract has it, this version does not.
pub fn unimplemented(message: impl Into<String>) -> Status {
    with_reason(Code::Unimplemented, "NOT_IN_THIS_VERSION", message, &[])
}

/// INTERNAL for a failure whose cause callers must not see: the cause is logged with `what` was being done.
pub fn internal(what: &'static str, error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(error = %Chain(error), "{what} failed");
    with_reason(Code::Internal, "INTERNAL", format!("{what} failed; the log says why"), &[])
}

/// A status of the services' own, with a reason for programs.
pub fn with_reason(code: Code, reason: &str, message: impl Into<String>, metadata: &[(&str, &str)]) -> Status {
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, SERVICE_DOMAIN, metadata))
}

/// Takes from a status in headers or trailers the details that FocusFlow gave it, for callers whose contract is not
/// FocusFlow's: reasons in a domain that they do not know are nothing that they were promised.
pub fn withhold_reason(headers: &mut HeaderMap) {
    if !headers.contains_key(GRPC_DETAILS) {
        return;
    }
    let info = Status::from_header_map(headers).and_then(|status| status.get_details_error_info());
    if info.is_some_and(|info| info.domain == MESH_DOMAIN || info.domain == SERVICE_DOMAIN) {
        headers.remove(GRPC_DETAILS);
    }
}

/// Prints an error with its causes, in one line.
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

fn resource_status(code: Code, resource: &str, name: String, says: &str) -> Status {
    let message = format!("{resource} {name} {says}");
    let details = ErrorDetails::with_resource_info(resource, name, "", says);
    Status::with_error_details(code, message, details)
}

fn retryable(code: Code, reason: &str, message: impl Into<String>, retry_after: Option<Duration>) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, SERVICE_DOMAIN, HashMap::new());
    if let Some(delay) = retry_after {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(code, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_its_reason_and_when_to_retry() {
        let status = Status::from(
            Refusal::new(Reason::LoadShed, "100 calls are under way")
                .with("limit", "100")
                .retry_after(Duration::from_millis(250)),
        );
        assert_eq!(status.code(), Code::ResourceExhausted);
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("LOAD_SHED", MESH_DOMAIN));
        assert_eq!(info.metadata["limit"], "100");
        let retry = status.get_details_retry_info().unwrap();
        assert_eq!(retry.retry_delay, Some(Duration::from_millis(250)));
    }

    #[test]
    fn an_invalid_argument_names_every_wrong_field() {
        let status = invalid_arguments(vec![
            ("task.title".to_owned(), "must not be empty".to_owned()),
            ("task.tags[2]".to_owned(), "is longer than 50 characters".to_owned()),
        ]);
        assert_eq!(status.message(), "task.title: must not be empty");
        let fields: Vec<_> = status
            .get_details_bad_request()
            .unwrap()
            .field_violations
            .into_iter()
            .map(|violation| violation.field)
            .collect();
        assert_eq!(fields, ["task.title", "task.tags[2]"]);
    }

    #[test]
    fn reasons_of_ours_are_withheld_and_those_of_others_stay() {
        let of = |domain: &str| {
            let details = ErrorDetails::with_error_info("REASON", domain, HashMap::new());
            Status::with_error_details(Code::NotFound, "gone", details).into_http::<()>().into_parts().0.headers
        };
        for (domain, stays) in [(MESH_DOMAIN, false), (SERVICE_DOMAIN, false), ("example.org", true)] {
            let mut headers = of(domain);
            withhold_reason(&mut headers);
            assert_eq!(headers.contains_key(GRPC_DETAILS), stays, "{domain}");
            assert_eq!(Status::from_header_map(&headers).unwrap().message(), "gone");
        }
    }

    #[test]
    fn an_internal_failure_does_not_show_its_cause() {
        let cause = std::io::Error::other("password=hunter2");
        let status = internal("reading the account", &cause);
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("hunter2"), "{}", status.message());
    }
}
