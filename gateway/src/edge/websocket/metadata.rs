//! Metadata as frames have it, and as headers.

use std::collections::HashMap;

use focusflow_mesh::context::GRPC_TIMEOUT_HEADER;
use focusflow_mesh::refusal::{Reason, Refusal};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Status;

/// Said in a call's end already, or about the connection behind the edge.
const NOT_SHOWN: [HeaderName; 8] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    DATE,
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
];

/// As many as a request over HTTP may have headers, and half of the bytes: the mesh adds its own.
const ENTRIES_MAX: usize = 100;
const BYTES_MAX: usize = 8 * 1024;

/// The header has room for eight digits, which is more than a day.
const TIMEOUT_MS_MAX: u32 = 99_999_999;

/// The metadata of a call as the headers of a request; the token is the socket's.
pub(super) fn to_headers(
    metadata: HashMap<String, String>,
    timeout_ms: u32,
    authorization: Option<&HeaderValue>,
) -> Result<HeaderMap, Status> {
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if metadata.len() > ENTRIES_MAX || bytes > BYTES_MAX {
        let message = format!("the metadata has more than {ENTRIES_MAX} entries or {BYTES_MAX} bytes");
        return Err(Refusal::new(Reason::BadHeader, message).into());
    }
    let mut headers = HeaderMap::with_capacity(metadata.len() + 2);
    for (name, value) in metadata {
        let parsed = name.parse::<HeaderName>().ok().zip(value.parse::<HeaderValue>().ok());
        let (parsed_name, value) = parsed.ok_or_else(|| {
            Refusal::new(Reason::BadHeader, format!("the metadata {name:?} has characters that it may not have"))
                .with("header", name.as_str())
        })?;
        headers.append(parsed_name, value);
    }
    headers.remove(AUTHORIZATION);
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    if let Some(timeout) = timeout(timeout_ms) {
        headers.insert(GRPC_TIMEOUT_HEADER, timeout);
    }
    Ok(headers)
}

/// `None`: the client does not say.
fn timeout(timeout_ms: u32) -> Option<HeaderValue> {
    let timeout_ms = Some(timeout_ms).filter(|timeout_ms| *timeout_ms > 0)?.min(TIMEOUT_MS_MAX);
    HeaderValue::try_from(format!("{timeout_ms}m")).ok()
}

/// Headers or trailers of an answer as metadata.
pub(super) fn from_headers(headers: &HeaderMap) -> HashMap<String, String> {
    let mut metadata: HashMap<String, String> = HashMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| !NOT_SHOWN.contains(name)) {
        let Ok(value) = value.to_str() else { continue };
        let values = metadata.entry(name.as_str().to_owned()).or_default();
        if !values.is_empty() {
            values.push_str(", ");
        }
        values.push_str(value);
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(name: &str, value: &str) -> HashMap<String, String> {
        HashMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn the_token_of_a_call_is_its_sockets() {
        let token = HeaderValue::from_static("Bearer socket");
        let headers = to_headers(metadata("authorization", "Bearer other"), 250, Some(&token)).unwrap();
        assert_eq!(headers.get_all(AUTHORIZATION).iter().collect::<Vec<_>>(), [&token]);
        assert_eq!(headers["grpc-timeout"], "250m");
        assert!(to_headers(metadata("authorization", "Bearer other"), 0, None).unwrap().is_empty());
    }

    #[test]
    fn metadata_that_is_no_header_is_refused_by_name() {
        for (name, value) in [("a b", "c"), ("name", "line\nbreak")] {
            let status = to_headers(metadata(name, value), 0, None).unwrap_err();
            assert!(status.message().contains(name), "{}", status.message());
        }
    }

    #[test]
    fn metadata_without_measure_is_refused() {
        let many = (0..30_000).map(|number| (format!("name-{number}"), String::new())).collect();
        for metadata in [many, metadata("name", &"x".repeat(BYTES_MAX))] {
            assert_eq!(to_headers(metadata, 0, None).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }

    #[test]
    fn values_that_come_several_times_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_static("1"));
        headers.append("a", HeaderValue::from_static("2"));
        headers.append("grpc-status", HeaderValue::from_static("0"));
        assert_eq!(from_headers(&headers), metadata("a", "1, 2"));
    }
}
