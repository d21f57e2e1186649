//! The server side: one accept loop for every port, and the gRPC stack of the mesh port.
//!
//! [`serve`] accepts for the mesh port (mTLS), the edge and the admin port (plaintext) alike: it sets every limit that
//! hyper leaves open, tells the request who its [`Peer`] is and takes part in the shutdown. [`Mesh`] is the service of
//! the mesh port: it knows from the contract who may call what.

mod authorize;
mod connection;
mod cut;
mod delivery;
mod ending;
mod entrance;
mod limits;
mod mesh;
mod response;
mod slots;
mod sniff;
mod stall;

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service;
use tracing::debug;

use crate::drain::Drain;
use crate::identity::SpiffeId;
use crate::tls::CredentialsReader;

pub use self::ending::{Ending, EndingBody};
pub use self::limits::Limits;
pub use self::mesh::{Mesh, MeshBuilder, MeshError};
pub use self::response::{ResponseBody, ResponseFuture};
pub use self::slots::network;

use self::connection::Acceptor;
use self::slots::Slots;

/// How bytes travel.
#[derive(Clone, Debug)]
pub enum Transport {
    /// As they are: for the edge behind a load balancer, and for the admin port.
    Plaintext,
    /// Over mutual TLS with whatever credentials are current.
    Mtls(CredentialsReader),
    /// Over TLS with whatever configuration is current, for the edge: whom it lets in is the configuration's business,
    /// and nobody has an identity of the mesh.
    Tls(watch::Receiver<Arc<rustls::ServerConfig>>),
}

/// The protocol in which an authority looks whether a port is its domain's (RFC 8737). The handshake is all of it.
pub const ACME_TLS_ALPN: &[u8] = b"acme-tls/1";

/// Who is at the other end of a connection; every request carries it in its extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where the connection comes from.
    pub addr: SocketAddr,
    /// The verified identity; `None` without mTLS.
    pub identity: Option<SpiffeId>,
    /// Whether the connection is one of TLS.
    pub is_tls: bool,
}

type BoxError = Box<dyn StdError + Send + Sync>;

/// Serves `listener` until the shutdown; returns when its last connection has ended.
///
/// HTTP/1.1 and HTTP/2 are told apart by their first bytes. Requests carry their [`Peer`] in their extensions.
pub async fn serve<S, B>(listener: TcpListener, transport: Transport, limits: Limits, service: S, drain: Drain)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let acceptor = Arc::new(Acceptor::new(transport, limits, drain.clone()));
    let connections = tokio_util::task::TaskTracker::new();
    let slots = Slots::new(&limits);
    // A shutdown is not over while someone may still be accepted.
    let listening = drain.hold();
    loop {
        let (stream, addr) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = drain.draining() => break,
        };
        let slot = match slots.take(addr.ip()) {
            Ok(slot) => slot,
            Err(full) => {
                metrics::counter!("server_connections_refused_total", "reason" => full.as_str()).increment(1);
                // No more than this: a flood of connections must not become a flood of lines.
                debug!(limit = full.as_str(), "connection refused: limit reached");
                continue;
            }
        };
        let acceptor = Arc::clone(&acceptor);
        let service = service.clone();
        let held = drain.hold();
        connections.spawn(async move {
            acceptor.drive(stream, addr, service).await;
            drop((slot, held));
        });
    }
    // Closing the socket now and not after the last connection lets a successor bind the port.
    drop((listener, listening));
    connections.close();
    connections.wait().await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                // Out of file descriptors, or the peer is gone already. Trying on at once would spin in the first case.
                debug!(%error, "accepting a connection failed");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
}
