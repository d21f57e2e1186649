//! A WebSocket client, in both encodings.

use focusflow_proto::mesh::v1::{Authenticate, Begin, ClientFrame, ServerFrame};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, StatusCode};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::Edge;
use crate::support::client::detail;

pub(super) const JSON: &str = "focusflow.v1+json";
pub(super) const PROTO: &str = "focusflow.v1+proto";

/// An open socket.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

/// Asks for a socket with these headers.
pub(super) async fn open(edge: &Edge, headers: &[(&'static str, &str)]) -> Result<Socket, Error> {
    let mut request = format!("ws://{}/ws", edge.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let stream = TcpStream::connect(edge.address).await.unwrap();
    let (socket, _) = client_async(request, stream).await?;
    Ok(Socket(socket))
}

/// The HTTP status with which a handshake was refused.
pub(super) fn refusal(outcome: Result<Socket, Error>) -> StatusCode {
    match outcome {
        Err(Error::Http(response)) => response.status(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was opened"),
    }
}

impl Socket {
    /// A JSON socket that has said nothing yet.
    pub(super) async fn silent(edge: &Edge) -> Self {
        open(edge, &[("sec-websocket-protocol", JSON)]).await.unwrap()
    }

    /// A JSON socket of this edge's person.
    pub(crate) async fn signed_in(edge: &Edge) -> Self {
        let mut socket = Self::silent(edge).await;
        socket.authenticate(&edge.token()).await;
        socket
    }

    /// A binary socket of this edge's person.
    pub(super) async fn binary(edge: &Edge) -> Self {
        let mut socket = open(edge, &[("sec-websocket-protocol", PROTO)]).await.unwrap();
        let authenticate = Some(Authenticate { token: edge.token() });
        socket.send_proto(ClientFrame { authenticate, ..ClientFrame::default() }).await;
        assert!(socket.receive_proto().await.ready.is_some());
        socket
    }

    /// A JSON socket of nobody.
    pub(super) async fn anonymous(edge: &Edge) -> Self {
        let mut socket = Self::silent(edge).await;
        socket.authenticate("").await;
        socket
    }

    pub(super) async fn authenticate(&mut self, token: &str) -> Value {
        self.send(json!({"authenticate": {"token": token}})).await;
        let frame = self.receive().await;
        assert!(frame["ready"].is_object(), "{frame}");
        frame["ready"].clone()
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_message(Message::text(frame.to_string())).await;
    }

    pub(super) async fn send_message(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub(super) async fn send_proto(&mut self, frame: ClientFrame) {
        self.send_message(Message::binary(frame.encode_to_vec())).await;
    }

    /// The next frame.
    pub(super) async fn receive(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn receive_proto(&mut self) -> ServerFrame {
        match self.next().await {
            Message::Binary(bytes) => ServerFrame::decode(bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// What the edge closes the socket with; frames before it do not matter.
    pub(super) async fn closed(&mut self) -> CloseFrame {
        let mut close = None;
        while let Some(Ok(message)) = self.0.next().await {
            if let Message::Close(frame) = message {
                close = frame;
            }
        }
        close.unwrap()
    }

    /// Everything until the end of a call, which is the last of it.
    pub(super) async fn until_end(&mut self, call_id: u32) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.receive().await;
            if frame["callId"] == call_id {
                let has_ended = frame["end"].is_object();
                frames.push(frame);
                if has_ended {
                    return frames;
                }
            }
        }
    }

    /// The end of a call: its status.
    pub(super) async fn status(&mut self, call_id: u32) -> Value {
        self.until_end(call_id).await.pop().unwrap()["end"]["status"].clone()
    }

    async fn next(&mut self) -> Message {
        self.0.next().await.unwrap().unwrap()
    }
}

/// A frame that begins a call.
pub(crate) fn begin(call_id: u32, method: &str, message: Value) -> Value {
    let mut frame = json!({"callId": call_id, "begin": {"method": format!("edge.test.v1.{method}")}});
    frame["message"] = message;
    frame
}

/// The same in protobuf.
pub(super) fn begin_proto(call_id: u32, method: &str, message: &impl prost::Message) -> ClientFrame {
    let begin = Begin { method: format!("edge.test.v1.{method}"), ..Begin::default() };
    let message = Some(message.encode_to_vec().into());
    ClientFrame { call_id, begin: Some(begin), message, ..ClientFrame::default() }
}

/// `ErrorInfo.reason` of a status.
pub(super) fn reason(status: &Value) -> String {
    detail(status, "ErrorInfo")["reason"].as_str().unwrap_or_default().to_owned()
}
