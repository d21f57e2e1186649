//! Which rows of files imports have brought in, and what they became.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Connection, QueryBuilder};
use crate::import::row::RowKey;

/// Rows per statement.
const ROWS_PER_STATEMENT: usize = 100;

/// What is known of rows that were imported before: what each became, where that is remembered.
pub type KnownRows = HashMap<RowKey, Option<Uuid>>;

/// A row and what it became.
pub type ImportedRow = (RowKey, Uuid);

/// Those of `keys` that an earlier import has brought in.
pub async fn find(
    connection: &mut Connection,
    user_id: Uuid,
    source: &str,
    keys: &[RowKey],
) -> sqlx::Result<KnownRows> {
    let mut known = KnownRows::with_capacity(keys.len());
    for chunk in keys.chunks(ROWS_PER_STATEMENT) {
        let mut select = QueryBuilder::new("SELECT row_key, resource_id FROM import_rows WHERE user_id = ");
        select.push_bind(user_id).push(" AND source = ").push_bind(source).push(" AND row_key IN (");
        for (index, key) in chunk.iter().enumerate() {
            select.push(if index == 0 { "" } else { ", " }).push_bind(key.as_slice());
        }
        select.push(")");
        let is_common = chunk.len() == ROWS_PER_STATEMENT;
        let rows: Vec<(Vec<u8>, Option<Uuid>)> =
            select.build_query_as().persistent(is_common).fetch_all(&mut *connection).await?;
        known.extend(rows.into_iter().filter_map(|(key, id)| Some((RowKey::try_from(key).ok()?, id))));
    }
    Ok(known)
}

/// Remembers rows. What a row became before is replaced.
pub async fn insert(
    connection: &mut Connection,
    user_id: Uuid,
    source: &str,
    rows: &[ImportedRow],
) -> sqlx::Result<()> {
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let mut insert = QueryBuilder::new("INSERT INTO import_rows (user_id, source, row_key, resource_id) ");
        insert.push_values(chunk, |row, (key, resource_id)| {
            row.push_bind(user_id).push_bind(source).push_bind(key.as_slice()).push_bind(*resource_id);
        });
        insert.push(" ON CONFLICT (user_id, source, row_key) DO UPDATE SET resource_id = excluded.resource_id");
        insert.build().persistent(chunk.len() == ROWS_PER_STATEMENT).execute(&mut *connection).await?;
    }
    Ok(())
}
