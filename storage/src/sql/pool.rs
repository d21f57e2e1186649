//! Connections that are kept: at most so many, each lent to one at a time.
//!
//! sqlx has a pool of its own, which asks the database for a sign of life each time that a connection comes back: a
//! second round trip for every read. Here a connection is only doubted when its last statement failed or was abandoned,
//! or when it rested for so long that its server may be another by now.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Database, Executor};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// A database that takes this long for a sign of life, or for giving up a transaction, is away.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Lends connections. Clones share them.
#[derive(Debug)]
pub(super) struct Pool<C: Link>(managed::Pool<Connector<C>>);

/// How many connections there are, and how they are made and kept.
#[derive(Clone, Debug)]
pub(super) struct PoolOptions {
    /// At most so many at a time.
    pub(super) connections_max: usize,
    /// How long who wants one waits for it.
    pub(super) acquire_timeout: Duration,
    /// What a new connection is told first, if anything.
    pub(super) setup: Option<&'static str>,
    /// Older connections are replaced.
    pub(super) age_max: Duration,
    /// Connections that rested for longer are tested.
    pub(super) rest_max: Duration,
}

/// What a connection's database answers.
pub(super) type Row<C> = <<C as Connection>::Database as Database>::Row;

/// A connection of sqlx's, to either database.
pub(super) trait Link: Connection + Send + 'static {
    /// Runs statements without preparing them. Answers the first row that any of them answers.
    fn run(&mut self, statements: String) -> impl Future<Output = sqlx::Result<Option<Row<Self>>>> + Send;
}

impl<C> Link for C
where
    C: Connection + Send + 'static,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    async fn run(&mut self, statements: String) -> sqlx::Result<Option<Row<Self>>> {
        self.fetch_optional(AssertSqlSafe(statements)).await
    }
}

/// A connection that is lent. It goes back when it is dropped: at once if it is as it was, else after it has been tested
/// and its transaction has been given up.
#[derive(Debug)]
pub(super) struct Lent<C: Link> {
    // Taken by the end only.
    object: Option<Object<Connector<C>>>,
    is_settled: bool,
    is_in_transaction: bool,
}

/// Makes connections, and decides which are kept.
#[derive(Debug)]
pub(super) struct Connector<C: Connection> {
    connect: C::Options,
    options: PoolOptions,
}

impl<C: Link> Pool<C> {
    /// A pool without connections so far.
    pub(super) fn new(connect: C::Options, options: PoolOptions) -> Self {
        let timeouts =
            Timeouts { wait: Some(options.acquire_timeout), create: Some(options.acquire_timeout), recycle: None };
        let connections_max = options.connections_max;
        let pool = managed::Pool::builder(Connector { connect, options })
            .max_size(connections_max)
            .timeouts(timeouts)
            // The warmest first: few connections do the work of a quiet hour, and they need no tests.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build();
        match pool {
            Ok(pool) => Self(pool),
            // Only timeouts without a runtime are refused.
            Err(error) => unreachable!("{error}"),
        }
    }

    /// Lends a connection.
    pub(super) async fn acquire(&self) -> sqlx::Result<Lent<C>> {
        let object = self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => sqlx::Error::PoolTimedOut,
            _ => sqlx::Error::PoolClosed,
        })?;
        Ok(Lent { object: Some(object), is_settled: true, is_in_transaction: false })
    }

    /// Lends a connection on which the transaction that `begin` says has begun, with the row that it answers, if any.
    pub(super) async fn begin(&self, begin: String) -> sqlx::Result<(Lent<C>, Option<Row<C>>)> {
        let mut lent = self.acquire().await?;
        let answer = lent.begin(begin).await?;
        Ok((lent, answer))
    }

    /// How many connections are lent.
    pub(super) fn lent(&self) -> u32 {
        let status = self.0.status();
        u32::try_from(status.size.saturating_sub(status.available)).unwrap_or(u32::MAX)
    }

    /// How many connections there are.
    pub(super) fn size(&self) -> usize {
        self.0.status().size
    }

    /// Closes all connections, those that are lent after they have come back.
    pub(super) async fn close(&self) {
        for _ in 0..self.size() {
            let Ok(object) = self.0.get().await else { break };
            // Closed either way; what was committed is safe.
            let _ = Object::take(object).close().await;
        }
        self.0.close();
    }
}

impl<C: Link> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: Link> Lent<C> {
    async fn begin(&mut self, begin: String) -> sqlx::Result<Option<Row<C>>> {
        self.is_settled = false;
        self.is_in_transaction = true;
        let answer = self.run(begin).await?;
        self.settle();
        Ok(answer)
    }

    /// Makes last what was written since the beginning.
    pub(super) async fn commit(mut self) -> sqlx::Result<()> {
        self.is_settled = false;
        self.run("COMMIT".to_owned()).await?;
        self.is_in_transaction = false;
        self.settle();
        Ok(())
    }

    /// A statement is about to run. Until [`settle`](Self::settle) says otherwise, it may have been abandoned.
    pub(super) fn unsettle(&mut self) {
        self.is_settled = false;
    }

    /// The last statement was answered.
    pub(super) fn settle(&mut self) {
        self.is_settled = true;
    }
}

impl<C: Link> Deref for Lent<C> {
    type Target = C;

    fn deref(&self) -> &C {
        match &self.object {
            Some(object) => object,
            None => unreachable!("a connection is taken by the end only"),
        }
    }
}

impl<C: Link> DerefMut for Lent<C> {
    fn deref_mut(&mut self) -> &mut C {
        match &mut self.object {
            Some(object) => object,
            None => unreachable!("a connection is taken by the end only"),
        }
    }
}

impl<C: Link> Drop for Lent<C> {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if self.is_settled && !self.is_in_transaction {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(give_back(object, self.is_in_transaction))),
            // The process ends.
            Err(_) => drop(Object::take(object)),
        }
    }
}

impl<C: Link> Manager for Connector<C> {
    type Type = C;
    type Error = sqlx::Error;

    // What is rare is boxed, or each request's future would have room for it.
    async fn create(&self) -> sqlx::Result<C> {
        let mut connection = Box::pin(self.connect.connect()).await?;
        if let Some(setup) = self.options.setup {
            Box::pin(connection.run(setup.to_owned())).await?;
        }
        Ok(connection)
    }

    async fn recycle(&self, connection: &mut C, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > self.options.age_max {
            return Err(RecycleError::message("the connection is old"));
        }
        if metrics.last_used() < self.options.rest_max {
            return Ok(());
        }
        match Box::pin(timeout(PING_TIMEOUT, connection.ping())).await {
            Ok(pong) => Ok(pong?),
            Err(elapsed) => Err(RecycleError::message(elapsed.to_string())),
        }
    }
}

/// Gives a connection back that others can use again, and closes one that they cannot.
async fn give_back<C: Link>(mut object: Object<Connector<C>>, is_in_transaction: bool) {
    let end = async {
        if is_in_transaction { object.run("ROLLBACK".to_owned()).await.map(drop) } else { object.ping().await }
    };
    if !timeout(PING_TIMEOUT, end).await.is_ok_and(|ended| ended.is_ok()) {
        drop(Object::take(object));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use crate::sql::{Connection, plan, query, query_scalar};

    async fn count(connection: &mut Connection) -> i64 {
        query_scalar("SELECT COUNT(*) FROM kept").fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_is_given_up() {
        let (_directory, database) = plan::sqlite_database().await;
        let mut transaction = database.begin(Uuid::nil()).await.unwrap();
        query("CREATE TABLE kept (id INTEGER)").execute(&mut transaction).await.unwrap();
        transaction.commit().await.unwrap();

        // There is one connection for writes, which this transaction has until it is given up.
        let mut dropped = database.begin(Uuid::nil()).await.unwrap();
        query("INSERT INTO kept VALUES (1)").execute(&mut dropped).await.unwrap();
        drop(dropped);
        let mut transaction = database.begin(Uuid::nil()).await.unwrap();
        assert_eq!(count(&mut transaction).await, 0);
        query("INSERT INTO kept VALUES (2)").execute(&mut transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(count(&mut database.system().await.unwrap()).await, 1);
    }

    #[tokio::test]
    async fn the_lock_of_a_transaction_that_is_dropped_is_free() {
        let (database, _owner) = plan::postgres().await;
        let lock = || query_scalar::<bool>("SELECT pg_try_advisory_xact_lock(1)");
        let mut first = database.begin(Uuid::nil()).await.unwrap();
        assert!(lock().fetch_one(&mut first).await.unwrap());
        let mut second = database.begin(Uuid::nil()).await.unwrap();
        assert!(!lock().fetch_one(&mut second).await.unwrap());
        drop(first);
        query("SELECT pg_advisory_xact_lock(1)").execute(&mut second).await.unwrap();
    }

    #[tokio::test]
    async fn who_comes_after_an_abandoned_statement_gets_an_answer_of_their_own() {
        let (database, _owner) = plan::postgres().await;
        let mut connection = database.system().await.unwrap();
        let slow = query_scalar::<i32>("SELECT 1 FROM pg_sleep(0.05)").fetch_one(&mut connection);
        // Polled once: it is sent, and its answer never read.
        assert!(futures_util::FutureExt::now_or_never(slow).is_none());
        drop(connection);
        for number in 2..10 {
            let mut connection = database.system().await.unwrap();
            let answer = query_scalar::<i32>("SELECT $1").bind(number).fetch_one(&mut connection).await.unwrap();
            assert_eq!(answer, number);
        }
    }

    #[tokio::test]
    async fn a_connection_that_the_server_ended_is_lent_to_nobody() {
        let (database, mut owner) = plan::postgres().await;
        let mut connection = database.system().await.unwrap();
        let backend = || query_scalar::<i32>("SELECT pg_backend_pid()");
        let ended = backend().fetch_one(&mut connection).await.unwrap();
        sqlx::query("SELECT pg_terminate_backend($1)").bind(ended).execute(&mut owner).await.unwrap();
        assert!(backend().fetch_one(&mut connection).await.is_err());
        drop(connection);
        let next = backend().fetch_one(&mut database.system().await.unwrap()).await.unwrap();
        assert_ne!(next, ended);
    }
}
