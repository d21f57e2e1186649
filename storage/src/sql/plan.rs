//! How the database would go about a query.

use sqlx::{AssertSqlSafe, ColumnIndex, Connection as _, Decode, Executor as _, FromRow, PgConnection, Row, Type};
use tempfile::TempDir;
use uuid::Uuid;

use super::{Connection, Database, DatabaseConfig, DatabaseUrl, Query};

/// A line of a plan.
struct Step(String);

impl<'row, R> FromRow<'row, R> for Step
where
    R: Row,
    usize: ColumnIndex<R>,
    String: Decode<'row, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'row R) -> sqlx::Result<Self> {
        // SQLite's last column, PostgreSQL's only one.
        row.try_get(row.columns().len() - 1).map(Self)
    }
}

/// The steps of `statement`, a line each. On PostgreSQL, `connection` must be a transaction.
pub(super) async fn of<Output>(statement: Query<'_, Output>, connection: &mut Connection) -> String {
    let steps = statement.explain::<Step>().fetch_all(connection).await.unwrap();
    steps.into_iter().map(|Step(step)| step).collect::<Vec<_>>().join("\n")
}

/// A connection to an empty SQLite database, which lasts as long as its folder.
pub(super) async fn sqlite() -> (TempDir, Connection) {
    let (directory, database) = sqlite_database().await;
    (directory, database.system().await.unwrap())
}

/// An empty SQLite database, which lasts as long as its folder.
pub(super) async fn sqlite_database() -> (TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite(directory.path().join("test.db"));
    let database = Database::open(&DatabaseConfig::new(url)).await.unwrap();
    (directory, database)
}

/// An empty PostgreSQL database of its own, and a connection of its owner's.
pub(super) async fn postgres() -> (Database, PgConnection) {
    let server = std::env::var("TEST_POSTGRES_URL")
        .expect("the tests need databases: run them by `make test` or scripts/with-databases");
    let name = format!("plan_{}", Uuid::now_v7().simple());
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    PgConnection::connect(&server).await.unwrap().execute(create).await.unwrap();
    let (server, _) = server.rsplit_once('/').unwrap();
    let url = format!("{server}/{name}");
    let database = Database::open(&DatabaseConfig::new(url.parse().unwrap())).await.unwrap();
    (database, PgConnection::connect(&url).await.unwrap())
}
