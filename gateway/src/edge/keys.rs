//! `/.well-known/jwks.json`: the public keys of access tokens (RFC 7517).

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, Response, StatusCode};
use tonic::body::Body;

use super::Inner;
use super::answer::json_response;
use super::methods::read_only;
use super::metrics::RouteLabel;

pub(super) const PATH: &str = "/.well-known/jwks.json";

/// Keys are there for a while before they sign.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// `keys`: as [`jwks`](super::Admission::jwks) has them.
pub(super) async fn serve(inner: &Inner, method: &Method, keys: String) -> Response<Body> {
    let answer = async {
        let mut response = json_response(StatusCode::OK, keys);
        response.headers_mut().insert(CACHE_CONTROL, CACHE);
        response
    };
    let mut response = read_only(inner, method, answer).await;
    response.extensions_mut().insert(RouteLabel(PATH.into()));
    response
}
