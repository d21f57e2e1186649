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

    pub(crate) fn poll_elapsed(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        sleep.as_mut().poll(cx)
    }
}

pin_project! {
    /// A request body that fails at its deadline, so that a handler does not wait for a caller who has gone.
    pub(crate) struct DeadlineBody<B> {
        #[pin]
        body: B,
        timer: Timer,
    }
}

impl<B> DeadlineBody<B> {
    pub(crate) fn new(body: B, deadline: Option<Instant>) -> Self {
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
