//! What requests cost from the edge on, beside an Express server that does the same job.
//!
//! Behind the gateway is the real storage service on PostgreSQL, beside it a process of Express on the same database;
//! every connection sends the token of a person of its own, and both servers check it each time. They take turns in
//! short blocks, as in the other measurements.

mod client;
mod express;
mod lane;
mod report;

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use clap::Args;

use self::express::Express;
use self::lane::{Plan, Servers};
use crate::child::Server;
use crate::scenario::Scenario;
use crate::server;
use crate::storage::{Cluster, Tier, load_postgres};

/// How many tasks are in the database.
const TIER: Tier = Tier { tasks: 100_000 };

/// How much to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// How long a block lasts, in milliseconds.
    #[arg(long, default_value = "1000")]
    block_millis: NonZeroU64,
    /// How many turns each lane gets; more turns even out a noisy machine.
    #[arg(long, default_value = "7")]
    turns: NonZeroUsize,
    /// How many connections send requests, one at a time each.
    #[arg(long, default_value = "32")]
    connections: NonZeroU64,
}

/// Starts everything, measures, prints a table and stops everything.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("focusflow-bench").tempdir()?;
    let certificates = folder.path().join("certificates");
    server::issue_certificates(&certificates)?;
    let cluster = Cluster::start(folder.path())?;
    let database_url = load_postgres(cluster.url(), TIER).await?;
    cluster.make_durable().await?;

    let storage = Server::start_storage(&certificates, &database_url)?;
    let gateway = Server::start(Scenario::Rest, &certificates, Some(storage.address()))?;
    let express = Express::start(&database_url)?;
    let servers = Servers { gateway, storage, express };
    let plan = Plan {
        block: Duration::from_millis(options.block_millis.get()),
        turns: options.turns.get(),
        connections: options.connections.get(),
        tier: TIER,
    };
    let figures = lane::measure(&plan, &servers).await?;
    Ok(report::print(&plan, &figures)?)
}
