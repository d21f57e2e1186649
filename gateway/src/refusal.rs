//! The edge's own refusals as gRPC statuses. The mesh's constructors make them, so that every failure that a caller
//! can meet has one shape.

use std::time::Duration;

use focusflow_mesh::refusal::{internal, invalid_argument, invalid_arguments, resource_exhausted, unauthenticated};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::auth::{InvalidRegistration, PasswordError, TokenError};

/// How long a client should wait when the edge is at a limit of its own.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl From<TokenError> for Status {
    fn from(error: TokenError) -> Self {
        let reason = match error {
            TokenError::Missing => "TOKEN_MISSING",
            TokenError::Invalid => "TOKEN_INVALID",
            TokenError::Expired => "TOKEN_EXPIRED",
            TokenError::Revoked => "TOKEN_REVOKED",
        };
        unauthenticated(reason, error.to_string())
    }
}

impl From<PasswordError> for Status {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => resource_exhausted("LOAD_SHED", error.to_string(), Some(RETRY_DELAY)),
            PasswordError::Hash(_) => internal("hashing a password", &error),
        }
    }
}

impl From<InvalidRegistration> for Status {
    fn from(invalid: InvalidRegistration) -> Self {
        invalid_arguments(invalid.fields.into_iter().map(|field| (field.field.to_owned(), field.problem)).collect())
    }
}

/// A request that does not fit its contract. The field is empty where the body as such is wrong.
pub(crate) fn invalid_request(field: String, description: String) -> Status {
    if !field.is_empty() {
        return invalid_argument(field, description);
    }
    let details = ErrorDetails::with_bad_request_violation(field, description.clone());
    Status::with_error_details(Code::InvalidArgument, description, details)
}

/// The body, or one of its messages, is larger than the edge takes.
pub(crate) fn too_large(bytes_max: usize) -> Status {
    resource_exhausted("BODY_TOO_LARGE", format!("the request is larger than {bytes_max} bytes"), None)
}
