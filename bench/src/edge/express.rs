//! The baseline: one process of Express, whose source is in `bench/express`.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;

use crate::child::Server;
use crate::server::JWT_SECRET;

/// As many connections to the database as storage has at most.
const DATABASE_CONNECTIONS: &str = "20";

/// Starts Express; its packages must be installed.
pub(super) struct Express;

impl Express {
    pub(super) fn start(database_url: &str) -> anyhow::Result<Server> {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/express"));
        ensure!(folder.join("node_modules").exists(), "npm ci is to be run in {} first", folder.display());
        let mut command = Command::new("node");
        command
            .arg(folder.join("server.mjs"))
            .env("NODE_ENV", "production")
            .env("DATABASE_URL", database_url)
            .env("DATABASE_CONNECTIONS", DATABASE_CONNECTIONS)
            .env("JWT_SECRET", JWT_SECRET);
        Server::spawn(command)
    }
}
