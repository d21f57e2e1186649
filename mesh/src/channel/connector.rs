//! Dials one connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rand::seq::SliceRandom;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::io::InspectReader;

use super::replay::Loan;
use super::{ChannelConfig, Target};
use crate::refusal::Chain;
use crate::tls::CredentialsReader;

/// How to know the peer of a connection that is not plaintext.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    /// By the mesh's certificates; absent if there are none, which fails every dial.
    Mesh(Option<CredentialsReader>),
    /// By its host's name, as on the Web.
    Web(Arc<ClientConfig>),
}

/// Dials one target.
#[derive(Debug)]
pub(super) struct Connector {
    target: Target,
    trust: Trust,
    connect_timeout: Duration,
    keepalive_interval: Duration,
    keepalive_timeout: Duration,
    stream_window_bytes: u32,
    connection_window_bytes: u32,
}

/// A connection, driven by a task of its own.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Loan>,
    /// Ends when the connection takes no more calls; those under way go on.
    pub(super) closed: JoinHandle<Result<(), hyper::Error>>,
}

/// Why a dial failed.
#[derive(Debug, Error)]
pub(super) enum DialError {
    #[error("the name cannot be looked up: {0}")]
    Lookup(io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("{0}: {1}")]
    Connect(SocketAddr, io::Error),
    #[error("an https target needs credentials and there are none")]
    NoCredentials,
    #[error("the host's name cannot be asked for by TLS")]
    Name,
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("the HTTP/2 handshake failed: {0}")]
    Http(hyper::Error),
    #[error("the peer refused the connection: {}", Chain(.0))]
    Refused(hyper::Error),
    #[error("the peer closed the connection")]
    Closed,
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl Connector {
    pub(super) fn new(target: Target, trust: Trust, config: &ChannelConfig) -> Self {
        Self {
            target,
            trust,
            connect_timeout: config.connect_timeout,
            keepalive_interval: config.keepalive_interval,
            keepalive_timeout: config.keepalive_timeout,
            stream_window_bytes: config.stream_window_bytes,
            connection_window_bytes: config.connection_window_bytes,
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// A reader that tells when connections should be renewed; `None` without TLS.
    pub(super) fn credentials(&self) -> Option<CredentialsReader> {
        match &self.trust {
            Trust::Mesh(credentials) => credentials.clone().filter(|_| self.target.is_secure()),
            Trust::Web(_) => None,
        }
    }

    pub(super) async fn dial(&self) -> Result<Connection, DialError> {
        timeout(self.connect_timeout, self.dial_unlimited())
            .await
            .unwrap_or(Err(DialError::Timeout(self.connect_timeout)))
    }

    async fn dial_unlimited(&self) -> Result<Connection, DialError> {
        if !self.target.is_secure() {
            return self.handshake(self.connect().await?).await;
        }
        let (config, name) = self.tls()?;
        let stream = self.connect().await?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(DialError::Tls)?;
        self.handshake(stream).await
    }

    /// The configuration of a handshake, and whose name it asks for.
    fn tls(&self) -> Result<(Arc<ClientConfig>, ServerName<'static>), DialError> {
        match &self.trust {
            Trust::Mesh(credentials) => {
                let credentials = credentials.as_ref().ok_or(DialError::NoCredentials)?;
                let expected = &self.target.expected;
                Ok((credentials.current().client_config(expected), expected.server_name()))
            }
            Trust::Web(config) => {
                let name = ServerName::try_from(self.target.host().to_owned()).map_err(|_| DialError::Name)?;
                Ok((Arc::clone(config), name))
            }
        }
    }

    /// Looks the name up anew each time, and in random order, so that connections spread over what it stands for.
    async fn connect(&self) -> Result<TcpStream, DialError> {
        let found = lookup_host((self.target.host(), self.target.port)).await.map_err(DialError::Lookup)?;
        let mut addrs: Vec<SocketAddr> = found.collect();
        addrs.shuffle(&mut rand::rng());
        let mut failure = DialError::NoAddress;
        for addr in addrs {
            match TcpStream::connect(addr).await {
                Ok(stream) => {
                    // Failing to say so only costs latency.
                    let _refused = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => failure = DialError::Connect(addr, error),
            }
        }
        Err(failure)
    }

    async fn handshake<S>(&self, stream: S) -> Result<Connection, DialError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (told, answered) = oneshot::channel();
        let stream = InspectReader::new(stream, tell_first_byte(told));
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(self.keepalive_interval)
            .keep_alive_timeout(self.keepalive_timeout)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(self.stream_window_bytes)
            .initial_connection_window_size(self.connection_window_bytes)
            // Counted over the connection's whole life, it would end a channel that cancels many calls.
            .max_local_error_reset_streams(None)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(DialError::Http)?;
        let closed = tokio::spawn(connection);
        if answered.await.is_ok() {
            return Ok(Connection { sender, closed });
        }
        match closed.await {
            Ok(Err(error)) => Err(DialError::Refused(error)),
            _ => Err(DialError::Closed),
        }
    }
}

/// Tells of the peer's first byte.
///
/// In TLS 1.3 a client has finished its handshake before the server has judged the client's certificate. A connection
/// is proven only by the first bytes that come back, and a call that is sent earlier may be lost.
fn tell_first_byte(told: oneshot::Sender<()>) -> impl FnMut(&[u8]) {
    let mut told = Some(told);
    move |bytes| {
        if !bytes.is_empty()
            && let Some(told) = told.take()
        {
            // Nobody listens any more if the dial was given up.
            let _given_up = told.send(());
        }
    }
}
