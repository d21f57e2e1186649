//! What the database itself remembers.

use super::{Connection, query, query_scalar};

/// The value kept under `name`, if there is one.
pub async fn get(connection: &mut Connection, name: &str) -> sqlx::Result<Option<Vec<u8>>> {
    query_scalar("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(connection).await
}

/// Keeps a value under `name`.
pub async fn put(connection: &mut Connection, name: &str, value: &[u8]) -> sqlx::Result<()> {
    query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(name)
        .bind(value)
        .execute(connection)
        .await
        .map(drop)
}

/// The value kept under `name`; where there is none yet, `initial` becomes it.
pub async fn get_or_insert(connection: &mut Connection, name: &str, initial: &[u8]) -> sqlx::Result<Vec<u8>> {
    query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(initial)
        .execute(&mut *connection)
        .await?;
    query_scalar("SELECT value FROM settings WHERE name = $1").bind(name).fetch_one(connection).await
}
