//! The contract's constraints on the messages of a gRPC request that passes through.
//!
//! A message is held back until it is whole and was checked; then it goes on as it came. So no more than one message is
//! kept, of a size that [`message_limit`](super::message_limit) bounds. Requests without constraints are not held at
//! all. A compressed message is not unpacked: the services of the mesh take none, and refuse it themselves.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::verdict::{self, Judge, Verdict};
use crate::validation::RequestRules;

/// One byte of flags and four of length stand before each message.
const PREFIX_BYTES: usize = 5;

const COMPRESSED_FLAG: u8 = 1;

/// Checks the messages of `body`; whoever forwards the call ends it with the verdict, which is also that of `verdict`.
pub(super) fn check(body: Body, verdict: Verdict, rules: Option<RequestRules>) -> (Body, Verdict) {
    let Some(rules) = rules else { return (body, verdict) };
    let (judge, own_verdict) = verdict::channel();
    let checked = Checked { inner: body, rules, held: BytesMut::new(), trailers: None, has_ended: false, judge };
    (Body::new(checked), verdict.or(own_verdict))
}

struct Checked {
    inner: Body,
    rules: RequestRules,
    /// The beginning of a message, or of its prefix.
    held: BytesMut,
    /// What came after the last message, while something was held.
    trailers: Option<Frame<Bytes>>,
    has_ended: bool,
    judge: Judge,
}

impl HttpBody for Checked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if self.has_ended {
                return Poll::Ready(self.trailers.take().map(Ok));
            }
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx)).transpose()?;
            match frame.map(Frame::into_data) {
                Some(Ok(data)) => match self.take(data) {
                    Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(None) => {}
                    Err(status) => {
                        self.judge.refuse(status.clone());
                        return Poll::Ready(Some(Err(status)));
                    }
                },
                last => {
                    self.has_ended = true;
                    self.trailers = last.and_then(Result::err);
                    // A message that breaks off is the service's to refuse.
                    if !self.held.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(self.held.split().freeze()))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.trailers.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // The inner body's, and what is held: only its end matters to those who ask.
        let mut hint = SizeHint::new();
        let inner = self.inner.size_hint();
        let held = self.held.len() as u64;
        hint.set_lower(inner.lower() + held);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }
}

impl Checked {
    /// The messages that `data` completes, checked; `None` if it completes none.
    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, Status> {
        let mut present = if self.held.is_empty() {
            data
        } else {
            self.held.extend_from_slice(&data);
            if message_end(&self.held).is_none() {
                return Ok(None);
            }
            self.held.split().freeze()
        };
        let mut passed = 0;
        while let Some(end) = message_end(&present[passed..]) {
            let (prefix, message) = present[passed..passed + end].split_at(PREFIX_BYTES);
            if prefix[0] & COMPRESSED_FLAG == 0 {
                self.rules.check(message)?;
            }
            passed += end;
        }
        let checked = present.split_to(passed);
        if present.has_remaining() {
            self.held = BytesMut::from(present);
        }
        Ok(Some(checked).filter(Bytes::has_remaining))
    }
}

/// Where the message ends that `bytes` begin with, if it is whole.
fn message_end(bytes: &[u8]) -> Option<usize> {
    let (prefix, _) = bytes.split_first_chunk::<PREFIX_BYTES>()?;
    let [_, a, b, c, d] = *prefix;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    PREFIX_BYTES.checked_add(length).filter(|end| *end <= bytes.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::validation::Rules;

    const WATCH: &str = "/focusflow.v1.ChangeService/Watch";

    fn rules() -> RequestRules {
        let pool = DescriptorPool::decode(focusflow_proto::FILE_DESCRIPTOR_SET).unwrap();
        Arc::new(Rules::new(&pool).unwrap()).of_method(WATCH).unwrap()
    }

    /// A `WatchRequest` behind its prefix.
    fn request(since: i64) -> Vec<u8> {
        let message = prost::Message::encode_to_vec(&focusflow_proto::v1::WatchRequest { since });
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        framed.extend(message);
        framed
    }

    async fn passed(bytes: &[u8], size: usize) -> Result<Bytes, Status> {
        let frames: Vec<_> =
            bytes.chunks(size).map(|chunk| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
        let (_judge, never) = verdict::channel();
        let (body, verdict) = check(Body::new(StreamBody::new(stream::iter(frames))), never, Some(rules()));
        match body.collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) => {
                assert_eq!(verdict.await.message(), error.message(), "the verdict says what the body's error says");
                Err(error)
            }
        }
    }

    #[tokio::test]
    async fn good_messages_pass_unchanged_however_they_are_cut() {
        let bytes = [request(1), request(0), request(70_000)].concat();
        for size in 1..=bytes.len() {
            assert_eq!(passed(&bytes, size).await.unwrap(), bytes, "{size}");
        }
    }

    #[tokio::test]
    async fn a_bad_message_is_refused_however_it_is_cut() {
        let bytes = [request(1), request(-1)].concat();
        for size in 1..=bytes.len() {
            assert_eq!(passed(&bytes, size).await.unwrap_err().message(), "since: must not be negative", "{size}");
        }
    }

    #[tokio::test]
    async fn what_breaks_off_is_left_to_the_service() {
        let bytes = request(70_000);
        assert_eq!(passed(&bytes[..7], 3).await.unwrap(), bytes[..7]);
    }
}
