//! tonic's own channel, plain and over rustls.

use std::io;
use std::path::Path;
use std::sync::Arc;

use focusflow_mesh::tls::ExpectedPeer;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::server::{GATEWAY, STORAGE, credentials};

/// A channel over plain HTTP/2.
pub(super) async fn plain(address: &str) -> anyhow::Result<Channel> {
    Ok(endpoint(address)?.connect().await?)
}

/// A channel over rustls, with the mesh's certificates and rustls configuration.
pub(super) async fn tls(address: &str, certificates: &Path) -> anyhow::Result<Channel> {
    let expected = ExpectedPeer::ServiceAccount(STORAGE.to_owned());
    let config = credentials(certificates, GATEWAY)?.client_config(&expected);
    let (connector, name, address_owned) = (TlsConnector::from(config), expected.server_name(), Arc::from(address));
    let dial = move |_: Uri| {
        let (connector, name, address): (_, _, Arc<str>) =
            (connector.clone(), name.clone(), Arc::clone(&address_owned));
        async move {
            let tcp = TcpStream::connect(&*address).await?;
            tcp.set_nodelay(true)?;
            Ok::<_, io::Error>(TokioIo::new(connector.connect(name, tcp).await?))
        }
    };
    Ok(endpoint(address)?.connect_with_connector(tower::service_fn(dial)).await?)
}

fn endpoint(address: &str) -> anyhow::Result<Endpoint> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true))
}
