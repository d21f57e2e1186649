//! A whole body as it is sent: coded as the client likes it, or not at all if the client has it (RFC 9110, 8 and 13).

use bytes::Bytes;
use focusflow_mesh::refusal::internal;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;
use http_body_util::Full;
use tonic::Status;
use tonic::body::Body;

use super::compression::{Coding, is_compressible};
use super::etag::{Tag, Validator};

/// What is sent but for the body.
pub(super) struct Representation {
    pub(super) content_type: HeaderValue,
    pub(super) cache_control: HeaderValue,
    /// `None` if nothing tells its versions apart.
    pub(super) validator: Option<Validator>,
    /// Whether the body depends on `accept-encoding`.
    pub(super) is_coded: bool,
}

/// What a client gets of a representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
    /// It has it, in this coding.
    Known(Coding),
    /// The body in this coding.
    Whole(Coding),
}

/// Whether a body of this length and media type is worth compressing.
pub(super) fn is_worth_coding(content_type: &HeaderValue, bytes: usize, bytes_min: usize) -> bool {
    bytes >= bytes_min && is_compressible(content_type)
}

impl Representation {
    /// What a request gets. `If-None-Match` is a condition of what reads; elsewhere it is refused before.
    pub(super) fn select(&self, method: &Method, headers: &HeaderMap) -> Selection {
        let coding = if self.is_coded { Coding::of(headers) } else { Coding::Identity };
        if headers.contains_key(IF_NONE_MATCH) && is_read(method) {
            return self.known_in(headers, coding).map_or(Selection::Whole(coding), Selection::Known);
        }
        Selection::Whole(coding)
    }

    /// The answer with the body, which is as the selection says.
    pub(super) fn whole(self, coding: Coding, body: Bytes) -> Response<Body> {
        let mut response = Response::new(Body::new(Full::new(body)));
        self.write_head(coding, response.headers_mut());
        response.headers_mut().insert(CONTENT_TYPE, self.content_type);
        if let Some(value) = coding.header() {
            response.headers_mut().insert(CONTENT_ENCODING, value);
        }
        response
    }

    /// The answer to a client that has it.
    pub(super) fn known(&self, coding: Coding) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        self.write_head(coding, response.headers_mut());
        response
    }

    /// What a client with the body needs, too (RFC 9110, 15.4.5).
    fn write_head(&self, coding: Coding, headers: &mut HeaderMap) {
        headers.insert(CACHE_CONTROL, self.cache_control.clone());
        if let Some(validator) = &self.validator {
            headers.insert(ETAG, validator.header(coding));
        }
        if self.is_coded {
            headers.append(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
        }
    }

    /// The coding in which the client has it. `selected` is that which it would get: with `*` it says that it has any.
    fn known_in(&self, headers: &HeaderMap, selected: Coding) -> Option<Coding> {
        headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).find_map(|value| {
            if value.trim() == "*" {
                return Some(selected);
            }
            let validator = self.validator.as_ref()?;
            // A list that cannot be read names nothing; the client gets the answer once more.
            Tag::list(value).ok()?.into_iter().find_map(|tag| validator.coding_of(tag))
        })
    }
}

/// The body in a coding, from bytes that are the request's own.
pub(super) async fn coded(coding: Coding, body: Bytes) -> Result<Bytes, Status> {
    coding.encode(body).await.map_err(|error| internal("compressing an answer", &error))
}

/// Whether the method only reads.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The answer to HEAD: all that GET would say, without the body.
pub(super) fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if parts.status != StatusCode::NOT_MODIFIED
        && let Some(length) = body.size_hint().exact()
    {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, Body::empty())
}
