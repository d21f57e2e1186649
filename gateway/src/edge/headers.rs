//! Which headers cross the edge, and in which direction.

use focusflow_mesh::policy::Auth;
use http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, HeaderName};

/// Headers of one connection, which say nothing about the next (RFC 9110, 7.6.1), and those that the channel sets.
const HOP_BY_HOP: [HeaderName; 11] = [
    CONNECTION,
    HOST,
    CONTENT_LENGTH,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("trailer"),
];

/// What a REST request says to the service beside its message. Everything else is the edge's business.
const REST_METADATA: [HeaderName; 3] = [AUTHORIZATION, ACCEPT_LANGUAGE, USER_AGENT];

/// How many headers tonic and the channel add, at most: content type, encodings, deadline, trace and the like.
const MESH_METADATA_MAX: usize = 9;

/// Headers that browsers add by themselves, and gRPC-Web's own.
const BROWSER: [&str; 10] = [
    "accept",
    "accept-encoding",
    "cache-control",
    "cookie",
    "dnt",
    "origin",
    "pragma",
    "priority",
    "referer",
    "x-grpc-web",
];
const FETCH_METADATA_PREFIX: &str = "sec-";

/// Headers that begin with it are the mesh's own: who sends them from outside is not believed.
const MESH_PREFIX: &str = "x-focusflow-";

/// Takes from the metadata of a gRPC request what must not come from outside, or not go further.
pub(super) fn strip_for_upstream(headers: &mut HeaderMap, auth: Auth) {
    let named_by_connection: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mesh_own: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(MESH_PREFIX)).cloned().collect();
    for name in HOP_BY_HOP.iter().chain(&named_by_connection).chain(&mesh_own) {
        headers.remove(name);
    }
    if keeps_token(auth) {
        headers.remove(AUTHORIZATION);
    }
}

/// What a browser says about itself and the page, which no service reads.
pub(super) fn strip_browser_headers(headers: &mut HeaderMap) {
    let sent_by_browser: Vec<HeaderName> = headers
        .keys()
        .filter(|name| BROWSER.contains(&name.as_str()) || name.as_str().starts_with(FETCH_METADATA_PREFIX))
        .cloned()
        .collect();
    for name in &sent_by_browser {
        headers.remove(name);
    }
}

/// The metadata of a REST request.
pub(super) fn rest_metadata(headers: &HeaderMap, auth: Auth) -> HeaderMap {
    let mut metadata = HeaderMap::with_capacity(REST_METADATA.len() + MESH_METADATA_MAX);
    for name in REST_METADATA.iter().filter(|name| **name != AUTHORIZATION || !keeps_token(auth)) {
        if let Some(value) = headers.get(name) {
            metadata.insert(name.clone(), value.clone());
        }
    }
    metadata
}

/// Whether the edge has read the access token, so that no service needs it: what is not passed on cannot leak.
fn keeps_token(auth: Auth) -> bool {
    auth == Auth::User
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn headers_of_the_connection_and_of_the_mesh_do_not_cross() {
        let mut headers = headers(&[
            ("connection", "keep-alive, x-secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("host", "edge"),
            ("x-focusflow-user-id", "0190"),
            ("x-focusflow-anything", "1"),
            ("x-custom", "stays"),
            ("authorization", "Bearer stays"),
        ]);
        strip_for_upstream(&mut headers, Auth::None);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "x-custom"]);
    }

    #[test]
    fn a_rest_request_says_only_what_is_listed() {
        let headers = headers(&[
            ("authorization", "Bearer token"),
            ("user-agent", "curl"),
            ("cookie", "secret=1"),
            ("x-focusflow-user-id", "0190"),
        ]);
        let metadata = rest_metadata(&headers, Auth::None);
        assert_eq!(metadata.len(), 2);
        assert!(metadata.contains_key(AUTHORIZATION) && metadata.contains_key(USER_AGENT));
    }

    #[test]
    fn a_token_that_the_edge_has_read_goes_no_further() {
        let mut headers = headers(&[("authorization", "Bearer token"), ("user-agent", "curl")]);
        assert!(!rest_metadata(&headers, Auth::User).contains_key(AUTHORIZATION));
        strip_for_upstream(&mut headers, Auth::User);
        assert!(!headers.contains_key(AUTHORIZATION));
    }
}
