//! What the messages of a gRPC request that passes through may be: how large each, and how many. Only the five bytes
//! before each message are read: a long stream of small messages is fine, one message that would fill the memory behind
//! the edge is not.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use focusflow_mesh::framing::{Checker, Rules};
use focusflow_mesh::refusal::{Reason, Refusal};
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;

use super::verdict::{self, Judge, Verdict};
use crate::refusal::too_large;

/// Holds the messages of `body` to the rules. When one breaks them, or the body cannot be read, the service may have
/// answered already or not: whoever forwards the call ends it with the verdict.
pub(super) fn limit(body: Body, rules: Rules) -> (Body, Verdict) {
    let (judge, verdict) = verdict::channel();
    let limited = Limited { inner: body, checker: Checker::new(rules), bytes_max: rules.message_bytes_max, judge };
    (Body::new(limited), verdict)
}

struct Limited {
    inner: Body,
    checker: Checker,
    bytes_max: usize,
    judge: Judge,
}

impl Limited {
    /// The service would only see a stream that was reset, and the client a service that was lost.
    fn refuse(&mut self, status: Status) -> Status {
        self.judge.refuse(status.clone());
        status
    }

    /// The edge has one reason for every body that is too large, whatever the protocol.
    fn status(&self, refusal: Refusal) -> Status {
        if refusal.reason() == Reason::MessageTooLarge { too_large(self.bytes_max) } else { refusal.into() }
    }
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)).transpose() {
            Ok(frame) => frame,
            Err(status) => return Poll::Ready(Some(Err(self.refuse(status)))),
        };
        let checked = match &frame {
            Some(frame) => frame.data_ref().map_or(Ok(()), |data| self.checker.check(data)),
            None => self.checker.end(),
        };
        if let Err(refusal) = checked {
            let status = self.status(refusal);
            return Poll::Ready(Some(Err(self.refuse(status))));
        }
        Poll::Ready(frame.map(Ok))
    }

    /// Not yet where a message is missing: whoever believes it would not come to hear so.
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.checker.is_complete()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use focusflow_mesh::framing::Cardinality;
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    const TEN_BYTES: Rules = Rules { message_bytes_max: 10, cardinality: Cardinality::Stream };

    fn message(length: u32) -> Vec<u8> {
        let mut message = vec![0];
        message.extend(length.to_be_bytes());
        message.extend(std::iter::repeat_n(7, length as usize));
        message
    }

    fn cut(bytes: &[u8], size: usize) -> Body {
        let frames: Vec<_> =
            bytes.chunks(size).map(|chunk| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
        Body::new(StreamBody::new(stream::iter(frames)))
    }

    #[tokio::test]
    async fn many_small_messages_pass_unchanged_however_they_are_cut() {
        let bytes = [message(10), message(0), message(9), message(1)].concat();
        for size in 1..=bytes.len() {
            let (body, _verdict) = limit(cut(&bytes, size), TEN_BYTES);
            assert_eq!(body.collect().await.unwrap().to_bytes(), bytes);
        }
    }

    #[tokio::test]
    async fn a_message_that_is_too_large_ends_the_body_and_says_why() {
        let bytes = [message(10), message(11)].concat();
        for size in 1..=bytes.len() {
            let (body, verdict) = limit(cut(&bytes, size), TEN_BYTES);
            assert_eq!(body.collect().await.unwrap_err().code(), tonic::Code::ResourceExhausted);
            assert_eq!(verdict.await.code(), tonic::Code::ResourceExhausted);
        }
    }

    #[tokio::test]
    async fn a_call_without_its_message_is_refused_and_says_why() {
        let (body, verdict) = limit(Body::empty(), Rules { cardinality: Cardinality::One, ..TEN_BYTES });
        assert_eq!(body.collect().await.unwrap_err().code(), tonic::Code::Unimplemented);
        assert_eq!(verdict.await.code(), tonic::Code::Unimplemented);
    }
}
