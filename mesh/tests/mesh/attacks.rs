//! Peers that flood a mesh port: the same accept loop as the edge's, over mTLS.

#[expect(dead_code, reason = "the edge is attacked in more ways")]
#[path = "../../../gateway/tests/gateway/attacks/frames.rs"]
mod frames;

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use focusflow_mesh::tls::ExpectedPeer;
use tokio::net::TcpStream;

use self::frames::{Cut, ENHANCE_YOUR_CALM, continuation, endless_headers, flood, get_and_be_reset, get_and_reset};
use crate::pki::Pki;
use crate::world::{Server, within};

const HANG: &str = "/mesh.test.v1.Echo/Hang";

async fn connect(pki: &Pki, server: &Server) -> TlsStream<TcpStream> {
    let expected = ExpectedPeer::AnyInTrustDomain;
    let config = pki.credentials("gateway").client_config(&expected);
    let stream = TcpStream::connect(server.addr).await.unwrap();
    TlsConnector::from(config).connect(expected.server_name(), stream).await.unwrap()
}

async fn assert_cut(opening: Vec<u8>, more: impl FnMut(u32) -> Vec<u8> + Send + 'static) {
    let pki = Pki::new();
    let server = Server::start(&pki).await;
    let client = server.client(&pki, "gateway");
    let flooding = tokio::spawn(flood(connect(&pki, &server).await, opening, more));
    within(client.say("meanwhile")).await.unwrap();
    let Cut { sent, reason } = flooding.await.unwrap();
    assert!(sent < 32 * 1024 * 1024, "{sent} bytes were taken");
    assert!(matches!(reason, None | Some(ENHANCE_YOUR_CALM)), "{reason:?}");
    within(client.say("after")).await.unwrap();
}

fn burst(number: u32, of: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..100).flat_map(|place| of(2 * (number * 100 + place) + 1)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_opens_and_resets_streams_is_cut() {
    assert_cut(Vec::new(), |number| burst(number, |stream| get_and_reset(stream, HANG))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_makes_the_server_reset_is_cut() {
    assert_cut(Vec::new(), |number| burst(number, |stream| get_and_be_reset(stream, HANG))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_whose_headers_never_end_is_cut() {
    assert_cut(endless_headers(1), |_| continuation(1, &[]).repeat(100)).await;
}
