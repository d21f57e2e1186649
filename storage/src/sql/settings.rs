//! What the database itself remembers.

use super::Connection;

/// The value kept under `name`; where there is none yet, `initial` becomes it.
pub async fn get_or_insert(connection: &mut Connection, name: &str, initial: &[u8]) -> sqlx::Result<Vec<u8>> {
    sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(initial)
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar("SELECT value FROM settings WHERE name = $1").bind(name).fetch_one(connection).await
}
