//! SQLite: a file of this machine.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use sqlx::SqliteConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::pool::{Lent, Pool, PoolOptions};
use super::{ACQUIRE_TIMEOUT, OpenError};

/// Enough for the reads of one machine: each holds up to 2 MiB of pages.
const READERS_MAX: usize = 4;
/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What people write down is for nobody else on the machine.
const OWNER_ONLY: u32 = 0o600;
const OWNER_ONLY_FOLDER: u32 = 0o700;

/// SQLite has one writer at a time, so writes queue for one connection here rather than for a lock there; readers see
/// the last commit and wait for nobody.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) writer: Pool<SqliteConnection>,
    pub(super) readers: Pool<SqliteConnection>,
}

impl File {
    /// Opens the file, which need not be there, and brings its schema up to date.
    pub(super) async fn open(path: &Path) -> Result<Self, OpenError> {
        create_missing(path).map_err(|source| OpenError::Create { path: path.to_owned(), source })?;
        let open_error = |source| OpenError::Open { database: path.display().to_string(), source };

        let writer = pool(options(path), 1);
        sqlx::migrate!("migrations/sqlite").run(&mut *writer.acquire().await.map_err(open_error)?).await?;
        let readers = pool(options(path).pragma("query_only", "on"), READERS_MAX);
        readers.acquire().await.map_err(open_error)?;
        Ok(Self { writer, readers })
    }

    pub(super) async fn begin(&self) -> sqlx::Result<Lent<SqliteConnection>> {
        // IMMEDIATE takes the lock at once. A transaction that read first could be refused it later.
        self.writer.begin("BEGIN IMMEDIATE".to_owned()).await.map(|(begun, _)| begun)
    }

    /// A transaction whose statements read the same state.
    pub(super) async fn snapshot(&self) -> sqlx::Result<Lent<SqliteConnection>> {
        self.readers.begin("BEGIN".to_owned()).await.map(|(begun, _)| begun)
    }

    /// Closes all connections after their current work, and folds the log into the database file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Nothing happens to a connection to a file, however old it is or long it rests.
fn pool(options: SqliteConnectOptions, connections_max: usize) -> Pool<SqliteConnection> {
    let kept = PoolOptions {
        connections_max,
        acquire_timeout: ACQUIRE_TIMEOUT,
        setup: None,
        age_max: Duration::MAX,
        rest_max: Duration::MAX,
    };
    Pool::new(options, kept)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk before it is acknowledged: it survives a power failure, not only a kill -9.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .optimize_on_close(true, None)
}

/// Makes an empty file, which is an empty database, and the folders above it. SQLite gives the files that it puts
/// beside it the same permissions.
fn create_missing(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(OWNER_ONLY_FOLDER).create(folder)?;
    }
    // One that is there is not even opened: closing it would give up the locks that this process may hold on it.
    match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn the_database_and_the_files_beside_it_are_their_owners_only() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("data");
        let file = File::open(&folder.join("test.db")).await.unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() > 1, "the log is beside the database: {files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        file.close().await;
    }
}
