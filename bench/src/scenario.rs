//! The four ways to the same RPC, and their turns.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;

use crate::child::Server;
use crate::client::Client;
use crate::load::{self, Block};
use crate::statistics::{median, percentile};
use crate::{cpu, server};

/// How long a way is used before its turns count, so that caches, pools and branch predictors are warm.
const WARM_UP: Duration = Duration::from_secs(1);

/// A way to the RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Bare tonic over plain HTTP/2.
    Plain,
    /// Bare tonic over rustls, both sides with certificates.
    Tls,
    /// The mesh's server and channel.
    Mesh,
    /// REST to the gateway, which calls the mesh's server.
    Rest,
}

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// All turns of all ways together.
    pub(crate) duration: Duration,
    /// Requests under way at a time.
    pub(crate) concurrency: usize,
    /// HTTP/2 connections of a gRPC client.
    pub(crate) connections: usize,
    /// Turns of each way.
    pub(crate) turns: usize,
}

/// One turn of one way; CPU times are per request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn {
    /// CPU time of the server that the client talks to, in microseconds.
    pub(crate) server_us: f64,
    /// CPU time of the server behind it, in microseconds.
    pub(crate) upstream_us: f64,
    /// CPU time of the load generator, in microseconds.
    pub(crate) client_us: f64,
    /// Half of the requests were answered within this.
    pub(crate) p50_us: f64,
    /// All but one in a hundred were answered within this.
    pub(crate) p99_us: f64,
    /// Requests answered in a second.
    pub(crate) requests_per_second: f64,
}

/// All turns of one way.
#[derive(Debug)]
pub(crate) struct Figures {
    /// The way.
    pub(crate) scenario: Scenario,
    /// In order of time; the turns of the same index of two ways followed each other.
    pub(crate) turns: Vec<Turn>,
}

/// A way with its servers running and its clients connected.
struct Lane {
    figures: Figures,
    server: Server,
    clients: Vec<Client>,
}

impl Scenario {
    /// As in the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Mesh => "mesh",
            Self::Rest => "rest",
        }
    }
}

impl Turn {
    /// CPU time of all processes together.
    pub(crate) fn total_us(&self) -> f64 {
        self.server_us + self.upstream_us + self.client_us
    }
}

impl Figures {
    /// The median of one figure over the turns.
    pub(crate) fn median(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(figure))
    }

    /// The median of one figure's ratio to that of another way's neighbouring turn.
    pub(crate) fn relative_to(&self, other: &Self, figure: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().zip(&other.turns).map(|(own, others)| figure(own) / figure(others)))
    }
}

/// Starts everything, lets the four ways take turns, and stops everything.
pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Vec<Figures>> {
    let certificates = tempfile::tempdir()?;
    server::issue_certificates(certificates.path())?;
    let mut lanes = open_lanes(plan, certificates.path()).await?;
    for lane in 0..lanes.len() {
        take_turn(&mut lanes, lane, WARM_UP).await?;
    }
    let duration = turn_duration(plan, lanes.len());
    for turn in 0..plan.turns {
        for step in 0..lanes.len() {
            // Each way goes first as often as every other.
            let lane = (turn + step) % lanes.len();
            let taken = take_turn(&mut lanes, lane, duration).await?;
            lanes[lane].figures.turns.push(taken);
        }
    }
    Ok(lanes.into_iter().map(|lane| lane.figures).collect())
}

async fn open_lanes(plan: &Plan, certificates: &Path) -> anyhow::Result<Vec<Lane>> {
    let mut lanes: Vec<Lane> = Vec::new();
    for &scenario in Scenario::value_variants() {
        let mesh = lanes.iter().find(|lane| lane.figures.scenario == Scenario::Mesh);
        let upstream = mesh.filter(|_| scenario == Scenario::Rest).map(|lane| lane.server.address());
        let server = Server::start(scenario, certificates, upstream)?;
        let clients = Client::open(scenario, server.address(), certificates, plan).await?;
        lanes.push(Lane { figures: Figures { scenario, turns: Vec::new() }, server, clients });
    }
    Ok(lanes)
}

async fn take_turn(lanes: &mut [Lane], lane: usize, duration: Duration) -> anyhow::Result<Turn> {
    let before = cpu_times(lanes)?;
    let block = load::run(&mut lanes[lane].clients, duration).await?;
    let after = cpu_times(lanes)?;
    let mut used = before.iter().zip(&after).map(|(before, after)| after.saturating_sub(*before).as_secs_f64() * 1e6);
    let client_us = used.next().unwrap_or_default();
    let servers_us: Vec<f64> = used.collect();
    // The other servers are idle, so whatever they use belongs to this way: the mesh's server when REST has its turn.
    let upstream_us = servers_us.iter().sum::<f64>() - servers_us[lane];
    Ok(summarised(block, servers_us[lane], upstream_us, client_us))
}

/// Of this process, then of each lane's server.
fn cpu_times(lanes: &[Lane]) -> anyhow::Result<Vec<Duration>> {
    let own = cpu::time_used(std::process::id());
    std::iter::once(own).chain(lanes.iter().map(|lane| lane.server.time_used())).collect()
}

fn summarised(mut block: Block, server_us: f64, upstream_us: f64, client_us: f64) -> Turn {
    #[expect(clippy::cast_precision_loss, reason = "no block has 2^52 requests")]
    let requests = block.latencies_us.len() as f64;
    Turn {
        server_us: server_us / requests,
        upstream_us: upstream_us / requests,
        client_us: client_us / requests,
        p50_us: percentile(&mut block.latencies_us, 0.5),
        p99_us: percentile(&mut block.latencies_us, 0.99),
        requests_per_second: requests / block.elapsed.as_secs_f64(),
    }
}

fn turn_duration(plan: &Plan, lanes: usize) -> Duration {
    let turns = u32::try_from(plan.turns * lanes).unwrap_or(u32::MAX).max(1);
    plan.duration / turns
}
