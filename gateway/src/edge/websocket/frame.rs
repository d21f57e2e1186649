//! Frames in their two encodings. The message within a frame stays as it is: what it means depends on the call.

use std::collections::HashMap;

use bytes::Bytes;
use focusflow_proto::mesh::v1::{Authenticate, Begin, ClientFrame, End, Ready, ServerFrame, Status as FrameStatus};
use prost::Message as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tonic::Status;
use tonic_types::pb;

use super::close::Close;
use crate::edge::answer::status_json;
use crate::transcode::Transcoder;

/// How frames, and the messages in them, are written: what the subprotocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// proto3 JSON in text messages.
    Json,
    /// Protobuf in binary messages.
    Proto,
}

/// What is said to a client.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) call_id: u32,
    pub(super) ready: Option<Ready>,
    /// Empty: nothing is said.
    pub(super) headers: HashMap<String, String>,
    /// In the socket's encoding.
    pub(super) message: Option<Bytes>,
    pub(super) end: Option<Ended>,
    pub(super) credit: u32,
}

/// How a call ended.
pub(super) struct Ended {
    pub(super) status: Status,
    pub(super) trailers: HashMap<String, String>,
}

impl Encoding {
    pub(super) const ALL: [Self; 2] = [Self::Json, Self::Proto];

    pub(super) const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "focusflow.v1+json",
            Self::Proto => "focusflow.v1+proto",
        }
    }

    pub(super) fn of_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.subprotocol() == name)
    }

    /// The type of WebSocket messages in this encoding.
    pub(super) const fn data(self) -> Data {
        match self {
            Self::Json => Data::Text,
            Self::Proto => Data::Binary,
        }
    }

    /// Reads a text or binary message; the RPC's message in it is a slice of it.
    pub(super) fn read(self, message: Message) -> Result<ClientFrame, Close> {
        match (self, message) {
            (Self::Json, Message::Text(text)) => read_json(&text.into()),
            (Self::Proto, Message::Binary(bytes)) => {
                ClientFrame::decode(bytes).map_err(|error| Close::malformed(&error.to_string()))
            }
            (Self::Json, _) => Err(Close::wrong_type("text")),
            (Self::Proto, _) => Err(Close::wrong_type("binary")),
        }
    }

    pub(super) fn write(self, frame: Outgoing, transcoder: &Transcoder) -> Bytes {
        match self {
            Self::Json => json(&frame, transcoder).into(),
            Self::Proto => proto(frame).encode_to_vec().into(),
        }
    }
}

impl Outgoing {
    /// That a call, or the socket's token, is refused before anything else was said about it.
    pub(super) fn refusal(call_id: u32, status: Status) -> Self {
        let end = Some(Ended { status, trailers: HashMap::new() });
        Self { call_id, end, ..Self::default() }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct JsonFrame<'a> {
    call_id: u32,
    authenticate: Option<JsonAuthenticate>,
    begin: Option<JsonBegin>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    end: bool,
    cancel: bool,
    credit: u32,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct JsonAuthenticate {
    token: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct JsonBegin {
    method: String,
    metadata: HashMap<String, String>,
    timeout_ms: u32,
}

fn read_json(text: &Bytes) -> Result<ClientFrame, Close> {
    // The library would also take an array of the fields in their order.
    if !text.trim_ascii_start().starts_with(b"{") {
        return Err(Close::malformed("expected a JSON object"));
    }
    let frame: JsonFrame<'_> = serde_json::from_slice(text).map_err(|error| Close::malformed(&error.to_string()))?;
    let begin = |JsonBegin { method, metadata, timeout_ms }| Begin { method, metadata, timeout_ms };
    Ok(ClientFrame {
        call_id: frame.call_id,
        authenticate: frame.authenticate.map(|JsonAuthenticate { token }| Authenticate { token }),
        begin: frame.begin.map(begin),
        message: frame.message.map(|message| text.slice_ref(message.get().as_bytes())),
        end: frame.end,
        cancel: frame.cancel,
        credit: frame.credit,
    })
}

fn proto(frame: Outgoing) -> ServerFrame {
    let Outgoing { call_id, ready, headers, message, end, credit } = frame;
    let end = end.map(|Ended { status, trailers }| End { status: Some(frame_status(&status)), trailers });
    ServerFrame { call_id, ready, headers, message, end, credit }
}

fn frame_status(status: &Status) -> FrameStatus {
    let details = pb::Status::decode(status.details()).unwrap_or_default().details;
    FrameStatus { code: status.code().into(), message: status.message().to_owned(), details }
}

/// Written by hand, as the RPC's message is JSON already.
fn json(frame: &Outgoing, transcoder: &Transcoder) -> Vec<u8> {
    let mut out = Vec::with_capacity(frame.message.as_ref().map_or(0, Bytes::len) + 256);
    out.extend_from_slice(b"{\"callId\":");
    out.extend_from_slice(frame.call_id.to_string().as_bytes());
    if let Some(Ready { token_seconds, calls_max, message_bytes_max }) = frame.ready {
        let ready = format!(
            r#","ready":{{"tokenSeconds":{token_seconds},"callsMax":{calls_max},"messageBytesMax":{message_bytes_max}}}"#
        );
        out.extend_from_slice(ready.as_bytes());
    }
    if !frame.headers.is_empty() {
        out.extend_from_slice(b",\"headers\":");
        put_map(&mut out, &frame.headers);
    }
    if let Some(message) = &frame.message {
        out.extend_from_slice(b",\"message\":");
        out.extend_from_slice(message);
    }
    if let Some(Ended { status, trailers }) = &frame.end {
        out.extend_from_slice(b",\"end\":{\"status\":");
        out.extend_from_slice(&status_json(transcoder, status));
        out.extend_from_slice(b",\"trailers\":");
        put_map(&mut out, trailers);
        out.push(b'}');
    }
    if frame.credit > 0 {
        out.extend_from_slice(format!(",\"credit\":{}", frame.credit).as_bytes());
    }
    out.push(b'}');
    out
}

fn put_map(out: &mut Vec<u8>, map: &HashMap<String, String>) {
    out.push(b'{');
    for (position, (name, value)) in map.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        out.extend_from_slice(serde_json::Value::from(name.as_str()).to_string().as_bytes());
        out.push(b':');
        out.extend_from_slice(serde_json::Value::from(value.as_str()).to_string().as_bytes());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn transcoder() -> Transcoder {
        let pool = prost_reflect::DescriptorPool::decode(focusflow_proto::FILE_DESCRIPTOR_SET).unwrap();
        Transcoder::new(&pool).unwrap()
    }

    fn everything() -> Outgoing {
        Outgoing {
            call_id: 7,
            ready: Some(Ready { token_seconds: 900, calls_max: 100, message_bytes_max: 4096 }),
            headers: HashMap::from([("x-a".to_owned(), "say \"a\"".to_owned())]),
            message: Some(Bytes::from_static(b"{\"id\":\"1\"}")),
            end: Some(Ended {
                status: focusflow_mesh::refusal::unauthenticated("TOKEN_EXPIRED", "too late"),
                trailers: HashMap::new(),
            }),
            credit: 4,
        }
    }

    #[test]
    fn json_frames_are_what_the_schema_says() {
        let written = Encoding::Json.write(everything(), &transcoder());
        let frame: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(frame["headers"], json!({"x-a": "say \"a\""}));
        assert_eq!(frame["message"], json!({"id": "1"}));
        assert_eq!(frame["end"]["status"]["details"][0]["reason"], "TOKEN_EXPIRED");
        // Without what is the RPC's own, the rest is the proto3 JSON of the same frame.
        let bare = Outgoing { message: None, end: None, ..everything() };
        let written: Value = serde_json::from_slice(&Encoding::Json.write(bare, &transcoder())).unwrap();
        let bare = Outgoing { message: None, end: None, ..everything() };
        let mut canonical = Vec::new();
        let transcoder = transcoder();
        let index = transcoder.plan().message_index("focusflow.mesh.v1.ServerFrame").unwrap();
        transcoder.plan().encode(index, &Encoding::Proto.write(bare, &transcoder), &mut canonical).unwrap();
        assert_eq!(written, serde_json::from_slice::<Value>(&canonical).unwrap());
    }

    #[test]
    fn a_status_in_a_frame_is_googles() {
        let written = Encoding::Proto.write(everything(), &transcoder());
        let end = ServerFrame::decode(written).unwrap().end.unwrap();
        let status = pb::Status::decode(&*end.status.unwrap().encode_to_vec()).unwrap();
        assert_eq!((status.code, status.message.as_str(), status.details.len()), (16, "too late", 1));
    }

    #[test]
    fn the_message_in_a_json_frame_is_left_as_it_came() {
        let text = r#"{"callId": 1, "begin": {"method": "a.B/C", "timeoutMs": 5}, "message": {"a" : [1, 2]}}"#;
        let frame = Encoding::Json.read(Message::text(text)).unwrap();
        assert_eq!(frame.message.unwrap(), r#"{"a" : [1, 2]}"#);
        assert_eq!(frame.begin.unwrap().timeout_ms, 5);
    }

    #[test]
    fn what_is_no_frame_closes_the_socket_and_says_what_is_wrong() {
        for text in ["", "[]", r#"{"callId": -1}"#, r#"{"callID": 1}"#, r#"{"begin": {"methods": ""}}"#] {
            assert!(Encoding::Json.read(Message::text(text)).is_err(), "{text}");
        }
        assert!(Encoding::Proto.read(Message::binary(&b"\xff"[..])).is_err());
        assert_eq!(Encoding::Json.read(Message::binary(&b""[..])), Err(Close::wrong_type("text")));
        assert_eq!(Encoding::Proto.read(Message::text("{}")), Err(Close::wrong_type("binary")));
    }
}
