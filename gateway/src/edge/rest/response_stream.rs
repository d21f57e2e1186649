//! A stream of messages as an HTTP body, in the [format](super::stream_format) that the client accepts.
//!
//! Until the first message there is still a choice of HTTP status, so that a stream that fails at once answers like a
//! unary call. Later failures become a last record. Messages that are a `google.api.HttpBody` are no records: their
//! bytes follow each other as they are, and a failure breaks the body off.

use std::time::Duration;

use bytes::Bytes;
use focusflow_mesh::refusal::internal;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::body::Body;
use tonic::{Code, Status, Streaming};

use super::stream_format::Format;
use super::{Call, Failure, stream_response};
use crate::edge::answer::status_json;
use crate::edge::verdict::Verdict;
use crate::transcode::Outgoing;

/// How long the HTTP status waits for the first message. A stream that is silent for longer is one that watches, and
/// its client wants to know that it began.
const FIRST_MESSAGE_WAIT: Duration = Duration::from_millis(500);

/// Answers with the messages of a call. `verdict` is that on the request's own stream, which may still be going on.
pub(super) async fn answer(
    call: Call,
    messages: Streaming<Bytes>,
    format: Format,
    verdict: Verdict,
) -> Result<Response<Body>, Failure> {
    let mut messages = Messages { messages, verdict };
    if call.route.answers_raw_body {
        return raw(call, messages).await;
    }
    let first = match tokio::time::timeout(FIRST_MESSAGE_WAIT, messages.next()).await {
        Ok(first) => first?.map_or(First::End, First::Message),
        Err(_) => First::Passed,
    };
    let records = Records { call, messages, format, first, count: 0, has_begun: false, finished: false };
    let frames = stream::unfold(records, |mut records| async move {
        let bytes = records.next().await?;
        Some((Ok::<_, Status>(Frame::data(Bytes::from(bytes))), records))
    });
    Ok(stream_response(HeaderValue::from_static(format.content_type()), Body::new(StreamBody::new(frames.boxed()))))
}

/// Answers with the bytes of messages that are bodies, under the media type of the first.
async fn raw(call: Call, mut messages: Messages) -> Result<Response<Body>, Failure> {
    let first = match messages.next().await? {
        Some(message) => call.outgoing(&message)?,
        None => Outgoing { content_type: "application/octet-stream".to_owned(), body: Vec::new() },
    };
    let content_type = HeaderValue::from_str(&first.content_type)
        .map_err(|error| internal("writing the content type of the service's answer", &error))?;
    let first = stream::iter([Ok::<_, Status>(Frame::data(Bytes::from(first.body)))]);
    let rest = stream::unfold((call, messages), |(call, mut messages)| async move {
        let bytes = match messages.next().await {
            Ok(None) => {
                call.admitted.ended(Code::Ok);
                return None;
            }
            Ok(Some(message)) => call.outgoing(&message).map(|outgoing| Bytes::from(outgoing.body)),
            Err(status) => Err(status),
        };
        if let Err(status) = &bytes {
            call.admitted.ended(status.code());
        }
        Some((bytes.map(Frame::data), (call, messages)))
    });
    Ok(stream_response(content_type, Body::new(StreamBody::new(first.chain(rest).boxed()))))
}

/// The messages of an answer, until the request is found to be bad.
struct Messages {
    messages: Streaming<Bytes>,
    verdict: Verdict,
}

impl Messages {
    /// The next message. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        tokio::select! {
            biased;
            status = &mut self.verdict => Err(status),
            message = self.messages.message() => message,
        }
    }
}

enum First {
    Message(Bytes),
    End,
    /// It has been written, or nothing came in time.
    Passed,
}

struct Records {
    call: Call,
    messages: Messages,
    format: Format,
    /// What came before the head was sent.
    first: First,
    count: usize,
    has_begun: bool,
    finished: bool,
}

impl Records {
    async fn next(&mut self) -> Option<Vec<u8>> {
        if self.finished {
            return None;
        }
        let is_beginning = !std::mem::replace(&mut self.has_begun, true);
        if is_beginning && !self.format.begin().is_empty() {
            return Some(self.format.begin().to_vec());
        }
        let message = match self.next_message().await {
            Wait::Over(message) => message,
            Wait::Silent => return Some(self.format.keep_alive().to_vec()),
        };
        let record = message.and_then(|message| message.map(|message| self.record(&message)).transpose());
        match record {
            Ok(Some(record)) => Some(record),
            Ok(None) => Some(self.end(None)).filter(|end| !end.is_empty()),
            Err(status) => Some(self.end(Some(&status))),
        }
    }

    async fn next_message(&mut self) -> Wait {
        match std::mem::replace(&mut self.first, First::Passed) {
            First::Message(message) => Wait::Over(Ok(Some(message))),
            First::End => Wait::Over(Ok(None)),
            First::Passed if self.format.keep_alive().is_empty() => Wait::Over(self.messages.next().await),
            First::Passed => unless_silent(self.call.limits.keep_alive, self.messages.next()).await,
        }
    }

    fn record(&mut self, message: &[u8]) -> Result<Vec<u8>, Status> {
        let transcoder = self.call.contract.transcoder();
        let position = match self.format {
            Format::Events => transcoder.position(transcoder.route(&self.call.matched), message),
            Format::Lines | Format::Array => None,
        };
        let json = self.call.outgoing(message)?.body;
        let record = self.format.message(self.count, position.as_deref(), &json);
        self.count += 1;
        Ok(record)
    }

    fn end(&mut self, status: Option<&Status>) -> Vec<u8> {
        self.finished = true;
        self.call.admitted.ended(status.map_or(Code::Ok, Status::code));
        let status = status.map(|status| status_json(self.call.contract.transcoder(), status));
        self.format.end(self.count, status.as_deref())
    }
}

/// What waiting for a message came to.
#[derive(Debug)]
enum Wait {
    Over(Result<Option<Bytes>, Status>),
    /// Nothing came for as long as a body may be silent.
    Silent,
}

/// Waits for a message, but not for longer than a body may be silent.
async fn unless_silent(silence_max: Duration, message: impl Future<Output = Result<Option<Bytes>, Status>>) -> Wait {
    tokio::time::timeout(silence_max, message).await.map_or(Wait::Silent, Wait::Over)
}
