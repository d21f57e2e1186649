//! A PostgreSQL server of the run's own, in a folder that goes with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use sqlx::{Connection as _, Executor as _, PgConnection};

/// Room for the indexes of the largest tier; the rest of the data is in the system's page cache.
pub(crate) const SHARED_BUFFERS: &str = "2GB";

/// A running server; dropping it ends it.
pub(crate) struct Cluster {
    folder: PathBuf,
    url: String,
}

impl Cluster {
    /// Starts an empty server that is quick to load and not durable.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("postgres");
        let setting = format!("shared_buffers = {SHARED_BUFFERS}");
        let output = script().arg("start").arg(&folder).arg(setting).output()?;
        ensure!(output.status.success(), "no PostgreSQL: {}", String::from_utf8_lossy(&output.stderr));
        let url = String::from_utf8(output.stdout).context("a URL that is no text")?.trim().to_owned();
        Ok(Self { folder, url })
    }

    /// Of the database `postgres`, as its superuser.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on a commit is on the disk before it is acknowledged, as users run it.
    pub(crate) async fn make_durable(&self) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.url).await?;
        connection.execute("CHECKPOINT").await?;
        connection.execute("ALTER SYSTEM SET fsync = on").await?;
        connection.execute("SELECT pg_reload_conf()").await?;
        Ok(connection.close().await?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = script().arg("stop").arg(&self.folder).arg("immediate").output();
    }
}

fn script() -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/private-postgres"))
}
