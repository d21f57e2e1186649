//! What WebSockets cost: the gateway's memory for idle ones, and how long a change takes to reach every socket of its
//! person, over two gateways and two storage processes on one PostgreSQL and one Redis.

mod client;
mod fanout;
mod idle;
mod site;

use std::num::{NonZeroU32, NonZeroUsize};

use clap::Args;

use crate::server;

/// How much to measure.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    /// How many idle sockets are opened.
    #[arg(long, default_value = "10000")]
    sockets: NonZeroU32,
    /// How many people watch their changes.
    #[arg(long, default_value = "100")]
    people: NonZeroUsize,
    /// On how many sockets each of them does, half of them on either gateway.
    #[arg(long, default_value = "10")]
    sockets_each: NonZeroUsize,
    /// How many changes are made, one after the other.
    #[arg(long, default_value = "1000")]
    changes: NonZeroUsize,
}

/// Measures both and prints a table for each.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("focusflow-bench").tempdir()?;
    let certificates = folder.path().join("certificates");
    server::issue_certificates(&certificates)?;
    idle::measure(&certificates, options.sockets.get()).await?;
    fanout::measure(folder.path(), &certificates, options).await
}
