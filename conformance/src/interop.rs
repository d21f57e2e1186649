//! The services of gRPC's own interoperability client, `grpc.testing`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use focusflow_mesh::drain::Drain;
use focusflow_mesh::framing::MESSAGE_BYTES_MAX_DEFAULT;
use focusflow_mesh::server::Transport;
use futures_util::{StreamExt as _, stream};
use http::HeaderMap;
use prost::Message as _;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Code, Response, Status};

use crate::contract::{self, Kind, Rpc};
use crate::service::{Answer, Call, Handler, ok_with_trailers};
use crate::stack::{self, Plan};
use crate::tls;

const PACKAGE: &str = "grpc.testing";
const SERVICE: &str = "TestService";

/// The client's own test of what is not there calls `UnimplementedCall` and a service of that name; the first is in the
/// contract, the second is not.
const RPCS: [Rpc; 8] = [
    ("EmptyCall", Kind::Unary),
    ("UnaryCall", Kind::Unary),
    ("CacheableUnaryCall", Kind::Unary),
    ("StreamingOutputCall", Kind::ServerStream),
    ("StreamingInputCall", Kind::ClientStream),
    ("FullDuplexCall", Kind::BidiStream),
    ("HalfDuplexCall", Kind::BidiStream),
    ("UnimplementedCall", Kind::Unary),
];

const ECHOED_HEADER: &str = "x-grpc-test-echo-initial";
const ECHOED_TRAILER: &str = "x-grpc-test-echo-trailing-bin";

/// Serves on a mesh port and at an edge before it, both in plaintext and over TLS, and prints the four ports.
pub(crate) async fn run() -> Result<()> {
    let descriptor_set = contract::descriptor_set(PACKAGE, SERVICE, &RPCS);
    let plan = Plan { descriptor_set, message_bytes_max: MESSAGE_BYTES_MAX_DEFAULT };
    let tls = tls::self_signed()?;
    let mesh = mesh(&plan, Transport::Plaintext).await?;
    let edge = edge(&plan, mesh, Transport::Plaintext).await?;
    let tls_mesh = self::mesh(&plan, tls.clone()).await?;
    let tls_edge = self::edge(&plan, mesh, tls).await?;
    let ports = [mesh, edge, tls_mesh, tls_edge].map(|address| address.port().to_string());
    writeln!(std::io::stdout(), "{}", ports.join(" "))?;
    std::future::pending().await
}

async fn mesh(plan: &Plan, transport: Transport) -> Result<SocketAddr> {
    stack::mesh::<TestService>(plan, transport, Drain::never()).await
}

async fn edge(plan: &Plan, upstream: SocketAddr, transport: Transport) -> Result<SocketAddr> {
    stack::edge(plan, &format!("{PACKAGE}.{SERVICE}"), upstream, transport, Drain::never()).await
}

struct TestService;

impl Handler for TestService {
    const NAME: &'static str = "grpc.testing.TestService";

    async fn answer(call: Call) -> Answer {
        match call.method.as_str() {
            "EmptyCall" => Ok(with_echo(&call.metadata, vec![Ok(Bytes::new())])),
            "UnaryCall" | "CacheableUnaryCall" => unary(call).await,
            "StreamingOutputCall" | "FullDuplexCall" | "HalfDuplexCall" => Ok(output(call)),
            "StreamingInputCall" => input(call).await,
            _ => Err(Status::unimplemented("the suite wants it so")),
        }
    }
}

async fn unary(mut call: Call) -> Answer {
    let mut items = Vec::new();
    while let Some(request) = call.requests.message().await? {
        let request = SimpleRequest::decode(request).map_err(malformed)?;
        items.push(match request.response_status.filter(|status| status.code != 0) {
            Some(status) => Err(status.into()),
            None => payload(request.response_size),
        });
    }
    Ok(with_echo(&call.metadata, items))
}

async fn input(mut call: Call) -> Answer {
    let mut size = 0;
    while let Some(request) = call.requests.message().await? {
        size += InputRequest::decode(request).map_err(malformed)?.payload.map_or(0, |payload| payload.body.len());
    }
    let size = i32::try_from(size).unwrap_or(i32::MAX);
    let response = InputResponse { aggregated_payload_size: size }.encode_to_vec();
    Ok(with_echo(&call.metadata, vec![Ok(response.into())]))
}

/// Answers each request with what it asks for, when it comes.
fn output(mut call: Call) -> Response<stream::BoxStream<'static, Result<Bytes, Status>>> {
    let (header, trailer) = echo(&call.metadata);
    let (answers, mut coming) = mpsc::channel(1);
    tokio::spawn(async move {
        let end = match send_all(&mut call, &answers).await {
            Ok(()) => ok_with_trailers(trailer),
            Err(status) => status,
        };
        // Nobody listens any more if the call was cancelled.
        let _cancelled = answers.send(Err(end)).await;
    });
    let mut answer = Response::new(stream::poll_fn(move |cx| coming.poll_recv(cx)).boxed());
    *answer.metadata_mut() = header;
    answer
}

async fn send_all(call: &mut Call, answers: &mpsc::Sender<Result<Bytes, Status>>) -> Result<(), Status> {
    while let Some(request) = call.requests.message().await? {
        let request = OutputRequest::decode(request).map_err(malformed)?;
        if let Some(status) = request.response_status.filter(|status| status.code != 0) {
            return Err(status.into());
        }
        for wanted in request.response_parameters {
            tokio::time::sleep(Duration::from_micros(u64::try_from(wanted.interval_us).unwrap_or_default())).await;
            if answers.send(payload(wanted.size)).await.is_err() {
                return Err(Status::cancelled("the caller has gone"));
            }
        }
    }
    Ok(())
}

fn with_echo(
    metadata: &MetadataMap,
    mut items: Vec<Result<Bytes, Status>>,
) -> Response<stream::BoxStream<'static, Result<Bytes, Status>>> {
    let (header, trailer) = echo(metadata);
    items.push(Err(ok_with_trailers(trailer)));
    let mut answer = Response::new(stream::iter(items).boxed());
    *answer.metadata_mut() = header;
    answer
}

/// What the client wants back as a header, and as a trailer.
fn echo(metadata: &MetadataMap) -> (MetadataMap, MetadataMap) {
    let headers = metadata.clone().into_headers();
    let only = |name: &'static str| {
        let value = headers.get(name).cloned();
        let map: HeaderMap = value.map(|value| (http::HeaderName::from_static(name), value)).into_iter().collect();
        MetadataMap::from_headers(map)
    };
    (only(ECHOED_HEADER), only(ECHOED_TRAILER))
}

/// A response of any of the service's RPCs with so many bytes.
fn payload(size: i32) -> Result<Bytes, Status> {
    let size = usize::try_from(size).map_err(|_| Status::invalid_argument("response_size: must not be negative"))?;
    let body = Bytes::from(vec![0; size]);
    Ok(PayloadResponse { payload: Some(Payload { body }) }.encode_to_vec().into())
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn malformed(error: prost::DecodeError) -> Status {
    Status::invalid_argument(error.to_string())
}

#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(bytes = "bytes", tag = "2")]
    body: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EchoStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl From<EchoStatus> for Status {
    fn from(status: EchoStatus) -> Self {
        Self::new(Code::from(status.code), status.message)
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct SimpleRequest {
    #[prost(int32, tag = "2")]
    response_size: i32,
    #[prost(message, optional, tag = "7")]
    response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PayloadResponse {
    #[prost(message, optional, tag = "1")]
    payload: Option<Payload>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct InputRequest {
    #[prost(message, optional, tag = "1")]
    payload: Option<Payload>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct InputResponse {
    #[prost(int32, tag = "1")]
    aggregated_payload_size: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OutputRequest {
    #[prost(message, repeated, tag = "2")]
    response_parameters: Vec<ResponseParameters>,
    #[prost(message, optional, tag = "7")]
    response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseParameters {
    #[prost(int32, tag = "1")]
    size: i32,
    #[prost(int32, tag = "2")]
    interval_us: i32,
}
