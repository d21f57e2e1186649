//! Connections, alone or in a transaction, to either database.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};
use uuid::Uuid;

/// What statements run on.
#[derive(Debug)]
pub struct Connection {
    link: Link,
    /// Whose rows PostgreSQL lets the reads of this connection see; in a transaction, its beginning has said so.
    person: Option<Uuid>,
}

/// A connection whose statements take effect together, or not at all if it is dropped without
/// [`commit`](Self::commit).
#[derive(Debug)]
pub struct Transaction(Connection);

#[derive(Debug)]
enum Link {
    Sqlite(PoolConnection<Sqlite>),
    SqliteTransaction(sqlx::Transaction<'static, Sqlite>),
    Postgres(PoolConnection<Postgres>),
    PostgresTransaction(sqlx::Transaction<'static, Postgres>),
}

/// Where a statement meets its database.
pub(super) enum Executor<'c> {
    Sqlite(&'c mut SqliteConnection),
    /// With the person whose rows the statement has to ask for.
    Postgres(&'c mut PgConnection, Option<Uuid>),
}

impl Connection {
    pub(super) fn sqlite(connection: PoolConnection<Sqlite>) -> Self {
        Self { link: Link::Sqlite(connection), person: None }
    }

    /// Reads for `person`; without one, only what belongs to nobody can be seen.
    pub(super) fn postgres(connection: PoolConnection<Postgres>, person: Option<Uuid>) -> Self {
        Self { link: Link::Postgres(connection), person }
    }

    pub(super) fn executor(&mut self) -> Executor<'_> {
        match &mut self.link {
            Link::Sqlite(connection) => Executor::Sqlite(connection),
            Link::SqliteTransaction(transaction) => Executor::Sqlite(transaction),
            Link::Postgres(connection) => Executor::Postgres(connection, self.person),
            Link::PostgresTransaction(transaction) => Executor::Postgres(transaction, None),
        }
    }
}

impl Transaction {
    pub(super) fn sqlite(transaction: sqlx::Transaction<'static, Sqlite>) -> Self {
        Self(Connection { link: Link::SqliteTransaction(transaction), person: None })
    }

    pub(super) fn postgres(transaction: sqlx::Transaction<'static, Postgres>) -> Self {
        Self(Connection { link: Link::PostgresTransaction(transaction), person: None })
    }

    /// Makes what was written last.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self.0.link {
            Link::SqliteTransaction(transaction) => transaction.commit().await,
            Link::PostgresTransaction(transaction) => transaction.commit().await,
            // The constructors above make only transactions.
            Link::Sqlite(_) | Link::Postgres(_) => Ok(()),
        }
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}
