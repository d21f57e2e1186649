//! One connection of HTTP/1.1 with keep-alive, and one request under way on it.

use std::time::SystemTime;

use anyhow::ensure;
use bytes::{BufMut, Bytes, BytesMut};
use focusflow_gateway::auth::AccessTokens;
use focusflow_proto::v1::GetTaskRequest;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpStream;

use super::lane::Operation;
use crate::load::Call;
use crate::server;
use crate::storage::Tier;

/// What is created.
const NEW_TASK: &[u8] =
    br#"{"title":"Write the chapter about deadlines","priority":"HIGH","estimatedMinutes":60,"tags":["writing"]}"#;

/// Somebody who sends one kind of request.
pub(super) struct Caller {
    operation: Operation,
    tier: Tier,
    /// Of the connection, and so of the person.
    number: u64,
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    authorization: HeaderValue,
}

impl Caller {
    /// Connects, and signs in as a person of this connection's own.
    pub(super) async fn connect(address: &str, operation: Operation, tier: Tier, number: u64) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(tcp)).await?;
        // Ends when the sender is dropped; what goes wrong before shows in the request.
        tokio::spawn(connection);
        let person = tier.person(number);
        let tokens = AccessTokens::new(server::JWT_SECRET.as_bytes())?;
        // The session that the data has for each person.
        let token = tokens.issue(person, person, SystemTime::now())?;
        let authorization = format!("Bearer {token}").parse()?;
        Ok(Self { operation, tier, number, sender, host: address.parse()?, authorization })
    }

    fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        let task = self.tier.task_of(self.number);
        let (method, path, content_type, body) = match self.operation {
            Operation::Read => (Method::GET, format!("/api/v1/tasks/{task}"), None, Bytes::new()),
            Operation::List => (Method::GET, "/api/v1/tasks".to_owned(), None, Bytes::new()),
            Operation::Create => {
                (Method::POST, "/api/v1/tasks".to_owned(), Some("application/json"), Bytes::from_static(NEW_TASK))
            }
            Operation::GrpcWebRead => (
                Method::POST,
                "/focusflow.v1.TaskService/GetTask".to_owned(),
                Some("application/grpc-web+proto"),
                framed(&GetTaskRequest { id: task.to_string() }),
            ),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        Ok(request.body(Full::new(body))?)
    }
}

impl Call for Caller {
    async fn call(&mut self) -> anyhow::Result<()> {
        let request = self.request()?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        check(self.operation, response).await
    }
}

async fn check(operation: Operation, response: Response<Incoming>) -> anyhow::Result<()> {
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(status.is_success(), "a server answered {status}: {}", String::from_utf8_lossy(&body));
    if operation == Operation::GrpcWebRead {
        let trailers = String::from_utf8_lossy(&body).into_owned();
        ensure!(trailers.contains("grpc-status:0") || trailers.contains("grpc-status: 0"), "not OK: {trailers}");
    }
    Ok(())
}

/// A message as the only one of a gRPC-Web request.
fn framed(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.encoded_len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    frame.put(message.encode_to_vec().as_slice());
    frame.freeze()
}
