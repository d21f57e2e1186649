//! What happened to accounts: rows that are only added, each with a hash that covers the one before it.

use chrono::{DateTime, Utc};
use focusflow_proto::v1::security_event::Kind;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Connection, changes, dialects, query, query_as};

/// What the first row's hash covers in place of the one before it.
const BEGINNING: [u8; 32] = [0; 32];
/// Serialises additions for nobody on PostgreSQL, which has no row of theirs to lock; any number that nobody else uses.
const STRAY_LOCK: i64 = 0x5354_5241_5945_5653;

/// Something that happened to an account.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SecurityEvent {
    /// Its place among the account's, from 1.
    pub number: i64,
    /// The kind's name in the contract.
    pub kind: String,
    /// The session that it happened in or to.
    pub session_id: Option<Uuid>,
    /// When.
    pub create_time: DateTime<Utc>,
    /// Covers the row and the hash before it.
    pub hash: Vec<u8>,
}

/// The last row so far.
#[derive(sqlx::FromRow)]
struct Last {
    number: i64,
    hash: Vec<u8>,
}

/// Adds what happened to a person's account. Takes the lock on the person.
pub async fn append(
    connection: &mut Connection,
    user_id: Uuid,
    kind: Kind,
    session_id: Option<Uuid>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if changes::lock_sequence(connection, user_id).await?.is_none() {
        return Ok(());
    }
    let last = query_as("SELECT number, hash FROM security_events WHERE user_id = $1 ORDER BY number DESC LIMIT 1")
        .bind(user_id)
        .fetch_optional(connection)
        .await?;
    let (number, before) = next(last);
    let session = session_id.unwrap_or_default();
    let hash = chained(&before, number, kind, &[user_id.as_bytes(), session.as_bytes()], now);
    query(
        "INSERT INTO security_events (user_id, number, kind, session_id, create_time, hash)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(user_id)
    .bind(number)
    .bind(kind.as_str_name())
    .bind(session_id)
    .bind(now)
    .bind(hash)
    .execute(connection)
    .await?;
    tracing::info!(user.id = %user_id, event.kind = kind.as_str_name(), event.number = number, "security event");
    Ok(())
}

/// Adds what happened to an address without an account, of which `subject_hash` is a keyed hash.
pub async fn append_stray(
    connection: &mut Connection,
    subject_hash: &[u8],
    kind: Kind,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    // A transaction that writes to SQLite is the only one.
    query(dialects!(sqlite: "SELECT $1", postgres: "SELECT pg_advisory_xact_lock($1)"))
        .bind(STRAY_LOCK)
        .execute(connection)
        .await?;
    let last = query_as("SELECT number, hash FROM stray_security_events ORDER BY number DESC LIMIT 1")
        .fetch_optional(connection)
        .await?;
    let (number, before) = next(last);
    let hash = chained(&before, number, kind, &[subject_hash], now);
    query(
        "INSERT INTO stray_security_events (number, kind, subject_hash, create_time, hash)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(number)
    .bind(kind.as_str_name())
    .bind(subject_hash)
    .bind(now)
    .bind(hash)
    .execute(connection)
    .await?;
    tracing::info!(event.kind = kind.as_str_name(), event.number = number, "security event of nobody's account");
    Ok(())
}

/// At most `limit` of a person's events before number `before`, newest first.
pub async fn list(
    connection: &mut Connection,
    user_id: Uuid,
    before: i64,
    limit: i64,
) -> sqlx::Result<Vec<SecurityEvent>> {
    query_as(
        "SELECT number, kind, session_id, create_time, hash FROM security_events
         WHERE user_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
    )
    .bind(user_id)
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// The number and the predecessor's hash of the row after `last`.
fn next(last: Option<Last>) -> (i64, Vec<u8>) {
    last.map_or((1, BEGINNING.to_vec()), |last| (last.number + 1, last.hash))
}

/// The hash of a row; every part has a fixed length but the kind, which comes last.
fn chained(before: &[u8], number: i64, kind: Kind, subject: &[&[u8]], now: DateTime<Utc>) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(number.to_be_bytes());
    hash.update(now.timestamp_micros().to_be_bytes());
    for part in subject {
        hash.update(part);
    }
    hash.update(kind.as_str_name());
    hash.finalize().to_vec()
}
