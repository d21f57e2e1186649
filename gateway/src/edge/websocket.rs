//! `/ws`: any RPC of the contract over one WebSocket, many at once, in all four kinds.
//!
//! What either side says is declared in `proto/focusflow/mesh/v1/socket.proto` and told in `docs/WEBSOCKET.md`. A
//! socket is one task (`session`), which reads frames and writes answers; a call is a task of its own (`call`), which
//! admits, converts and calls as the other protocols do. Whatever waits is bounded: a call writes a message only when
//! its client has room for it (`credit`) and the socket takes it, and what clients send ahead is counted by the byte.

mod call;
mod close;
mod credit;
mod frame;
mod handshake;
mod metadata;
mod person;
mod requests;
mod session;
mod sockets;
mod wire;

use std::sync::Arc;

use focusflow_mesh::context::Context;
use http::{Method, Request, Response};
use tonic::body::Body;

use super::Inner;
use super::methods::options;
use super::metrics::RouteLabel;

pub(super) use self::sockets::Sockets;

/// Where WebSockets are opened.
pub(super) const PATH: &str = "/ws";

/// Opens a socket, or says why not.
pub(super) fn serve(inner: &Arc<Inner>, context: &Context, mut request: Request<Body>) -> Response<Body> {
    if request.method() == Method::OPTIONS {
        return options(vec![Method::GET.to_string()]);
    }
    let mut response = match handshake::accept(inner, context, &mut request) {
        Ok(response) => response,
        Err(failure) => inner.render(&failure, &request),
    };
    response.extensions_mut().insert(RouteLabel(PATH.into()));
    response
}
