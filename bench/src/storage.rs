//! What storage costs beside plain SQL, and how that grows with the database.
//!
//! Each database is filled by SQL, then read and written in three ways: by plain sqlx without row-level security, by
//! storage's own statements with it, and through the storage service, a process of its own, over mTLS. All ways to all
//! databases take turns in short blocks, so that whatever else the machine does hits them alike; figures are medians
//! of blocks, ratios those of neighbouring blocks.

mod cluster;
mod isolated;
mod lane;
mod load;
mod memory;
mod operation;
mod plain;
mod report;
mod service;
mod statement;
mod tier;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

pub(crate) use self::cluster::Cluster;
use self::isolated::Isolated;
use self::lane::{Figures, Plan};
pub(crate) use self::load::postgres as load_postgres;
use self::memory::Memory;
use self::operation::Connected;
use self::plain::Plain;
use self::service::Service;
pub(crate) use self::tier::Tier;
use crate::child::Server;
use crate::server;

/// The sizes that are compared.
const TIERS: [Tier; 3] = [Tier { tasks: 10_000 }, Tier { tasks: 1_000_000 }, Tier { tasks: 10_000_000 }];

/// How much to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The most tasks on PostgreSQL: 10 thousand, 1 million and 10 million are measured up to this.
    #[arg(long, default_value = "10000000")]
    tasks: u64,
    /// The most tasks on SQLite.
    #[arg(long, default_value = "1000000")]
    sqlite_tasks: u64,
    /// How long a block lasts, in milliseconds.
    #[arg(long, default_value = "300")]
    block_millis: NonZeroU64,
    /// How many turns each way gets; more turns even out a noisy machine.
    #[arg(long, default_value = "7")]
    turns: NonZeroUsize,
    /// How many requests are under way at a time, where it is not one.
    #[arg(long, default_value = "4")]
    concurrency: NonZeroU64,
}

/// A database with all ways to it.
struct Site {
    tier: Tier,
    server: Server,
    ways: Vec<Connected>,
}

/// Measures both databases and prints a table for each.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("focusflow-bench").tempdir()?;
    let certificates = folder.path().join("certificates");
    server::issue_certificates(&certificates)?;
    let plan = Plan {
        block: Duration::from_millis(options.block_millis.get()),
        turns: options.turns.get(),
        concurrency: options.concurrency.get(),
    };

    let mut sites = Vec::new();
    for tier in up_to(options.sqlite_tasks) {
        sites.push(sqlite_site(folder.path(), &certificates, tier).await?);
    }
    measure("SQLite", &plan, sites).await?;

    let cluster = Cluster::start(folder.path())?;
    let mut sites = Vec::new();
    for tier in up_to(options.tasks) {
        sites.push(postgres_site(&cluster, &certificates, tier).await?);
    }
    cluster.make_durable().await?;
    measure("PostgreSQL", &plan, sites).await
}

fn up_to(tasks: u64) -> impl Iterator<Item = Tier> {
    TIERS.into_iter().filter(move |tier| tier.tasks <= tasks)
}

async fn measure(database: &str, plan: &Plan, sites: Vec<Site>) -> anyhow::Result<()> {
    let Some(largest) = sites.last() else { return Ok(()) };
    let figures: Vec<Figures> = lane::measure(plan, &sites).await?;
    let memory = Memory::of_a_stream(&largest.server, &largest.ways).await?;
    Ok(report::print(database, plan, &figures, &memory)?)
}

async fn sqlite_site(folder: &Path, certificates: &Path, tier: Tier) -> anyhow::Result<Site> {
    let start = Instant::now();
    let url = load::sqlite(folder, tier).await?;
    report::loaded("SQLite", tier, start.elapsed());
    let path = url.strip_prefix("sqlite:").unwrap_or(&url);
    let server = Server::start_storage(certificates, &url)?;
    let ways = vec![
        Connected::PlainSqlite(Arc::new(Plain::open(Path::new(path)).await?)),
        Connected::Service(Service::connect(&server, certificates)?),
    ];
    Ok(Site { tier, server, ways })
}

async fn postgres_site(cluster: &Cluster, certificates: &Path, tier: Tier) -> anyhow::Result<Site> {
    let start = Instant::now();
    let url = load::postgres(cluster.url(), tier).await?;
    report::loaded("PostgreSQL", tier, start.elapsed());
    let server = Server::start_storage(certificates, &url)?;
    let ways = vec![
        Connected::PlainPostgres(Arc::new(Plain::connect(&url).await?)),
        Connected::Isolated(Isolated::connect(&url).await?),
        Connected::Service(Service::connect(&server, certificates)?),
    ];
    Ok(Site { tier, server, ways })
}
