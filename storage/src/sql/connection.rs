//! Connections, alone or in a transaction, to either database.

use std::ops::{Deref, DerefMut};

use sqlx::{PgConnection, SqliteConnection};
use uuid::Uuid;

use super::pool::Lent;

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
    Sqlite(Lent<SqliteConnection>),
    Postgres(Lent<PgConnection>),
}

/// Which database it is, for the few texts that only one of them reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// Where a statement meets its database.
pub(super) enum Executor<'c> {
    Sqlite(&'c mut SqliteConnection),
    /// With the person whose rows the statement has to ask for.
    Postgres(&'c mut PgConnection, Option<Uuid>),
}

impl Connection {
    pub(super) fn sqlite(connection: Lent<SqliteConnection>) -> Self {
        Self { link: Link::Sqlite(connection), person: None }
    }

    /// Reads for `person`; without one, only what belongs to nobody can be seen.
    pub(super) fn postgres(connection: Lent<PgConnection>, person: Option<Uuid>) -> Self {
        Self { link: Link::Postgres(connection), person }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match &self.link {
            Link::Sqlite(_) => Dialect::Sqlite,
            Link::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Where a statement runs, which [`settle`](Self::settle) must follow when it has been answered.
    pub(super) fn executor(&mut self) -> Executor<'_> {
        match &mut self.link {
            Link::Sqlite(connection) => {
                connection.unsettle();
                Executor::Sqlite(connection)
            }
            Link::Postgres(connection) => {
                connection.unsettle();
                Executor::Postgres(connection, self.person)
            }
        }
    }

    /// Notes how the last statement ended: whoever gets the connection next need not doubt it after a success.
    pub(super) fn settle<T>(&mut self, answer: sqlx::Result<T>) -> sqlx::Result<T> {
        if answer.is_ok() {
            match &mut self.link {
                Link::Sqlite(connection) => connection.settle(),
                Link::Postgres(connection) => connection.settle(),
            }
        }
        answer
    }
}

impl Transaction {
    pub(super) fn sqlite(begun: Lent<SqliteConnection>) -> Self {
        Self(Connection::sqlite(begun))
    }

    /// The beginning has said whose transaction it is.
    pub(super) fn postgres(begun: Lent<PgConnection>) -> Self {
        Self(Connection::postgres(begun, None))
    }

    /// Makes what was written last.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self.0.link {
            Link::Sqlite(connection) => connection.commit().await,
            Link::Postgres(connection) => connection.commit().await,
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
