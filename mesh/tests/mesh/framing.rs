//! What is not the one message that an RPC takes, and what is no gRPC at all.

use bytes::Bytes;
use focusflow_mesh::server::MeshBuilder;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use tonic::Code;

use crate::echo::assert_refused;
use crate::pki::Pki;
use crate::raw::{self, Raw};
use crate::world::{Options, Server};

const SAY: &str = "/mesh.test.v1.Echo/Say";
const COLLECT: &str = "/mesh.test.v1.Echo/Collect";
const MESSAGE_BYTES_MAX: usize = 64;

async fn server() -> (Server, Raw) {
    let pki = Pki::new();
    let build = |mesh: MeshBuilder| mesh.message_bytes_max(MESSAGE_BYTES_MAX);
    let server = Server::with(&pki, Options { build, ..Options::default() }).await;
    let raw = raw::connect(&pki, &server, "gateway").await;
    (server, raw)
}

fn request(path: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    let request = Request::post(format!("https://storage{path}")).header("content-type", "application/grpc");
    request.body(Full::new(body.into())).unwrap()
}

/// A message whose text has so many bytes, as protobuf's `StringValue` writes it.
fn message(text_bytes: u8) -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, text_bytes + 2, 10, text_bytes];
    message.extend(std::iter::repeat_n(b'x', text_bytes.into()));
    message
}

#[tokio::test]
async fn an_rpc_that_takes_one_message_refuses_none_and_two() {
    let (_server, mut raw) = server().await;
    let status = raw.send(request(SAY, message(3))).await;
    assert_eq!(status.code(), Code::Ok);
    for body in [Vec::new(), [message(3), message(3)].concat()] {
        let status = raw.send(request(SAY, body)).await;
        assert_refused(&status, Code::Unimplemented, "MESSAGE_COUNT");
    }
}

#[tokio::test]
async fn a_stream_takes_any_number_of_messages() {
    let (_server, mut raw) = server().await;
    for body in [Vec::new(), [message(3), message(4), message(0)].concat()] {
        let status = raw.send(request(COLLECT, body)).await;
        assert_eq!(status.code(), Code::Ok);
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_exhausts_it_wherever_it_stands() {
    let (_server, mut raw) = server().await;
    let status = raw.send(request(SAY, message(62))).await;
    assert_eq!(status.code(), Code::Ok, "as large as the limit");
    for (path, body) in [(SAY, message(63)), (COLLECT, [message(3), message(63)].concat())] {
        let status = raw.send(request(path, body)).await;
        assert_refused(&status, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    }
}

#[tokio::test]
async fn what_is_no_grpc_request_hears_so_in_http() {
    let (_server, mut raw) = server().await;
    let mut get = request(SAY, message(3));
    *get.method_mut() = Method::GET;
    let (http, body) = raw.send_http(get).await;
    assert_eq!(http, StatusCode::METHOD_NOT_ALLOWED);
    assert!(body.contains("NOT_GRPC"), "{body}");

    let (http, body) = raw.send_http(of_type("application/json")).await;
    assert_eq!(http, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(body.contains("content-type"), "{body}");
}

#[tokio::test]
async fn messages_in_another_format_than_protobuf_are_refused_in_grpc() {
    let (_server, mut raw) = server().await;
    let status = raw.send(of_type("application/grpc+json")).await;
    assert_refused(&status, Code::Unimplemented, "NOT_GRPC");
}

fn of_type(content_type: &'static str) -> Request<Full<Bytes>> {
    let mut request = request(SAY, message(3));
    request.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    request
}
