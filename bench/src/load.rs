//! A closed loop: a fixed number of requests under way, each followed by the next as soon as it is answered.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// Someone who has one request under way at a time.
pub(crate) trait Call: Send + 'static {
    /// One request, to the end of its answer.
    fn call(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// What one block of load saw.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// Of every request, in microseconds.
    pub(crate) latencies_us: Vec<f64>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

/// Keeps every client busy for `duration`. A request that fails ends the run: figures of failures are worth nothing.
pub(crate) async fn run<C: Call>(clients: &mut Vec<C>, duration: Duration) -> anyhow::Result<Block> {
    let start = Instant::now();
    let mut loops = JoinSet::new();
    for client in clients.drain(..) {
        loops.spawn(closed_loop(client, start + duration));
    }
    let mut block = Block::default();
    while let Some(ended) = loops.join_next().await {
        let (client, latencies_us) = ended??;
        clients.push(client);
        block.latencies_us.extend(latencies_us);
    }
    block.elapsed = start.elapsed();
    Ok(block)
}

async fn closed_loop<C: Call>(mut client: C, end: Instant) -> anyhow::Result<(C, Vec<f64>)> {
    let mut latencies_us = Vec::with_capacity(16_384);
    let mut sent = Instant::now();
    while sent < end {
        client.call().await?;
        let answered = Instant::now();
        latencies_us.push((answered - sent).as_secs_f64() * 1e6);
        sent = answered;
    }
    Ok((client, latencies_us))
}
