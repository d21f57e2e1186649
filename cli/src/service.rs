//! One service in a process of its own, configured by environment.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use focusflow_gateway::config::NamedUpstream;
use focusflow_mesh::process;
use focusflow_mesh::telemetry::LogFormat;

#[derive(clap::Args)]
pub(crate) struct GatewayArguments {
    /// Serve this contract (an encoded `google.protobuf.FileDescriptorSet`) instead of FocusFlow's
    #[arg(long, env = "GATEWAY_DESCRIPTOR_SET", value_name = "FILE")]
    descriptor_set: Option<PathBuf>,
    /// Where a service is: http for gRPC in plaintext, https for a peer of the mesh, whose account may follow as
    /// a fragment (`https://10.0.0.7:7000#storage`); repeatable
    #[arg(long = "upstream", value_name = "PACKAGE.SERVICE=URL")]
    upstreams: Vec<NamedUpstream>,
}

pub(crate) async fn gateway(arguments: GatewayArguments) -> Result<()> {
    process::prepare(LogFormat::Json)?;
    let mut config = focusflow_gateway::config::Config::from_env()?;
    if let Some(path) = arguments.descriptor_set {
        config.contract.descriptor_set =
            std::fs::read(&path).with_context(|| format!("--descriptor-set {}", path.display()))?;
    }
    config.contract.upstreams.extend(arguments.upstreams);
    let gateway = focusflow_gateway::build(config).await.context("the gateway cannot start")?;
    process::serve(gateway.health().clone(), |drain| gateway.run(drain)).await?;
    Ok(())
}

pub(crate) async fn storage() -> Result<()> {
    process::prepare(LogFormat::Json)?;
    let config = focusflow_storage::Config::from_env()?;
    let storage = focusflow_storage::build(config).await.context("storage cannot start")?;
    process::serve(storage.health().clone(), |drain| storage.run(drain)).await?;
    Ok(())
}

pub(crate) async fn ai() -> Result<()> {
    process::prepare(LogFormat::Json)?;
    let config = focusflow_ai::Config::from_env()?;
    let ai = focusflow_ai::build(config).await.context("ai cannot start")?;
    process::serve(ai.health().clone(), |drain| ai.run(drain)).await?;
    Ok(())
}
