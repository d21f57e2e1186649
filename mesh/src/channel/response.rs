//! The way back: what a peer answers, made safe to read, within the deadline, and counted.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

use super::Target;
use super::request::{CONNECT_RETRY_MIN, InFlight, lost};
use crate::deadline::{Timer, exceeded};
use crate::refusal::{Reason, Refusal};
use crate::status;
use crate::telemetry::Call;

/// What is known about a call whose response is coming in.
#[derive(Debug)]
pub(super) struct Receiving {
    call: Call,
    deadline: Option<Instant>,
    in_flight: InFlight,
    target: Target,
}

/// A response body that ends at the deadline and whose trailers can be read without harm.
struct ReceivingBody {
    inner: Incoming,
    timer: Timer,
    call: Option<Call>,
    target: Target,
    _in_flight: InFlight,
}

impl Receiving {
    pub(super) fn new(call: Call, deadline: Option<Instant>, in_flight: InFlight, target: Target) -> Self {
        Self { call, deadline, in_flight, target }
    }
}

/// Turns what a peer answered into a gRPC response, whatever it is.
pub(super) fn receive(mut response: Response<Incoming>, receiving: Receiving) -> Response<Body> {
    let Receiving { mut call, deadline, in_flight, target } = receiving;
    if let Some(refusal) = not_grpc(&response) {
        let status = Status::from(refusal);
        call.ended(status.code());
        return status.into_http();
    }
    status::sanitise(response.headers_mut());
    call.ended_by(response.headers());
    response.map(|inner| {
        Body::new(ReceivingBody { inner, timer: Timer::new(deadline), call: Some(call), target, _in_flight: in_flight })
    })
}

/// A body for a proxy to pass on: an error, which would reset the stream and say nothing, becomes trailers that say it.
pub fn errors_as_trailers<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
{
    Body::new(ErrorsAsTrailers { body, ended: false })
}

fn not_grpc<B>(response: &Response<B>) -> Option<Refusal> {
    let content_type = response.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let is_grpc = content_type.is_some_and(|content_type| content_type.starts_with(b"application/grpc"));
    if response.status() == StatusCode::OK && is_grpc {
        return None;
    }
    let reason = match response.status() {
        StatusCode::UNAUTHORIZED => Reason::Unauthenticated,
        StatusCode::FORBIDDEN => Reason::PolicyDenied,
        StatusCode::NOT_FOUND => Reason::UnknownMethod,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Reason::NoEndpoint,
        _ => Reason::BadResponse,
    };
    let message = format!("the peer's answer is not gRPC: HTTP status {}", response.status());
    let refusal = Refusal::new(reason, message).with("http_status", response.status().as_str());
    Some(if reason == Reason::NoEndpoint { refusal.retry_after(CONNECT_RETRY_MIN) } else { refusal })
}

impl ReceivingBody {
    fn ended(&mut self, trailers: Option<&HeaderMap>) {
        if let (Some(mut call), Some(trailers)) = (self.call.take(), trailers) {
            call.ended_by(trailers);
        }
    }

    fn failed(&mut self, refusal: Refusal) -> Status {
        let status = Status::from(refusal);
        if let Some(mut call) = self.call.take() {
            call.ended(status.code());
        }
        status
    }
}

impl http_body::Body for ReceivingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        // Asked first: a stream that always has the next message would otherwise outlive its deadline.
        if this.call.is_some() && this.timer.is_over() {
            return Poll::Ready(Some(Err(this.failed(exceeded()))));
        }
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    status::sanitise(trailers);
                    this.ended(Some(trailers));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.failed(lost(&this.target, &error))))),
            Poll::Ready(None) => {
                this.ended(None);
                Poll::Ready(None)
            }
            Poll::Pending if this.call.is_none() => Poll::Pending,
            Poll::Pending => this.timer.poll_elapsed(cx).map(|()| Some(Err(this.failed(exceeded())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pin_project! {
    struct ErrorsAsTrailers<B> {
        #[pin]
        body: B,
        ended: bool,
    }
}

impl<B: http_body::Body<Data = Bytes, Error = Status>> http_body::Body for ErrorsAsTrailers<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let polled = this.body.poll_frame(cx);
        if let Poll::Ready(Some(Err(status))) = &polled {
            *this.ended = true;
            return Poll::Ready(Some(Ok(Frame::trailers(status::trailers(status)))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}
