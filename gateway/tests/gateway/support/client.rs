//! HTTP/1.1 and native gRPC, as strangers speak them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use prost::Message;
use serde_json::Value;
use tokio::net::TcpStream;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

use super::Edge;

/// What an HTTP client sees.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// `ErrorInfo.reason` of a `google.rpc.Status` as JSON.
    pub(crate) fn reason(&self) -> String {
        detail(&self.json(), "ErrorInfo")["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// The fields that `BadRequest` names.
    pub(crate) fn fields(&self) -> Vec<String> {
        let violations = detail(&self.json(), "BadRequest")["fieldViolations"].clone();
        let field = |violation: &Value| violation["field"].as_str().unwrap_or_default().to_owned();
        violations.as_array().map(|violations| violations.iter().map(field).collect()).unwrap_or_default()
    }
}

/// A detail of a status by the name of its type, or null.
pub(crate) fn detail(status: &Value, name: &str) -> Value {
    let details = status["details"].as_array().cloned().unwrap_or_default();
    let suffix = format!("google.rpc.{name}");
    details
        .into_iter()
        .find(|detail| detail["@type"].as_str().is_some_and(|name| name.ends_with(&suffix)))
        .unwrap_or_default()
}

impl Edge {
    /// One HTTP/1.1 request on a connection of its own.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let (parts, body) = self.open(method, path, headers, body).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// As `send`, with the body left to be read.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "edge");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// GET with this edge's token.
    pub(crate) async fn get_signed_in(&self, path: &str) -> Answer {
        let authorization = format!("Bearer {}", self.token());
        self.send(Method::GET, path, &[("authorization", &authorization)], Bytes::new()).await
    }

    pub(crate) async fn post_json(&self, path: &str, json: &str) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], json.to_owned()).await
    }

    /// A gRPC client of the edge.
    pub(crate) async fn grpc(&self) -> GrpcClient {
        let channel = Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap();
        GrpcClient { channel }
    }

    /// A unary call over gRPC-Web.
    pub(crate) async fn grpc_web(
        &self,
        path: &str,
        content_type: &str,
        headers: &[(&str, &str)],
        message: &impl Message,
    ) -> WebAnswer {
        let is_text = content_type.contains("-text");
        let mut body = frame(message);
        if is_text {
            body = STANDARD.encode(&body).into();
        }
        let headers = [&[("content-type", content_type), ("x-grpc-web", "1")], headers].concat();
        WebAnswer::read(self.send(Method::POST, path, &headers, body).await, is_text)
    }
}

/// A message behind gRPC's five bytes.
pub(crate) fn frame(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    framed.into()
}

/// What a gRPC-Web client makes of an answer.
#[derive(Debug)]
pub(crate) struct WebAnswer {
    pub(crate) http: Answer,
    pub(crate) messages: Vec<Bytes>,
    pub(crate) status: Status,
}

impl WebAnswer {
    pub(crate) fn read(http: Answer, is_text: bool) -> Self {
        let mut rest = if is_text { decode_groups(&http.body) } else { http.body.clone() };
        let mut messages = Vec::new();
        let mut status_headers = http.headers.clone();
        while rest.len() >= 5 {
            let (flags, length) = (rest.get_u8(), rest.get_u32() as usize);
            let content = rest.split_to(length);
            if flags & 0x80 == 0 {
                messages.push(content);
            } else {
                status_headers = parse_trailers(&content);
            }
        }
        let status = Status::from_header_map(&status_headers).unwrap_or_else(|| Status::unknown("no grpc-status"));
        Self { http, messages, status }
    }

    pub(crate) fn message<T: Message + Default>(&self) -> T {
        assert_eq!(self.status.code(), Code::Ok, "{:?}", self.status);
        T::decode(self.messages[0].clone()).unwrap()
    }
}

/// Every frame may be padded by itself.
fn decode_groups(text: &[u8]) -> Bytes {
    text.chunks(4).flat_map(|group| STANDARD.decode(group).unwrap()).collect()
}

fn parse_trailers(block: &[u8]) -> HeaderMap {
    let lines = std::str::from_utf8(block).unwrap().split("\r\n").filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
        })
        .collect()
}

/// Calls RPCs by path.
pub(crate) struct GrpcClient {
    channel: Channel,
}

impl GrpcClient {
    pub(crate) async fn unary<M, T>(&self, path: &'static str, request: tonic::Request<M>) -> Result<T, Status>
    where
        M: Message + Send + Sync + 'static,
        T: Message + Default + Send + Sync + 'static,
    {
        let mut client = self.client().await;
        let response = client.unary(request, path.parse().unwrap(), ProstCodec::<M, T>::default()).await?;
        Ok(response.into_inner())
    }

    pub(crate) async fn server_streaming<M, T>(
        &self,
        path: &'static str,
        request: tonic::Request<M>,
    ) -> Result<Streaming<T>, Status>
    where
        M: Message + Send + Sync + 'static,
        T: Message + Default + Send + Sync + 'static,
    {
        let mut client = self.client().await;
        let response = client.server_streaming(request, path.parse().unwrap(), ProstCodec::<M, T>::default()).await?;
        Ok(response.into_inner())
    }

    pub(crate) async fn client_streaming<M, T>(&self, path: &'static str, messages: Vec<M>) -> Result<T, Status>
    where
        M: Message + Send + Sync + 'static,
        T: Message + Default + Send + Sync + 'static,
    {
        let mut client = self.client().await;
        let request = tonic::Request::new(futures_util::stream::iter(messages));
        let response = client.client_streaming(request, path.parse().unwrap(), ProstCodec::<M, T>::default()).await?;
        Ok(response.into_inner())
    }

    async fn client(&self) -> Grpc<Channel> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        client
    }
}
