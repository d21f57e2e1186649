//! Channels: what survives restarts and rotations, and what a caller is told when it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use focusflow_mesh::ca::{DevelopmentCa, describe};
use focusflow_mesh::channel::{Channel, ChannelConfig};
use focusflow_mesh::drain::{Drain, Outcome};
use focusflow_mesh::server::{self, Limits, Transport};
use focusflow_mesh::tls::{CredentialsReader, watch_directory};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::echo::{Client, assert_refused, empty, policies};
use crate::pki::{Pki, two_days_ago};
use crate::world::{Options, Server, until, within};

/// Calls as fast as they come back, until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: watch::Sender<u64>,
    callers: JoinSet<()>,
}

impl Load {
    fn start(client: &Client) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), watch::Sender::new(0));
        let callers = (0..4)
            .map(|_| {
                let (client, stop, answered) = (client.clone(), Arc::clone(&stop), answered.clone());
                async move {
                    while !stop.load(Ordering::Relaxed) {
                        client.say("hello").await.expect("a call was lost");
                        answered.send_modify(|answered| *answered += 1);
                    }
                }
            })
            .collect();
        Self { stop, answered, callers }
    }

    /// Returns when so many more calls have been answered, or when one was lost.
    async fn answer(&mut self, more: u64) {
        let mut answered = self.answered.subscribe();
        let wanted = *answered.borrow() + more;
        tokio::select! {
            _ = answered.wait_for(|answered| *answered >= wanted) => {}
            Some(ended) = self.callers.join_next() => ended.unwrap(),
        }
    }

    async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.join_all().await;
        *self.answered.borrow()
    }
}

/// Credentials that follow their directory closely.
fn follow(pki: &Pki, service_account: &str) -> CredentialsReader {
    let directory = pki.write(service_account);
    let (reader, watch) = watch_directory(directory, pki.trust_domain()).unwrap();
    tokio::spawn(watch.with_interval(Duration::from_millis(2)).run());
    reader
}

/// Issues a leaf that can be told from the one before, and returns when its holder has it.
async fn renew(pki: &Pki, service_account: &str, reader: &CredentialsReader, as_of: SystemTime) {
    let directory = pki.write_as_of(service_account, as_of);
    let written = describe(&directory).unwrap().not_after;
    let mut reader = reader.clone();
    while reader.current().not_after() != written {
        reader.changed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_and_roots_rotate_under_load_without_a_lost_call() {
    let mut pki = Pki::new();
    let (storage, gateway) = (follow(&pki, "storage"), follow(&pki, "gateway"));
    let server = Server::over(Transport::Mtls(storage.clone()), Options::default()).await;
    let mut load = Load::start(&Client::new(server.channel(gateway.clone())));
    let mut as_of = SystemTime::now();
    for _ in 0..8 {
        // Trust old and new, then sign with the new, then trust the new alone.
        let steps: [fn(&mut DevelopmentCa); 3] = [
            |ca| ca.stage_successor(SystemTime::now()).unwrap(),
            |ca| ca.promote_successor().unwrap(),
            |ca| ca.retire_predecessors().unwrap(),
        ];
        for step in steps {
            step(&mut pki.ca);
            as_of += Duration::from_secs(1);
            within(async {
                tokio::join!(renew(&pki, "storage", &storage, as_of), renew(&pki, "gateway", &gateway, as_of))
            })
            .await;
            within(load.answer(5)).await;
        }
    }
    let answered = load.finish().await;
    assert!(answered >= 120, "only {answered} calls were made");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_age_out_lose_no_call() {
    let pki = Pki::new();
    // Many times what a handshake takes on a busy machine, or connections would be old when they are made.
    let age = Duration::from_millis(250);
    let limits = Limits { connection_age_max: age, ..Limits::default() };
    let server = Server::with(&pki, Options { limits, ..Options::default() }).await;
    let mut load = Load::start(&server.client(&pki, "gateway"));
    let begun = Instant::now();
    while begun.elapsed() < 5 * age {
        within(load.answer(100)).await;
    }
    load.finish().await;
}

#[tokio::test]
async fn headers_that_are_too_large_end_their_call_and_no_other() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    let mut stream = client.stream("Stall", empty()).await.unwrap();
    stream.message().await.unwrap();

    let mut request = Request::new("hello".to_owned());
    request.metadata_mut().insert("user-agent-of-a-client", "x".repeat(70_000).parse().unwrap());
    assert_refused(&client.unary("Say", request).await.unwrap_err(), Code::InvalidArgument, "BAD_HEADER");
    client.say("hello").await.unwrap();
    assert!(futures_util::FutureExt::now_or_never(stream.message()).is_none(), "the connection is still there");
}

#[tokio::test]
async fn a_peer_that_is_not_trusted_any_more_is_cut_off() {
    let mut pki = Pki::new();
    let server = Server::over(Transport::Mtls(follow(&pki, "storage")), Options::default()).await;
    let mut stream = server.client(&pki, "gateway").stream("Stall", empty()).await.unwrap();
    stream.message().await.unwrap();

    let serial = describe(&pki.path("gateway")).unwrap().serial;
    pki.ca.revoke(&serial, SystemTime::now()).unwrap();
    pki.write("storage");
    let status = within(stream.message()).await.unwrap_err();
    assert_refused(&status, Code::Unavailable, "CONNECTION_LOST");
    assert_eq!(status.message(), "the connection to storage was lost");
    assert!(status.get_details_error_info().unwrap().metadata.is_empty(), "addresses are for the log");
    assert!(status.get_details_retry_info().unwrap().retry_delay >= Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_channel_finds_a_server_that_was_restarted() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let addr = server.addr;
    let client = server.client(&pki, "gateway");
    client.say("before").await.unwrap();
    assert_eq!(within(server.drain.drain()).await, Outcome::Clean);
    within(server.serving).await.unwrap();
    assert_eq!(client.say("while it is away").await.unwrap_err().code(), Code::Unavailable);

    let _restarted = Server::with(&pki, Options { addr, ..Options::default() }).await;
    until(async || client.say("after").await.is_ok()).await;
}

#[tokio::test]
async fn where_nothing_listens_there_is_no_endpoint_and_a_time_to_retry() {
    let pki = Pki::new();
    let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let credentials = CredentialsReader::fixed(pki.credentials("gateway"));
    let target = format!("https://{vacant}#storage").parse().unwrap();
    let client = Client::new(Channel::new(target, Some(credentials), ChannelConfig::default()));
    let status = within(client.say("hello")).await.unwrap_err();
    assert_refused(&status, Code::Unavailable, "NO_ENDPOINT");
    assert_eq!(status.message(), "storage cannot be reached");
    assert!(status.get_details_error_info().unwrap().metadata.is_empty(), "addresses are for the log");
    let retry_delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(retry_delay >= Duration::from_secs(1), "{retry_delay:?}");
}

#[tokio::test]
async fn a_secure_target_without_credentials_is_refused() {
    let client = Client::new(Channel::new("https://localhost:1".parse().unwrap(), None, ChannelConfig::default()));
    let status = within(client.say("hello")).await.unwrap_err();
    assert_refused(&status, Code::Unavailable, "NO_ENDPOINT");
    assert_eq!(status.message(), "the service cannot be reached");
}

#[tokio::test]
async fn a_server_with_an_expired_certificate_is_not_talked_to() {
    let pki = Pki::new();
    let expired = CredentialsReader::fixed(pki.credentials_as_of("storage", two_days_ago()));
    let server = Server::over(Transport::Mtls(expired), Options::default()).await;
    let status = within(server.client(&pki, "gateway").say("hello")).await.unwrap_err();
    assert_refused(&status, Code::Unavailable, "NO_ENDPOINT");
}

#[tokio::test]
async fn calls_beyond_the_channels_limit_are_shed() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let credentials = CredentialsReader::fixed(pki.credentials("gateway"));
    let config = ChannelConfig { calls_max: 1, ..ChannelConfig::default() };
    let client = Client::new(Channel::new(server.target(), Some(credentials), config));
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { client.unary("Hang", empty()).await }
    });
    within(server.echo.entered()).await;
    assert_refused(&client.say("too many").await.unwrap_err(), Code::ResourceExhausted, "LOAD_SHED");
    server.echo.release();
    within(hanging).await.unwrap().unwrap();
    client.say("room again").await.unwrap();
}

#[tokio::test]
async fn what_is_no_grpc_becomes_a_status() {
    let page = http::Response::builder().header("content-type", "text/html");
    let status = within(answering(page).await.say("hello")).await.unwrap_err();
    assert_refused(&status, Code::Unknown, "BAD_RESPONSE");
    let busy = http::Response::builder().status(503).header("content-type", "text/html");
    let status = within(answering(busy).await.say("hello")).await.unwrap_err();
    assert_refused(&status, Code::Unavailable, "NO_ENDPOINT");
    assert!(status.get_details_retry_info().is_some());
}

#[tokio::test]
async fn an_encoding_that_nobody_asked_for_is_refused() {
    let zipped = http::Response::builder().header("content-type", "application/grpc").header("grpc-encoding", "zip");
    let status = within(answering(zipped).await.say("hello")).await.unwrap_err();
    assert_refused(&status, Code::Internal, "UNKNOWN_ENCODING");
}

#[tokio::test]
async fn messages_of_a_peer_in_another_format_are_no_answer() {
    let json = http::Response::builder().header("content-type", "application/grpc+json").header("grpc-status", "0");
    let status = within(answering(json).await.say("hello")).await.unwrap_err();
    assert_refused(&status, Code::Unknown, "BAD_RESPONSE");
}

#[tokio::test]
async fn who_knows_the_contract_refuses_a_success_without_its_message() {
    let ok = || http::Response::builder().header("content-type", "application/grpc").header("grpc-status", "0");
    let config = ChannelConfig { contract: Some(policies()), ..ChannelConfig::default() };
    let status = within(answering_to(config, ok()).await.say("hello")).await.unwrap_err();
    assert_refused(&status, Code::Unimplemented, "MESSAGE_COUNT");
}

#[tokio::test]
async fn a_response_beyond_the_channels_limit_exhausts_it() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let config = ChannelConfig { message_bytes_max: 64, ..ChannelConfig::default() };
    let credentials = CredentialsReader::fixed(pki.credentials("gateway"));
    let client = Client::new(Channel::new(server.target(), Some(credentials), config));
    client.say("large:50").await.unwrap();
    let status = client.say("large:65").await.unwrap_err();
    assert_refused(&status, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn a_peers_broken_details_do_not_break_the_caller() {
    let broken = http::Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", "5")
        .header("grpc-status-details-bin", "not base64!");
    let status = within(answering(broken).await.say("hello")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

/// A client of a server that answers everything with these headers.
async fn answering(response: http::response::Builder) -> Client {
    answering_to(ChannelConfig::default(), response).await
}

async fn answering_to(config: ChannelConfig, response: http::response::Builder) -> Client {
    let head = response.body(()).unwrap().into_parts().0;
    let service = tower::service_fn(move |_: http::Request<hyper::body::Incoming>| {
        let response = http::Response::from_parts(head.clone(), http_body_util::Empty::<bytes::Bytes>::new());
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(server::serve(listener, Transport::Plaintext, Limits::default(), service, Drain::never()));
    Client::new(Channel::new(target, None, config))
}

#[tokio::test]
async fn large_messages_and_many_unread_streams_do_not_block_each_other() {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    let mut stalled = Vec::new();
    for _ in 0..16 {
        stalled.push(client.stream("Stall", empty()).await.unwrap());
    }
    let answer = within(client.say("large:3000000")).await.unwrap();
    assert_eq!(answer.len(), 3_000_000);
}
