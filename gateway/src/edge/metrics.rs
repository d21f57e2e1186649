//! The edge's HTTP metrics. A request is counted when the last byte of its answer is on its way, so that a stream's
//! duration is that of the stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use focusflow_mesh::context::{Context as RequestContext, RequestId};
use http::{Method, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use metrics::{SharedString, counter, histogram};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

/// The label of requests that lead to no route: their paths are the client's choice and would be without number.
const UNKNOWN_ROUTE: &str = "unknown";

/// The template of the route that answered; put into a response's extensions by whoever found it.
#[derive(Debug, Clone)]
pub(super) struct RouteLabel(pub(super) Arc<str>);

/// A request under way.
pub(super) struct Measurement {
    method: &'static str,
    request_id: RequestId,
    begun: Instant,
}

pub(super) fn begin(method: &Method, context: &RequestContext) -> Measurement {
    Measurement { method: method_label(method), request_id: context.request_id.clone(), begun: Instant::now() }
}

impl Measurement {
    /// The response with a body that counts the request when it ends or is dropped.
    pub(super) fn measure(self, mut response: Response<Body>) -> Response<Body> {
        let route = match response.extensions_mut().remove::<RouteLabel>() {
            Some(RouteLabel(label)) => SharedString::from_shared(label),
            None => SharedString::const_str(UNKNOWN_ROUTE),
        };
        let finished = Finished { request: self, route, status: response.status() };
        response.map(|inner| Body::new(Measured { inner, _finished: finished }))
    }
}

struct Measured {
    inner: Body,
    _finished: Finished,
}

/// Records when it is dropped.
struct Finished {
    request: Measurement,
    route: SharedString,
    status: StatusCode,
}

impl Drop for Finished {
    fn drop(&mut self) {
        let elapsed = self.request.begun.elapsed();
        let labels = [
            ("method", SharedString::const_str(self.request.method)),
            ("route", self.route.clone()),
            ("status_code", self.status.as_str().to_owned().into()),
        ];
        counter!("http_requests_total", &labels).increment(1);
        histogram!("http_request_duration_seconds", &labels).record(elapsed);
        tracing::debug!(
            request.id = %self.request.request_id,
            http.method = self.request.method,
            http.route = &*self.route,
            http.status = self.status.as_u16(),
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "request ended"
        );
    }
}

impl HttpBody for Measured {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Verbs beyond these are the client's choice and would be without number.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
