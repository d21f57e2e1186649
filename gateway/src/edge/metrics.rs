//! The edge's HTTP metrics, and its [access log](super::access_log). A request is counted when the last byte of its answer
//! is on its way, so that a stream's duration is that of the stream.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use focusflow_mesh::context::Context as RequestContext;
use http::{Method, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use metrics::{Counter, Histogram, SharedString, counter, histogram};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

use super::access_log::{Ended, Line};
use crate::limits::Caller;

/// The label of requests that lead to no route: their paths are the client's choice and would be without number.
const UNKNOWN_ROUTE: &str = "unknown";

/// The template of the route that answered; put into a response's extensions by whoever found it.
#[derive(Debug, Clone)]
pub(super) struct RouteLabel(pub(super) Arc<str>);

/// The metrics of all requests.
#[derive(Default)]
pub(super) struct HttpMetrics {
    series: RwLock<HashMap<Ending, Series>>,
}

/// What requests that are counted together have in common. There are only so many: routes, verbs and statuses.
#[derive(PartialEq, Eq, Hash)]
struct Ending {
    method: &'static str,
    route: Arc<str>,
    status: StatusCode,
}

/// The metrics of requests that ended alike, looked up once: the recorder's map is too slow for every request.
struct Series {
    count: Counter,
    seconds: Histogram,
}

/// A request under way.
pub(super) struct Measurement {
    metrics: Arc<HttpMetrics>,
    method: &'static str,
    line: Option<Line>,
    begun: Instant,
}

impl HttpMetrics {
    pub(super) fn begin(self: &Arc<Self>, method: &Method, context: &RequestContext, caller: &Caller) -> Measurement {
        let line = Line::begin(context, caller);
        Measurement { metrics: Arc::clone(self), method: method_label(method), line, begun: Instant::now() }
    }

    fn record(&self, ending: Ending, elapsed: Duration) {
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(&ending) {
            return series.record(elapsed);
        }
        drop(known);
        let series = Series::new(&ending);
        series.record(elapsed);
        self.series.write().unwrap_or_else(PoisonError::into_inner).insert(ending, series);
    }
}

impl Series {
    fn new(ending: &Ending) -> Self {
        let labels = [
            ("method", SharedString::const_str(ending.method)),
            ("route", SharedString::from_shared(Arc::clone(&ending.route))),
            ("status_code", ending.status.as_str().to_owned().into()),
        ];
        Self {
            count: counter!("http_requests_total", &labels),
            seconds: histogram!("http_request_duration_seconds", &labels),
        }
    }

    fn record(&self, elapsed: Duration) {
        self.count.increment(1);
        self.seconds.record(elapsed);
    }
}

impl Measurement {
    /// The response with a body that counts the request when it ends or is dropped.
    pub(super) fn measure(mut self, mut response: Response<Body>) -> Response<Body> {
        match &mut self.line {
            // A socket has a line of its own.
            line @ Some(_) if response.status() == StatusCode::SWITCHING_PROTOCOLS => *line = None,
            Some(line) => line.answered_with(response.headers()),
            None => {}
        }
        let label = response.extensions_mut().remove::<RouteLabel>();
        let route = label.map_or_else(|| UNKNOWN_ROUTE.into(), |RouteLabel(route)| route);
        let finished = Finished { request: self, route, status: response.status(), bytes: 0, is_cut: true };
        response.map(|inner| Body::new(Measured { inner, finished }))
    }
}

struct Measured {
    inner: Body,
    finished: Finished,
}

impl Drop for Measured {
    fn drop(&mut self) {
        // A body of known length is not asked for its end.
        if self.inner.is_end_stream() {
            self.finished.is_cut = false;
        }
    }
}

/// Records when it is dropped.
struct Finished {
    request: Measurement,
    route: Arc<str>,
    status: StatusCode,
    /// Of the body, so far.
    bytes: u64,
    /// Whether the body's end was not reached.
    is_cut: bool,
}

impl Drop for Finished {
    fn drop(&mut self) {
        let Self { request, route, status, bytes, is_cut } = self;
        let elapsed = request.begun.elapsed();
        if let Some(line) = &request.line {
            let (bytes, is_cut) = (*bytes, *is_cut);
            line.write(&Ended { method: request.method, route, status: *status, bytes, elapsed, is_cut });
        }
        let ending = Ending { method: request.method, route: Arc::clone(route), status: *status };
        request.metrics.record(ending, elapsed);
    }
}

impl HttpBody for Measured {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.finished.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(None) => self.finished.is_cut = false,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
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
