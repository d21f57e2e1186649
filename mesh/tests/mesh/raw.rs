//! HTTP/2 without the channel, for what a well-behaved client does not do.

use bytes::Bytes;
use focusflow_mesh::tls::ExpectedPeer;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::pki::Pki;
use crate::world::Server;

/// A bare HTTP/2 connection over mTLS.
pub(crate) struct Raw {
    sender: SendRequest<Full<Bytes>>,
}

pub(crate) async fn connect(pki: &Pki, server: &Server, service_account: &str) -> Raw {
    let expected = ExpectedPeer::AnyInTrustDomain;
    let config = pki.credentials(service_account).client_config(&expected);
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let stream = TlsConnector::from(config).connect(expected.server_name(), stream).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    Raw { sender }
}

impl Raw {
    /// Sends an empty message and answers the headers and the trailers of the response.
    pub(crate) async fn unary(&mut self, path: &str, headers: &[(&str, &str)]) -> (HeaderMap, HeaderMap) {
        let mut request = Request::post(format!("https://storage{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from_static(&[0; 5]))).unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        let headers = response.headers().clone();
        let body = response.into_body().collect().await.unwrap();
        (headers, body.trailers().cloned().unwrap_or_default())
    }
}
