//! The access log: a line for each request when the last byte of its answer is on its way, and for each WebSocket when
//! it ends.
//!
//! A line reads alone and knows nobody: it has the template of the path and not the path, no query, no address, no
//! token. Its target is `focusflow::access`, which `RUST_LOG` switches (`focusflow::access=off`); off, it costs a branch.

use std::time::Duration;

use focusflow_mesh::context::{Context, RequestId};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;
use tonic::Code;
use tracing::Level;

use crate::limits::Caller;

const TARGET: &str = "focusflow::access";

/// A request, until its line is written.
pub(super) struct Line {
    name: Name,
    caller: Caller,
    protocol: &'static str,
}

/// How an answer has ended.
pub(super) struct Ended<'e> {
    pub(super) method: &'static str,
    pub(super) route: &'e str,
    pub(super) status: StatusCode,
    pub(super) bytes: u64,
    pub(super) elapsed: Duration,
    /// Whether the client left, or the connection was lost, before the answer's end.
    pub(super) is_cut: bool,
}

/// A WebSocket; its line is written when this is dropped.
pub(super) struct SocketLine {
    /// `None` if nobody reads lines.
    name: Option<Name>,
    opened: Instant,
    calls: u32,
}

/// What leads from a line to those of other processes.
struct Name {
    request_id: RequestId,
    trace_id: u128,
}

impl Line {
    /// `None` if nobody reads lines. The caller is who notes how the call ends.
    pub(super) fn begin(context: &Context, caller: &Caller) -> Option<Self> {
        let name = Name::of(context)?;
        Some(Self { name, caller: caller.clone(), protocol: "http" })
    }

    /// Takes from an answer's head what its protocol is.
    pub(super) fn answered_with(&mut self, headers: &HeaderMap) {
        let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        self.protocol = match content_type.strip_prefix(b"application/grpc") {
            Some(rest) if rest.starts_with(b"-web") => "grpc-web",
            Some(_) => "grpc",
            None => "http",
        };
    }

    pub(super) fn write(&self, ended: &Ended<'_>) {
        let Ended { method, route, status, bytes, elapsed, is_cut } = *ended;
        tracing::info!(
            target: TARGET,
            protocol = self.protocol,
            http.method = method,
            http.route = route,
            http.status = status.as_u16(),
            grpc.code = self.caller.code().map(tracing::field::debug),
            bytes,
            duration_ms = milliseconds(elapsed),
            cut = is_cut.then_some(true),
            request.id = %self.name.request_id,
            trace.id = format_args!("{:032x}", self.name.trace_id),
            "{method} {route} {}",
            status.as_u16()
        );
    }
}

impl SocketLine {
    pub(super) fn begin(context: &Context) -> Self {
        Self { name: Name::of(context), opened: Instant::now(), calls: 0 }
    }

    /// Counts a call of the socket.
    pub(super) fn count_call(&mut self) {
        self.calls = self.calls.saturating_add(1);
    }
}

impl Drop for SocketLine {
    fn drop(&mut self) {
        let Some(name) = &self.name else { return };
        tracing::info!(
            target: TARGET,
            protocol = "websocket",
            http.route = super::websocket::PATH,
            calls = self.calls,
            duration_ms = milliseconds(self.opened.elapsed()),
            request.id = %name.request_id,
            trace.id = format_args!("{:032x}", name.trace_id),
            "a WebSocket has ended"
        );
    }
}

/// Writes the line of a call of a WebSocket, which has no line at the usual level.
pub(super) fn socket_call(context: &Context, rpc: &str, code: Code, elapsed: Duration) {
    tracing::debug!(
        target: TARGET,
        protocol = "websocket",
        rpc,
        grpc.code = ?code,
        duration_ms = milliseconds(elapsed),
        request.id = %context.request_id,
        trace.id = format_args!("{:032x}", context.trace.trace_id),
        "a call of a WebSocket has ended"
    );
}

impl Name {
    fn of(context: &Context) -> Option<Self> {
        let is_on = tracing::enabled!(target: TARGET, Level::INFO);
        is_on.then(|| Self { request_id: context.request_id.clone(), trace_id: context.trace.trace_id })
    }
}

/// To the microsecond.
fn milliseconds(elapsed: Duration) -> f64 {
    const MICROSECONDS: f64 = 1e3;
    (elapsed.as_secs_f64() * MICROSECONDS * 1e3).round() / MICROSECONDS
}
