//! The client under test: the mesh's channel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use focusflow_gateway::codec::BytesCodec;
use focusflow_mesh::channel::{Channel, ChannelConfig};
use focusflow_mesh::framing::MESSAGE_BYTES_MAX_DEFAULT;
use focusflow_mesh::policy::Policies;
use futures_util::{Stream, stream};
use http::uri::PathAndQuery;
use prost::Message as _;
use tokio::io::AsyncWrite;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Status};

use super::messages::{
    self, CallResult, CancelTiming, ClientError, ClientOutcome, ClientRequest, ClientResponse, TlsCredentials,
};
use super::payload::{error, headers, metadata};
use super::{PACKAGE, SERVICE, descriptor_set, pipe};
use crate::tls;

/// Calls at the same time.
const CALLS_MAX: usize = 16;

/// The suite's numbers.
const GZIP: i32 = 2;
const UNARY: i32 = 1;
const CLIENT_STREAM: i32 = 2;
const FULL_DUPLEX: i32 = 5;

/// Makes the calls that the suite asks for.
pub(crate) async fn run() -> Result<()> {
    let turns = Arc::new(Semaphore::new(CALLS_MAX));
    let channels = Arc::new(Channels::new()?);
    let (done, results) = mpsc::channel(CALLS_MAX);
    let writing = tokio::spawn(write_all(results, tokio::io::stdout()));
    let mut calls = JoinSet::new();
    let mut source = tokio::io::stdin();
    while let Some(request) = pipe::read::<ClientRequest>(&mut source).await? {
        let turn = Arc::clone(&turns).acquire_owned().await?;
        let (channels, done) = (Arc::clone(&channels), done.clone());
        calls.spawn(async move {
            // The writer has gone only if the suite has.
            let _gone = done.send(answer(&channels, request).await).await;
            drop(turn);
        });
    }
    drop(done);
    calls.join_all().await;
    writing.await?
}

async fn write_all(mut results: mpsc::Receiver<ClientResponse>, mut target: impl AsyncWrite + Unpin) -> Result<()> {
    while let Some(result) = results.recv().await {
        pipe::write(&mut target, &result).await?;
    }
    Ok(())
}

async fn answer(channels: &Channels, request: ClientRequest) -> ClientResponse {
    let test_name = request.test_name.clone();
    let result = match call(channels, request).await {
        Ok(result) => ClientOutcome::Response(result),
        Err(failure) => ClientOutcome::Error(ClientError { message: format!("{failure:#}") }),
    };
    ClientResponse { test_name, result: Some(result) }
}

/// Channels by server: the suite has few servers and many calls.
struct Channels {
    contract: Policies,
    by_server: Mutex<HashMap<Vec<u8>, Channel>>,
}

impl Channels {
    fn new() -> Result<Self> {
        Ok(Self { contract: Policies::from_descriptor_set(&descriptor_set())?, by_server: Mutex::default() })
    }

    fn to(&self, request: &ClientRequest) -> Result<Channel> {
        let ClientRequest { host, port, server_tls_cert, client_tls_creds, message_receive_limit, .. } = request;
        let key = ClientRequest {
            host: host.clone(),
            port: *port,
            server_tls_cert: server_tls_cert.clone(),
            client_tls_creds: client_tls_creds.clone(),
            message_receive_limit: *message_receive_limit,
            ..ClientRequest::default()
        };
        let key = key.encode_to_vec();
        let mut channels = self.by_server.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&key) {
            return Ok(channel.clone());
        }
        let channel = self.connect(request)?;
        channels.insert(key, channel.clone());
        Ok(channel)
    }

    fn connect(&self, request: &ClientRequest) -> Result<Channel> {
        let config = ChannelConfig {
            contract: Some(self.contract.clone()),
            message_bytes_max: message_bytes_max(request)?,
            ..ChannelConfig::default()
        };
        let authority = format!("{}:{}", request.host, request.port);
        if request.server_tls_cert.is_empty() {
            return Ok(Channel::new(format!("http://{authority}").parse()?, None, config));
        }
        let tls =
            tls::client(&request.server_tls_cert, request.client_tls_creds.as_ref().map(TlsCredentials::identity))?;
        Ok(Channel::outside(format!("https://{authority}").parse()?, Arc::new(tls), config))
    }
}

fn message_bytes_max(request: &ClientRequest) -> Result<usize> {
    match request.message_receive_limit {
        0 => Ok(MESSAGE_BYTES_MAX_DEFAULT),
        limit => Ok(usize::try_from(limit)?),
    }
}

async fn call(channels: &Channels, request: ClientRequest) -> Result<CallResult> {
    let service = request.service.clone().unwrap_or_else(|| format!("{PACKAGE}.{SERVICE}"));
    let method = request.method.as_deref().context("a call of no method")?;
    let path: PathAndQuery = format!("/{service}/{method}").parse()?;
    let mut grpc = Grpc::new(channels.to(&request)?)
        .max_decoding_message_size(message_bytes_max(&request)?)
        .accept_compressed(CompressionEncoding::Gzip);
    if request.compression == GZIP {
        grpc = grpc.send_compressed(CompressionEncoding::Gzip);
    }
    let (queue, mut waiting) = mpsc::channel(1);
    let mut outgoing = Request::new(stream::poll_fn(move |cx| waiting.poll_recv(cx)));
    *outgoing.metadata_mut() = metadata(&request.request_headers);
    if let Some(timeout_ms) = request.timeout_ms {
        outgoing.set_timeout(Duration::from_millis(timeout_ms.into()));
    }
    let mut sending = Sending { request, queue: Some(queue), sent: 0, answered: Arc::default() };
    let mut receiving = Receiving { result: CallResult::default(), answered: Arc::clone(&sending.answered) };
    let cancel_after = match sending.timing() {
        Some(CancelTiming::AfterResponses(count)) => Some(count),
        _ => None,
    };
    let outcome = tokio::select! {
        outcome = receiving.exchange(grpc, outgoing, path, cancel_after) => outcome,
        () = sending.run() => Err(cancelled()),
    };
    let mut result = receiving.result;
    let unsent = sending.request.request_messages.len().saturating_sub(sending.sent);
    if let Err(status) = outcome {
        if result.response_trailers.is_empty() {
            result.response_trailers = headers(status.metadata());
        }
        result.error = Some(error(&status));
        // Who expects one message gets it or an error, and not both.
        if matches!(sending.request.stream_type, UNARY | CLIENT_STREAM) {
            result.payloads.clear();
        }
        result.num_unsent_requests = i32::try_from(unsent)?;
    }
    Ok(result)
}

fn cancelled() -> Status {
    Status::cancelled("the caller has cancelled")
}

/// The requests of a call, at the times that the suite wants.
struct Sending {
    request: ClientRequest,
    queue: Option<mpsc::Sender<Bytes>>,
    sent: usize,
    answered: Arc<Notify>,
}

impl Sending {
    fn timing(&self) -> Option<CancelTiming> {
        self.request.cancel.clone().map(|cancel| cancel.timing.unwrap_or(CancelTiming::AfterCloseSendMs(0)))
    }

    /// Sends everything; returns when the call is to be cancelled, and never if it is not.
    async fn run(&mut self) {
        let messages = self.request.request_messages.clone();
        for message in messages {
            tokio::time::sleep(Duration::from_millis(self.request.request_delay_ms.into())).await;
            let Some(queue) = &self.queue else { break };
            if queue.send(message.value.into()).await.is_err() {
                break;
            }
            self.sent += 1;
            if self.request.stream_type == FULL_DUPLEX {
                self.answered.notified().await;
            }
        }
        match self.timing() {
            Some(CancelTiming::BeforeCloseSend(())) => return,
            Some(CancelTiming::AfterCloseSendMs(delay_ms)) => {
                self.queue = None;
                tokio::time::sleep(Duration::from_millis(delay_ms.into())).await;
                return;
            }
            Some(CancelTiming::AfterResponses(_)) | None => self.queue = None,
        }
        std::future::pending::<()>().await;
    }
}

/// The responses of a call, as they come: who is cancelled has what came before.
struct Receiving {
    result: CallResult,
    answered: Arc<Notify>,
}

impl Receiving {
    async fn exchange(
        &mut self,
        mut grpc: Grpc<Channel>,
        outgoing: Request<impl Stream<Item = Bytes> + Send + 'static>,
        path: PathAndQuery,
        cancel_after: Option<u32>,
    ) -> Result<(), Status> {
        let response = grpc.streaming(outgoing, path, BytesCodec).await?;
        self.result.response_headers = headers(response.metadata());
        let mut responses = response.into_inner();
        while let Some(response) = responses.message().await? {
            let response = messages::Response::decode(response).map_err(malformed)?;
            self.result.payloads.push(response.payload.unwrap_or_default());
            self.answered.notify_one();
            if cancel_after.is_some_and(|count| self.result.payloads.len() >= count as usize) {
                return Err(cancelled());
            }
        }
        if let Some(trailers) = responses.trailers().await? {
            self.result.response_trailers = headers(&trailers);
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn malformed(error: prost::DecodeError) -> Status {
    Status::internal(error.to_string())
}
