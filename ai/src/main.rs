//! `focusflow-ai`: the AI service as a process of its own, configured by environment variables.

use anyhow::Context;
use focusflow_ai::Config;
use focusflow_mesh::process;
use focusflow_mesh::telemetry::LogFormat;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    process::prepare(LogFormat::Json)?;
    let ai = focusflow_ai::build(Config::from_env()?).await.context("the AI service cannot start")?;
    process::serve(ai.health().clone(), |drain| ai.run(drain)).await?;
    Ok(())
}
