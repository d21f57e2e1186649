//! How the database would go about a query.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use tempfile::TempDir;

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

/// An empty SQLite database, which lasts as long as its folder.
pub(super) async fn sqlite() -> (TempDir, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite(directory.path().join("test.db"));
    let database = Database::open(&DatabaseConfig::new(url)).await.unwrap();
    (directory, database.system().await.unwrap())
}
