//! What is asked, and the ways to ask it.

use std::sync::Arc;

use sqlx::{Postgres, Sqlite};

use super::isolated::Isolated;
use super::plain::Plain;
use super::service::Service;
use super::tier::Tier;
use crate::load::Call;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// One task.
    Get,
    /// The newest fifty tasks.
    List,
    /// A new task.
    Create,
    /// The timer, started and stopped.
    Time,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Plain sqlx, without row-level security.
    Plain,
    /// Storage's own statements, in the process that measures; on PostgreSQL with row-level security.
    Isolated,
    /// A client of the storage service.
    Service,
}

/// A way, open.
#[derive(Clone, Debug)]
pub(super) enum Connected {
    PlainPostgres(Arc<Plain<Postgres>>),
    PlainSqlite(Arc<Plain<Sqlite>>),
    Isolated(Isolated),
    Service(Service),
}

/// One of those who ask at the same time.
pub(super) struct Caller {
    pub(super) connected: Connected,
    pub(super) operation: Operation,
    pub(super) tier: Tier,
    pub(super) number: u64,
    pub(super) callers: u64,
}

impl Operation {
    pub(super) const ALL: [Self; 4] = [Self::Get, Self::List, Self::Create, Self::Time];

    /// As the tables name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "point read",
            Self::List => "list of 50",
            Self::Create => "insert",
            Self::Time => "timer, start and stop",
        }
    }
}

impl Connected {
    pub(super) fn way(&self) -> Way {
        match self {
            Self::PlainPostgres(_) | Self::PlainSqlite(_) => Way::Plain,
            Self::Isolated(_) => Way::Isolated,
            Self::Service(_) => Way::Service,
        }
    }
}

impl Call for Caller {
    async fn call(&mut self) -> anyhow::Result<()> {
        let target = self.tier.target(self.number, self.callers);
        match &self.connected {
            Connected::PlainPostgres(plain) => plain.run(self.operation, target).await,
            Connected::PlainSqlite(plain) => plain.run(self.operation, target).await,
            Connected::Isolated(isolated) => isolated.run(self.operation, target).await,
            Connected::Service(service) => service.run(self.operation, target).await,
        }
    }
}
