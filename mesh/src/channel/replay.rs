//! Request bodies that can be had back.
//!
//! A peer that is leaving may turn a call away without having looked at it. Such a call is safe to send again, but its
//! body has gone to the connection by then; so the connection only borrows it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// A larger first message is not kept.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// The body that a connection gets.
#[derive(Debug)]
pub(super) struct Loan {
    body: Lent,
}

/// The lender's half.
#[derive(Clone, Debug)]
pub(super) struct Lent(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// To be sent before the rest: what an earlier connection got in vain.
    first: Option<Bytes>,
    rest: Body,
    sent: Sent,
}

#[derive(Debug)]
enum Sent {
    Nothing,
    /// One piece, such as the message of a unary call.
    One(Bytes),
    /// More than is kept.
    Much,
}

impl Loan {
    /// Lends a body to a connection.
    pub(super) fn new(body: Body) -> (Self, Lent) {
        Self::with_first(None, body)
    }

    fn with_first(first: Option<Bytes>, rest: Body) -> (Self, Lent) {
        let lent = Lent(Arc::new(Mutex::new(State { first, rest, sent: Sent::Nothing })));
        (Self { body: lent.clone() }, lent)
    }
}

impl Lent {
    /// Takes the body back to lend it again; `None` if more of it is gone than was kept.
    pub(super) fn lend_again(&self) -> Option<(Loan, Lent)> {
        let mut state = self.lock();
        let first = match std::mem::replace(&mut state.sent, Sent::Much) {
            Sent::Nothing => state.first.take(),
            Sent::One(piece) => Some(piece),
            Sent::Much => return None,
        };
        let rest = std::mem::replace(&mut state.rest, Body::empty());
        Some(Loan::with_first(first, rest))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, piece: &Bytes) {
        self.sent = match self.sent {
            Sent::Nothing if piece.len() <= KEPT_BYTES_MAX => Sent::One(piece.clone()),
            _ => Sent::Much,
        };
    }
}

impl http_body::Body for Loan {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut state = self.body.lock();
        if let Some(first) = state.first.take() {
            state.keep(&first);
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let polled = Pin::new(&mut state.rest).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(piece) = frame.data_ref()
        {
            state.keep(piece);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let state = self.body.lock();
        state.first.is_none() && state.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.body.lock();
        if state.first.is_some() { SizeHint::default() } else { state.rest.size_hint() }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    #[tokio::test]
    async fn a_body_that_was_sent_in_vain_can_be_sent_again() {
        let (mut loan, mut lent) = Loan::new(Body::new(Full::new(Bytes::from_static(b"message"))));
        for _ in 0..3 {
            assert_eq!(loan.frame().await.unwrap().unwrap().into_data().unwrap(), "message");
            (loan, lent) = lent.lend_again().unwrap();
        }
        assert_eq!(loan.collect().await.unwrap().to_bytes(), "message");
        drop(lent);
    }

    #[tokio::test]
    async fn a_body_that_was_not_begun_comes_back_whole() {
        let (_loan, lent) = Loan::new(Body::new(Full::new(Bytes::from_static(b"message"))));
        let (again, _) = lent.lend_again().unwrap();
        assert_eq!(again.collect().await.unwrap().to_bytes(), "message");
    }

    #[tokio::test]
    async fn a_stream_of_which_much_is_gone_does_not_come_back() {
        let pieces = ["one", "two"].map(|piece| Ok::<_, Status>(Frame::data(Bytes::from_static(piece.as_bytes()))));
        let body = Body::new(StreamBody::new(futures_util::stream::iter(pieces)));
        let (mut loan, lent) = Loan::new(body);
        loan.frame().await.unwrap().unwrap();
        loan.frame().await.unwrap().unwrap();
        assert!(lent.lend_again().is_none());
    }
}
