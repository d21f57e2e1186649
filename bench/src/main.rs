//! What the mesh costs, beside what it is built on.
//!
//! One run measures the same RPC four ways: a bare tonic service over plain HTTP/2, the same over rustls, through the
//! mesh's server and channel, and as REST through the gateway. Every server is a process of its own (this binary
//! again), so that its CPU time is counted apart from the load generator's. The four take turns in short blocks, so
//! that whatever else the machine does hits all of them alike, and figures are medians of blocks.

mod child;
mod client;
mod cpu;
mod edge;
mod load;
mod payload;
mod report;
mod resident;
mod scenario;
mod server;
mod statistics;
mod storage;
mod transcoding;
mod websocket;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::scenario::{Plan, Scenario};

/// Measures CPU time and latency per request, and prints tables in Markdown.
#[derive(Debug, Parser)]
#[command(name = "focusflow-bench")]
struct Arguments {
    /// How long the load runs, in seconds, all four ways together.
    #[arg(long, default_value = "60")]
    seconds: NonZeroU64,
    /// How many requests are under way at a time.
    #[arg(long, default_value = "32")]
    concurrency: NonZeroUsize,
    /// Over how many HTTP/2 connections gRPC requests go; REST uses one HTTP/1.1 connection for each request under way.
    #[arg(long, default_value = "2")]
    connections: NonZeroUsize,
    /// How many turns each way gets; more turns even out a noisy machine.
    #[arg(long, default_value = "15")]
    turns: NonZeroUsize,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Measures storage instead: what it costs beside plain SQL, and how that grows with the database.
    Storage(storage::Options),
    /// Measures requests from the edge to PostgreSQL instead, beside an Express server that does the same job.
    Edge(edge::Options),
    /// Measures WebSockets instead: memory for idle ones, and how long changes take to reach them.
    Websocket(websocket::Options),
    /// The storage service on a database; started by the run itself.
    #[command(hide = true)]
    ServeStorage {
        /// The directory with the development CA's certificates.
        #[arg(long)]
        certificates: PathBuf,
        /// The database.
        #[arg(long)]
        database_url: String,
        /// The Redis that replicas share, if any.
        #[arg(long)]
        redis_url: Option<String>,
    },
    /// One of the servers under load; started by the run itself.
    #[command(hide = true)]
    Serve {
        scenario: Scenario,
        /// The directory with the development CA's certificates.
        #[arg(long)]
        certificates: PathBuf,
        /// Where the gateway finds the tasks.
        #[arg(long)]
        upstream: Option<String>,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    focusflow_mesh::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.role {
        Some(Role::Serve { scenario, certificates, upstream }) => {
            runtime.block_on(server::serve(scenario, &certificates, upstream))
        }
        Some(Role::Storage(options)) => runtime.block_on(storage::run(&options)),
        Some(Role::Edge(options)) => runtime.block_on(edge::run(&options)),
        Some(Role::Websocket(options)) => runtime.block_on(websocket::run(&options)),
        Some(Role::ServeStorage { certificates, database_url, redis_url }) => {
            runtime.block_on(server::serve_storage(&certificates, &database_url, redis_url.as_deref()))
        }
        None => runtime.block_on(run(&arguments)),
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let plan = Plan {
        duration: Duration::from_secs(arguments.seconds.get()),
        concurrency: arguments.concurrency.get(),
        connections: arguments.connections.get(),
        turns: arguments.turns.get(),
    };
    let conversions = transcoding::measure()?;
    let results = scenario::measure(&plan).await?;
    report::print(&plan, &results, &conversions)?;
    Ok(())
}
