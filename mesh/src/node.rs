//! A service inside the mesh: its ports bound, its certificates watched, its RPCs guarded, ready to run.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tracing::info;

use crate::admin;
use crate::drain::Drain;
use crate::environment::{BindError, ListenConfig, bind};
use crate::health::Health;
use crate::server::{self, Limits, Mesh, Transport};
use crate::tls::{CredentialsReader, CredentialsWatch};

/// A service with its ports bound.
pub struct Node {
    listener: TcpListener,
    admin: Option<TcpListener>,
    mesh: Mesh,
    health: Health,
    credentials: CredentialsReader,
    credentials_watch: CredentialsWatch,
}

impl Node {
    /// Binds the ports; `port` is the variable that names the mesh's.
    pub async fn bind(
        port: &'static str,
        listen: ListenConfig,
        (credentials, credentials_watch): (CredentialsReader, CredentialsWatch),
        health: Health,
        mesh: Mesh,
    ) -> Result<Self, BindError> {
        let listener = bind(port, listen.mesh).await?;
        let admin = match listen.admin {
            Some(address) => Some(bind("ADMIN_PORT", address).await?),
            None => None,
        };
        Ok(Self { listener, admin, mesh, health, credentials, credentials_watch })
    }

    /// Where the mesh reaches the service.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where probes and metrics are; `None` if the configuration leaves the admin port out.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// What the shutdown says NOT_SERVING through.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Serves until the shutdown, following the certificates meanwhile. The admin port stays until everything that
    /// shares the shutdown has ended, so that probes see it.
    pub async fn run(self, drain: Drain) {
        if let (Ok(address), identity) = (self.local_addr(), self.credentials.current()) {
            info!(%address, identity = %identity.identity(), "listening to the mesh");
        }
        let transport = Transport::Mtls(self.credentials);
        let mesh = server::serve(self.listener, transport, Limits::default(), self.mesh, drain.clone());
        let admin = admin::serve(self.admin, self.health, drain);
        let served = async { tokio::join!(mesh, admin) };
        tokio::select! {
            _ = served => {}
            // Ends only with the process: a watch that fails keeps the last good certificates.
            () = self.credentials_watch.run() => {}
        }
    }
}
