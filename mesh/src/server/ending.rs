//! Streams that could go on for ever, and end with a last word when a shutdown asks for it.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use crate::drain::Drain;
use crate::refusal::{Reason, Refusal};
use crate::status;

/// When to begin a stream again that a shutdown ended: long enough for a successor, or for the next process to be found.
const RETRY: Duration = Duration::from_secs(1);

/// Becomes ready when a shutdown asks streams to end, with what to say to their clients.
///
/// Only for RPCs that [may end early](crate::policy::MethodPolicy::may_end_early).
#[must_use = "nothing ends before it is polled"]
pub struct Ending {
    asked: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// A gRPC response body that ends with the [`Ending`]'s refusal in its trailers, if it has not ended before.
pub struct EndingBody {
    inner: Body,
    /// `None`: the trailers are written.
    ending: Option<Ending>,
}

impl Ending {
    /// The end that `drain` asks for.
    pub fn new(drain: &Drain) -> Self {
        let drain = drain.clone();
        Self { asked: Box::pin(async move { drain.ending_streams().await }) }
    }
}

impl Future for Ending {
    type Output = Refusal;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Refusal> {
        ready!(self.asked.as_mut().poll(cx));
        let message = "the server is shutting down; begin the stream again";
        Poll::Ready(Refusal::new(Reason::Draining, message).retry_after(RETRY))
    }
}

impl EndingBody {
    /// The body, until the end is asked for.
    pub fn new(inner: Body, ending: Ending) -> Self {
        Self { inner, ending: Some(ending) }
    }
}

impl http_body::Body for EndingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(ending) = &mut self.ending else { return Poll::Ready(None) };
        // Asked first: a stream that always has the next message would otherwise never end.
        if let Poll::Ready(refusal) = Pin::new(ending).poll(cx) {
            self.ending = None;
            // Dropping the stream ends the work for it.
            self.inner = Body::empty();
            return Poll::Ready(Some(Ok(Frame::trailers(status::trailers(&refusal.into())))));
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.ending.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
