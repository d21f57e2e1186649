//! How much memory a long stream takes.

use std::time::Duration;

use anyhow::Context;

use super::operation::Connected;
use super::tier::{CHANGES, reader};
use crate::child::Server;

const SAMPLE_INTERVAL: Duration = Duration::from_millis(2);

/// Resident memory of the service, in KiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Before the stream.
    pub(super) before_kib: u64,
    /// The most while the rows came.
    pub(super) peak_kib: u64,
}

impl Memory {
    /// Reads all changes of one person through the service while its memory is looked at.
    pub(super) async fn of_a_stream(server: &Server, ways: &[Connected]) -> anyhow::Result<Self> {
        let service = ways.iter().find_map(|way| match way {
            Connected::Service(service) => Some(service),
            _ => None,
        });
        let service = service.context("the service is not measured")?;
        let before_kib = server.resident_kib()?;
        let mut peak_kib = before_kib;
        let mut stream = std::pin::pin!(service.watch(reader(), CHANGES));
        let mut samples = tokio::time::interval(SAMPLE_INTERVAL);
        loop {
            tokio::select! {
                ended = &mut stream => break ended?,
                _ = samples.tick() => peak_kib = peak_kib.max(server.resident_kib()?),
            }
        }
        Ok(Self { before_kib, peak_kib })
    }
}
