//! Plain sqlx on the same database: the same statements and pool settings, and on PostgreSQL as its superuser, whom
//! row-level security does not concern.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::types::Json;
use sqlx::{Database, PgPool, Pool, Postgres, Sqlite};
use uuid::Uuid;

use super::operation::Operation;
use super::statement::{
    GET, INSERT_CHANGE, INSERT_TASK, LIST, PAGE, RUNNING, Running, SET_NUMBER, START, STOP, TITLE, Task, now,
};
use super::tier::Target;

/// As the service has them.
const POSTGRES_CONNECTIONS: u32 = 20;
const SQLITE_READERS: u32 = 4;

/// Pools to a database.
#[derive(Debug)]
pub(super) struct Plain<DB: Database> {
    readers: Pool<DB>,
    writer: Pool<DB>,
}

impl Plain<Postgres> {
    pub(super) async fn connect(url: &str) -> sqlx::Result<Self> {
        let pool: PgPool = pool(POSTGRES_CONNECTIONS).min_connections(2).connect(url).await?;
        Ok(Self { readers: pool.clone(), writer: pool })
    }
}

impl Plain<Sqlite> {
    pub(super) async fn open(path: &Path) -> sqlx::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let readers = pool(SQLITE_READERS).connect_with(options.clone()).await?;
        Ok(Self { readers, writer: pool(1).connect_with(options).await? })
    }
}

fn pool<DB: Database>(connections_max: u32) -> PoolOptions<DB> {
    PoolOptions::new().max_connections(connections_max).test_before_acquire(false)
}

/// sqlx's functions are typed by the database: the same code, once for each.
macro_rules! operations {
    ($database:ty, begin: $begin:literal, lock: $lock:literal) => {
        impl Plain<$database> {
            pub(super) async fn run(&self, operation: Operation, target: Target) -> anyhow::Result<()> {
                match operation {
                    Operation::Get => self.get(target).await,
                    Operation::List => self.list(target.person).await,
                    Operation::Create => self.create(target.person).await,
                    Operation::Time => self.time(target.person).await,
                }
            }

            async fn get(&self, Target { person, task }: Target) -> anyhow::Result<()> {
                let mut connection = self.readers.acquire().await?;
                let query = sqlx::query_as::<$database, Task>(GET).bind(person).bind(task);
                Ok(query.fetch_one(&mut *connection).await.map(drop)?)
            }

            async fn list(&self, person: Uuid) -> anyhow::Result<()> {
                let mut connection = self.readers.acquire().await?;
                // One more tells whether there is a next page.
                let query = sqlx::query_as::<$database, Task>(LIST).bind(person).bind(PAGE + 1);
                let tasks = query.fetch_all(&mut *connection).await?;
                ensure!(tasks.len() > 50, "{} tasks", tasks.len());
                Ok(())
            }

            async fn create(&self, person: Uuid) -> anyhow::Result<()> {
                let (id, tags) = (Uuid::now_v7(), Json(Vec::<String>::new()));
                let mut transaction = self.writer.begin_with($begin).await?;
                let number = sqlx::query_scalar($lock).bind(person).fetch_one(&mut *transaction).await?;
                let insert = sqlx::query(INSERT_TASK).bind(person).bind(id).bind(TITLE).bind(tags).bind(now());
                insert.execute(&mut *transaction).await?;
                Self::changed(&mut transaction, person, number, ("TASK", id, "CREATED")).await?;
                Ok(transaction.commit().await?)
            }

            async fn time(&self, person: Uuid) -> anyhow::Result<()> {
                let id = Uuid::now_v7();
                let mut transaction = self.writer.begin_with($begin).await?;
                let number = sqlx::query_scalar($lock).bind(person).fetch_one(&mut *transaction).await?;
                let start = sqlx::query(START).bind(person).bind(id).bind(now()).bind(false);
                start.execute(&mut *transaction).await?;
                Self::changed(&mut transaction, person, number, ("TIME_LOG", id, "CREATED")).await?;
                transaction.commit().await?;

                let mut transaction = self.writer.begin_with($begin).await?;
                let number = sqlx::query_scalar($lock).bind(person).fetch_one(&mut *transaction).await?;
                let running = sqlx::query_as::<$database, Running>(RUNNING).bind(person);
                let running = running.fetch_one(&mut *transaction).await?;
                let (end, micros) = running.end();
                let stop = sqlx::query(STOP).bind(person).bind(running.id).bind(end).bind(micros);
                stop.execute(&mut *transaction).await?;
                Self::changed(&mut transaction, person, number, ("TIME_LOG", id, "UPDATED")).await?;
                Ok(transaction.commit().await?)
            }

            async fn changed(
                connection: &mut <$database as Database>::Connection,
                person: Uuid,
                last_number: i64,
                (resource, id, action): (&'static str, Uuid, &'static str),
            ) -> sqlx::Result<()> {
                let number = last_number + 1;
                let change = sqlx::query(INSERT_CHANGE).bind(person).bind(number).bind(resource).bind(id);
                change.bind(action).bind(now()).execute(&mut *connection).await?;
                sqlx::query(SET_NUMBER).bind(person).bind(number).execute(connection).await.map(drop)
            }
        }
    };
}

operations!(Postgres, begin: "BEGIN", lock: "SELECT change_number FROM users WHERE id = $1 FOR UPDATE");
operations!(Sqlite, begin: "BEGIN IMMEDIATE", lock: "SELECT change_number FROM users WHERE id = $1");
