//! Between the suite's words for headers and errors, and gRPC's.

use focusflow_mesh::refusal::MESH_DOMAIN;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message as _;
use prost_types::Any;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{StatusExt as _, pb};

use super::messages::{Error, Header};

/// Headers as the suite writes them; it has binary ones in base64, as they are on the wire.
pub(super) fn headers(metadata: &MetadataMap) -> Vec<Header> {
    let map = metadata.clone().into_headers();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    map.keys()
        .map(|name| Header { name: name.to_string(), value: map.get_all(name).iter().map(text).collect() })
        .collect()
}

/// The same the other way; what HTTP cannot carry is left out.
pub(super) fn metadata(headers: &[Header]) -> MetadataMap {
    let mut map = HeaderMap::new();
    for header in headers {
        let Ok(name) = header.name.parse::<HeaderName>() else { continue };
        for value in header.value.iter().filter_map(|value| HeaderValue::from_str(value).ok()) {
            map.append(name.clone(), value);
        }
    }
    MetadataMap::from_headers(map)
}

/// The error that the suite asks for, with trailers.
pub(super) fn status(error: Error, trailers: MetadataMap) -> Status {
    let Error { code, message, details } = error;
    let message = message.unwrap_or_default();
    let rich = pb::Status { code, message: message.clone(), details };
    Status::with_details_and_metadata(Code::from(code), message, rich.encode_to_vec().into(), trailers)
}

/// The error that came, in the suite's words. The suite expects none but its own details, so the reasons that the
/// channel gives for what it refuses itself are left out.
pub(super) fn error(status: &Status) -> Error {
    let info = status.get_details_error_info();
    let is_of_channel = info.is_some_and(|info| info.domain == MESH_DOMAIN);
    let details = if is_of_channel { Vec::new() } else { details(status) };
    Error { code: status.code() as i32, message: Some(status.message().to_owned()), details }
}

fn details(status: &Status) -> Vec<Any> {
    pb::Status::decode(status.details()).map(|rich| rich.details).unwrap_or_default()
}

/// A message of the suite's contract whose bytes are known.
pub(super) fn any(message: &str, value: Vec<u8>) -> Any {
    Any { type_url: format!("type.googleapis.com/{}.{message}", super::PACKAGE), value }
}
