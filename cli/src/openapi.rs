//! `focusflow openapi`: the REST interface as an OpenAPI 3.1 document, without a server.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use focusflow_mesh::policy::Policies;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Describe this contract (an encoded `google.protobuf.FileDescriptorSet`) instead of FocusFlow's
    #[arg(long, env = "GATEWAY_DESCRIPTOR_SET", value_name = "FILE")]
    descriptor_set: Option<PathBuf>,
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let policies = match arguments.descriptor_set {
        Some(path) => {
            let set = std::fs::read(&path).with_context(|| format!("--descriptor-set {}", path.display()))?;
            Policies::from_descriptor_set(&set)
        }
        None => Policies::from_descriptor_set(focusflow_proto::FILE_DESCRIPTOR_SET),
    };
    let document = focusflow_gateway::openapi::document(&policies.context("the contract cannot be read")?)?;
    println!("{document:#}");
    Ok(())
}
