//! The mesh's server and the edge, as they run in production, with a suite's service behind them.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use focusflow_gateway::config::Config;
use focusflow_mesh::drain::Drain;
use focusflow_mesh::policy::Policies;
use focusflow_mesh::server::{self, Limits, Mesh, Transport};
use tokio::net::TcpListener;

use crate::service::{Handler, Served};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What to serve.
pub(crate) struct Plan {
    pub(crate) descriptor_set: Vec<u8>,
    /// The largest message that is taken, in bytes.
    pub(crate) message_bytes_max: usize,
}

/// Serves `H` on a mesh port; answers where.
pub(crate) async fn mesh<H: Handler>(plan: &Plan, transport: Transport, drain: Drain) -> Result<SocketAddr> {
    let mesh = Mesh::builder(Policies::from_descriptor_set(&plan.descriptor_set)?)
        .add_service(Served::<H>::new(plan.message_bytes_max))
        .message_bytes_max(plan.message_bytes_max)
        .drain(&drain)
        .build()?;
    let listener = TcpListener::bind(ANY_PORT).await?;
    let address = listener.local_addr()?;
    tokio::spawn(server::serve(listener, transport, Limits::default(), mesh, drain));
    Ok(address)
}

/// Serves the plan's contract at the edge, passed on to the service `name` at `upstream`; answers where.
pub(crate) async fn edge(
    plan: &Plan,
    name: &str,
    upstream: SocketAddr,
    transport: Transport,
    drain: Drain,
) -> Result<SocketAddr> {
    let mut config = Config::from_variables(|_| None)?;
    config.listen.public = ANY_PORT;
    config.listen.admin = None;
    config.contract.descriptor_set.clone_from(&plan.descriptor_set);
    config.contract.upstreams = vec![format!("{name}=http://{upstream}").parse().context("the upstream")?];
    config.limits.body_bytes_max = plan.message_bytes_max;
    let gateway = focusflow_gateway::build(config).await?.over(transport);
    let address = gateway.local_addr()?;
    tokio::spawn(gateway.run(drain));
    Ok(address)
}
