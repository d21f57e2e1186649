//! PostgreSQL: a server that several replicas of this service share, and perhaps a streaming replica of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tokio::time::{Instant, interval, timeout};
use uuid::Uuid;

use super::pool::{Lent, Pool, PoolOptions};
use super::{ACQUIRE_TIMEOUT, OpenError, Transaction, changes, is_disconnection};

const CONNECTIONS_MAX: usize = 20;
/// A connection is renewed now and then, so that a server that was added or restarted gets its share.
const CONNECTION_AGE_MAX: Duration = Duration::from_mins(30);
/// A replica that does not answer is asked again after this long.
const REPLICA_PAUSE: Duration = Duration::from_secs(5);
/// A replica that takes this long to begin does not answer.
const REPLICA_TIMEOUT: Duration = Duration::from_millis(500);
/// A connection that nobody used for this long may have lost its server meanwhile.
const IDLE_MAX_UNTESTED: Duration = Duration::from_millis(250);
/// Guards the migrations of a database: who holds it runs them.
const MIGRATION_LOCK: i64 = 0x666f_6375_7366;
/// How often a process looks whether another is done with the migrations.
const MIGRATION_LOCK_INTERVAL: Duration = Duration::from_millis(200);
/// A concurrent build that failed leaves an index which answers nothing, and which `IF NOT EXISTS` takes for the right one.
const DROP_BROKEN_INDEXES: &str = "DO $$ DECLARE broken regclass; BEGIN \
                                       FOR broken IN SELECT indexrelid FROM pg_index JOIN pg_class ON oid = indexrelid \
                                           WHERE NOT indisvalid AND relnamespace = 'public'::regnamespace LOOP \
                                           EXECUTE format('DROP INDEX %s', broken); \
                                       END LOOP; END $$";
/// What a connection of the service's is: it owns nothing, waits for nothing long, and prepares plans that fit all.
const SETUP: &str = "SET ROLE focusflow_app; SET statement_timeout = '60s'; SET lock_timeout = '5s'; \
                     SET idle_in_transaction_session_timeout = '30s'; \
                     PREPARE lock_sequence (uuid) AS SELECT change_number FROM users WHERE id = $1 FOR UPDATE";

/// Connections to a server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) primary: Pool<PgConnection>,
    replica: Option<Replica>,
}

/// A copy of the primary's data that may lag behind, or be away.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pool: Pool<PgConnection>,
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
        let primary = pool(options.clone().application_name("focusflow-storage"), ACQUIRE_TIMEOUT);
        primary.acquire().await.map_err(open_error)?;
        Ok(Self { primary, replica: replica.map(Replica::new) })
    }

    pub(super) async fn begin(&self, person: Uuid, mode: Mode) -> sqlx::Result<Lent<PgConnection>> {
        self.begin_with(begin(person, mode)).await.map(|(begun, _)| begun)
    }

    /// Begins a person's write, takes the lock on the person's sequence and answers its last number, all in one round
    /// trip; no number if there is no such person.
    pub(super) async fn begin_write(&self, person: Uuid) -> sqlx::Result<(Lent<PgConnection>, Option<i64>)> {
        let begin = begin(person, Mode::Write);
        let (begun, row) = self.begin_with(format!("{begin}; EXECUTE lock_sequence('{person}')")).await?;
        Ok((begun, row.map(|row| row.try_get(0)).transpose()?))
    }

    async fn begin_with(&self, text: String) -> sqlx::Result<(Lent<PgConnection>, Option<PgRow>)> {
        // Nothing is done yet, so another connection may do it. Each that the server has ended is found out only once.
        for _ in 0..self.primary.size() {
            match self.primary.begin(text.clone()).await {
                Err(error) if is_disconnection(&error) => {}
                result => return result,
            }
        }
        self.primary.begin(text).await
    }

    /// The replica, if there is one that was not away a moment ago.
    pub(super) fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref().filter(|replica| !replica.pauses())
    }

    /// Asks the replica for a sign of life; `None` without one.
    pub(super) async fn check_replica(&self) -> Option<sqlx::Result<()>> {
        let replica = self.replica.as_ref()?;
        Some(async { replica.pool.acquire().await?.ping().await }.await)
    }

    /// How many connections are in use, by what they lead to.
    pub(super) fn connections_active(&self) -> Vec<(&'static str, u32)> {
        let replica = self.replica.as_ref().map(|replica| ("replica", &replica.pool));
        let pools = std::iter::once(("primary", &self.primary)).chain(replica);
        pools.map(|(name, pool)| (name, pool.lent())).collect()
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
        Self { pool: pool(options, REPLICA_TIMEOUT), opened: Instant::now(), pause_until_millis: Arc::default() }
    }

    /// A snapshot for `person`, if it has everything up to the number `written` of the person's sequence. A replica that
    /// does not answer is left alone for a while.
    pub(super) async fn snapshot(&self, person: Uuid, written: Option<i64>) -> Option<Transaction> {
        let begun = timeout(REPLICA_TIMEOUT, async {
            let snapshot = self.pool.begin(begin(person, Mode::Snapshot)).await?.0;
            let mut snapshot = Transaction::postgres(snapshot);
            let replicated = changes::last_number(&mut snapshot, person).await?;
            Ok::<_, sqlx::Error>((snapshot, replicated))
        });
        match begun.await {
            // None, too, is older than what was written: the replica has not heard of the person yet.
            Ok(Ok((snapshot, replicated))) => (replicated >= written).then_some(snapshot),
            Ok(Err(error)) => {
                self.pause(&error.to_string());
                None
            }
            Err(elapsed) => {
                self.pause(&elapsed.to_string());
                None
            }
        }
    }

    /// Leaves the replica alone for a while.
    pub(super) fn pause(&self, error: &str) {
        tracing::warn!(error, "the database replica does not answer; the primary does its work");
        let pause = i64::try_from(REPLICA_PAUSE.as_millis()).unwrap_or(i64::MAX);
        self.pause_until_millis.store(self.millis().saturating_add(pause), Ordering::Relaxed);
    }

    fn pauses(&self) -> bool {
        self.millis() < self.pause_until_millis.load(Ordering::Relaxed)
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
    wait_for_turn(&mut connection).await.map_err(open_error)?;
    connection.execute(DROP_BROKEN_INDEXES).await.map_err(open_error)?;
    // The lock ends with the connection. sqlx's own would be waited for by a statement, and an index that is built
    // concurrently waits for the end of every statement: two processes that start at once would wait for each other.
    sqlx::migrate!("migrations/postgres").set_locking(false).run(&mut connection).await?;
    // The data is safe where it is: how the connection ends does not matter.
    let _ = connection.close().await;
    Ok(())
}

/// Waits until no other process migrates the database.
async fn wait_for_turn(connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut ticks = interval(MIGRATION_LOCK_INTERVAL);
    loop {
        ticks.tick().await;
        let try_lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(MIGRATION_LOCK);
        if try_lock.fetch_one(&mut *connection).await? {
            return Ok(());
        }
    }
}

fn pool(options: PgConnectOptions, acquire_timeout: Duration) -> Pool<PgConnection> {
    let kept = PoolOptions {
        connections_max: CONNECTIONS_MAX,
        acquire_timeout,
        setup: Some(SETUP),
        age_max: CONNECTION_AGE_MAX,
        rest_max: IDLE_MAX_UNTESTED,
    };
    Pool::new(options, kept)
}

fn name(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default())
}
