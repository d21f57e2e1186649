//! The database: connections, the transaction of a write, and one module of queries per table.
//!
//! Queries are constant texts with `$n` placeholders that PostgreSQL and SQLite both read, made by [`query`],
//! [`query_as`] and [`query_scalar`]; where the dialects differ, [`dialects!`] puts two texts side by side. They run on
//! a [`Connection`]. Every query on a person's data names the person; on PostgreSQL, row-level security is the second
//! lock, and each connection is for one person.

pub mod account_mails;
pub mod account_tokens;
pub mod api_tokens;
pub mod calendar_feeds;
pub mod categories;
pub mod changes;
mod connection;
pub mod documents;
pub mod due;
pub mod folding;
pub mod habit_reminders;
pub mod habits;
pub mod imports;
pub mod mails;
pub mod notification_settings;
pub mod notifications;
#[cfg(test)]
mod plan;
mod pool;
mod postgres;
pub mod push_subscriptions;
pub(crate) mod replicas;
pub mod reports;
pub mod request_ids;
pub mod revisions;
pub mod search;
pub mod security_events;
pub mod series;
pub mod sessions;
pub mod settings;
mod sqlite;
mod statement;
pub mod tasks;
pub mod time_logs;
pub mod totp;
mod url;
pub mod users;

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::error::DatabaseError as _;
use sqlx::sqlite::SqliteError;
use uuid::Uuid;

use self::connection::Dialect;
pub use self::connection::{Connection, Transaction};
use self::postgres::{Mode, Replica, Server};
use self::sqlite::File;
pub use self::statement::{Argument, Query, QueryBuilder, Row, Scalar, Text, Values, query, query_as, query_scalar};
pub use self::url::{DatabaseUrl, DatabaseUrlError};
use crate::cache::{Cache, Key};
use crate::domain::change::{Action, Resource};
use crate::relay::{Announcement, Relay};

/// The text of a statement for each database, side by side.
macro_rules! dialects {
    (sqlite: $sqlite:expr, postgres: $postgres:expr $(,)?) => {
        $crate::sql::Text::new($sqlite, $postgres)
    };
}
pub(crate) use dialects;

/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The database that `DATABASE_URL` names.
#[derive(Clone, Debug)]
pub struct Database {
    engine: Engine,
    relay: Relay,
    cache: Cache,
}

/// Where the data is, and as whom it is reached.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The database.
    pub url: DatabaseUrl,
    /// As whom PostgreSQL's migrations run, if not as whom the service connects.
    pub migration_url: Option<DatabaseUrl>,
    /// A streaming replica of PostgreSQL's, for what may take long.
    pub replica_url: Option<DatabaseUrl>,
}

#[derive(Clone, Debug)]
enum Engine {
    Sqlite(File),
    Postgres(Server),
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder could not be made.
    #[error("the database `{path}` cannot be created")]
    Create {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database could not be opened.
    #[error("the database `{database}` cannot be opened")]
    Open {
        /// The file, or server and name.
        database: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A migration failed, or the database is of a newer version.
    #[error("the database cannot be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// What is read on a connection that is lent for it. It is boxed because the compiler cannot yet tell that the future
/// of an async closure is `Send`, as every handler's must be.
pub type Reading<'c, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;

/// The transaction of one person's write.
///
/// It holds the lock on the person from its beginning, so a person's writes happen one after the other and what they
/// read does not change under them. Dropped without [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct Write {
    transaction: Transaction,
    user_id: Uuid,
    now: DateTime<Utc>,
    last_number: i64,
    changes: Vec<PendingChange>,
    outdated: Vec<Key>,
    relay: Relay,
    cache: Cache,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingChange {
    pub(crate) resource: Resource,
    pub(crate) resource_id: Uuid,
    pub(crate) action: Action,
}

impl DatabaseConfig {
    /// A database without more.
    pub fn new(url: DatabaseUrl) -> Self {
        Self { url, migration_url: None, replica_url: None }
    }
}

impl Database {
    /// Opens the database and brings its schema up to date.
    pub async fn open(config: &DatabaseConfig) -> Result<Self, OpenError> {
        let engine = match &config.url {
            DatabaseUrl::Sqlite(path) => Engine::Sqlite(File::open(path).await?),
            DatabaseUrl::Postgres(options) => {
                let [owner, replica] = [&config.migration_url, &config.replica_url].map(|url| match url {
                    Some(DatabaseUrl::Postgres(options)) => Some(&**options),
                    _ => None,
                });
                Engine::Postgres(Server::open(options, owner, replica).await?)
            }
        };
        // Nobody else writes a SQLite file while this process has it open.
        let cache = if matches!(engine, Engine::Sqlite(_)) { Cache::in_process() } else { Cache::None };
        Ok(Self { engine, relay: Relay::default(), cache })
    }

    /// A connection for one person's reads.
    pub async fn read(&self, user_id: Uuid) -> sqlx::Result<Connection> {
        self.connect(Some(user_id)).await
    }

    /// A connection for what belongs to nobody, and for the functions that find people.
    pub async fn system(&self) -> sqlx::Result<Connection> {
        self.connect(None).await
    }

    async fn connect(&self, person: Option<Uuid>) -> sqlx::Result<Connection> {
        match &self.engine {
            Engine::Sqlite(file) => file.readers.acquire().await.map(Connection::sqlite),
            Engine::Postgres(server) => {
                server.primary.acquire().await.map(|connection| Connection::postgres(connection, person))
            }
        }
    }

    /// A transaction for one person's reads: all its queries see the same state.
    pub async fn snapshot(&self, user_id: Uuid) -> sqlx::Result<Transaction> {
        match &self.engine {
            Engine::Sqlite(file) => file.snapshot().await.map(Transaction::sqlite),
            Engine::Postgres(server) => server.begin(user_id, Mode::Snapshot).await.map(Transaction::postgres),
        }
    }

    /// Reads one state of a person's data with `read`, which may take long: on the replica, if there is one that
    /// answers and has all that the person wrote, and else on the primary.
    pub async fn report<T>(
        &self,
        user_id: Uuid,
        read: impl for<'c> Fn(&'c mut Connection) -> Reading<'c, T>,
    ) -> sqlx::Result<T> {
        if let Some(replica) = self.replica() {
            let written = changes::last_number(&mut self.read(user_id).await?, user_id).await?;
            if let Some(mut snapshot) = replica.snapshot(user_id, written).await {
                match read(&mut snapshot).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => replica.pause(&error.to_string()),
                }
            }
        }
        read(&mut *self.snapshot(user_id).await?).await
    }

    fn replica(&self) -> Option<&Replica> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(server) => server.replica(),
        }
    }

    /// Begins a transaction for a person, and waits until no other is under way where there is only room for one.
    /// [`write_in`](Self::write_in) may give it its place in the person's sequence.
    pub async fn begin(&self, user_id: Uuid) -> sqlx::Result<Transaction> {
        match &self.engine {
            Engine::Sqlite(file) => file.begin().await.map(Transaction::sqlite),
            Engine::Postgres(server) => server.begin(user_id, Mode::Write).await.map(Transaction::postgres),
        }
    }

    /// Begins a person's write; `None` if there is no such person.
    pub async fn write(&self, user_id: Uuid, now: impl FnOnce() -> DateTime<Utc>) -> sqlx::Result<Option<Write>> {
        match &self.engine {
            Engine::Sqlite(file) => self.write_in(file.begin().await.map(Transaction::sqlite)?, user_id, now).await,
            Engine::Postgres(server) => {
                let (begun, last_number) = server.begin_write(user_id).await?;
                let transaction = Transaction::postgres(begun);
                Ok(last_number.map(|last_number| self.write_after(last_number, transaction, user_id, now())))
            }
        }
    }

    /// Continues a transaction as a person's write; `None` if there is no such person.
    pub async fn write_in(
        &self,
        mut transaction: Transaction,
        user_id: Uuid,
        now: impl FnOnce() -> DateTime<Utc>,
    ) -> sqlx::Result<Option<Write>> {
        let last_number = changes::lock_sequence(&mut transaction, user_id).await?;
        Ok(last_number.map(|last_number| self.write_after(last_number, transaction, user_id, now())))
    }

    /// `now` is of after the lock was taken, so that writes have their times in the order in which they happen: a timer
    /// that was made to wait for another's stop does not start before it.
    fn write_after(&self, last_number: i64, transaction: Transaction, user_id: Uuid, now: DateTime<Utc>) -> Write {
        Write {
            transaction,
            user_id,
            now,
            last_number,
            changes: Vec::new(),
            outdated: Vec::new(),
            relay: self.relay.clone(),
            cache: self.cache.clone(),
        }
    }

    /// The same database, whose commits are told through `relay`, and with what `cache` keeps.
    pub(crate) fn sharing(self, relay: Relay, cache: Cache) -> Self {
        Self { relay, cache, ..self }
    }

    /// Whether other processes may be working on the database.
    pub(crate) fn has_replicas(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Tells of people's commits, in this process and in others.
    pub(crate) fn relay(&self) -> &Relay {
        &self.relay
    }

    /// What is read often.
    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Asks the database for a sign of life.
    pub async fn check(&self) -> sqlx::Result<()> {
        query("SELECT 1").execute(&mut self.system().await?).await.map(drop)
    }

    /// Asks the replica for a sign of life; `None` if the configuration names none.
    pub async fn check_replica(&self) -> Option<sqlx::Result<()>> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(server) => server.check_replica().await,
        }
    }

    /// How many connections are in use, by what they are for.
    pub fn connections_active(&self) -> Vec<(&'static str, u32)> {
        match &self.engine {
            Engine::Sqlite(file) => {
                [("write", &file.writer), ("read", &file.readers)].map(|(name, pool)| (name, pool.lent())).to_vec()
            }
            Engine::Postgres(server) => server.connections_active(),
        }
    }

    /// Closes all connections after their current work.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(file) => file.close().await,
            Engine::Postgres(server) => server.close().await,
        }
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

    /// A new id of its time.
    pub fn new_id(&self) -> Uuid {
        let seconds = u64::try_from(self.now.timestamp()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, self.now.timestamp_subsec_nanos()))
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
        if let Some(key) = Key::outdated_by(resource, self.user_id) {
            self.outdate(key);
        }
    }

    /// Notes that the cache must not answer what it holds any more. [`record`](Self::record) does so by itself for
    /// what it names.
    pub(crate) fn outdate(&mut self, key: Key) {
        if !self.outdated.contains(&key) {
            self.outdated.push(key);
        }
    }

    /// Makes the write last and wakes those who watch the person. Answers the last number given.
    pub async fn commit(self) -> sqlx::Result<i64> {
        // A request that is cancelled while its write commits must not keep the watchers from being told.
        tokio::spawn(self.finish()).await.map_err(|_| sqlx::Error::PoolClosed)?
    }

    async fn finish(mut self) -> sqlx::Result<i64> {
        let first = self.last_number + 1;
        let last = changes::append(&mut self.transaction, self.user_id, first, self.now, &self.changes).await?;
        self.cache.commit(self.transaction, self.outdated).await?;
        self.relay.announce(Announcement { user_id: self.user_id, last_number: last });
        Ok(last)
    }
}

/// Whether a statement failed because a unique index has its key already.
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Whether the server went away, or is not there yet: the same statement may succeed on another connection, later.
pub fn is_disconnection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // The server ends sessions, shuts down or starts; the connection broke; there are too many of them; it has
            // become a replica.
            ["57P", "08"].iter().any(|class| code.starts_with(class)) || ["53300", "25006"].contains(&&*code)
        }),
        _ => false,
    }
}

/// Whether a statement lost against others that wanted the same rows or the same lock.
pub fn is_conflict(error: &sqlx::Error) -> bool {
    // Serialization failure, deadlock, lock timeout.
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| ["40001", "40P01", "55P03"].contains(&&*code))
}

/// Whether another process keeps SQLite's file locked longer than a statement waits.
pub fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    let Some(error) = error.as_database_error().and_then(|error| error.try_downcast_ref::<SqliteError>()) else {
        return false;
    };
    // The lowest byte of an extended code is the code that it extends.
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| [BUSY, LOCKED].contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

    use super::*;

    #[tokio::test]
    async fn who_lost_against_others_is_told_so_and_who_erred_is_not() {
        let (_database, mut owner) = plan::postgres().await;
        for (code, is_conflict_expected) in [("40001", true), ("40P01", true), ("55P03", true), ("22012", false)] {
            let raise = format!("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$");
            let error = owner.execute(AssertSqlSafe(raise)).await.unwrap_err();
            assert_eq!(is_conflict(&error), is_conflict_expected, "{code}");
            assert!(!is_disconnection(&error), "{code}");
        }
    }

    #[tokio::test]
    async fn a_file_that_another_process_keeps_locked_is_busy() {
        let (directory, _database) = plan::sqlite_database().await;
        let options = SqliteConnectOptions::new().filename(directory.path().join("test.db"));
        let mut holder = SqliteConnection::connect_with(&options).await.unwrap();
        let mut other = SqliteConnection::connect_with(&options.busy_timeout(Duration::ZERO)).await.unwrap();
        holder.execute("BEGIN IMMEDIATE").await.unwrap();
        let error = other.execute("BEGIN IMMEDIATE").await.unwrap_err();
        assert!(is_busy(&error));
        let error = other.execute("SELECT nothing FROM nowhere").await.unwrap_err();
        assert!(!is_busy(&error));
    }
}
