//! A refusal that is found while a request body is already on its way to its service.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tonic::Status;

/// Whoever reads the body gives the verdict; whoever waits for the answer ends the call with it.
pub(super) fn channel() -> (Judge, Verdict) {
    let (sender, receiver) = oneshot::channel();
    (Judge(Some(sender)), Verdict([Some(receiver), None]))
}

/// Gives a verdict, once.
pub(super) struct Judge(Option<oneshot::Sender<Status>>);

/// Resolves with the refusal, and never if the body passes.
pub(super) struct Verdict([Option<oneshot::Receiver<Status>>; 2]);

impl Judge {
    pub(super) fn refuse(&mut self, status: Status) {
        if let Some(sender) = self.0.take() {
            // Nobody listens any more if the call has ended for another reason.
            let _ = sender.send(status);
        }
    }
}

impl Verdict {
    /// The verdict on what nobody judges.
    pub(super) fn never() -> Self {
        Self([None, None])
    }

    /// The first verdict of two judges, each of which reads the same body.
    pub(super) fn or(self, other: Self) -> Self {
        let ([first, _], [second, _]) = (self.0, other.0);
        Self([first, second])
    }
}

impl Future for Verdict {
    type Output = Status;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Status> {
        for slot in &mut self.0 {
            let Some(receiver) = slot else { continue };
            if let Poll::Ready(verdict) = Pin::new(receiver).poll(cx) {
                *slot = None;
                if let Ok(status) = verdict {
                    return Poll::Ready(status);
                }
            }
        }
        Poll::Pending
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

    #[tokio::test]
    async fn either_of_two_judges_refuses() {
        let ((mut first_judge, first), (second_judge, second)) = (channel(), channel());
        let verdict = first.or(second);
        drop(second_judge);
        first_judge.refuse(Status::internal("first"));
        assert_eq!(verdict.await.message(), "first");
        let ((_first_judge, first), (mut second_judge, second)) = (channel(), channel());
        second_judge.refuse(Status::internal("second"));
        assert_eq!(first.or(second).await.message(), "second");
    }
}
