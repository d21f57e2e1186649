//! `focusflow-storage`: the storage service as a process of its own, configured by environment variables.

use anyhow::Context;
use focusflow_mesh::process;
use focusflow_mesh::telemetry::LogFormat;
use focusflow_storage::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    process::prepare(LogFormat::Json)?;
    let storage = focusflow_storage::build(Config::from_env()?).await.context("the storage service cannot start")?;
    process::serve(storage.health().clone(), |drain| storage.run(drain)).await?;
    Ok(())
}
