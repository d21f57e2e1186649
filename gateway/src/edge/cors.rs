//! Which browsers may read answers: exactly the configured origins.

use std::time::Duration;

use focusflow_mesh::context::{GRPC_TIMEOUT_HEADER, REQUEST_ID_HEADER, TRACEPARENT_HEADER, TRACESTATE_HEADER};
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, ALLOW, AUTHORIZATION, CONTENT_TYPE, IF_MATCH, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::admission::REQUEST_TIMEOUT_HEADER;
use crate::limits::REFRESH_HEADER;

/// How long a browser may remember a preflight's answer; Chromium caps it here.
const MAX_AGE: Duration = Duration::from_hours(2);

/// The layer for these origins. People are recognised by bearer tokens; the one cookie there is holds a refresh token,
/// and is read only with a header that no other origin may send.
pub(crate) fn layer(origins: Vec<HeaderValue>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            ACCEPT,
            ACCEPT_LANGUAGE,
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            GRPC_TIMEOUT_HEADER,
            REQUEST_ID_HEADER,
            REQUEST_TIMEOUT_HEADER,
            TRACEPARENT_HEADER,
            TRACESTATE_HEADER,
            REFRESH_HEADER,
            HeaderName::from_static("connect-protocol-version"),
            HeaderName::from_static("connect-timeout-ms"),
            HeaderName::from_static("x-grpc-web"),
            HeaderName::from_static("x-user-agent"),
        ])
        // An RPC that fails before its first message carries its status in headers, which a browser hides otherwise.
        .expose_headers([
            ALLOW,
            RETRY_AFTER,
            WWW_AUTHENTICATE,
            REQUEST_ID_HEADER,
            TRACEPARENT_HEADER,
            HeaderName::from_static("ratelimit-limit"),
            HeaderName::from_static("ratelimit-remaining"),
            HeaderName::from_static("ratelimit-reset"),
            HeaderName::from_static("grpc-status"),
            HeaderName::from_static("grpc-message"),
            HeaderName::from_static("grpc-status-details-bin"),
        ])
        .max_age(MAX_AGE)
}
