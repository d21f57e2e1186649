//! What the database itself remembers.

use super::{Connection, query, query_scalar};

/// The value kept under `name`; where there is none yet, `initial` becomes it.
pub async fn get_or_insert(connection: &mut Connection, name: &str, initial: &[u8]) -> sqlx::Result<Vec<u8>> {
    query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(initial)
        .execute(&mut *connection)
        .await?;
    query_scalar("SELECT value FROM settings WHERE name = $1").bind(name).fetch_one(connection).await
}
