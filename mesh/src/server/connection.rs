//! One connection, from its handshake to its end.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service;
use tower::util::Oneshot;
use tracing::{debug, info};

use super::cut;
use super::delivery::{Answering, Delivered, Streams};
use super::sniff::{Protocol, Sniffed, sniff};
use super::stall::Stalling;
use super::{ACME_TLS_ALPN, BoxError, Limits, Peer, Transport};
use crate::drain::Drain;
use crate::tls::{CredentialsReader, PeerError, peer_identity};

/// What every connection of a listener shares.
#[derive(Debug)]
pub(super) struct Acceptor {
    transport: Transport,
    limits: Limits,
    drain: Drain,
    handshakes: Semaphore,
}

/// Why a connection did not come to its first request.
#[derive(Debug, Error)]
enum HandshakeError {
    #[error("the peer took too long")]
    Timeout,
    #[error("the handshake failed: {0}")]
    Tls(std::io::Error),
    #[error("the peer has no identity: {0}")]
    Identity(#[from] PeerError),
    #[error("the connection broke: {0}")]
    Io(std::io::Error),
}

/// A connection that is ready for requests.
struct Ready<S> {
    protocol: Protocol,
    stream: Sniffed<S>,
    peer: Peer,
    /// What the peer proved itself with, judged again when the credentials change.
    chain: Vec<CertificateDer<'static>>,
}

impl Acceptor {
    pub(super) fn new(transport: Transport, limits: Limits, drain: Drain) -> Self {
        Self { transport, limits, drain, handshakes: Semaphore::new(limits.handshakes_max) }
    }

    /// Serves one connection until it ends or is told to.
    pub(super) async fn drive<S, B>(&self, stream: TcpStream, addr: SocketAddr, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // Small frames must not wait for an acknowledgement; failing to say so only costs latency.
        let _refused = stream.set_nodelay(true);
        match &self.transport {
            Transport::Plaintext => match self.handshake(plaintext(stream, addr)).await {
                Ok(Some(ready)) => self.serve(ready, None, service).await,
                Ok(None) => {}
                Err(error) => refuse_stranger(&error),
            },
            Transport::Tls(config) => {
                let config = Arc::clone(&config.borrow());
                match self.handshake(Box::pin(tls(config, stream, addr))).await {
                    Ok(Some(ready)) => self.serve(ready, None, service).await,
                    Ok(None) => {}
                    Err(error) => refuse_stranger(&error),
                }
            }
            Transport::Mtls(credentials) => {
                // Cloned before the handshake, so that a change during it is not missed.
                let credentials = credentials.clone();
                match self.handshake(Box::pin(mtls(&credentials, stream, addr))).await {
                    Ok(Some(ready)) => self.serve(ready, Some(credentials), service).await,
                    Ok(None) => {}
                    Err(error) => {
                        count_refused(&error);
                        info!(peer.addr = %addr, %error, "connection refused");
                    }
                }
            }
        }
    }

    /// Limits how long a handshake takes, the wait for its turn included, and how many run.
    async fn handshake<T>(
        &self,
        handshake: impl Future<Output = Result<Option<T>, HandshakeError>>,
    ) -> Result<Option<T>, HandshakeError> {
        let limited = async {
            let _turn = self.handshakes.acquire().await;
            handshake.await
        };
        tokio::select! {
            result = timeout(self.limits.handshake_timeout, limited) => result.unwrap_or(Err(HandshakeError::Timeout)),
            () = self.drain.draining() => Ok(None),
        }
    }

    async fn serve<IO, S, B>(&self, ready: Ready<IO>, credentials: Option<CredentialsReader>, service: S)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let addr = ready.peer.addr;
        let service = PerConnection { peer: ready.peer, service };
        let io = TokioIo::new(Stalling::new(ready.stream, self.limits.stall_timeout));
        let distrusted = distrusted(credentials, ready.chain);
        match ready.protocol {
            Protocol::Http1 => {
                let connection = self.http1().serve_connection(io, service).with_upgrades();
                self.run(pin!(connection), distrusted, addr).await;
            }
            Protocol::Http2 => {
                let connection = self.http2().serve_connection(io, service);
                self.run(pin!(connection), distrusted, addr).await;
            }
        }
    }

    async fn run<C: Connection>(
        &self,
        mut connection: Pin<&mut C>,
        distrusted: impl Future<Output = PeerError>,
        addr: SocketAddr,
    ) {
        let mut distrusted = pin!(distrusted);
        let mut leaving = false;
        let mut is_distrusted = false;
        // First when the peer is asked to leave, then when it is not waited for any longer.
        let mut limit = Instant::now() + self.limits.connection_age(&mut rand::rng());
        loop {
            let grace = tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        cut::count(&error);
                        debug!(%error, "connection ended");
                    }
                    return;
                }
                () = self.drain.forced() => return,
                () = sleep_until(limit) => {
                    if leaving {
                        return;
                    }
                    self.limits.connection_age_grace
                }
                () = self.drain.draining(), if !leaving => self.limits.connection_age_grace,
                error = &mut distrusted, if !is_distrusted => {
                    info!(peer.addr = %addr, %error, "connection ends: its peer is not trusted any more");
                    is_distrusted = true;
                    self.limits.distrust_grace
                }
            };
            if !leaving {
                leaving = true;
                connection.as_mut().leave();
            }
            limit = Instant::now() + grace;
        }
    }

    fn http1(&self) -> hyper::server::conn::http1::Builder {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_read_timeout)
            .max_header_size(self.limits.header_list_bytes_max as usize);
        builder
    }

    fn http2(&self) -> hyper::server::conn::http2::Builder<Streams> {
        let limits = &self.limits;
        let mut builder =
            hyper::server::conn::http2::Builder::new(Streams { stall_timeout: limits.stream_stall_timeout });
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.concurrent_streams_max)
            .max_local_error_reset_streams(limits.local_error_resets_max)
            .max_pending_accept_reset_streams(limits.pending_accept_resets_max)
            .max_header_list_size(limits.header_list_bytes_max)
            .initial_stream_window_size(limits.stream_window_bytes)
            .initial_connection_window_size(limits.connection_window_bytes)
            .keep_alive_interval(limits.keepalive_interval)
            .keep_alive_timeout(limits.keepalive_timeout);
        builder
    }
}

async fn plaintext(stream: TcpStream, addr: SocketAddr) -> Result<Option<Ready<TcpStream>>, HandshakeError> {
    let sniffed = sniff(stream).await.map_err(HandshakeError::Io)?;
    let peer = Peer { addr, identity: None, is_tls: false };
    Ok(sniffed.map(|(protocol, stream)| Ready { protocol, stream, peer, chain: Vec::new() }))
}

async fn tls(
    config: Arc<ServerConfig>,
    stream: TcpStream,
    addr: SocketAddr,
) -> Result<Option<Ready<TlsStream<TcpStream>>>, HandshakeError> {
    let stream = TlsAcceptor::from(config).accept(stream).await.map_err(HandshakeError::Tls)?;
    let sniffed = negotiated(stream).await.map_err(HandshakeError::Io)?;
    let peer = Peer { addr, identity: None, is_tls: true };
    Ok(sniffed.map(|(protocol, stream)| Ready { protocol, stream, peer, chain: Vec::new() }))
}

async fn mtls(
    credentials: &CredentialsReader,
    stream: TcpStream,
    addr: SocketAddr,
) -> Result<Option<Ready<TlsStream<TcpStream>>>, HandshakeError> {
    let acceptor = TlsAcceptor::from(credentials.current().server_config());
    let stream = acceptor.accept(stream).await.map_err(HandshakeError::Tls)?;
    let chain: Vec<CertificateDer<'static>> = stream
        .get_ref()
        .1
        .peer_certificates()
        .map(|chain| chain.iter().map(|certificate| certificate.clone().into_owned()).collect())
        .unwrap_or_default();
    let identity = Some(peer_identity(&chain)?);
    let sniffed = negotiated(stream).await.map_err(HandshakeError::Io)?;
    let peer = Peer { addr, identity, is_tls: true };
    Ok(sniffed.map(|(protocol, stream)| Ready { protocol, stream, peer, chain }))
}

/// What the handshake has settled, and where it has settled nothing, what the first bytes say.
async fn negotiated<S>(stream: TlsStream<S>) -> std::io::Result<Option<(Protocol, Sniffed<TlsStream<S>>)>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match stream.get_ref().1.alpn_protocol() {
        // hyper would wait for the first bytes without a limit.
        Some(b"h2") => Ok(sniff(stream).await?.map(|(_, stream)| (Protocol::Http2, stream))),
        Some(b"http/1.1") => Ok(Some((Protocol::Http1, Sniffed::unread(stream)))),
        Some(ACME_TLS_ALPN) => Ok(None),
        _ => sniff(stream).await,
    }
}

/// Returns when changed credentials do not vouch for the peer any more: its root is gone or it is revoked.
async fn distrusted(credentials: Option<CredentialsReader>, chain: Vec<CertificateDer<'static>>) -> PeerError {
    let Some(mut credentials) = credentials else { return std::future::pending().await };
    loop {
        credentials.changed().await;
        if let Err(error) = credentials.current().verify_client(&chain, SystemTime::now()) {
            return error;
        }
    }
}

/// At a public port, browsers open connections on a guess and leave them silent, and an address is a person's.
fn refuse_stranger(error: &HandshakeError) {
    count_refused(error);
    debug!(%error, "connection refused");
}

fn count_refused(error: &HandshakeError) {
    let reason = match error {
        HandshakeError::Timeout => "timeout",
        HandshakeError::Tls(_) => "tls",
        HandshakeError::Identity(_) => "identity",
        HandshakeError::Io(_) => "io",
    };
    metrics::counter!("server_connections_refused_total", "reason" => reason).increment(1);
}

/// What HTTP/1.1 and HTTP/2 connections have in common.
trait Connection: Future<Output = hyper::Result<()>> {
    /// Asks the peer to open another connection (GOAWAY, `connection: close`) and ends when the last call has.
    fn leave(self: Pin<&mut Self>);
}

impl<IO, S, B> Connection for hyper::server::conn::http1::UpgradeableConnection<TokioIo<IO>, S>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<IO, S, B> Connection for hyper::server::conn::http2::Connection<TokioIo<IO>, S, Streams>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// The service of a listener, with the peer of one connection.
#[derive(Clone)]
struct PerConnection<S> {
    peer: Peer,
    service: S,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for PerConnection<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
{
    type Response = Response<Delivered<B>>;
    type Error = S::Error;
    type Future = Answering<Oneshot<S, Request<Incoming>>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer.clone());
        let version = request.version();
        Answering::new(Oneshot::new(self.service.clone(), request), version)
    }
}
