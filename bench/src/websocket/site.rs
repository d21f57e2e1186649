//! Two gateways, each before a storage process of its own, on one PostgreSQL and one Redis.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::{TcpListener, TcpStream};

use crate::child::Server;
use crate::scenario::Scenario;
use crate::storage::Cluster;

/// The whole system; dropping it ends it.
pub(super) struct Site {
    pub(super) gateways: [Server; 2],
    _storages: [Server; 2],
    _redis: Redis,
    _postgres: Cluster,
}

/// A Redis of the run's own.
struct Redis(Child);

impl Site {
    pub(super) async fn start(folder: &Path, certificates: &Path) -> anyhow::Result<Self> {
        let postgres = Cluster::start(folder)?;
        postgres.make_durable().await?;
        let (redis, redis_url) = Redis::start().await?;
        let storage = || Server::start_storage_with(certificates, postgres.url(), Some(&redis_url));
        let storages = [storage()?, storage()?];
        let gateway = |storage: &Server| Server::start(Scenario::Rest, certificates, Some(storage.address()));
        let gateways = [gateway(&storages[0])?, gateway(&storages[1])?];
        Ok(Self { gateways, _storages: storages, _redis: redis, _postgres: postgres })
    }
}

impl Redis {
    /// Starts one on a port that was free a moment ago, and waits until it listens.
    async fn start() -> anyhow::Result<(Self, String)> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?;
        let redis = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(address.port().to_string())
            .stdout(Stdio::null())
            .spawn()
            .context("no Redis: install redis-server")?;
        let redis = Self(redis);
        for _ in 0..100 {
            if TcpStream::connect(address).await.is_ok() {
                return Ok((redis, format!("redis://{address}")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("Redis did not start")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
