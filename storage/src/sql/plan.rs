//! How the database would go about a query.

use sqlx::{AssertSqlSafe, Connection as _, QueryBuilder, Row};

use super::{Connection, Dialect};

/// The steps of `query` on an empty database, a line each.
pub(super) async fn of(query: &QueryBuilder<Dialect>) -> String {
    let mut connection = Connection::connect("sqlite::memory:").await.unwrap();
    sqlx::migrate!("migrations/sqlite").run(&mut connection).await.unwrap();
    let text = format!("EXPLAIN QUERY PLAN {}", query.sql().as_str());
    let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}
