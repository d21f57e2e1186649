//! PostgreSQL: a server that several replicas of this service share, and perhaps a streaming replica of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};
use tokio::time::Instant;
use uuid::Uuid;

use super::{ACQUIRE_TIMEOUT, OpenError};

const CONNECTIONS_MAX: u32 = 20;
const CONNECTIONS_MIN: u32 = 2;
/// A connection is renewed now and then, so that a server that was added or restarted gets its share.
const CONNECTION_AGE_MAX: Duration = Duration::from_mins(30);
/// A replica that does not answer is asked again after this long.
const REPLICA_PAUSE: Duration = Duration::from_secs(5);
/// A replica that keeps a read waiting this long does not answer.
const REPLICA_ACQUIRE_TIMEOUT: Duration = Duration::from_millis(500);
/// What a connection of the service's is: it owns nothing, waits for nothing long, and prepares plans that fit all.
const SETUP: &str = "SET ROLE focusflow_app; SET statement_timeout = '60s'; SET lock_timeout = '5s'; \
                     SET idle_in_transaction_session_timeout = '30s'";

/// Connections to a server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) primary: PgPool,
    replica: Option<Replica>,
}

/// A copy of the primary's data that may lag behind, or be away.
#[derive(Clone, Debug)]
struct Replica {
    pool: PgPool,
    opened: Instant,
    /// Milliseconds after `opened` until which nobody need ask.
    pause_until_millis: Arc<AtomicI64>,
}

/// How a transaction begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    /// To write.
    Write,
    /// To read one state with several statements.
    Snapshot,
}

impl Server {
    /// Migrates the database as `owner`, or without one as the service's own login, and connects.
    pub(super) async fn open(
        options: &PgConnectOptions,
        owner: Option<&PgConnectOptions>,
        replica: Option<&PgConnectOptions>,
    ) -> Result<Self, OpenError> {
        let open_error = |source| OpenError::Open { database: name(options), source };
        migrate(owner.unwrap_or(options)).await?;
        let primary = pool(ACQUIRE_TIMEOUT)
            .min_connections(CONNECTIONS_MIN)
            .connect_with(options.clone().application_name("focusflow-storage"))
            .await
            .map_err(open_error)?;
        Ok(Self { primary, replica: replica.map(Replica::new) })
    }

    pub(super) async fn begin(
        &self,
        person: Uuid,
        mode: Mode,
    ) -> sqlx::Result<sqlx::Transaction<'static, sqlx::Postgres>> {
        self.primary.begin_with(AssertSqlSafe(begin(person, mode))).await
    }

    /// A snapshot for `person` on the replica; `None` if there is none that answers.
    pub(super) async fn begin_on_replica(&self, person: Uuid) -> Option<sqlx::Transaction<'static, sqlx::Postgres>> {
        let replica = self.replica.as_ref().filter(|replica| !replica.pauses())?;
        match replica.pool.begin_with(AssertSqlSafe(begin(person, Mode::Snapshot))).await {
            Ok(transaction) => Some(transaction),
            Err(error) => {
                tracing::warn!(%error, "the database replica does not answer; the primary does its work");
                replica.pause();
                None
            }
        }
    }

    pub(super) fn has_replica(&self) -> bool {
        self.replica.is_some()
    }

    /// Closes all connections after their current work.
    pub(super) async fn close(&self) {
        if let Some(replica) = &self.replica {
            replica.pool.close().await;
        }
        self.primary.close().await;
    }
}

impl Replica {
    fn new(options: &PgConnectOptions) -> Self {
        let options = options.clone().application_name("focusflow-storage-reports");
        let pool = pool(REPLICA_ACQUIRE_TIMEOUT).connect_lazy_with(options);
        Self { pool, opened: Instant::now(), pause_until_millis: Arc::default() }
    }

    fn pauses(&self) -> bool {
        self.millis() < self.pause_until_millis.load(Ordering::Relaxed)
    }

    fn pause(&self) {
        let pause = i64::try_from(REPLICA_PAUSE.as_millis()).unwrap_or(i64::MAX);
        self.pause_until_millis.store(self.millis().saturating_add(pause), Ordering::Relaxed);
    }

    fn millis(&self) -> i64 {
        i64::try_from(self.opened.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// The statement that begins a transaction and says whose it is. A UUID cannot be anything but itself.
fn begin(person: Uuid, mode: Mode) -> String {
    let begin = match mode {
        Mode::Write => "BEGIN",
        Mode::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    };
    format!("{begin}; SET LOCAL app.user_id = '{person}'")
}

async fn migrate(options: &PgConnectOptions) -> Result<(), OpenError> {
    let open_error = |source| OpenError::Open { database: name(options), source };
    let options = options.clone().application_name("focusflow-storage-migrations");
    let mut connection = PgConnection::connect_with(&options).await.map_err(open_error)?;
    sqlx::migrate!("migrations/postgres").run(&mut connection).await?;
    // The data is safe where it is: how the connection ends does not matter.
    let _ = connection.close().await;
    Ok(())
}

fn pool(acquire_timeout: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(acquire_timeout)
        .max_lifetime(CONNECTION_AGE_MAX)
        // A round trip for each statement; a connection that broke is found by its own error.
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(SETUP).await.map(drop) }))
}

fn name(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default())
}
