//! What the processes on one PostgreSQL agree on, or ask on behalf of many people. SQLite has one process.

use std::time::Duration;

use sqlx::types::Json;
use uuid::Uuid;

use super::{Connection, query_as, query_scalar};
use crate::cache::Epoch;

/// How far the sequences of people have come, for those among `user_ids` who exist.
pub(crate) async fn last_change_numbers(
    connection: &mut Connection,
    user_ids: &[Uuid],
) -> sqlx::Result<Vec<(Uuid, i64)>> {
    query_as("SELECT user_id, change_number FROM focusflow.last_change_numbers($1)")
        .bind(Json(user_ids.to_vec()))
        .fetch_all(connection)
        .await
}

/// The cache's epoch, and whether it is closed.
pub(crate) async fn cache_epoch(connection: &mut Connection) -> sqlx::Result<Epoch> {
    let (number, is_closed) =
        query_as("SELECT epoch, closed_until > clock_timestamp() FROM cache_epoch").fetch_one(connection).await?;
    Ok(Epoch { number, is_closed })
}

/// Begins a new epoch of the cache, and closes it from now on for a while, by the clock that all processes share.
/// Answers whether it was closed before.
pub(crate) async fn close_cache(connection: &mut Connection, time: Duration) -> sqlx::Result<bool> {
    query_scalar(
        "UPDATE cache_epoch SET epoch = epoch + 1, closed_until = clock_timestamp() + make_interval(secs => $1)
         FROM (SELECT closed_until FROM cache_epoch FOR UPDATE) AS before
         RETURNING before.closed_until > clock_timestamp()",
    )
    .bind(time.as_secs_f64())
    .fetch_one(connection)
    .await
}
