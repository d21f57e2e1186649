//! The server's answer: the handler's response, with the deadline enforced, the call counted and its context current.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body as _, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tracing::{debug, info};

use super::Ending;
use super::entrance::TurnedAway;
use super::mesh::InFlight;
use crate::context::{Context, Entered, REQUEST_ID_HEADER, sent_once};
use crate::deadline::{Timer, exceeded};
use crate::refusal::{Reason, Refusal, withhold_reason};
use crate::status;
use crate::telemetry::Call;

/// The future of [`Mesh`](super::Mesh).
#[must_use = "a call does nothing until it is polled"]
pub struct ResponseFuture {
    telling: Telling,
    /// Absent if the call was refused or its response is on the way.
    running: Option<Running>,
    refused: Option<Status>,
    turned_away: Option<TurnedAway>,
    call: Option<Call>,
}

/// What every answer to a call says beside the answer.
#[derive(Clone, Debug)]
pub(super) struct Telling {
    pub(super) request_id: HeaderValue,
    /// Whether the contract's callers know our reasons.
    pub(super) explains: bool,
}

/// The body of [`Mesh`](super::Mesh)'s responses.
pub struct ResponseBody {
    inner: Body,
    timer: Timer,
    ending: Option<Ending>,
    explains: bool,
    /// Current while the handler's stream is polled; the response of a unary call is complete and needs none.
    context: Option<Context>,
    call: Option<Call>,
    done: bool,
    /// Makes room for another call when this one's last byte is gone.
    _in_flight: Option<InFlight>,
}

/// A call that a handler works on.
pub(super) struct Running {
    pub(super) handler: BoxFuture<Response<Body>, Infallible>,
    pub(super) context: Option<Context>,
    pub(super) timer: Timer,
    pub(super) streaming: bool,
    pub(super) ending: Option<Ending>,
    pub(super) in_flight: InFlight,
}

impl ResponseFuture {
    pub(super) fn running(running: Running, call: Call, telling: Telling) -> Self {
        Self { telling, running: Some(running), refused: None, turned_away: None, call: Some(call) }
    }

    pub(super) fn refused(refusal: Refusal, call: Option<Call>, telling: Telling) -> Self {
        log(&refusal, &telling.request_id);
        Self { telling, running: None, refused: Some(refusal.into()), turned_away: None, call }
    }

    /// The answer to what is no gRPC request.
    pub(super) fn turned_away(turned_away: TurnedAway, telling: Telling) -> Self {
        Self { telling, running: None, refused: None, turned_away: Some(turned_away), call: None }
    }

    fn answer_status(&mut self, status: Status) -> Response<ResponseBody> {
        let mut call = self.call.take();
        if let Some(call) = &mut call {
            call.ended(status.code());
        }
        let explains = self.telling.explains;
        self.finish(status.into_http(), |inner| ResponseBody::complete(inner, call, None, explains))
    }

    fn answer(&mut self, response: Response<Body>, running: Running) -> Response<ResponseBody> {
        let mut call = self.call.take();
        if let Some(call) = &mut call {
            call.ended_by(response.headers());
        }
        let explains = self.telling.explains;
        self.finish(response, |inner| {
            if running.streaming {
                let Running { context, timer, ending, in_flight, .. } = running;
                ResponseBody { inner, timer, ending, explains, context, call, done: false, _in_flight: Some(in_flight) }
            } else {
                ResponseBody::complete(inner, call, Some(running.in_flight), explains)
            }
        })
    }

    fn finish(&self, response: Response<Body>, body: impl FnOnce(Body) -> ResponseBody) -> Response<ResponseBody> {
        let mut response = response.map(body);
        status::limit(response.headers_mut());
        if !self.telling.explains {
            withhold_reason(response.headers_mut());
        }
        response.headers_mut().insert(REQUEST_ID_HEADER, sent_once(self.telling.request_id.clone()));
        response
    }
}

fn log(refusal: &Refusal, request_id: &HeaderValue) {
    let (id, reason) = (request_id.to_str().unwrap_or_default(), refusal.reason().as_str());
    // A busy server must not be kept busier by its own log; the metrics count what is shed.
    if refusal.reason() == Reason::LoadShed {
        debug!(request.id = id, reason, "call refused: {}", refusal.message());
    } else {
        info!(request.id = id, reason, "call refused: {}", refusal.message());
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(turned_away) = &mut this.turned_away {
            let response = ready!(turned_away.poll_heard_out(cx));
            return Poll::Ready(Ok(this.finish(response, |inner| ResponseBody::complete(inner, None, None, true))));
        }
        if let Some(status) = this.refused.take() {
            return Poll::Ready(Ok(this.answer_status(status)));
        }
        let Some(mut running) = this.running.take() else { return Poll::Pending };
        let polled = {
            let _entered = Entered::new(&mut running.context);
            running.handler.as_mut().poll(cx)
        };
        if let Poll::Ready(Ok(response)) = polled {
            return Poll::Ready(Ok(this.answer(response, running)));
        }
        if running.timer.poll_elapsed(cx).is_ready() {
            // Dropping the handler's future is what stops its work.
            drop(running);
            return Poll::Ready(Ok(this.answer_status(exceeded().into())));
        }
        this.running = Some(running);
        Poll::Pending
    }
}

impl ResponseBody {
    /// The body of an answer that is all there.
    fn complete(inner: Body, call: Option<Call>, in_flight: Option<InFlight>, explains: bool) -> Self {
        let timer = Timer::new(None);
        Self { inner, timer, ending: None, explains, context: None, call, done: false, _in_flight: in_flight }
    }

    /// Ready when the stream must end, with the reason.
    fn poll_over(&mut self, cx: &mut TaskContext<'_>) -> Poll<Refusal> {
        if self.timer.poll_elapsed(cx).is_ready() {
            return Poll::Ready(exceeded());
        }
        let Some(ending) = &mut self.ending else { return Poll::Pending };
        Pin::new(ending).poll(cx)
    }

    /// Drops the handler's stream, which ends its work, and says why.
    fn cut(&mut self, refusal: Refusal) -> HeaderMap {
        self.inner = Body::empty();
        let mut trailers = status::trailers(&refusal.into());
        self.tell(&mut trailers);
        self.ended(Some(&trailers));
        trailers
    }

    fn poll_inner(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let _entered = Entered::new(&mut self.context);
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    /// Leaves of a status what its caller can take, and knows.
    fn tell(&self, trailers: &mut HeaderMap) {
        status::limit(trailers);
        if !self.explains {
            withhold_reason(trailers);
        }
    }

    fn ended(&mut self, trailers: Option<&HeaderMap>) {
        self.done = true;
        if let (Some(mut call), Some(trailers)) = (self.call.take(), trailers) {
            call.ended_by(trailers);
        }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(None);
        }
        // Asked first: a stream that always has the next message would otherwise outlive its deadline.
        if let Poll::Ready(refusal) = this.poll_over(cx) {
            return Poll::Ready(Some(Ok(Frame::trailers(this.cut(refusal)))));
        }
        let mut frame = ready!(this.poll_inner(cx));
        match &mut frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    this.tell(trailers);
                    this.ended(Some(trailers));
                }
            }
            Some(Err(status)) => {
                if let Some(call) = &mut this.call {
                    call.ended(status.code());
                }
                this.ended(None);
            }
            None => this.ended(None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.done || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
