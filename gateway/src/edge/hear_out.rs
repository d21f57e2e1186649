//! Reading what a client still sends after it has been answered: it may lose an answer that overtakes it, and over
//! HTTP/1.1 a connection whose body was not read to its end cannot take another request.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tonic::Status;
use tonic::body::Body;

/// A slower sender loses the answer instead of holding the edge.
const HEARD_OUT_MAX: Duration = Duration::from_secs(1);

/// A body over HTTP/1.1. If it is dropped before its end, up to `bytes_max` of the rest are read, for at most a second.
pub(super) struct HeardOut {
    body: Body,
    bytes_max: usize,
}

impl HeardOut {
    pub(super) fn new(body: Body, bytes_max: usize) -> Self {
        Self { body, bytes_max }
    }
}

impl http_body::Body for HeardOut {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = Body::empty();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for HeardOut {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(hear_out(std::mem::take(&mut self.body), self.bytes_max));
        }
    }
}

/// Reads and drops up to `bytes_max`, for at most a second.
pub(super) async fn hear_out(body: Body, bytes_max: usize) {
    // Whether the body has ended or the time, the answer is next.
    let _ended = tokio::time::timeout(HEARD_OUT_MAX, discard(body, bytes_max)).await;
}

/// Reads what is still sent of a body that is refused, and drops it, up to a limit.
pub(super) async fn discard(mut body: Body, mut bytes_left: usize) {
    while let Some(Ok(frame)) = body.frame().await {
        match bytes_left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(left) => bytes_left = left,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt as _, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tonic::Status;

    #[tokio::test]
    async fn an_endless_body_is_not_heard_for_ever() {
        let endless = stream::repeat_with(|| Ok::<_, Status>(Frame::data(Bytes::from_static(&[0; 100]))));
        hear_out(Body::new(StreamBody::new(endless)), 1000).await;
    }

    #[tokio::test]
    async fn what_is_left_of_a_body_is_read() {
        let (rest, mut is_read) = tokio::sync::mpsc::channel(1);
        let pieces = stream::iter(["begin", "end"]).then(move |piece| {
            let rest = rest.clone();
            async move {
                if piece == "end" {
                    rest.send(()).await.unwrap();
                }
                Ok::<_, Status>(Frame::data(Bytes::from_static(piece.as_bytes())))
            }
        });
        let mut body = HeardOut::new(Body::new(StreamBody::new(Box::pin(pieces))), 1000);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begin");
        drop(body);
        is_read.recv().await.unwrap();
    }
}
