//! Failures as HTTP: one mapping of codes, one shape of body.

use focusflow_mesh::refusal::with_reason;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use prost::Message;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tonic_types::pb;

use super::caching::NO_STORE;
use crate::transcode::Transcoder;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BAD_REQUEST_TYPE: &str = "google.rpc.BadRequest";

/// Why a REST request failed, and how HTTP says so.
#[derive(Debug)]
pub(super) struct Failure {
    http: StatusCode,
    status: Status,
    allow: Option<HeaderValue>,
    upgrade: Option<HeaderValue>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { http: http_status(status.code()), status, allow: None, upgrade: None }
    }
}

impl Failure {
    /// 404: no route has this path.
    pub(super) fn unknown_path(path: &str) -> Self {
        let status = with_reason(Code::NotFound, "UNKNOWN_PATH", format!("nothing is at {path}"), &[]);
        Self { http: StatusCode::NOT_FOUND, status, allow: None, upgrade: None }
    }

    /// 405: the path exists, but not for this verb.
    pub(super) fn wrong_verb(verb: &str, allowed: &[String]) -> Self {
        let allow = allowed.join(", ");
        let message = format!("{verb} is not allowed here; allowed are {allow}");
        let status = with_reason(Code::Unimplemented, "WRONG_METHOD", message, &[("allow", &allow)]);
        Self { http: StatusCode::METHOD_NOT_ALLOWED, status, allow: allow.parse().ok(), upgrade: None }
    }

    /// 415: the body is not in a format that the edge reads.
    pub(super) fn wrong_media_type(found: &str, expected: &str) -> Self {
        let message = format!("the body is {found}; expected {expected}");
        let status = with_reason(Code::InvalidArgument, "WRONG_MEDIA_TYPE", message, &[("expected", expected)]);
        Self { http: StatusCode::UNSUPPORTED_MEDIA_TYPE, status, allow: None, upgrade: None }
    }

    /// 415: the body is encoded in a way that the edge does not undo.
    pub(super) fn wrong_content_encoding(found: &str) -> Self {
        let message = format!("the header content-encoding is {found}; expected none, or identity");
        let metadata = [("header", CONTENT_ENCODING.as_str()), ("expected", "identity")];
        let status = with_reason(Code::InvalidArgument, "WRONG_CONTENT_ENCODING", message, &metadata);
        Self { http: StatusCode::UNSUPPORTED_MEDIA_TYPE, status, allow: None, upgrade: None }
    }

    /// 415: the body's text is not in the only charset of JSON.
    pub(super) fn wrong_charset(found: &str) -> Self {
        let message = format!("the charset of the header content-type is {found}; expected utf-8");
        let metadata = [("header", CONTENT_TYPE.as_str()), ("expected", "utf-8")];
        let status = with_reason(Code::InvalidArgument, "WRONG_CHARSET", message, &metadata);
        Self { http: StatusCode::UNSUPPORTED_MEDIA_TYPE, status, allow: None, upgrade: None }
    }

    /// 412: what the request's `If-Match` asks for is not so.
    pub(super) fn precondition_failed(status: Status) -> Self {
        Self { http: StatusCode::PRECONDITION_FAILED, status, allow: None, upgrade: None }
    }

    /// 413: the body is larger than the edge takes.
    pub(super) fn too_large(bytes_max: usize) -> Self {
        let status = crate::refusal::too_large(bytes_max);
        Self { http: StatusCode::PAYLOAD_TOO_LARGE, status, allow: None, upgrade: None }
    }

    /// 426: only another protocol is spoken here (RFC 9110, 15.5.22).
    pub(super) fn upgrade_required(message: &str, protocol: HeaderValue) -> Self {
        let status = with_reason(Code::FailedPrecondition, "UPGRADE_REQUIRED", message, &[]);
        Self { http: StatusCode::UPGRADE_REQUIRED, status, allow: None, upgrade: Some(protocol) }
    }

    /// 400: the request speaks native gRPC over HTTP/1.
    pub(super) fn grpc_needs_http2() -> Self {
        let message = "gRPC needs HTTP/2; over HTTP/1.1 use gRPC-Web or REST";
        let status = with_reason(Code::FailedPrecondition, "HTTP2_REQUIRED", message, &[]);
        Self { http: StatusCode::BAD_REQUEST, status, allow: None, upgrade: None }
    }

    /// The gRPC code that stands for it.
    pub(super) fn code(&self) -> Code {
        self.status.code()
    }

    /// The failure as a response. `has_token`: whether the request presented one, which then was not good enough.
    pub(super) fn render(&self, transcoder: &Transcoder, has_token: bool) -> Response<Body> {
        let mut response = json_response(self.http, status_json(transcoder, &self.status));
        let headers = response.headers_mut();
        if let Some(allow) = &self.allow {
            headers.insert(ALLOW, allow.clone());
        }
        if let Some(protocol) = &self.upgrade {
            headers.insert(UPGRADE, protocol.clone());
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        if let Some(seconds) = retry_after_seconds(&self.status) {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.http == StatusCode::UNAUTHORIZED {
            // A wrong code or password is no reason to get another token.
            let challenge =
                if has_token && is_of_token(&self.status) { "Bearer error=\"invalid_token\"" } else { "Bearer" };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// Whether a failure is that of the token: none came, or it is not good.
fn is_of_token(status: &Status) -> bool {
    status.get_details_error_info().is_none_or(|info| info.reason.starts_with("TOKEN_"))
}

/// A response with a JSON body, which no cache may keep: it belongs to a person.
pub(super) fn json_response(status: StatusCode, body: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// The `google.rpc.Status` of a failure as JSON. Fields are named as JSON names them, because that is how the request
/// named them.
pub(super) fn status_json(transcoder: &Transcoder, status: &Status) -> Vec<u8> {
    let mut encoded = pb::Status::decode(status.details()).unwrap_or_default();
    encoded.code = status.code().into();
    status.message().clone_into(&mut encoded.message);
    for detail in &mut encoded.details {
        if detail.type_url.ends_with(BAD_REQUEST_TYPE) {
            detail.value = with_json_names(&detail.value);
        }
    }
    transcoder.status_json(&encoded.encode_to_vec())
}

fn with_json_names(bad_request: &[u8]) -> Vec<u8> {
    let Ok(mut bad_request) = pb::BadRequest::decode(bad_request) else { return bad_request.to_vec() };
    for violation in &mut bad_request.field_violations {
        violation.field = json_path(&violation.field);
    }
    bad_request.encode_to_vec()
}

/// `task.due_time` as `task.dueTime`, by the rule of the JSON mapping. A map's keys, in quotes, are data.
fn json_path(field: &str) -> String {
    let mut path = String::with_capacity(field.len());
    let mut is_start_of_word = false;
    let mut is_key = false;
    for character in field.chars() {
        is_key ^= character == '"';
        match character {
            '_' if !is_key => is_start_of_word = true,
            _ if is_start_of_word => {
                path.push(character.to_ascii_uppercase());
                is_start_of_word = false;
            }
            _ => path.push(character),
        }
    }
    path
}

fn retry_after_seconds(status: &Status) -> Option<u64> {
    let delay = status.get_details_retry_info()?.retry_delay?;
    // A client that came back a fraction too early would be refused again, and 0 would make it come back in a loop.
    Some((delay.as_secs() + u64::from(delay.subsec_nanos() > 0)).max(1))
}

/// The HTTP status of a gRPC code, as the comments of `google.rpc.Code` map them.
pub(super) fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_json_names_them() {
        for (field, expected) in [
            ("time_zone", "timeZone"),
            ("task.due_time", "task.dueTime"),
            ("tasks[2].tag_names[0]", "tasks[2].tagNames[0]"),
            ("by_name[\"my_key\"].due_time", "byName[\"my_key\"].dueTime"),
            ("", ""),
            ("timeZone", "timeZone"),
        ] {
            assert_eq!(json_path(field), expected);
        }
    }

    #[test]
    fn a_wait_is_rounded_up_to_seconds() {
        use focusflow_mesh::refusal::unavailable;
        use std::time::Duration;
        for (delay_ms, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
            let status = unavailable("TEST", "", Some(Duration::from_millis(delay_ms)));
            assert_eq!(retry_after_seconds(&status), Some(seconds));
        }
        assert_eq!(retry_after_seconds(&Status::unavailable("")), None);
    }
}
