//! A stream of messages as an HTTP body: lines of JSON, a JSON array, or server-sent events, as the client accepts.
//!
//! Until the first message there is still a choice of HTTP status, so that a stream that fails at once answers like a
//! unary call. Later failures become a last record `{"error": Status}`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::ACCEPT;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::body::Body;
use tonic::{Status, Streaming};

use super::{Call, Failure, stream_response};
use crate::edge::answer::status_json;
use focusflow_mesh::refusal::internal;

/// How long the HTTP status waits for the first message. A stream that is silent for longer is one that watches, and
/// its client wants to know that it began.
const FIRST_MESSAGE_WAIT: Duration = Duration::from_millis(500);

/// How records are put into the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON value per line; the default.
    Lines,
    /// One JSON array.
    Array,
    /// Server-sent events.
    Events,
}

impl Format {
    /// The first known media type of `accept`. Weights are not compared: clients that name one of these name one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        accepted
            .flat_map(|value| value.split(','))
            .find_map(|media_type| match media_type.split(';').next().unwrap_or_default().trim() {
                "application/x-ndjson" | "application/ndjson" => Some(Self::Lines),
                "application/json" => Some(Self::Array),
                "text/event-stream" => Some(Self::Events),
                _ => None,
            })
            .unwrap_or(Self::Lines)
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Array => "application/json",
            Self::Events => "text/event-stream",
        }
    }

    fn record(self, position: usize, json: &[u8]) -> Vec<u8> {
        let (before, after): (&[u8], &[u8]) = match (self, position) {
            (Self::Lines, _) => (b"", b"\n"),
            (Self::Array, 0) => (b"[", b""),
            (Self::Array, _) => (b",", b""),
            (Self::Events, _) => (b"data: ", b"\n\n"),
        };
        [before, json, after].concat()
    }

    /// What follows the last of `count` records.
    const fn end(self, count: usize) -> &'static [u8] {
        match (self, count) {
            (Self::Array, 0) => b"[]",
            (Self::Array, _) => b"]",
            (Self::Lines | Self::Events, _) => b"",
        }
    }
}

pub(super) async fn answer(
    call: Call,
    mut messages: Streaming<Bytes>,
    format: Format,
) -> Result<Response<Body>, Failure> {
    let first = match tokio::time::timeout(FIRST_MESSAGE_WAIT, messages.message()).await {
        Ok(first) => first?.map_or(First::End, First::Message),
        Err(_) => First::Passed,
    };
    let records = Records { call, messages, format, first, count: 0, finished: false };
    let frames = stream::unfold(records, |mut records| async move {
        let bytes = records.next().await?;
        Some((Ok::<_, Status>(Frame::data(Bytes::from(bytes))), records))
    });
    Ok(stream_response(format.content_type(), Body::new(StreamBody::new(frames.boxed()))))
}

enum First {
    Message(Bytes),
    End,
    /// It has been written, or nothing came in time.
    Passed,
}

struct Records {
    call: Call,
    messages: Streaming<Bytes>,
    format: Format,
    /// What came before the head was sent.
    first: First,
    count: usize,
    finished: bool,
}

impl Records {
    async fn next(&mut self) -> Option<Vec<u8>> {
        if self.finished {
            return None;
        }
        let message = match std::mem::replace(&mut self.first, First::Passed) {
            First::Message(message) => Ok(Some(message)),
            First::End => Ok(None),
            First::Passed => self.messages.message().await,
        };
        let encoded = message.and_then(|message| message.map(|message| self.encode(&message)).transpose());
        match encoded {
            Ok(Some(json)) => Some(self.record(&json)),
            Ok(None) => {
                self.finished = true;
                Some(self.format.end(self.count).to_vec()).filter(|end| !end.is_empty())
            }
            Err(status) => {
                self.finished = true;
                let mut last = self.record(&error_record(&self.call, &status));
                last.extend_from_slice(self.format.end(self.count));
                Some(last)
            }
        }
    }

    fn record(&mut self, json: &[u8]) -> Vec<u8> {
        let record = self.format.record(self.count, json);
        self.count += 1;
        record
    }

    fn encode(&self, message: &[u8]) -> Result<Vec<u8>, Status> {
        let transcoder = self.call.contract.transcoder();
        let outgoing = transcoder
            .response(transcoder.route(&self.call.matched), message)
            .map_err(|error| internal("writing a message of the stream as JSON", &error))?;
        Ok(outgoing.body)
    }
}

fn error_record(call: &Call, status: &Status) -> Vec<u8> {
    [b"{\"error\":".as_slice(), &status_json(call.contract.transcoder(), status), b"}"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(format: Format, records: &[&str]) -> String {
        let mut body = Vec::new();
        for (position, record) in records.iter().enumerate() {
            body.extend(format.record(position, record.as_bytes()));
        }
        body.extend(format.end(records.len()));
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn records_are_framed_as_the_format_wants() {
        assert_eq!(body(Format::Lines, &["1", "2"]), "1\n2\n");
        assert_eq!(body(Format::Array, &["1", "2"]), "[1,2]");
        assert_eq!(body(Format::Array, &[]), "[]");
        assert_eq!(body(Format::Events, &["1", "2"]), "data: 1\n\ndata: 2\n\n");
    }

    #[test]
    fn the_format_follows_accept() {
        let format = |accept: &str| Format::of(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]));
        assert_eq!(Format::of(&HeaderMap::new()), Format::Lines);
        assert_eq!(format("*/*"), Format::Lines);
        assert_eq!(format("application/json"), Format::Array);
        assert_eq!(format("text/html, text/event-stream;q=0.9"), Format::Events);
    }
}
