//! Servers: limits, context, and what the handler's answer becomes.

use std::time::Duration;

use focusflow_mesh::server::{Limits, MeshBuilder, Transport};
use focusflow_mesh::tls::CredentialsReader;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::echo::{Echo, assert_refused, empty};
use crate::pki::Pki;
use crate::world::{Options, Server, until, within};

#[tokio::test]
async fn calls_beyond_the_limit_are_shed_with_a_time_to_retry() {
    let pki = Pki::new();
    let build = |mesh: MeshBuilder| mesh.calls_max(1);
    let server = Server::with(&pki, Options { build, ..Options::default() }).await;
    let client = server.client(&pki, "gateway");
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { client.unary("Hang", empty()).await }
    });
    within(server.echo.entered()).await;
    let status = client.say("too many").await.unwrap_err();
    assert_refused(&status, Code::ResourceExhausted, "LOAD_SHED");
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());

    server.echo.release();
    assert_eq!(within(hanging).await.unwrap().unwrap().into_inner(), "released");
    client.say("room again").await.unwrap();
}

#[tokio::test]
async fn request_id_and_trace_go_through_every_hop() {
    let pki = Pki::new();
    let storage = Server::start(&pki).await;
    let next = storage.channel(CredentialsReader::fixed(pki.credentials("ai")));
    let ai = Server::with(&pki, Options { echo: Echo::relaying_to(next), ..Options::default() }).await;
    let mut request = Request::new(String::new());
    let metadata = request.metadata_mut();
    metadata.insert("x-request-id", "request-7".parse().unwrap());
    metadata.insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
    let answer = ai.client(&pki, "gateway").unary("Relay", request).await.unwrap();

    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "request-7");
    let facts: Vec<&str> = answer.get_ref().split(',').collect();
    assert_eq!(facts[..2], ["request-7", "4bf92f3577b34da6a3ce929d0e0e4736"]);
    assert_ne!(facts[2], "00f067aa0ba902b7", "each hop has a span of its own");
    assert_eq!(facts[5], "ai");
}

#[tokio::test]
async fn a_call_without_an_id_gets_one_and_refusals_carry_it_too() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let mut raw = crate::raw::connect(&pki, &server, "gateway").await;
    let (headers, _) = within(raw.unary("/mesh.test.v1.Echo/Say", &[])).await;
    let id = headers.get("x-request-id").unwrap().to_str().unwrap();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 7);

    let (headers, _) = within(raw.unary("/nothing", &[("x-request-id", "mine")])).await;
    assert_eq!(headers.get("x-request-id").unwrap(), "mine");
}

#[tokio::test]
async fn a_message_too_long_for_a_header_arrives_shortened() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    let status = within(client.unary("Fail", Request::new("100000".to_owned()))).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().starts_with("日日日"), "{status:?}");
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_let_go() {
    let pki = Pki::new();
    let limits = Limits { handshake_timeout: Duration::from_millis(50), ..Limits::default() };
    let tls = Transport::Mtls(CredentialsReader::fixed(pki.credentials("storage")));
    for transport in [tls, Transport::Plaintext] {
        let server = Server::over(transport, Options { limits, ..Options::default() }).await;
        for first_words in [b"".as_slice(), b"PRI * "] {
            let mut stream = TcpStream::connect(server.addr).await.unwrap();
            stream.write_all(first_words).await.unwrap();
            let mut rest = Vec::new();
            // Closed or reset, but not held.
            let _closed = within(stream.read_to_end(&mut rest)).await;
        }
    }
}

#[tokio::test]
async fn stalled_handshakes_do_not_keep_others_out() {
    let pki = Pki::new();
    let limits = Limits { handshakes_max: 2, handshake_timeout: Duration::from_millis(300), ..Limits::default() };
    let server = Server::with(&pki, Options { limits, ..Options::default() }).await;
    let mut stalled = Vec::new();
    for _ in 0..2 {
        stalled.push(TcpStream::connect(server.addr).await.unwrap());
    }
    let client = server.client(&pki, "gateway");
    until(async || client.say("patience").await.is_ok()).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let pki = Pki::new();
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let server = Server::with(&pki, Options { limits, ..Options::default() }).await;
    let mut raw = crate::raw::connect(&pki, &server, "gateway").await;
    within(raw.unary("/mesh.test.v1.Echo/Say", &[])).await;
    let mut refused = TcpStream::connect(server.addr).await.unwrap();
    let mut rest = Vec::new();
    let _closed = within(refused.read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
    within(raw.unary("/mesh.test.v1.Echo/Say", &[])).await;
}

#[tokio::test]
async fn http_1_and_http_2_share_a_port() {
    let server = Server::over(Transport::Plaintext, Options::default()).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream
        .write_all(
            b"POST /nothing HTTP/1.1\r\nhost: mesh\r\ncontent-type: application/grpc\r\nconnection: close\r\n\r\n",
        )
        .await
        .unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("grpc-status: 12"), "{answer}");

    let stream = TcpStream::connect(server.addr).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request =
        http::Request::post(format!("http://{}/nothing", server.addr)).header("content-type", "application/grpc");
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let response = within(sender.send_request(request)).await.unwrap();
    assert_eq!(response.headers().get("grpc-status").unwrap(), "12");
    response.into_body().collect().await.unwrap();
}
