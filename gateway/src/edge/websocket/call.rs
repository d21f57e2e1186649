//! One call of a socket, from its first frame to its end.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use focusflow_mesh::context::{Context, GRPC_TIMEOUT_HEADER, REQUEST_ID_HEADER};
use focusflow_mesh::deadline;
use focusflow_mesh::refusal::{internal, with_reason};
use futures_util::stream::{self, Stream};
use http::HeaderMap;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Code, Response, Status, Streaming};

use super::credit::{self, Credit};
use super::frame::{Encoding, Ended, Outgoing};
use super::metadata;
use super::requests::Requests;
use crate::backend::Backend;
use crate::codec::BytesCodec;
use crate::contract::Rpc;
use crate::edge::Inner;
use crate::edge::access_log;
use crate::edge::admission::Admitted;
use crate::edge::headers::strip_for_upstream;
use crate::edge::verdict::{self, Judge};
use crate::limits::Caller;
use crate::refusal::invalid_request;

/// The largest single message that the edge takes from a service, as over REST.
const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many messages of a request are taken before the client is told of the room.
const GRANT: u32 = credit::INITIAL / 2;

/// A frame on its way to the socket.
pub(super) struct Output {
    pub(super) call_id: u32,
    pub(super) frame: Bytes,
}

/// What a call needs of its socket.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) inner: Arc<Inner>,
    pub(super) id: u32,
    pub(super) rpc: Arc<Rpc>,
    pub(super) encoding: Encoding,
    pub(super) credit: Arc<Credit>,
    pub(super) output: mpsc::Sender<Output>,
    pub(super) caller: Caller,
}

impl Call {
    /// Makes the call; answers its number when its end is on the way.
    pub(super) async fn run(self, headers: HeaderMap, requests: Requests) -> u32 {
        let _counted = self.inner.sockets.count_call();
        let mut measured = self.rpc.metrics.start();
        let begun = Instant::now();
        let context = Context::from_headers(&headers);
        let named = context.clone();
        let mut pending = Outgoing { call_id: self.id, ..Outgoing::default() };
        pending.headers.insert(REQUEST_ID_HEADER.as_str().to_owned(), context.request_id.as_str().to_owned());
        let outcome = self.exchange(context, headers, requests, &mut pending).await;
        let ended = match outcome {
            Ok(trailers) => Ended { status: Status::ok(""), trailers },
            Err(status) => {
                pending.message = None;
                let trailers = metadata::from_headers(&status.metadata().clone().into_headers());
                Ended { status, trailers }
            }
        };
        measured.ended(ended.status.code());
        access_log::socket_call(&named, &self.rpc.label, ended.status.code(), begun.elapsed());
        pending.end = Some(ended);
        self.say(pending).await;
        self.id
    }

    /// What every protocol of the edge does: admission by the RPC's policy, and a backend.
    async fn exchange(
        &self,
        context: Context,
        mut headers: HeaderMap,
        requests: Requests,
        pending: &mut Outgoing,
    ) -> Result<HashMap<String, String>, Status> {
        let admitted = self.inner.admission.admit(context, &self.rpc, &headers, self.caller.clone()).await?;
        let backend = self.inner.backend(&self.rpc)?;
        strip_for_upstream(&mut headers, self.rpc.policy.auth);
        headers.remove(GRPC_TIMEOUT_HEADER);
        let call_ends = admitted.context.deadline;
        let exchange = self.pass(Outbound { backend, headers, admitted }, requests, pending);
        match call_ends {
            None => exchange.await,
            // The backend keeps the deadline too; this one also holds while the client leaves no room for messages.
            Some(end) => {
                tokio::time::timeout_at(end, exchange).await.unwrap_or_else(|_| Err(deadline::exceeded().into()))
            }
        }
    }

    async fn pass(
        &self,
        outbound: Outbound,
        requests: Requests,
        pending: &mut Outgoing,
    ) -> Result<HashMap<String, String>, Status> {
        let (judge, verdict) = verdict::channel();
        let exchange = async {
            let (mut client, path) = (outbound.client(), self.rpc.path.clone());
            let response = match requests {
                Requests::One(piece) => {
                    let request = outbound.request(self.request_message(piece.message)?);
                    client.server_streaming(request, path, BytesCodec).await?
                }
                Requests::Stream(pieces) => {
                    let request = outbound.request(self.clone().request_messages(pieces, judge));
                    client.streaming(request, path, BytesCodec).await?
                }
            };
            self.relay(response, pending).await
        };
        tokio::select! {
            // A message that cannot be read ends the call: the service sees it cancelled, not at the end of a good stream.
            biased;
            status = verdict => Err(status),
            outcome = exchange => outcome,
        }
    }

    /// The wire bytes of a message of the request. Every one passes here before a backend sees it.
    fn request_message(&self, message: Bytes) -> Result<Bytes, Status> {
        let wire = match self.encoding {
            Encoding::Proto => message,
            Encoding::Json => {
                let input = self.rpc.input.ok_or_else(|| self.no_json())?;
                let wire = self.inner.contract.transcoder().plan().decode(input, &message);
                wire.map(Bytes::from).map_err(|error| invalid_request(error.field, error.description))?
            }
        };
        self.rpc.check(&wire)?;
        Ok(wire)
    }

    /// The messages of a stream. Taking them makes room, of which the client is told.
    fn request_messages(
        self,
        pieces: mpsc::Receiver<super::requests::Piece>,
        judge: Judge,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        stream::unfold((self, pieces, judge, 0), |(call, mut pieces, mut judge, mut taken)| async move {
            let piece = pieces.recv().await?;
            taken += 1;
            if taken == GRANT {
                taken = 0;
                call.say(Outgoing { call_id: call.id, credit: GRANT, ..Outgoing::default() }).await;
            }
            match call.request_message(piece.message) {
                Ok(message) => Some((message, (call, pieces, judge, taken))),
                Err(status) => {
                    judge.refuse(status);
                    // The verdict ends the call, and with it this stream, before anybody takes this for its end.
                    std::future::pending().await
                }
            }
        })
    }

    /// Passes messages on as the client has room for them; answers the trailers. What can go with the call's end, as
    /// the only message of an answer that is no stream, is left in `pending`.
    async fn relay(
        &self,
        response: Response<Streaming<Bytes>>,
        pending: &mut Outgoing,
    ) -> Result<HashMap<String, String>, Status> {
        let (headers, mut messages, _) = response.into_parts();
        pending.headers.extend(metadata::from_headers(&headers.into_headers()));
        if self.rpc.policy.server_streaming {
            self.say_pending(pending).await;
            while let Some(message) = messages.message().await? {
                let message = Some(self.response_message(message)?);
                self.credit.take().await;
                self.say(Outgoing { call_id: self.id, message, ..Outgoing::default() }).await;
            }
        } else {
            let message = messages.message().await?.ok_or_else(no_message)?;
            pending.message = Some(self.response_message(message)?);
        }
        // Behind the last message there is nothing but the end, unless the service is broken.
        while messages.message().await?.is_some() {}
        let trailers = messages.trailers().await?.unwrap_or_default();
        Ok(metadata::from_headers(&trailers.into_headers()))
    }

    fn response_message(&self, wire: Bytes) -> Result<Bytes, Status> {
        match self.encoding {
            Encoding::Proto => Ok(wire),
            Encoding::Json => {
                let output = self.rpc.output.ok_or_else(|| self.no_json())?;
                let mut json = Vec::with_capacity(wire.len() * 2 + 64);
                let plan = self.inner.contract.transcoder().plan();
                plan.encode(output, &wire, &mut json)
                    .map_err(|error| internal("writing the service's answer as JSON", &error))?;
                Ok(json.into())
            }
        }
    }

    fn no_json(&self) -> Status {
        let message = format!("{} is known to this edge in protobuf only", self.rpc.path);
        with_reason(Code::Unimplemented, "NO_JSON_FORM", message, &[])
    }

    async fn say_pending(&self, pending: &mut Outgoing) {
        let now = Outgoing { call_id: self.id, ..Outgoing::default() };
        self.say(std::mem::replace(pending, now)).await;
    }

    async fn say(&self, frame: Outgoing) {
        let frame = self.encoding.write(frame, self.inner.contract.transcoder());
        // If the socket has ended, so will the call.
        let _ended = self.output.send(Output { call_id: self.id, frame }).await;
    }
}

/// A call as its backend gets it.
struct Outbound {
    backend: Backend,
    headers: HeaderMap,
    admitted: Admitted,
}

impl Outbound {
    fn client(&self) -> Grpc<Backend> {
        Grpc::new(self.backend.clone()).max_decoding_message_size(RESPONSE_BYTES_MAX)
    }

    fn request<T>(self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers);
        self.admitted.put_into(request.extensions_mut());
        request
    }
}

fn no_message() -> Status {
    with_reason(Code::Internal, "NO_RESPONSE_MESSAGE", "the service answered without a message", &[])
}
