//! What the edge promises to its clients: the real edge, over real connections, before a real service.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops there")]

mod accounts;
mod attacks;
mod bad_input;
mod browsers;
mod grpc;
mod grpc_web;
mod health;
mod http_semantics;
mod json;
mod limits;
mod mutual_tls;
mod openapi;
mod rest;
mod shutdown;
mod startup;
mod streams;
mod support;
mod tls;
mod transcoding;
mod trust;
mod validation;
mod websocket;
