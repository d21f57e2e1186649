//! The messages of `edge.proto`, for the test's service and its gRPC clients.

use std::collections::HashMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Note {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(int32, tag = "2")]
    pub(crate) size_bytes: i32,
    #[prost(string, repeated, tag = "3")]
    pub(crate) tags: Vec<String>,
    #[prost(message, optional, tag = "4")]
    pub(crate) first_part: Option<Part>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Part {
    #[prost(int64, tag = "1")]
    pub(crate) line_count: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FailRequest {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CountRequest {
    #[prost(int32, tag = "1")]
    pub(crate) count: i32,
    #[prost(int32, tag = "2")]
    pub(crate) fail_after: i32,
    #[prost(bool, tag = "3")]
    pub(crate) go_silent: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FeedRequest {
    #[prost(int32, tag = "1")]
    pub(crate) count: i32,
    #[prost(int32, tag = "2")]
    pub(crate) fail_after: i32,
    #[prost(bool, tag = "3")]
    pub(crate) go_silent: bool,
    #[prost(int32, tag = "4")]
    pub(crate) after: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Collected {
    #[prost(int32, tag = "1")]
    pub(crate) count: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) last: Option<Note>,
}

/// `google.api.HttpBody`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HttpBody {
    #[prost(string, tag = "1")]
    pub(crate) content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Headers {
    #[prost(map = "string, string", tag = "1")]
    pub(crate) values: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Card {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) text: String,
    #[prost(int32, tag = "3")]
    pub(crate) streak: i32,
    #[prost(string, tag = "4")]
    pub(crate) etag: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetCardRequest {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(int32, tag = "2")]
    pub(crate) streak: i32,
    #[prost(int32, tag = "3")]
    pub(crate) text_bytes: i32,
}

/// Also `CreateCardRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateCardRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) card: Option<Card>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DeleteCardRequest {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) etag: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Nothing {}

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
}
