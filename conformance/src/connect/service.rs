//! `ConformanceService`: requests say what to answer, answers say what was asked.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use prost::Message as _;
use prost_types::Any;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Response, Status, Streaming};

use super::messages::{
    self, BidiStreamRequest, Payload, RequestInfo, StreamRequest, StreamResponseDefinition, UnaryOutcome, UnaryRequest,
};
use super::payload::{any, headers, metadata, status};
use crate::service::{Answer, Call, Handler, ok_with_trailers};

pub(super) struct Conformance;

/// What a call's answers are made of.
struct Script {
    data: std::vec::IntoIter<Bytes>,
    delay: Duration,
    error: Option<messages::Error>,
    trailers: MetadataMap,
    sent: usize,
    info: RequestInfo,
    answers: mpsc::Sender<Result<Bytes, Status>>,
}

impl Handler for Conformance {
    const NAME: &'static str = "connectrpc.conformance.v1.ConformanceService";

    async fn answer(call: Call) -> Answer {
        match call.method.as_str() {
            "Unary" => one_answer(call, "UnaryRequest").await,
            "IdempotentUnary" => one_answer(call, "IdempotentUnaryRequest").await,
            "ClientStream" => one_answer(call, "ClientStreamRequest").await,
            "ServerStream" => server_stream(call).await,
            "BidiStream" => bidi_stream(call).await,
            _ => Err(Status::unimplemented("the suite wants it so")),
        }
    }
}

async fn one_answer(mut call: Call, request_type: &str) -> Answer {
    let info = request_info(&call);
    let all = read_all(&mut call.requests).await?;
    let definition = match all.first() {
        Some(first) => UnaryRequest::decode(first.clone()).map_err(malformed)?.response_definition,
        None => None,
    };
    let info = RequestInfo { requests: anys(request_type, all), ..info };
    let definition = definition.unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(definition.response_delay_ms.into())).await;
    let trailers = metadata(&definition.response_trailers);
    let items = match definition.response {
        Some(UnaryOutcome::Error(error)) => vec![Err(status(with_info(error, &info), trailers))],
        Some(UnaryOutcome::Data(data)) => vec![Ok(response(data, Some(info))), Err(ok_with_trailers(trailers))],
        None => vec![Ok(response(Bytes::new(), Some(info))), Err(ok_with_trailers(trailers))],
    };
    let mut answer = Response::new(stream::iter(items).boxed());
    *answer.metadata_mut() = metadata(&definition.response_headers);
    Ok(answer)
}

async fn server_stream(mut call: Call) -> Answer {
    let info = request_info(&call);
    let all = read_all(&mut call.requests).await?;
    let definition = match all.first() {
        Some(first) => StreamRequest::decode(first.clone()).map_err(malformed)?.response_definition,
        None => None,
    };
    let info = RequestInfo { requests: anys("ServerStreamRequest", all), ..info };
    Ok(streamed(definition.unwrap_or_default(), info, |mut script| async move {
        script.send_rest().await;
        script.end().await;
    }))
}

async fn bidi_stream(mut call: Call) -> Answer {
    const TYPE: &str = "BidiStreamRequest";
    let info = request_info(&call);
    let Some(first) = call.requests.message().await? else {
        return Ok(Response::new(stream::empty().boxed()));
    };
    let request = BidiStreamRequest::decode(first.clone()).map_err(malformed)?;
    let mut requests = anys(TYPE, vec![first]);
    // Who sends first and listens later must not be answered before it has sent all.
    if !request.full_duplex {
        requests.extend(anys(TYPE, read_all(&mut call.requests).await?));
    }
    let info = RequestInfo { requests, ..info };
    Ok(streamed(request.response_definition.unwrap_or_default(), info, move |mut script| async move {
        if request.full_duplex
            && let Err(status) = script.take_turns(&mut call.requests).await
        {
            script.answer(Err(status)).await;
            return;
        }
        script.send_rest().await;
        script.end().await;
    }))
}

/// An answer whose head is there at once, and whose messages `play` sends.
fn streamed<F>(
    definition: StreamResponseDefinition,
    info: RequestInfo,
    play: impl FnOnce(Script) -> F,
) -> Response<stream::BoxStream<'static, Result<Bytes, Status>>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (answers, mut coming) = mpsc::channel(1);
    let script = Script {
        data: definition.response_data.into_iter(),
        delay: Duration::from_millis(definition.response_delay_ms.into()),
        error: definition.error,
        trailers: metadata(&definition.response_trailers),
        sent: 0,
        info,
        answers,
    };
    tokio::spawn(play(script));
    let mut answer = Response::new(stream::poll_fn(move |cx| coming.poll_recv(cx)).boxed());
    *answer.metadata_mut() = metadata(&definition.response_headers);
    answer
}

impl Script {
    /// One answer for each request, as long as there are both.
    async fn take_turns(&mut self, requests: &mut Streaming<Bytes>) -> Result<(), Status> {
        loop {
            let Some(data) = self.data.next() else { return Ok(()) };
            let info = self.turn_info();
            self.send(data, Some(info)).await;
            match requests.message().await? {
                Some(request) => self.info.requests.extend(anys("BidiStreamRequest", vec![request])),
                None => return Ok(()),
            }
        }
    }

    /// The first answer says everything about the call; later ones say what has been asked since.
    fn turn_info(&mut self) -> RequestInfo {
        let requests = std::mem::take(&mut self.info.requests);
        if self.sent == 0 {
            return RequestInfo { requests, ..self.info.clone() };
        }
        RequestInfo { requests, ..RequestInfo::default() }
    }

    async fn send_rest(&mut self) {
        while let Some(data) = self.data.next() {
            let info = (self.sent == 0).then(|| std::mem::take(&mut self.info));
            self.send(data, info).await;
        }
    }

    async fn send(&mut self, data: Bytes, info: Option<RequestInfo>) {
        tokio::time::sleep(self.delay).await;
        self.answer(Ok(response(data, info))).await;
        self.sent += 1;
    }

    async fn end(mut self) {
        let trailers = std::mem::take(&mut self.trailers);
        let status = match self.error.take() {
            Some(error) if self.sent == 0 => status(with_info(error, &self.info), trailers),
            Some(error) => status(error, trailers),
            None => ok_with_trailers(trailers),
        };
        self.answer(Err(status)).await;
    }

    async fn answer(&self, answer: Result<Bytes, Status>) {
        // Nobody listens any more if the call was cancelled.
        let _cancelled = self.answers.send(answer).await;
    }
}

async fn read_all(requests: &mut Streaming<Bytes>) -> Result<Vec<Bytes>, Status> {
    let mut all = Vec::new();
    while let Some(request) = requests.message().await? {
        all.push(request);
    }
    Ok(all)
}

fn request_info(call: &Call) -> RequestInfo {
    let deadline = call.context.as_ref().and_then(|context| context.deadline);
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    RequestInfo {
        request_headers: headers(&call.metadata),
        // The policy's own limit is nothing that the caller asked for.
        timeout_ms: left
            .filter(|_| call.metadata.contains_key("grpc-timeout"))
            .map(|left| i64::try_from(left.as_millis()).unwrap_or(i64::MAX)),
        requests: Vec::new(),
    }
}

fn anys(request_type: &str, requests: Vec<Bytes>) -> Vec<Any> {
    requests.into_iter().map(|request| any(request_type, request.into())).collect()
}

fn with_info(mut error: messages::Error, info: &RequestInfo) -> messages::Error {
    error.details.push(any("ConformancePayload.RequestInfo", info.encode_to_vec()));
    error
}

fn response(data: Bytes, request_info: Option<RequestInfo>) -> Bytes {
    messages::Response { payload: Some(Payload { data, request_info }) }.encode_to_vec().into()
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn malformed(error: prost::DecodeError) -> Status {
    Status::invalid_argument(error.to_string())
}
