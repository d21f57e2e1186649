//! What an idle socket takes of the gateway's memory.

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use focusflow_gateway::auth::AccessTokens;
use futures_util::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::client::Socket;
use crate::child::Server;
use crate::scenario::Scenario;
use crate::server::{JWT_SECRET, USER_ID};

/// Handshakes under way at a time.
const CONCURRENCY: usize = 64;

/// Sockets that are opened before anything is measured, so that what the process needs once is there.
const WARM_UP: u32 = 200;

/// Nobody is called, so nobody has to be there.
const NO_UPSTREAM: &str = "127.0.0.1:1";

pub(super) async fn measure(certificates: &Path, count: u32) -> anyhow::Result<()> {
    let gateway = Server::start(Scenario::Rest, certificates, Some(NO_UPSTREAM))?;
    let token = AccessTokens::new(JWT_SECRET.as_bytes())?.issue(USER_ID, Uuid::now_v7(), SystemTime::now())?;
    let warm = open(&gateway, &token, 0..WARM_UP).await?;
    let before_kib = gateway.resident_kib()?;
    let sockets = open(&gateway, &token, WARM_UP..WARM_UP + count).await?;
    let after_kib = gateway.resident_kib()?;
    drop((warm, sockets));

    let mut output = std::io::stdout().lock();
    writeln!(output, "| idle sockets | resident before, KB | after, KB | KB per socket |")?;
    writeln!(output, "|---:|---:|---:|---:|")?;
    #[expect(clippy::cast_precision_loss, reason = "a figure with one decimal")]
    let each = after_kib.saturating_sub(before_kib) as f64 / f64::from(count);
    Ok(writeln!(output, "| {count} | {before_kib} | {after_kib} | {each:.1} |\n")?)
}

async fn open(gateway: &Server, token: &str, numbers: std::ops::Range<u32>) -> anyhow::Result<Vec<Socket>> {
    let opening = numbers.map(|number| Socket::open(gateway.address(), token, number));
    stream::iter(opening).buffer_unordered(CONCURRENCY).try_collect().await
}
