//! REST over HTTP/1.1 with keep-alive, as curl and most scripts speak it.

use anyhow::ensure;
use bytes::Bytes;
use focusflow_gateway::auth::AccessTokens;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::{payload, server};

/// One connection, with one request under way at a time.
pub(crate) struct RestClient {
    sender: SendRequest<Empty<Bytes>>,
    host: HeaderValue,
    authorization: HeaderValue,
}

impl RestClient {
    pub(super) async fn connect(address: &str) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(tcp)).await?;
        // Ends when the sender is dropped; what goes wrong before shows in the request.
        tokio::spawn(connection);
        let tokens = AccessTokens::new(server::JWT_SECRET.as_bytes())?;
        let token = tokens.issue(server::USER_ID, Uuid::now_v7(), std::time::SystemTime::now())?;
        Ok(Self { sender, host: address.parse()?, authorization: format!("Bearer {token}").parse()? })
    }

    pub(super) async fn call(&mut self) -> anyhow::Result<()> {
        let request = Request::get(format!("/api/v1/tasks/{}", payload::TASK_ID))
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization)
            .body(Empty::new())?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "the gateway answered {status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }
}
