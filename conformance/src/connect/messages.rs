//! The suite's messages, as far as this program reads and writes them; numbers are those of its contract.

use bytes::Bytes;
use prost::{Message, Oneof};
use prost_types::Any;

use crate::tls::Identity;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) value: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Error {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, optional, tag = "2")]
    pub(super) message: Option<String>,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// Any request of an RPC that answers one message.
#[derive(Clone, PartialEq, Message)]
pub(super) struct UnaryRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) response_definition: Option<UnaryResponseDefinition>,
}

/// Any request of an RPC that answers a stream.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) response_definition: Option<StreamResponseDefinition>,
}

/// [`StreamRequest`] with the field that only a stream in both directions has.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BidiStreamRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) response_definition: Option<StreamResponseDefinition>,
    #[prost(bool, tag = "2")]
    pub(super) full_duplex: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct UnaryResponseDefinition {
    #[prost(message, repeated, tag = "1")]
    pub(super) response_headers: Vec<Header>,
    #[prost(oneof = "UnaryOutcome", tags = "2, 3")]
    pub(super) response: Option<UnaryOutcome>,
    #[prost(message, repeated, tag = "4")]
    pub(super) response_trailers: Vec<Header>,
    #[prost(uint32, tag = "6")]
    pub(super) response_delay_ms: u32,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum UnaryOutcome {
    #[prost(bytes = "bytes", tag = "2")]
    Data(Bytes),
    #[prost(message, tag = "3")]
    Error(Error),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamResponseDefinition {
    #[prost(message, repeated, tag = "1")]
    pub(super) response_headers: Vec<Header>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) response_data: Vec<Bytes>,
    #[prost(uint32, tag = "3")]
    pub(super) response_delay_ms: u32,
    #[prost(message, optional, tag = "4")]
    pub(super) error: Option<Error>,
    #[prost(message, repeated, tag = "5")]
    pub(super) response_trailers: Vec<Header>,
}

/// Every response of the service.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(super) payload: Option<Payload>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) data: Bytes,
    #[prost(message, optional, tag = "2")]
    pub(super) request_info: Option<RequestInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RequestInfo {
    #[prost(message, repeated, tag = "1")]
    pub(super) request_headers: Vec<Header>,
    #[prost(int64, optional, tag = "2")]
    pub(super) timeout_ms: Option<i64>,
    #[prost(message, repeated, tag = "3")]
    pub(super) requests: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TlsCredentials {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) cert: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) key: Vec<u8>,
}

impl TlsCredentials {
    pub(super) fn identity(&self) -> Identity<'_> {
        Identity { certificate: &self.cert, key: &self.key }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServerRequest {
    #[prost(int32, tag = "1")]
    pub(super) protocol: i32,
    #[prost(bool, tag = "4")]
    pub(super) use_tls: bool,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) client_tls_cert: Vec<u8>,
    #[prost(uint32, tag = "6")]
    pub(super) message_receive_limit: u32,
    #[prost(message, optional, tag = "7")]
    pub(super) server_creds: Option<TlsCredentials>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServerResponse {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(uint32, tag = "2")]
    pub(super) port: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) pem_cert: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ClientRequest {
    #[prost(string, tag = "1")]
    pub(super) test_name: String,
    #[prost(int32, tag = "5")]
    pub(super) compression: i32,
    #[prost(string, tag = "6")]
    pub(super) host: String,
    #[prost(uint32, tag = "7")]
    pub(super) port: u32,
    #[prost(bytes = "vec", tag = "8")]
    pub(super) server_tls_cert: Vec<u8>,
    #[prost(message, optional, tag = "9")]
    pub(super) client_tls_creds: Option<TlsCredentials>,
    #[prost(uint32, tag = "10")]
    pub(super) message_receive_limit: u32,
    #[prost(string, optional, tag = "11")]
    pub(super) service: Option<String>,
    #[prost(string, optional, tag = "12")]
    pub(super) method: Option<String>,
    #[prost(int32, tag = "13")]
    pub(super) stream_type: i32,
    #[prost(message, repeated, tag = "15")]
    pub(super) request_headers: Vec<Header>,
    #[prost(message, repeated, tag = "16")]
    pub(super) request_messages: Vec<Any>,
    #[prost(uint32, optional, tag = "17")]
    pub(super) timeout_ms: Option<u32>,
    #[prost(uint32, tag = "18")]
    pub(super) request_delay_ms: u32,
    #[prost(message, optional, tag = "19")]
    pub(super) cancel: Option<Cancel>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Cancel {
    #[prost(oneof = "CancelTiming", tags = "1, 2, 3")]
    pub(super) timing: Option<CancelTiming>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum CancelTiming {
    #[prost(message, tag = "1")]
    BeforeCloseSend(()),
    #[prost(uint32, tag = "2")]
    AfterCloseSendMs(u32),
    #[prost(uint32, tag = "3")]
    AfterResponses(u32),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ClientResponse {
    #[prost(string, tag = "1")]
    pub(super) test_name: String,
    #[prost(oneof = "ClientOutcome", tags = "2, 3")]
    pub(super) result: Option<ClientOutcome>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum ClientOutcome {
    #[prost(message, tag = "2")]
    Response(CallResult),
    #[prost(message, tag = "3")]
    Error(ClientError),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CallResult {
    #[prost(message, repeated, tag = "1")]
    pub(super) response_headers: Vec<Header>,
    #[prost(message, repeated, tag = "2")]
    pub(super) payloads: Vec<Payload>,
    #[prost(message, optional, tag = "3")]
    pub(super) error: Option<Error>,
    #[prost(message, repeated, tag = "4")]
    pub(super) response_trailers: Vec<Header>,
    #[prost(int32, tag = "5")]
    pub(super) num_unsent_requests: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ClientError {
    #[prost(string, tag = "1")]
    pub(super) message: String,
}
