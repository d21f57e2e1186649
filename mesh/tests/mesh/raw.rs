//! HTTP/2 without the channel, for what a well-behaved client does not do.

use bytes::Bytes;
use focusflow_mesh::tls::ExpectedPeer;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Status;

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

    /// Sends a request as it is; answers the gRPC status, from wherever it is.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Status {
        let response = self.sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers().clone();
        let body = response.into_body().collect().await.unwrap();
        Status::from_header_map(body.trailers().unwrap_or(&headers)).unwrap()
    }

    /// Sends a request that is not gRPC; answers the HTTP status and the body.
    pub(crate) async fn send_http(&mut self, request: Request<Full<Bytes>>) -> (StatusCode, String) {
        let response = self.sender.send_request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.into()).unwrap())
    }
}
