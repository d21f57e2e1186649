//! The database: connections, the transaction of a write, and one module of queries per table.
//!
//! Queries are constant texts with `$n` placeholders that PostgreSQL and SQLite both read, and take a [`Connection`],
//! so that a second database joins behind that one name. Every query on a person's data names the person.

pub mod categories;
pub mod changes;
pub mod imports;
#[cfg(test)]
mod plan;
pub mod request_ids;
pub mod sessions;
pub mod settings;
pub mod tasks;
pub mod time_logs;
pub mod users;

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlitePool, Transaction};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::domain::change::{Action, Resource};

/// What queries run on.
pub type Connection = <Dialect as sqlx::Database>::Connection;

/// What queries are written for.
type Dialect = sqlx::Sqlite;

/// Enough for the reads of one machine: each holds up to 2 MiB of pages.
const READERS_MAX: u32 = 4;
/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// What people write down is for nobody else on the machine.
const OWNER_ONLY: u32 = 0o600;
const OWNER_ONLY_FOLDER: u32 = 0o700;
/// A watcher that falls this far behind reads the table once instead.
const COMMIT_NOTICES_MAX: usize = 1024;

/// The database that `DATABASE_URL` names.
///
/// SQLite has one writer at a time, so writes queue for one connection here rather than for a lock there; readers see
/// the last commit and wait for nobody.
#[derive(Clone, Debug)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
    committed: broadcast::Sender<Uuid>,
}

/// Where the database is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DatabaseUrl(PathBuf);

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A PostgreSQL URL.
    #[error("DATABASE_URL names PostgreSQL, but this version runs on SQLite: use `sqlite:PATH`")]
    Postgres,
    /// Not a URL of any known database.
    #[error("DATABASE_URL must have the form `sqlite:PATH`, not `{0}`")]
    Scheme(String),
    /// The file or its folder could not be made.
    #[error("the database `{path}` cannot be created")]
    Create {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could not be opened.
    #[error("the database `{path}` cannot be opened")]
    Open {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// A migration failed, or the database is of a newer version.
    #[error("the database cannot be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// The transaction of one person's write.
///
/// It holds the lock on the person from its beginning, so a person's writes happen one after the other and what they
/// read does not change under them. Dropped without [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct Write {
    transaction: Transaction<'static, Dialect>,
    user_id: Uuid,
    now: DateTime<Utc>,
    last_number: i64,
    changes: Vec<PendingChange>,
    committed: broadcast::Sender<Uuid>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingChange {
    pub(crate) resource: Resource,
    pub(crate) resource_id: Uuid,
    pub(crate) action: Action,
}

impl FromStr for DatabaseUrl {
    type Err = OpenError;

    fn from_str(url: &str) -> Result<Self, OpenError> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.trim_start_matches('/').is_empty() => {
                // `sqlite://data/focusflow.db` is as common as `sqlite:data/focusflow.db`.
                Ok(Self(path.strip_prefix("//").unwrap_or(path).into()))
            }
            Some(("postgres" | "postgresql", _)) => Err(OpenError::Postgres),
            // What follows the scheme may hold a password.
            other => Err(OpenError::Scheme(other.map_or("", |(scheme, _)| scheme).to_owned())),
        }
    }
}

impl DatabaseUrl {
    /// A SQLite file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Database {
    /// Opens the database and brings its schema up to date.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        let path = url.path();
        create_missing(path).map_err(|source| OpenError::Create { path: path.to_owned(), source })?;
        let open_error = |source| OpenError::Open { path: path.to_owned(), source };

        let writer = pool(1).connect_with(options(path)).await.map_err(open_error)?;
        sqlx::migrate!("migrations/sqlite").run(&writer).await?;
        let readers =
            pool(READERS_MAX).connect_with(options(path).pragma("query_only", "on")).await.map_err(open_error)?;
        Ok(Self { writer, readers, committed: broadcast::Sender::new(COMMIT_NOTICES_MAX) })
    }

    /// A connection to read with.
    pub async fn read(&self) -> sqlx::Result<PoolConnection<Dialect>> {
        self.readers.acquire().await
    }

    /// A transaction to read with: all its queries see the same state.
    pub async fn snapshot(&self) -> sqlx::Result<Transaction<'static, Dialect>> {
        self.readers.begin().await
    }

    /// Begins a write, and waits until no other is under way. [`write_in`](Self::write_in) makes it a person's.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Dialect>> {
        // IMMEDIATE takes the lock at once. A transaction that read first could be refused it later.
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Continues a transaction as a person's write; `None` if there is no such person.
    pub async fn write_in(
        &self,
        mut transaction: Transaction<'static, Dialect>,
        user_id: Uuid,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Option<Write>> {
        let last_number = changes::lock_sequence(&mut transaction, user_id).await?;
        Ok(last_number.map(|last_number| Write {
            transaction,
            user_id,
            now,
            last_number,
            changes: Vec::new(),
            committed: self.committed.clone(),
        }))
    }

    /// Tells of each person's commits from now on.
    pub fn commits(&self) -> broadcast::Receiver<Uuid> {
        self.committed.subscribe()
    }

    /// Asks the database for a sign of life.
    pub async fn check(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(&mut *self.read().await?).await.map(drop)
    }

    /// How many connections are in use: to write with, to read with.
    pub fn connections_active(&self) -> [(&'static str, u32); 2] {
        [("write", &self.writer), ("read", &self.readers)].map(|(name, pool)| {
            let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
            (name, pool.size().saturating_sub(idle))
        })
    }

    /// Closes all connections after their current work, and folds the log into the database file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Write {
    /// Whose write it is.
    pub fn user_id(&self) -> Uuid {
        self.user_id
    }

    /// When it happens.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The last number of the person's sequence before this write.
    pub fn last_number(&self) -> i64 {
        self.last_number
    }

    /// What its queries run on.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.transaction
    }

    /// Notes that something was written; it gets the next number of the person's sequence.
    pub fn record(&mut self, resource: Resource, resource_id: Uuid, action: Action) {
        self.changes.push(PendingChange { resource, resource_id, action });
    }

    /// Makes the write last and wakes those who watch the person. Answers the last number given.
    pub async fn commit(self) -> sqlx::Result<i64> {
        // A request that is cancelled while its write commits must not keep the watchers from being told.
        tokio::spawn(self.finish()).await.map_err(|_| sqlx::Error::PoolClosed)?
    }

    async fn finish(mut self) -> sqlx::Result<i64> {
        let first = self.last_number + 1;
        let last = changes::append(&mut self.transaction, self.user_id, first, self.now, &self.changes).await?;
        self.transaction.commit().await?;
        // Nobody watching is no error.
        let _ = self.committed.send(self.user_id);
        Ok(last)
    }
}

fn pool(connections_max: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
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

/// Whether a statement failed because a unique index has its key already.
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn the_database_and_the_files_beside_it_are_their_owners_only() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("data");
        let database = Database::open(&DatabaseUrl::sqlite(folder.join("test.db"))).await.unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() > 1, "the log is beside the database: {files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        database.close().await;
    }

    #[test]
    fn sqlite_urls_name_a_file() {
        for (url, path) in [("sqlite:a/b.db", "a/b.db"), ("sqlite://a/b.db", "a/b.db"), ("sqlite:///a/b.db", "/a/b.db")]
        {
            assert_eq!(url.parse::<DatabaseUrl>().unwrap().path(), Path::new(path), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_without_repeating_their_secrets() {
        let error = "postgres://user:secret@host/db".parse::<DatabaseUrl>().unwrap_err();
        assert!(error.to_string().contains("this version runs on SQLite"), "{error}");
        for url in ["mysql://user:secret@host/db", "sqlite:", "sqlite://", ""] {
            let error = url.parse::<DatabaseUrl>().unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
