//! Which pages may read answers: exactly those of the configured origins (CORS, as the Fetch standard has it).
//!
//! People are recognised by bearer tokens; the one cookie there is holds a refresh token, and is read only with a header
//! that no other origin may send.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;

use super::media_type::is_grpc;
use super::metrics::RouteLabel;

/// What preflights are counted as.
const LABEL: &str = "preflight";

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// What clients of REST, gRPC-Web and Connect send.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "accept, accept-language, authorization, connect-protocol-version, connect-timeout-ms, content-type, grpc-timeout, \
     if-match, if-none-match, last-event-id, traceparent, tracestate, x-focusflow-refresh, x-grpc-web, x-request-id, \
     x-request-timeout, x-user-agent",
);

/// An RPC that fails before its first message carries its status in headers, which a browser hides otherwise.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "allow, etag, grpc-message, grpc-status, grpc-status-details-bin, ratelimit-limit, ratelimit-remaining, \
     ratelimit-reset, retry-after, traceparent, www-authenticate, x-request-id",
);

/// How long a browser may remember a preflight's answer, in seconds; Chromium caps it here.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// The origins whose pages may read answers.
#[derive(Debug, Clone)]
pub(super) struct Cors {
    origins: Vec<HeaderValue>,
}

impl Cors {
    pub(super) fn new(origins: Vec<HeaderValue>) -> Self {
        Self { origins }
    }

    pub(super) fn origins(&self) -> &[HeaderValue] {
        &self.origins
    }

    /// Lets the page read an answer, if it may. `origin` is what its browser says; `None` where no page asks.
    ///
    /// Every answer that a cache may keep says that it depends on the origin, or one page would get what was meant for
    /// another.
    pub(super) fn mark(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if origin.is_some() || !is_grpc(headers) {
            headers.append(VARY, HeaderValue::from_name(ORIGIN));
        }
        let Some(origin) = origin.filter(|origin| self.origins.contains(origin)) else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }

    /// The answer to a browser that asks what a page may send. It needs no token and costs nothing.
    pub(super) fn preflight(&self, origin: &HeaderValue) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.origins.contains(origin) {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        response.extensions_mut().insert(RouteLabel(LABEL.into()));
        response
    }
}

/// The origin of the page that a preflight is for; `None` if the request is none.
pub(super) fn preflight_origin(request: &Request<Body>) -> Option<&HeaderValue> {
    if request.method() != Method::OPTIONS || !request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    request.headers().get(ORIGIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::admission::REQUEST_TIMEOUT_HEADER;

    #[test]
    fn pages_may_send_the_headers_that_the_edge_reads() {
        use focusflow_mesh::context::{GRPC_TIMEOUT_HEADER, REQUEST_ID_HEADER, TRACEPARENT_HEADER, TRACESTATE_HEADER};
        let headers = REQUEST_HEADERS;
        let named: Vec<&str> = headers.to_str().unwrap().split(", ").collect();
        let read =
            [GRPC_TIMEOUT_HEADER, REQUEST_ID_HEADER, REQUEST_TIMEOUT_HEADER, TRACEPARENT_HEADER, TRACESTATE_HEADER];
        for header in read {
            assert!(named.contains(&header.as_str()), "{header}");
        }
    }
}
