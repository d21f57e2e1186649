//! The way back: what a peer answers, made safe to read, within the deadline, and counted.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

use super::Target;
use super::request::{CONNECT_RETRY_MIN, InFlight, lost};
use crate::deadline::{Timer, exceeded};
use crate::framing::{Checker, Rules};
use crate::media_type::MediaType;
use crate::refusal::{Reason, Refusal};
use crate::status;
use crate::telemetry::Call;

const ENCODING_HEADER: HeaderName = HeaderName::from_static("grpc-encoding");
pub(super) const ACCEPT_ENCODING_HEADER: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// What is known about a call whose response is coming in.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) call: Call,
    pub(super) deadline: Option<Instant>,
    pub(super) in_flight: InFlight,
    pub(super) target: Target,
    pub(super) rules: Rules,
    /// How the peer was told that it may compress.
    pub(super) accepted_encodings: Option<HeaderValue>,
}

/// A response body that ends at the deadline and whose trailers can be read without harm.
struct ReceivingBody {
    inner: Incoming,
    timer: Timer,
    call: Option<Call>,
    checker: Checker,
    /// A status from the head of a response that is more than its head. It counts if nothing follows after all.
    early_status: Option<HeaderMap>,
    target: Target,
    _in_flight: InFlight,
}

/// Turns what a peer answered into a gRPC response, whatever it is.
pub(super) fn receive(mut response: Response<Incoming>, receiving: Receiving) -> Response<Body> {
    let Receiving { mut call, deadline, in_flight, target, rules, accepted_encodings } = receiving;
    let unreadable = not_grpc(&response)
        .or_else(|| unknown_encoding(response.headers(), accepted_encodings.as_ref()))
        .or_else(|| without_message(&response, rules));
    if let Some(refusal) = unreadable {
        let status = Status::from(refusal);
        call.ended(status.code());
        return status.into_http();
    }
    status::sanitise(response.headers_mut());
    let is_whole = response.body().is_end_stream();
    let early_status = if is_whole { None } else { status::take(response.headers_mut()) };
    call.ended_by(response.headers());
    response.map(|inner| {
        Body::new(ReceivingBody {
            inner,
            timer: Timer::new(deadline),
            call: Some(call),
            checker: Checker::new(rules),
            early_status,
            target,
            _in_flight: in_flight,
        })
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
    if response.status() == StatusCode::OK && MediaType::of(response.headers()) == MediaType::Grpc {
        return None;
    }
    let reason = match response.status() {
        StatusCode::BAD_REQUEST => Reason::BadRequest,
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

/// A success that is over with its head, where a message belongs.
fn without_message(response: &Response<Incoming>, rules: Rules) -> Option<Refusal> {
    let is_over = response.body().is_end_stream() && status::code(response.headers()) == Some(Code::Ok);
    if is_over { Checker::new(rules).end().err() } else { None }
}

/// A response in an encoding that the caller did not say it reads.
fn unknown_encoding(headers: &HeaderMap, accepted: Option<&HeaderValue>) -> Option<Refusal> {
    let encoding = headers.get(ENCODING_HEADER)?.as_bytes();
    let accepted = accepted.map_or(&b""[..], HeaderValue::as_bytes);
    let mut accepted = accepted.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    if encoding == b"identity" || accepted.any(|accepted| accepted == encoding) {
        return None;
    }
    let message = format!("the peer's messages are compressed by {}", String::from_utf8_lossy(encoding));
    Some(Refusal::new(Reason::UnknownEncoding, message).with("header", ENCODING_HEADER.as_str()))
}

impl ReceivingBody {
    /// Holds a frame to the rules; trailers of a success say that there is no further message.
    fn check(&mut self, frame: &Frame<Bytes>) -> Result<(), Refusal> {
        match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => self.checker.check(data),
            (None, Some(trailers)) if status::code(trailers) == Some(Code::Ok) => self.checker.end(),
            _ => Ok(()),
        }
    }

    /// The end of a response without trailers.
    fn without_trailers(&mut self) -> Option<Result<Frame<Bytes>, Status>> {
        let early_status = self.early_status.take().filter(|_| !self.checker.has_message());
        let Some(trailers) = early_status else {
            self.ended(None);
            return None;
        };
        let frame = Frame::trailers(trailers);
        if let Err(refusal) = self.check(&frame) {
            return Some(Err(self.failed(refusal)));
        }
        self.ended(frame.trailers_ref());
        Some(Ok(frame))
    }

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
                if let Err(refusal) = this.check(&frame) {
                    return Poll::Ready(Some(Err(this.failed(refusal))));
                }
                if let Some(trailers) = frame.trailers_mut() {
                    status::sanitise(trailers);
                    this.ended(Some(trailers));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.failed(lost(&this.target, &error))))),
            Poll::Ready(None) => Poll::Ready(this.without_trailers()),
            Poll::Pending if this.call.is_none() => Poll::Pending,
            Poll::Pending => this.timer.poll_elapsed(cx).map(|()| Some(Err(this.failed(exceeded())))),
        }
    }

    /// Not where a status is still to be told of.
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.early_status.is_none()
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
