//! Servers under load, each in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::scenario::Scenario;
use crate::{cpu, resident};

/// A server in a process of its own; dropping it ends the process.
pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts this binary as a server and waits until it says where it listens.
    pub(crate) fn start(scenario: Scenario, certificates: &Path, upstream: Option<&str>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(scenario.name()).arg("--certificates").arg(certificates);
        if let Some(upstream) = upstream {
            command.arg("--upstream").arg(upstream);
        }
        Self::spawn(command)
    }

    /// Starts this binary as the storage service on a database.
    pub(crate) fn start_storage(certificates: &Path, database_url: &str) -> anyhow::Result<Self> {
        Self::start_storage_with(certificates, database_url, None)
    }

    /// The same, with a Redis that it shares with others.
    pub(crate) fn start_storage_with(
        certificates: &Path,
        database_url: &str,
        redis_url: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve-storage").arg("--certificates").arg(certificates).arg("--database-url").arg(database_url);
        if let Some(redis_url) = redis_url {
            command.arg("--redis-url").arg(redis_url);
        }
        Self::spawn(command)
    }

    /// Starts a server that says where it listens on its standard output and ends with its standard input.
    pub(crate) fn spawn(mut command: Command) -> anyhow::Result<Self> {
        // So it cannot outlive this process.
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().context("the server has no standard output")?;
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address)?;
        let address = address.trim().to_owned();
        ensure!(!address.is_empty(), "a server did not start: {command:?}");
        Ok(Self { process, address })
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The CPU time that the server has used so far.
    pub(crate) fn time_used(&self) -> anyhow::Result<Duration> {
        cpu::time_used(self.process.id())
    }

    /// The server's resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        resident::resident_kib(self.process.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
