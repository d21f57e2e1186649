//! The mesh's own server.

use std::path::Path;

use focusflow_mesh::drain::Drain;
use focusflow_mesh::policy::Policies;
use focusflow_mesh::server::{Limits, Mesh, Transport, serve};
use focusflow_mesh::telemetry;
use focusflow_proto::FILE_DESCRIPTOR_SET;
use focusflow_proto::v1::task_service_server::TaskServiceServer;
use tokio::net::TcpListener;

use crate::payload::ConstantTask;
use crate::server::{STORAGE, credentials_reader};

/// Serves as storage does: over mTLS, with the contract's policies and all metrics.
pub(super) async fn serve_mesh(listener: TcpListener, certificates: &Path) -> anyhow::Result<()> {
    telemetry::prometheus();
    let mesh = Mesh::builder(Policies::from_descriptor_set(FILE_DESCRIPTOR_SET)?)
        .add_service(TaskServiceServer::new(ConstantTask::new()))
        .build()?;
    let transport = Transport::Mtls(credentials_reader(certificates, STORAGE)?);
    serve(listener, transport, Limits::default(), mesh, Drain::never()).await;
    Ok(())
}
