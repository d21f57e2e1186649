//! Insights learned from a person's own history, served over gRPC.
//!
//! [`model`] learns and is pure. Around it, `service` reads the history from storage over the mesh and puts answers
//! into words. Nothing is kept between calls, so any number of these processes can run side by side.

pub mod config;
pub mod model;
mod service;

use std::io;
use std::net::SocketAddr;

use focusflow_mesh::channel::{Channel, ChannelConfig};
use focusflow_mesh::drain::Drain;
use focusflow_mesh::environment::BindError;
use focusflow_mesh::health::Health;
use focusflow_mesh::node::Node;
use focusflow_mesh::policy::{Policies, PolicyError};
use focusflow_mesh::server::{Mesh, MeshError};
use focusflow_mesh::tls::{self, LoadError};
use focusflow_proto::FILE_DESCRIPTOR_SET;
use focusflow_proto::v1::insight_service_server::InsightServiceServer;
use futures_util::future::BoxFuture;

pub use config::Config;

use self::service::{History, Insights};

/// The service account that storage has in policies.
const STORAGE: &str = "storage";

/// The service with its ports bound, ready to [run](Ai::run).
pub struct Ai {
    node: Node,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Its certificates cannot be used.
    #[error(transparent)]
    Credentials(#[from] LoadError),
    /// The contract's policies cannot be read.
    #[error("the contract cannot be used")]
    Policies(#[from] PolicyError),
    /// The contract and the services do not fit.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// A port cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Loads the certificates and binds the ports. Storage need not be up: a call that comes before it is refused.
///
/// This future and that of [`Ai::run`] are boxed so that their code is made here, once, and not in each crate that
/// awaits them.
pub fn build(config: Config) -> BoxFuture<'static, Result<Ai, BuildError>> {
    Box::pin(open(config))
}

async fn open(config: Config) -> Result<Ai, BuildError> {
    let credentials = tls::watch_directory(&config.mesh.certificates, &config.mesh.trust_domain)?;
    let storage = config.storage.expecting(STORAGE);
    let storage = Channel::new(storage, Some(credentials.0.clone()), ChannelConfig::default());
    let health = Health::new();
    let mesh = Mesh::builder(Policies::from_descriptor_set(FILE_DESCRIPTOR_SET)?)
        .add_service(InsightServiceServer::new(Insights::new(History::new(storage))))
        .impersonators(config.mesh.impersonators)
        .health(&health)
        .build()?;
    let node = Node::bind(config::PORT, config.listen, credentials, health, mesh).await?;
    Ok(Ai { node })
}

impl Ai {
    /// Where the mesh reaches the service.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.node.local_addr()
    }

    /// Where probes and metrics are; `None` if the configuration leaves the admin port out.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.node.admin_addr()
    }

    /// What the shutdown says NOT_SERVING through.
    pub fn health(&self) -> &Health {
        self.node.health()
    }

    /// Serves until the shutdown.
    pub fn run(self, drain: Drain) -> BoxFuture<'static, ()> {
        Box::pin(self.node.run(drain))
    }
}
