//! Each person's sequence of changes.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Dialect, PendingChange, QueryBuilder, dialects, query, query_as, query_scalar};
use crate::domain::change::Change;

/// Rows per statement: enough that its cost spreads, few enough that the text stays short.
const ROWS_PER_INSERT: usize = 100;

/// Takes the lock on a person's sequence until the transaction ends, and answers the last number that it has given;
/// `None` if there is no such person.
pub async fn lock_sequence(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Option<i64>> {
    // A transaction that writes to SQLite is the only one.
    query_scalar(dialects!(
        sqlite: "SELECT change_number FROM users WHERE id = $1",
        postgres: "SELECT change_number FROM users WHERE id = $1 FOR UPDATE",
    ))
    .bind(user_id)
    .fetch_optional(connection)
    .await
}

/// The last number that a person's sequence has given; `None` if there is no such person.
pub async fn last_number(connection: &mut Connection, user_id: Uuid) -> sqlx::Result<Option<i64>> {
    query_scalar("SELECT change_number FROM users WHERE id = $1").bind(user_id).fetch_optional(connection).await
}

/// Gives `changes` the numbers from `first` on, and answers the last.
pub(super) async fn append(
    connection: &mut Connection,
    user_id: Uuid,
    first: i64,
    now: DateTime<Utc>,
    changes: &[PendingChange],
) -> sqlx::Result<i64> {
    let mut next = first;
    for chunk in changes.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::default();
        if connection.dialect() == Dialect::Postgres {
            // One round trip less. The first value is whose changes they are.
            let count = chunk.len();
            insert.push(format_args!(
                "WITH numbered AS (UPDATE users SET change_number = change_number + {count} WHERE id = $1) "
            ));
        }
        insert.push("INSERT INTO changes (user_id, number, resource, resource_id, action, create_time) ");
        insert.push_values((next..).zip(chunk), |row, (number, change)| {
            row.push_bind(user_id)
                .push_bind(number)
                .push_bind(change.resource)
                .push_bind(change.resource_id)
                .push_bind(change.action)
                .push_bind(now);
        });
        insert.build().persistent(chunk.len() == ROWS_PER_INSERT || chunk.len() <= 3).execute(&mut *connection).await?;
        next += i64::try_from(chunk.len()).unwrap_or_default();
    }

    let last = next - 1;
    if connection.dialect() == Dialect::Sqlite && !changes.is_empty() {
        query("UPDATE users SET change_number = $2 WHERE id = $1").bind(user_id).bind(last).execute(connection).await?;
    }
    Ok(last)
}

/// At most `limit` changes after number `since`, in order.
pub async fn after(connection: &mut Connection, user_id: Uuid, since: i64, limit: i64) -> sqlx::Result<Vec<Change>> {
    query_as(
        "SELECT number, resource, resource_id, action, create_time FROM changes
         WHERE user_id = $1 AND number > $2 ORDER BY number LIMIT $3",
    )
    .bind(user_id)
    .bind(since)
    .bind(limit)
    .fetch_all(connection)
    .await
}
