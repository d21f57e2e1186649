//! A stream of messages from an HTTP body: one JSON value per line or, where the contract takes a `google.api.HttpBody`,
//! the body's bytes in pieces as they come.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Response, Uri};
use http_body_util::BodyExt;
use tonic::Status;
use tonic::body::Body;

use super::stream_format::Format;
use super::{Call, Failure, body_broke_off, check_charset, request_refused, response_stream};
use crate::codec::BytesCodec;
use crate::contract::{Contract, Rpc};
use crate::edge::media_type::{essence, is_json};
use crate::edge::verdict::{self, Judge, Verdict};
use crate::refusal::too_large;
use crate::transcode::{Incoming, Match};

const NDJSON: &str = "application/x-ndjson";

pub(super) async fn answer(call: Call, parts: &Parts, body: Body) -> Result<Response<Body>, Failure> {
    let form = if call.route.takes_any_media_type {
        Form::Raw { has_begun: false }
    } else {
        check_media_type(parts)?;
        Form::Lines
    };
    let (judge, verdict) = verdict::channel();
    let upload = Upload {
        contract: Arc::clone(&call.contract),
        matched: Arc::clone(&call.matched),
        rpc: Arc::clone(&call.route.rpc),
        uri: parts.uri.clone(),
        content_type: parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned),
        form,
        body,
        buffer: LineBuffer::default(),
        number: 0,
        has_ended: false,
        line_bytes_max: call.limits.body_bytes_max,
        judge,
    };
    let messages = stream::unfold(upload, |mut upload| async move {
        let message = upload.next_message().await?;
        Some((message, upload))
    });
    let request = call.grpc_request(&parts.headers, messages);
    exchange(call, request, parts, verdict).await
}

/// Sends the messages and answers with what comes back. A bad line ends the call at once: the service sees a cancelled
/// call and not the end of a good stream.
async fn exchange(
    call: Call,
    request: tonic::Request<impl stream::Stream<Item = Bytes> + Send + 'static>,
    parts: &Parts,
    mut verdict: Verdict,
) -> Result<Response<Body>, Failure> {
    let path = call.route.rpc.path.clone();
    let mut client = call.client();
    if call.route.rpc.policy.server_streaming {
        let response = tokio::select! {
            biased;
            status = &mut verdict => return Err(status.into()),
            response = client.streaming(request, path, BytesCodec) => response?,
        };
        return response_stream::answer(call, response.into_inner(), Format::of(&parts.headers), verdict).await;
    }
    tokio::select! {
        biased;
        status = verdict => Err(status.into()),
        response = client.client_streaming(request, path, BytesCodec) => {
            call.encode(parts, &response?.into_inner()).await
        }
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

/// Reads a body part by part, and each part as a message.
struct Upload {
    contract: Arc<Contract>,
    matched: Arc<Match>,
    rpc: Arc<Rpc>,
    uri: Uri,
    content_type: Option<String>,
    form: Form,
    body: Body,
    buffer: LineBuffer,
    /// Of the line read last, counted from 1.
    number: usize,
    has_ended: bool,
    line_bytes_max: usize,
    judge: Judge,
}

/// What the parts of a body are.
#[derive(Clone, Copy)]
enum Form {
    /// Lines of JSON.
    Lines,
    /// Bytes, cut as they come. A body without any is one empty part.
    Raw { has_begun: bool },
}

impl Upload {
    /// `None` at the end of the body. A part that cannot be read is reported to whoever waits for the answer, and then
    /// nothing comes any more, not even the end.
    async fn next_message(&mut self) -> Option<Bytes> {
        let part = match self.form {
            Form::Lines => self.next_line().await,
            Form::Raw { .. } => self.next_piece().await,
        };
        match part {
            Ok(None) => None,
            Ok(Some(part)) => match self.decode(&part) {
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

    fn decode(&self, part: &[u8]) -> Result<Bytes, Status> {
        let incoming = Incoming { query: self.uri.query(), content_type: self.content_type.as_deref(), body: part };
        let message = self.contract.transcoder().request(&self.matched, incoming).map_err(request_refused);
        let checked = message.and_then(|message| self.rpc.check(&message).map(|()| message));
        match self.form {
            Form::Lines => checked.map_err(|status| in_line(self.number, &status)),
            Form::Raw { .. } => checked,
        }
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, Status> {
        let has_begun =
            matches!(std::mem::replace(&mut self.form, Form::Raw { has_begun: true }), Form::Raw { has_begun: true });
        loop {
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    _ => {}
                },
                Some(Err(_)) => return Err(body_broke_off()),
                None => return Ok((!has_begun).then(Bytes::new)),
            }
        }
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

/// The refusal of a line's message, with the line's number in the message that people read first.
fn in_line(number: usize, status: &Status) -> Status {
    let message = format!("line {number}: {}", status.message());
    Status::with_details(status.code(), message, status.details().to_vec().into())
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
