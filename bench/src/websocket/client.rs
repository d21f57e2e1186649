//! A client of `/ws` that does no more than it must, so that it measures the gateway and not itself.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, bail, ensure};
use focusflow_proto::mesh::v1::{Authenticate, Begin, ClientFrame, ServerFrame};
use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use prost::Message as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// More room for messages than any run needs.
const CREDIT: u32 = 1_000_000;

/// Sockets of one local address; each address has some 28,000 ports.
const SOCKETS_PER_ADDRESS: u32 = 4_000;

/// An open socket.
pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
    last_call_id: u32,
}

impl Socket {
    /// Opens a socket, the `number`th of the run, with a token or without one.
    pub(super) async fn open(gateway: &str, token: &str, number: u32) -> anyhow::Result<Self> {
        let local = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + 1 + number / SOCKETS_PER_ADDRESS);
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((local, 0)))?;
        let tcp = socket.connect(gateway.parse()?).await?;
        tcp.set_nodelay(true)?;
        let mut request = format!("ws://{gateway}/ws").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("focusflow.v1+proto"));
        let config = WebSocketConfig::default().read_buffer_size(512).write_buffer_size(0);
        let (stream, _) = client_async_with_config(request, tcp, Some(config)).await?;
        let mut opened = Self { stream, last_call_id: 0 };
        let authenticate = Some(Authenticate { token: token.to_owned() });
        opened.send(ClientFrame { authenticate, ..ClientFrame::default() }).await?;
        ensure!(opened.receive().await?.ready.is_some(), "the gateway refused the token");
        Ok(opened)
    }

    /// Begins a call whose request is one message.
    pub(super) async fn begin(&mut self, method: &str, request: &impl prost::Message) -> anyhow::Result<()> {
        self.last_call_id += 1;
        let begin = Begin { method: method.to_owned(), ..Begin::default() };
        let message = Some(request.encode_to_vec().into());
        let frame = ClientFrame {
            call_id: self.last_call_id,
            begin: Some(begin),
            message,
            credit: CREDIT,
            ..ClientFrame::default()
        };
        self.send(frame).await
    }

    /// A unary call.
    pub(super) async fn unary<T: prost::Message + Default>(
        &mut self,
        method: &str,
        request: &impl prost::Message,
    ) -> anyhow::Result<T> {
        self.begin(method, request).await?;
        self.message().await
    }

    /// The next message of the calls that were begun.
    pub(super) async fn message<T: prost::Message + Default>(&mut self) -> anyhow::Result<T> {
        loop {
            let frame = self.receive().await?;
            if let Some(message) = frame.message {
                return Ok(T::decode(message)?);
            }
            if let Some(status) = frame.end.and_then(|end| end.status) {
                bail!("a call failed: {} {}", status.code, status.message);
            }
        }
    }

    async fn send(&mut self, frame: ClientFrame) -> anyhow::Result<()> {
        Ok(self.stream.send(Message::binary(frame.encode_to_vec())).await?)
    }

    async fn receive(&mut self) -> anyhow::Result<ServerFrame> {
        loop {
            match self.stream.next().await.context("the gateway closed the socket")?? {
                Message::Binary(frame) => return Ok(ServerFrame::decode(frame)?),
                Message::Close(close) => bail!("the gateway closed the socket: {close:?}"),
                _ => {}
            }
        }
    }
}
