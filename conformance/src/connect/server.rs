//! The server under test: a mesh port, or the edge before one.

use anyhow::{Context as _, Result};
use focusflow_mesh::drain::Drain;
use focusflow_mesh::framing::MESSAGE_BYTES_MAX_DEFAULT;
use focusflow_mesh::server::Transport;

use super::messages::{ServerRequest, ServerResponse};
use super::service::Conformance;
use super::{PACKAGE, SERVICE, descriptor_set, pipe};
use crate::stack::{self, Plan};
use crate::tls;

/// The suite's number for gRPC-Web, which only the edge speaks.
const GRPC_WEB: i32 = 3;

/// Is what the suite asks for, until it ends this process.
pub(crate) async fn run(through_gateway: bool) -> Result<()> {
    let request: ServerRequest = pipe::read(&mut tokio::io::stdin()).await?.context("the suite said nothing")?;
    let response = start(&request, through_gateway || request.protocol == GRPC_WEB).await?;
    pipe::write(&mut tokio::io::stdout(), &response).await?;
    std::future::pending().await
}

async fn start(request: &ServerRequest, with_edge: bool) -> Result<ServerResponse> {
    let message_bytes_max = match request.message_receive_limit {
        0 => MESSAGE_BYTES_MAX_DEFAULT,
        limit => usize::try_from(limit)?,
    };
    let plan = Plan { descriptor_set: descriptor_set(), message_bytes_max };
    let (transport, pem_cert) = transport(request)?;
    let address = if with_edge {
        let upstream = stack::mesh::<Conformance>(&plan, Transport::Plaintext, Drain::never()).await?;
        stack::edge(&plan, &format!("{PACKAGE}.{SERVICE}"), upstream, transport, Drain::never()).await?
    } else {
        stack::mesh::<Conformance>(&plan, transport, Drain::never()).await?
    };
    Ok(ServerResponse { host: address.ip().to_string(), port: address.port().into(), pem_cert })
}

fn transport(request: &ServerRequest) -> Result<(Transport, Vec<u8>)> {
    if !request.use_tls {
        return Ok((Transport::Plaintext, Vec::new()));
    }
    let own = request.server_creds.as_ref().context("TLS without a certificate for the server")?;
    let config = tls::server(own.identity(), &request.client_tls_cert)?;
    Ok((tls::transport(config), own.cert.clone()))
}
