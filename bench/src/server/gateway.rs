//! The edge in front of the mesh's server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use focusflow_gateway::config::Config;
use focusflow_mesh::drain::Drain;
use focusflow_mesh::telemetry;

use crate::server::{GATEWAY, JWT_SECRET, STORAGE, TRUST_DOMAIN};

/// More than any run opens.
const CONNECTIONS_MAX: &str = "1000000";

/// Serves as in production, with the mesh's server in storage's place. `announce` is told the address.
pub(super) async fn serve_gateway(
    certificates: &Path,
    upstream: &str,
    announce: impl FnOnce(SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    telemetry::prometheus();
    let certificates = certificates.join(GATEWAY).display().to_string();
    let storage = format!("https://{upstream}#{STORAGE}");
    let mut config = Config::from_variables(|variable| match variable {
        "ADMIN_PORT" | "RATE_LIMIT" => Some("off".to_owned()),
        "JWT_SECRET" => Some(JWT_SECRET.to_owned()),
        "MESH_CERT_DIR" => Some(certificates.clone()),
        "MESH_TRUST_DOMAIN" => Some(TRUST_DOMAIN.to_owned()),
        "STORAGE_SERVICE_URL" => Some(storage.clone()),
        "GATEWAY_CONNECTIONS_MAX"
        | "GATEWAY_CONNECTIONS_PER_ADDRESS_MAX"
        | "WEBSOCKET_CONNECTIONS_MAX"
        | "WEBSOCKET_CONNECTIONS_PER_USER_MAX"
        | "WEBSOCKET_CONNECTIONS_PER_ADDRESS_MAX" => Some(CONNECTIONS_MAX.to_owned()),
        _ => None,
    })?;
    config.listen.public = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let gateway = focusflow_gateway::build(config).await?;
    announce(gateway.local_addr()?)?;
    gateway.run(Drain::never()).await;
    Ok(())
}
