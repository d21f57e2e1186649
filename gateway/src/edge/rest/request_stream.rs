//! A stream of messages from an HTTP body: one JSON value per line.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Response, Uri};
use http_body_util::BodyExt;
use tonic::Status;
use tonic::body::Body;

use super::response_stream::{self, Format};
use super::{Call, Failure, body_broke_off, check_charset, request_refused};
use crate::codec::BytesCodec;
use crate::contract::Contract;
use crate::edge::media_type::{essence, is_json};
use crate::edge::verdict::{self, Judge};
use crate::refusal::too_large;
use crate::transcode::{Incoming, Match};

const NDJSON: &str = "application/x-ndjson";

pub(super) async fn answer(
    call: Call,
    parts: &Parts,
    body: Body,
    line_bytes_max: usize,
    format: Format,
) -> Result<Response<Body>, Failure> {
    check_media_type(parts)?;
    let (judge, verdict) = verdict::channel();
    let lines = Lines {
        contract: Arc::clone(&call.contract),
        matched: Arc::clone(&call.matched),
        uri: parts.uri.clone(),
        body,
        buffer: LineBuffer::default(),
        number: 0,
        has_ended: false,
        line_bytes_max,
        judge,
    };
    let messages = stream::unfold(lines, |mut lines| async move {
        let message = lines.next_message().await?;
        Some((message, lines))
    });
    let request = call.grpc_request(&parts.headers, messages);
    tokio::select! {
        // A bad line ends the call at once: the service sees a cancelled call and not the end of a good stream.
        biased;
        status = verdict => Err(status.into()),
        response = exchange(call, request, format) => response,
    }
}

async fn exchange(
    call: Call,
    request: tonic::Request<impl stream::Stream<Item = Bytes> + Send + 'static>,
    format: Format,
) -> Result<Response<Body>, Failure> {
    let path = call.route.rpc.path.clone();
    if call.route.rpc.policy.server_streaming {
        let response = call.client().streaming(request, path, BytesCodec).await?;
        response_stream::answer(call, response.into_inner(), format).await
    } else {
        let response = call.client().client_streaming(request, path, BytesCodec).await?;
        call.encode(&response.into_inner())
    }
}

fn check_media_type(parts: &Parts) -> Result<(), Failure> {
    let content_type = parts.headers.get(CONTENT_TYPE).map_or(b"".as_slice(), HeaderValue::as_bytes);
    check_charset(content_type)?;
    match essence(content_type).filter(|essence| !essence.is_empty()) {
        Some(essence) if !is_json(&essence) && !matches!(essence.as_str(), NDJSON | "application/ndjson") => {
            Err(Failure::wrong_media_type(&essence, NDJSON))
        }
        _ => Ok(()),
    }
}

/// Reads a body line by line and each line as a message.
struct Lines {
    contract: Arc<Contract>,
    matched: Arc<Match>,
    uri: Uri,
    body: Body,
    buffer: LineBuffer,
    /// Of the line read last, counted from 1.
    number: usize,
    has_ended: bool,
    line_bytes_max: usize,
    judge: Judge,
}

impl Lines {
    /// `None` at the end of the body. A line that cannot be read is reported to whoever waits for the answer, and then
    /// nothing comes any more, not even the end.
    async fn next_message(&mut self) -> Option<Bytes> {
        match self.next_line().await {
            Ok(None) => None,
            Ok(Some(line)) => match self.decode(&line) {
                Ok(message) => Some(message),
                Err(status) => self.give_up(status).await,
            },
            Err(status) => self.give_up(status).await,
        }
    }

    async fn give_up(&mut self, status: Status) -> Option<Bytes> {
        self.judge.refuse(status);
        std::future::pending().await
    }

    fn decode(&self, line: &[u8]) -> Result<Bytes, Status> {
        let incoming = Incoming { query: self.uri.query(), content_type: None, body: line };
        self.contract.transcoder().request(&self.matched, incoming).map_err(|mut error| {
            error.description = format!("line {}: {}", self.number, error.description);
            request_refused(error)
        })
    }

    /// The next line that is not blank.
    async fn next_line(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            while let Some(line) = self.buffer.take_line(self.has_ended) {
                self.number += 1;
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
            }
            if self.has_ended {
                return Ok(None);
            }
            if self.buffer.pending.len() > self.line_bytes_max {
                return Err(too_large(self.line_bytes_max));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.pending.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) => return Err(body_broke_off()),
                None => self.has_ended = true,
            }
        }
    }
}

/// What was read and not yet taken.
#[derive(Default)]
struct LineBuffer {
    pending: BytesMut,
    /// How much of `pending` is known to hold no end of a line: one that comes in small pieces is searched once.
    searched_bytes: usize,
}

impl LineBuffer {
    /// The next line with its end, which the last line of a body may lack.
    fn take_line(&mut self, has_ended: bool) -> Option<Bytes> {
        let searched_bytes = std::mem::take(&mut self.searched_bytes);
        match self.pending[searched_bytes..].iter().position(|byte| *byte == b'\n') {
            Some(end) => Some(self.pending.split_to(searched_bytes + end + 1).freeze()),
            None if has_ended && !self.pending.is_empty() => Some(self.pending.split().freeze()),
            None => {
                self.searched_bytes = self.pending.len();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_the_body_is_cut() {
        let body = b"one\n\ntwo two\nrest";
        for size in 1..=body.len() {
            let mut buffer = LineBuffer::default();
            let mut lines: Vec<Bytes> = Vec::new();
            for piece in body.chunks(size) {
                buffer.pending.extend_from_slice(piece);
                lines.extend(std::iter::from_fn(|| buffer.take_line(false)));
            }
            lines.extend(std::iter::from_fn(|| buffer.take_line(true)));
            assert_eq!(lines, ["one\n", "\n", "two two\n", "rest"], "{size}");
        }
    }
}
