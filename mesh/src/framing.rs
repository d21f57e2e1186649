//! What the messages of a body may be, told from the five bytes that stand before each one.
//!
//! tonic answers a message that is too large with OUT_OF_RANGE, ignores a second request message where the contract
//! knows one only, and calls a missing one INTERNAL. gRPC's table of status codes says RESOURCE_EXHAUSTED and twice
//! UNIMPLEMENTED. Messages are not looked at, so a proxy can check what it passes on.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use crate::refusal::{Reason, Refusal};

/// tonic's own limit on what it decodes, kept so that both agree.
pub const MESSAGE_BYTES_MAX_DEFAULT: usize = 4 * 1024 * 1024;

/// One byte of flags and four of length stand before each message.
const PREFIX_BYTES: usize = 5;

/// What the messages of a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The most that a message may have, in bytes as they are on the wire.
    pub message_bytes_max: usize,
    /// How many there may be.
    pub cardinality: Cardinality,
}

/// How many messages a body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// Exactly one: a side of a call that is no stream.
    One,
    /// Any number.
    Stream,
}

/// Checks a body as it passes, however it is cut.
#[derive(Debug)]
pub struct Checker {
    rules: Rules,
    prefix: [u8; PREFIX_BYTES],
    prefix_filled: usize,
    /// Bytes of the present message that are still to come.
    message_left: usize,
    has_message: bool,
}

impl Cardinality {
    /// The cardinality of a side that is a stream or not.
    pub fn of(streaming: bool) -> Self {
        if streaming { Self::Stream } else { Self::One }
    }
}

impl Checker {
    /// A checker at the beginning of a body.
    pub fn new(rules: Rules) -> Self {
        Self { rules, prefix: [0; PREFIX_BYTES], prefix_filled: 0, message_left: 0, has_message: false }
    }

    /// Looks at the next piece of the body; fails at the first message that breaks a rule.
    pub fn check(&mut self, mut data: &[u8]) -> Result<(), Refusal> {
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
                self.begin_message()?;
            }
        }
        Ok(())
    }

    /// Says that the body has ended; fails if a message is missing.
    pub fn end(&self) -> Result<(), Refusal> {
        if self.is_complete() { Ok(()) } else { Err(wrong_count("none")) }
    }

    /// Whether a message has begun.
    pub fn has_message(&self) -> bool {
        self.has_message
    }

    /// Whether the body could end here, as far as the number of its messages goes.
    pub fn is_complete(&self) -> bool {
        self.has_message || self.rules.cardinality == Cardinality::Stream
    }

    fn begin_message(&mut self) -> Result<(), Refusal> {
        let [_, a, b, c, d] = self.prefix;
        self.prefix_filled = 0;
        self.message_left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if self.has_message && self.rules.cardinality == Cardinality::One {
            return Err(wrong_count("more than one"));
        }
        self.has_message = true;
        if self.message_left > self.rules.message_bytes_max {
            return Err(too_large(self.message_left, self.rules.message_bytes_max));
        }
        Ok(())
    }
}

fn wrong_count(found: &str) -> Refusal {
    Refusal::new(Reason::MessageCount, format!("exactly one message belongs here, and there is {found}"))
}

fn too_large(bytes: usize, bytes_max: usize) -> Refusal {
    Refusal::new(Reason::MessageTooLarge, format!("the message has {bytes} bytes; at most {bytes_max} are taken"))
        .with("limit", bytes_max.to_string())
}

pin_project! {
    /// A body that fails where its messages break the rules.
    #[derive(Debug)]
    pub struct CheckedBody<B> {
        #[pin]
        body: B,
        checker: Checker,
        ended: bool,
    }
}

impl<B> CheckedBody<B> {
    /// The same body, held to the rules.
    pub fn new(body: B, rules: Rules) -> Self {
        Self { body, checker: Checker::new(rules), ended: false }
    }
}

impl<B: Body<Data = Bytes>> Body for CheckedBody<B>
where
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(this.body.poll_frame(cx));
        let checked = match frame.as_ref() {
            Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |data| this.checker.check(data)),
            Some(Err(_)) => Ok(()),
            None => this.checker.end(),
        };
        *this.ended = frame.is_none() || checked.is_err();
        Poll::Ready(match checked {
            Ok(()) => frame.map(|frame| frame.map_err(|error| Status::from_error(error.into()))),
            Err(refusal) => Some(Err(refusal.into())),
        })
    }

    /// Not yet where a message is missing: whoever believes it would not come to hear so.
    fn is_end_stream(&self) -> bool {
        self.ended || (self.body.is_end_stream() && self.checker.is_complete())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Vec<u8> {
        let mut message = vec![0];
        message.extend(length.to_be_bytes());
        message.extend(std::iter::repeat_n(7, length as usize));
        message
    }

    /// What comes of a body that arrives in pieces of one size; the same for every size.
    fn verdict(body: &[u8], rules: Rules) -> Result<(), Reason> {
        let whole = |size: usize| {
            let mut checker = Checker::new(rules);
            body.chunks(size).try_for_each(|piece| checker.check(piece)).and_then(|()| checker.end())
        };
        let verdicts: Vec<_> = (1..=body.len().max(1)).map(|size| whole(size).map_err(|r| r.reason())).collect();
        assert!(verdicts.windows(2).all(|pair| pair[0] == pair[1]), "{verdicts:?}");
        verdicts[0]
    }

    fn rules(message_bytes_max: usize, cardinality: Cardinality) -> Rules {
        Rules { message_bytes_max, cardinality }
    }

    #[test]
    fn a_message_may_have_as_much_as_the_limit_and_no_more() {
        let stream = rules(10, Cardinality::Stream);
        assert_eq!(verdict(&[message(10), message(0), message(9)].concat(), stream), Ok(()));
        assert_eq!(verdict(&[message(10), message(11)].concat(), stream), Err(Reason::MessageTooLarge));
    }

    #[test]
    fn a_call_that_is_no_stream_has_exactly_one_message() {
        let one = rules(10, Cardinality::One);
        assert_eq!(verdict(&message(3), one), Ok(()));
        assert_eq!(verdict(&[], one), Err(Reason::MessageCount));
        assert_eq!(verdict(&[message(3), message(0)].concat(), one), Err(Reason::MessageCount));
        assert_eq!(verdict(&[], rules(10, Cardinality::Stream)), Ok(()));
    }

    #[test]
    fn a_body_without_its_message_does_not_look_like_one_that_has_ended() {
        let one = CheckedBody::new(http_body_util::Empty::<Bytes>::new(), rules(10, Cardinality::One));
        assert!(!one.is_end_stream());
        let stream = CheckedBody::new(http_body_util::Empty::<Bytes>::new(), rules(10, Cardinality::Stream));
        assert!(stream.is_end_stream());
    }
}
