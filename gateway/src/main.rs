//! `focusflow-gateway`: the edge as a process of its own, configured by environment variables.

use anyhow::Context;
use focusflow_gateway::config::Config;
use focusflow_mesh::process;
use focusflow_mesh::telemetry::LogFormat;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    process::prepare(LogFormat::Json)?;
    let gateway = focusflow_gateway::build(Config::from_env()?).await.context("the edge cannot start")?;
    process::serve(gateway.health().clone(), |drain| gateway.run(drain)).await?;
    Ok(())
}
