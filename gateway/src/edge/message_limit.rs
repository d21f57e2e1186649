//! A limit on the single messages of a gRPC request that passes through. Only the five bytes before each message are
//! read: a long stream of small messages is fine, one message that would fill the memory behind the edge is not.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;

use super::verdict::{self, Judge, Verdict};
use crate::refusal::too_large;

/// One byte of flags and four of length stand before each message.
const PREFIX_BYTES: usize = 5;

/// Bounds the messages of `body`. When one is too large, or the body cannot be read, the service may have answered
/// already or not: whoever forwards the call ends it with the verdict.
pub(super) fn limit(body: Body, message_bytes_max: usize) -> (Body, Verdict) {
    let (judge, verdict) = verdict::channel();
    let limited = Limited { inner: body, scanner: Scanner::default(), message_bytes_max, judge };
    (Body::new(limited), verdict)
}

struct Limited {
    inner: Body,
    scanner: Scanner,
    message_bytes_max: usize,
    judge: Judge,
}

/// Finds the prefixes in a body that is cut anywhere.
#[derive(Default)]
struct Scanner {
    prefix: [u8; PREFIX_BYTES],
    prefix_filled: usize,
    /// Bytes of the present message that are still to come.
    message_left: usize,
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)).transpose() {
            Ok(frame) => frame,
            // The service would only see a stream that was reset, and the client a service that was lost.
            Err(status) => {
                self.judge.refuse(status.clone());
                return Poll::Ready(Some(Err(status)));
            }
        };
        let bytes_max = self.message_bytes_max;
        let is_too_large =
            frame.as_ref().and_then(Frame::data_ref).is_some_and(|data| self.scanner.largest_message(data) > bytes_max);
        if is_too_large {
            self.judge.refuse(too_large(bytes_max));
            return Poll::Ready(Some(Err(too_large(bytes_max))));
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

impl Scanner {
    /// The length of the largest message that begins in `data`.
    fn largest_message(&mut self, mut data: &[u8]) -> usize {
        let mut largest = 0;
        while !data.is_empty() {
            if self.message_left > 0 {
                let passed = self.message_left.min(data.len());
                self.message_left -= passed;
                data = &data[passed..];
                continue;
            }
            let taken = (PREFIX_BYTES - self.prefix_filled).min(data.len());
            self.prefix[self.prefix_filled..self.prefix_filled + taken].copy_from_slice(&data[..taken]);
            self.prefix_filled += taken;
            data = &data[taken..];
            if self.prefix_filled == PREFIX_BYTES {
                let [_, a, b, c, d] = self.prefix;
                self.message_left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                self.prefix_filled = 0;
                largest = largest.max(self.message_left);
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

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
            let (body, _verdict) = limit(cut(&bytes, size), 10);
            assert_eq!(body.collect().await.unwrap().to_bytes(), bytes);
        }
    }

    #[tokio::test]
    async fn a_message_that_is_too_large_ends_the_body_and_says_why() {
        let bytes = [message(10), message(11)].concat();
        for size in 1..=bytes.len() {
            let (body, verdict) = limit(cut(&bytes, size), 10);
            assert_eq!(body.collect().await.unwrap_err().code(), tonic::Code::ResourceExhausted);
            assert_eq!(verdict.await.code(), tonic::Code::ResourceExhausted);
        }
    }
}
