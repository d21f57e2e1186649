//! What a path allows: `OPTIONS`, and the paths of the edge's own, which are only read.

use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;

use super::Inner;
use super::answer::Failure;
use super::hear_out::hear_out;
use super::representation::without_body;
use crate::transcode::Lookup;

const READ: [&str; 2] = ["GET", "HEAD"];

/// Answers at a path that can only be read.
pub(super) async fn read_only(
    inner: &Inner,
    method: &Method,
    answer: impl Future<Output = Response<Body>>,
) -> Response<Body> {
    match *method {
        Method::GET => answer.await,
        Method::HEAD => without_body(answer.await),
        Method::OPTIONS => options(READ.map(str::to_owned).to_vec()),
        _ => Failure::wrong_verb(method.as_str(), &READ.map(str::to_owned)).render(inner.contract.transcoder(), false),
    }
}

/// Whether a request asks what a path allows, and the contract has no answer of its own to that.
pub(super) fn is_question(inner: &Inner, request: &Request<Body>) -> bool {
    request.method() == Method::OPTIONS
        && !matches!(inner.contract.transcoder().find("OPTIONS", request.uri().path()), Lookup::Found(_))
}

/// What the contract allows at a path.
pub(super) async fn of_contract(inner: &Inner, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path();
    let mut allowed = match inner.contract.transcoder().find("OPTIONS", path) {
        Lookup::WrongMethod(allowed) => with_head(allowed),
        Lookup::Found(_) | Lookup::NotFound => Vec::new(),
    };
    if inner.contract.rpc(path).is_some() && !allowed.iter().any(|verb| verb == "POST") {
        allowed.push(Method::POST.to_string());
    }
    if !allowed.is_empty() {
        return options(allowed);
    }
    let failure = Failure::unknown_path(path);
    hear_out(request.into_body(), inner.limits.body_bytes_max).await;
    failure.render(inner.contract.transcoder(), false)
}

/// What is read by GET is read by HEAD as well.
pub(super) fn with_head(mut verbs: Vec<String>) -> Vec<String> {
    let has = |verb: &str| verbs.iter().any(|known| known == verb);
    if has("GET") && !has("HEAD") {
        verbs.push(Method::HEAD.to_string());
    }
    verbs
}

/// The answer to OPTIONS where these verbs are allowed.
pub(super) fn options(mut allowed: Vec<String>) -> Response<Body> {
    allowed.push(Method::OPTIONS.to_string());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::try_from(allowed.join(", ")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}
