//! Deadlines: what they are, and bodies that end at them.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;

use crate::policy::MethodPolicy;
use crate::refusal::{Reason, Refusal};

/// The time that a call has: what it asked for, clamped by its policy. `None`: no limit.
pub fn clamp(asked: Option<Duration>, policy: &MethodPolicy) -> Option<Duration> {
    match (asked, policy.timeout) {
        (Some(asked), Some(most)) => Some(asked.min(most)),
        (asked, most) => asked.or(most),
    }
}

/// The moment that lies `timeout` ahead; `None` if it is too far away to be represented.
pub fn after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// The refusal of a call whose time is over.
pub fn exceeded() -> Refusal {
    Refusal::new(Reason::DeadlineExceeded, "the call's deadline passed")
}

/// Becomes ready at a deadline; costs nothing until it is first polled, since most calls are done by then.
#[derive(Debug)]
pub(crate) struct Timer {
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(crate) fn new(deadline: Option<Instant>) -> Self {
        Self { deadline, sleep: None }
    }

    /// Whether the deadline has passed, without waiting for it.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    pub(crate) fn poll_elapsed(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        sleep.as_mut().poll(cx)
    }
}

pin_project! {
    /// A body that fails at its deadline: a request, so that a handler does not wait for a caller who has gone, or a
    /// response, so that a caller does not wait for a handler.
    pub struct DeadlineBody<B> {
        #[pin]
        body: B,
        timer: Timer,
    }
}

impl<B> DeadlineBody<B> {
    /// The body with a deadline; `None`: without.
    pub fn new(body: B, deadline: Option<Instant>) -> Self {
        Self { body, timer: Timer::new(deadline) }
    }
}

impl<B: Body<Data = Bytes>> Body for DeadlineBody<B>
where
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        // Asked first: a body that always has the next frame would otherwise outlive its deadline.
        if this.timer.is_over() {
            return Poll::Ready(Some(Err(exceeded().into())));
        }
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| Status::from_error(error.into()))));
        }
        this.timer.poll_elapsed(cx).map(|()| Some(Err(exceeded().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use tonic::Code;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_always_has_more_ends_at_its_deadline_like_one_that_is_silent() {
        let frame = || Ok::<_, Status>(Frame::data(Bytes::from_static(b"more")));
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut endless = DeadlineBody::new(StreamBody::new(stream::repeat_with(frame)), Some(deadline));
        assert!(endless.frame().await.unwrap().is_ok());

        let mut silent =
            DeadlineBody::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, Status>>()), Some(deadline));
        assert_eq!(silent.frame().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(endless.frame().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
    }
}
