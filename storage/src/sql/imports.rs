//! Which rows of files imports have brought in.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Connection, QueryBuilder};

/// Rows per statement.
const ROWS_PER_INSERT: usize = 100;

/// What tells a row of a file from every other, also from its equals.
pub type RowKey = [u8; 16];

/// Remembers `keys` and answers those that were new.
pub async fn insert(
    connection: &mut Connection,
    user_id: Uuid,
    source: &str,
    keys: &[RowKey],
) -> sqlx::Result<HashSet<RowKey>> {
    let mut new = HashSet::with_capacity(keys.len());
    for chunk in keys.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::new("INSERT INTO import_rows (user_id, source, row_key) ");
        insert.push_values(chunk, |row, key| {
            row.push_bind(user_id).push_bind(source).push_bind(key.as_slice());
        });
        insert.push(" ON CONFLICT DO NOTHING RETURNING row_key");
        let inserted: Vec<Vec<u8>> =
            insert.build_query_scalar().persistent(chunk.len() == ROWS_PER_INSERT).fetch_all(&mut *connection).await?;
        new.extend(inserted.into_iter().filter_map(|key| RowKey::try_from(key).ok()));
    }
    Ok(new)
}
