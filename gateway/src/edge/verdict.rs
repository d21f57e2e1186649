//! A refusal that is found while a request body is already on its way to its service.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tonic::Status;

/// Whoever reads the body gives the verdict; whoever waits for the answer ends the call with it.
pub(super) fn channel() -> (Judge, Verdict) {
    let (sender, receiver) = oneshot::channel();
    (Judge(Some(sender)), Verdict(Some(receiver)))
}

/// Gives a verdict, once.
pub(super) struct Judge(Option<oneshot::Sender<Status>>);

/// Resolves with the refusal, and never if the body passes.
pub(super) struct Verdict(Option<oneshot::Receiver<Status>>);

impl Judge {
    pub(super) fn refuse(&mut self, status: Status) {
        if let Some(sender) = self.0.take() {
            // Nobody listens any more if the call has ended for another reason.
            let _ = sender.send(status);
        }
    }
}

impl Future for Verdict {
    type Output = Status;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Status> {
        let Some(receiver) = &mut self.0 else { return Poll::Pending };
        match Pin::new(receiver).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(verdict) => {
                self.0 = None;
                verdict.map_or(Poll::Pending, Poll::Ready)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;

    #[tokio::test]
    async fn a_body_that_passed_is_never_refused() {
        let (judge, mut verdict) = channel();
        drop(judge);
        assert!(poll!(&mut verdict).is_pending());
        assert!(poll!(&mut verdict).is_pending());
    }

    #[tokio::test]
    async fn the_first_refusal_counts() {
        let (mut judge, verdict) = channel();
        judge.refuse(Status::resource_exhausted("first"));
        judge.refuse(Status::internal("second"));
        assert_eq!(verdict.await.message(), "first");
    }
}
