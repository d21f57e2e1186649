//! From an HTTP request to a socket (RFC 6455, section 4.2).
//!
//! Browsers do not show a page why a handshake failed, so only what is wrong with the request as such is refused here;
//! the rest is said on the open socket.

use std::sync::Arc;

use focusflow_mesh::context::Context;
use focusflow_mesh::refusal::{Reason, Refusal};
use http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tonic::Status;
use tonic::body::Body;

use super::frame::Encoding;
use super::session::{Client, Session};
use super::wire;
use crate::edge::Inner;
use crate::edge::access_log::SocketLine;
use crate::edge::answer::Failure;
use crate::limits::Caller;

const VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE_TOKEN: HeaderValue = HeaderValue::from_static("upgrade");

/// The answer that opens the socket, which is served from then on by a task of its own.
pub(super) fn accept(
    inner: &Arc<Inner>,
    context: &Context,
    request: &mut Request<Body>,
) -> Result<Response<Body>, Failure> {
    let accept_key = accept_key(request)?;
    check_origin(request.headers(), inner.cors.origins())?;
    let encoding = encoding(request.headers())?;
    if inner.drain.is_draining() {
        return Err(Status::from(Refusal::new(Reason::Draining, "the server is shutting down")).into());
    }
    let caller = Caller::of(request.extensions()).without_page();
    let slot = inner.sockets.open(caller.address())?;
    let line = SocketLine::begin(context);
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(serve(Arc::clone(inner), upgrade, encoding, Client { slot, caller, line }));

    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, UPGRADE_TOKEN);
    headers.insert(UPGRADE, WEBSOCKET);
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept_key);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(encoding.subprotocol()));
    Ok(response)
}

/// Serves the socket until it ends; the shutdown waits for it.
async fn serve(inner: Arc<Inner>, upgrade: OnUpgrade, encoding: Encoding, client: Client) {
    let _held = inner.drain.hold();
    match upgrade.await {
        Ok(upgraded) => {
            let config = wire::config(inner.limits.body_bytes_max);
            let io = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
            Session::new(inner, socket, encoding, client).run().await;
        }
        Err(error) => tracing::debug!(%error, "a WebSocket was asked for and not taken"),
    }
}

fn accept_key(request: &Request<Body>) -> Result<HeaderValue, Failure> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Failure::wrong_verb(request.method().as_str(), &[Method::GET.to_string()]));
    }
    if !names(headers, &CONNECTION, "upgrade") || !names(headers, &UPGRADE, "websocket") {
        return Err(Failure::upgrade_required("this is where WebSockets are opened", WEBSOCKET));
    }
    if headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err(Failure::upgrade_required("the header sec-websocket-version is not 13", WEBSOCKET));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    key.and_then(|key| key.parse().ok()).ok_or_else(|| bad_header(&SEC_WEBSOCKET_KEY, "is missing").into())
}

/// Whether one of a header's comma-separated values is `token`, in any case.
fn names(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    values(headers, name).any(|value| value.eq_ignore_ascii_case(token))
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// CORS does not apply to WebSockets: a browser opens them for any page and says for which. Who says nothing is no
/// browser, and a page of this very host may do what it could do anyway.
fn check_origin(headers: &HeaderMap, allowed: &[HeaderValue]) -> Result<(), Status> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    if allowed.contains(origin) || is_own(origin, headers.get(HOST)) {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(origin.as_bytes());
    let message = format!("pages of {shown} may not open WebSockets here");
    Err(focusflow_mesh::refusal::permission_denied("ORIGIN_NOT_ALLOWED", message))
}

fn is_own(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()?.authority().cloned());
    authority.zip(host).is_some_and(|(authority, host)| authority.as_str().as_bytes() == host.as_bytes())
}

/// The first subprotocol that the edge speaks, in the order of the client's wishes.
fn encoding(headers: &HeaderMap) -> Result<Encoding, Status> {
    values(headers, &SEC_WEBSOCKET_PROTOCOL).find_map(Encoding::of_subprotocol).ok_or_else(|| {
        let known = Encoding::ALL.map(Encoding::subprotocol).join(" and ");
        bad_header(&SEC_WEBSOCKET_PROTOCOL, &format!("names no known subprotocol; known are {known}"))
    })
}

fn bad_header(name: &HeaderName, problem: &str) -> Status {
    Refusal::new(Reason::BadHeader, format!("the header {name} {problem}")).with("header", name.as_str()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn pages_of_configured_origins_of_this_host_and_programs_may_connect() {
        let allowed = [HeaderValue::from_static("https://app.example.org")];
        for accepted in [
            headers(&[(HOST, "edge:5000")]),
            headers(&[(HOST, "edge:5000"), (ORIGIN, "https://app.example.org")]),
            headers(&[(HOST, "edge:5000"), (ORIGIN, "http://edge:5000")]),
        ] {
            assert!(check_origin(&accepted, &allowed).is_ok(), "{accepted:?}");
        }
        for origin in ["https://evil.example.org", "https://app.example.org.evil.org", "null", "http://edge"] {
            let refused = headers(&[(HOST, "edge:5000"), (ORIGIN, origin)]);
            assert!(check_origin(&refused, &allowed).is_err(), "{origin}");
        }
    }

    #[test]
    fn the_client_chooses_the_encoding() {
        let of = |protocols| encoding(&headers(&[(SEC_WEBSOCKET_PROTOCOL, protocols)])).ok();
        assert_eq!(of("focusflow.v1+json, focusflow.v1+proto"), Some(Encoding::Json));
        assert_eq!(of("graphql-ws, focusflow.v1+proto"), Some(Encoding::Proto));
        assert_eq!(of("graphql-ws"), None);
    }
}
