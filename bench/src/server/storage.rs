//! The storage service as it is in production.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use focusflow_mesh::drain::Drain;
use focusflow_mesh::telemetry;
use focusflow_storage::Config;

use crate::server::{STORAGE, TRUST_DOMAIN};

/// Serves a database over mTLS. `announce` is told the address.
pub(super) async fn serve_storage(
    certificates: &Path,
    database_url: &str,
    redis_url: Option<&str>,
    announce: impl FnOnce(SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    telemetry::prometheus();
    let certificates = certificates.join(STORAGE).display().to_string();
    let mut config = Config::from_variables(|variable| match variable {
        "ADMIN_PORT" => Some("off".to_owned()),
        "DATABASE_URL" => Some(database_url.to_owned()),
        "REDIS_URL" => redis_url.map(ToOwned::to_owned),
        "MESH_CERT_DIR" => Some(certificates.clone()),
        "MESH_TRUST_DOMAIN" => Some(TRUST_DOMAIN.to_owned()),
        _ => None,
    })?;
    config.listen.mesh = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let storage = focusflow_storage::build(config).await?;
    announce(storage.local_addr()?)?;
    storage.run(Drain::never()).await;
    Ok(())
}
