//! PostgreSQL servers of a test's own, which it may stop, restart and fill with roles.

use std::path::PathBuf;
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

/// A running server. It ends with the test.
pub(crate) struct Cluster {
    folder: TempDir,
    /// As the superuser `postgres`, in the database `postgres`.
    pub(crate) url: String,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = command(&["start", &data(&folder)]).await;
        Self { folder, url }
    }

    /// A streaming replica of this server.
    pub(crate) async fn follow(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = command(&["follow", &data(&folder), &self.url]).await;
        Self { folder, url }
    }

    /// `mode` is `fast` or `immediate`, which is what a crash looks like.
    pub(crate) async fn stop(&self, mode: &str) {
        command(&["stop", &data(&self.folder), mode]).await;
    }

    /// Starts the server again where it was.
    pub(crate) async fn restart(&self, mode: &str) {
        command(&["restart", &data(&self.folder), mode]).await;
    }

    /// Another database or another user.
    pub(crate) fn url_of(&self, user: &str, database: &str) -> String {
        let server = self.url.split_once('@').unwrap().1.split_once('/').unwrap().0;
        format!("postgres://{user}@{server}/{database}")
    }

    pub(crate) async fn connect(&self, user: &str, database: &str) -> PgConnection {
        PgConnection::connect(&self.url_of(user, database)).await.unwrap()
    }

    /// Runs statements as the superuser.
    pub(crate) async fn execute(&self, database: &str, statements: &str) {
        let mut connection = self.connect("postgres", database).await;
        connection.execute(AssertSqlSafe(statements.to_owned())).await.unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // One that is stopped already is as good.
        let _ = Command::new(script()).args(["stop", &data(&self.folder), "immediate"]).output();
    }
}

fn data(folder: &TempDir) -> String {
    folder.path().join("postgres").display().to_string()
}

fn script() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/private-postgres"))
}

async fn command(arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let run = move || {
        // To a file: the server that this leaves behind keeps a pipe open.
        let errors = tempfile::NamedTempFile::new().unwrap();
        let output = Command::new(script()).args(&arguments).stderr(errors.reopen().unwrap()).output().unwrap();
        let said = std::fs::read_to_string(errors.path()).unwrap();
        assert!(output.status.success(), "private-postgres {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}
