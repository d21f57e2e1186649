//! The servers under load.

mod bare;
mod gateway;
mod mesh;
mod storage;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use focusflow_mesh::ca::{DevelopmentCa, LeafRequest};
use focusflow_mesh::identity::TrustDomain;
use focusflow_mesh::tls::{Credentials, CredentialsReader, watch_directory};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::scenario::Scenario;

/// Signs the access tokens of the run. Its servers listen on the loopback device only, and end with it.
pub(crate) const JWT_SECRET: &str = "a secret for measuring, of no use to anybody";

/// Whose task it is.
pub(crate) const USER_ID: Uuid = Uuid::from_u128(0x0198_c0de_7a1c_7c3e_9d7b_5f2f_6f6d_1c04);

/// The service account of the clients, and of the gateway as client of the mesh.
pub(crate) const GATEWAY: &str = "gateway";

/// The service account of the servers.
pub(crate) const STORAGE: &str = "storage";

const TRUST_DOMAIN: &str = "focusflow.local";

/// Serves one way to the RPC until the standard input ends, which it does with the process that started this one.
pub(crate) async fn serve(scenario: Scenario, certificates: &Path, upstream: Option<String>) -> anyhow::Result<()> {
    tokio::select! {
        served = serve_forever(scenario, certificates, upstream) => served,
        () = input_ended() => Ok(()),
    }
}

/// Serves a database as storage does, likewise until the standard input ends.
pub(crate) async fn serve_storage(
    certificates: &Path,
    database_url: &str,
    redis_url: Option<&str>,
) -> anyhow::Result<()> {
    tokio::select! {
        served = storage::serve_storage(certificates, database_url, redis_url, announce) => served,
        () = input_ended() => Ok(()),
    }
}

async fn serve_forever(scenario: Scenario, certificates: &Path, upstream: Option<String>) -> anyhow::Result<()> {
    match scenario {
        Scenario::Plain => bare::serve_plain(listen().await?).await,
        Scenario::Tls => bare::serve_tls(listen().await?, certificates).await,
        Scenario::Mesh => mesh::serve_mesh(listen().await?, certificates).await,
        Scenario::Rest => {
            let upstream = upstream.context("the gateway needs --upstream")?;
            gateway::serve_gateway(certificates, &upstream, announce).await
        }
    }
}

async fn listen() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(listener.local_addr()?)?;
    Ok(listener)
}

/// Writes certificates for both sides below `directory`.
pub(crate) fn issue_certificates(directory: &Path) -> anyhow::Result<()> {
    let now = SystemTime::now();
    let authority = DevelopmentCa::create(directory.join("ca"), &trust_domain()?, now)?;
    for account in [GATEWAY, STORAGE] {
        authority.write_leaf(&directory.join(account), &LeafRequest::new(account), now)?;
    }
    Ok(())
}

/// The certificate of a service account, with all that goes with it.
pub(crate) fn credentials(certificates: &Path, account: &str) -> anyhow::Result<Arc<Credentials>> {
    Ok(credentials_reader(certificates, account)?.current())
}

/// The same for those that would follow its changes, of which there are none during a run.
pub(crate) fn credentials_reader(certificates: &Path, account: &str) -> anyhow::Result<CredentialsReader> {
    let (reader, _unfollowed) = watch_directory(certificates.join(account), &trust_domain()?)?;
    Ok(reader)
}

fn trust_domain() -> anyhow::Result<TrustDomain> {
    Ok(TRUST_DOMAIN.parse()?)
}

/// Tells the process that started this one where it listens.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{address}")?;
    Ok(output.flush()?)
}

/// Reads on a thread of its own: unlike a task of the runtime, it does not hold up the end of a server that failed.
async fn input_ended() {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        // An error ends the input as well as its end does.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = sender.send(());
    });
    let _ = receiver.await;
}
