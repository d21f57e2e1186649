//! The requests, the servers, and their turns.

use std::time::Duration;

use super::client::Caller;
use crate::child::Server;
use crate::load::{self, Block};
use crate::statistics::{median, percentile};
use crate::storage::Tier;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// One task, over REST.
    Read,
    /// The newest fifty tasks, over REST.
    List,
    /// A new task, over REST.
    Create,
    /// One task, over gRPC-Web; Express has no such thing.
    GrpcWebRead,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    FocusFlow,
    Express,
}

/// All processes but the database's.
pub(super) struct Servers {
    pub(super) gateway: Server,
    pub(super) storage: Server,
    pub(super) express: Server,
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// One turn.
    pub(super) block: Duration,
    /// Of each lane.
    pub(super) turns: usize,
    /// Requests under way at a time.
    pub(super) connections: u64,
    /// What is in the database.
    pub(super) tier: Tier,
}

/// One turn; CPU times are per request, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Of the process that is asked.
    pub(super) front_us: f64,
    /// Of storage, if it is behind that.
    pub(super) storage_us: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
    pub(super) requests_per_second: f64,
}

/// All turns of one lane, in order of time; turns of the same index of two lanes followed each other closely.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) operation: Operation,
    pub(super) system: System,
    pub(super) turns: Vec<Turn>,
    /// Resident memory of the processes that are asked, after the last turn.
    pub(super) resident_kib: u64,
}

struct Lane {
    figures: Figures,
    callers: Vec<Caller>,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Read, Self::List, Self::Create, Self::GrpcWebRead];

    /// As the table names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "REST read by id",
            Self::List => "REST list of 50",
            Self::Create => "REST create",
            Self::GrpcWebRead => "gRPC-Web read",
        }
    }

    fn systems(self) -> &'static [System] {
        match self {
            Self::GrpcWebRead => &[System::FocusFlow],
            Self::Read | Self::List | Self::Create => &[System::Express, System::FocusFlow],
        }
    }
}

impl Turn {
    /// Of all processes of the application.
    pub(super) fn total_us(&self) -> f64 {
        self.front_us + self.storage_us
    }
}

impl Figures {
    /// The median of one figure over the turns.
    pub(super) fn median(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(figure))
    }

    /// How many times as much CPU time another lane's neighbouring turn took, in the median.
    pub(super) fn advantage_over(&self, other: &Self) -> f64 {
        median(self.turns.iter().zip(&other.turns).map(|(own, others)| others.total_us() / own.total_us()))
    }
}

/// Lets both systems take turns at each operation.
pub(super) async fn measure(plan: &Plan, servers: &Servers) -> anyhow::Result<Vec<Figures>> {
    let mut measured = Vec::new();
    for operation in Operation::ALL {
        let mut lanes = Vec::new();
        for &system in operation.systems() {
            lanes.push(open(plan, servers, operation, system).await?);
        }
        // The first turn warms caches, pools, prepared statements and the compiler of JavaScript.
        for turn in 0..=plan.turns {
            let count = lanes.len();
            for step in 0..count {
                let lane = &mut lanes[(turn + step) % count];
                let taken = take_turn(lane, servers, plan.block).await?;
                if turn > 0 {
                    lane.figures.turns.push(taken);
                }
            }
        }
        for mut lane in lanes {
            lane.figures.resident_kib = resident_kib(servers, lane.figures.system)?;
            measured.push(lane.figures);
        }
    }
    Ok(measured)
}

async fn open(plan: &Plan, servers: &Servers, operation: Operation, system: System) -> anyhow::Result<Lane> {
    let address = front(servers, system).address();
    let mut callers = Vec::new();
    for number in 0..plan.connections {
        callers.push(Caller::connect(address, operation, plan.tier, number).await?);
    }
    Ok(Lane { figures: Figures { operation, system, turns: Vec::new(), resident_kib: 0 }, callers })
}

fn front(servers: &Servers, system: System) -> &Server {
    match system {
        System::FocusFlow => &servers.gateway,
        System::Express => &servers.express,
    }
}

async fn take_turn(lane: &mut Lane, servers: &Servers, duration: Duration) -> anyhow::Result<Turn> {
    let front = front(servers, lane.figures.system);
    let before = (front.time_used()?, servers.storage.time_used()?);
    let block = load::run(&mut lane.callers, duration).await?;
    let front_used = front.time_used()?.saturating_sub(before.0);
    let storage_used = match lane.figures.system {
        System::FocusFlow => servers.storage.time_used()?.saturating_sub(before.1),
        System::Express => Duration::ZERO,
    };
    Ok(summarised(block, front_used, storage_used))
}

fn summarised(mut block: Block, front: Duration, storage: Duration) -> Turn {
    #[expect(clippy::cast_precision_loss, reason = "no block has 2^52 requests")]
    let requests = block.latencies_us.len() as f64;
    Turn {
        front_us: front.as_secs_f64() * 1e6 / requests,
        storage_us: storage.as_secs_f64() * 1e6 / requests,
        p50_us: percentile(&mut block.latencies_us, 0.5),
        p99_us: percentile(&mut block.latencies_us, 0.99),
        p999_us: percentile(&mut block.latencies_us, 0.999),
        requests_per_second: requests / block.elapsed.as_secs_f64(),
    }
}

fn resident_kib(servers: &Servers, system: System) -> anyhow::Result<u64> {
    match system {
        System::FocusFlow => Ok(servers.gateway.resident_kib()? + servers.storage.resident_kib()?),
        System::Express => servers.express.resident_kib(),
    }
}
