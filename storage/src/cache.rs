//! What is read often and written seldom, kept nearer than the database: never older than the last acknowledged write.
//!
//! **The rule.** Each key holds a value, or a mark, or nothing.
//!
//! * A reader who finds nothing leaves a mark, loads the value from the database, and may put it there only if the mark
//!   is still the reader's.
//! * A writer leaves a mark of its own before its commit, so that meanwhile nobody finds or keeps a value, and removes
//!   whatever there is after it, before the write is acknowledged.
//!
//! So a value that is found was loaded after every write that was acknowledged before it was asked for. A writer that
//! dies in between leaves its mark, which is as good as nothing until it expires. Reads within a write never come here.
//!
//! **Where.** With SQLite there is one process, and the values are in [its memory](self::local). With PostgreSQL there
//! may be many, and they share the values in [Redis](self::shared); without Redis they keep none, as they could not
//! agree. A writer whom Redis does not answer sees to it that nobody uses the cache: see [`trust`](self::trust).

mod local;
mod shared;
mod trust;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use self::local::Local;
pub(crate) use self::shared::{Shared, keep_closed};
pub(crate) use self::trust::{Answer, Epoch, Epochs};
use crate::domain::category::Category;
use crate::domain::change::Resource;
use crate::domain::user::User;
use crate::sql::Transaction;

/// How long a reader may take to load a value; until then others load it for themselves.
const LOAD_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(2);
/// How long a writer's mark lasts at most. It may expire before the commit: what follows the commit decides.
const WRITE_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(10);
/// How long a value is kept at most.
const VALUE_LIFETIME: std::time::Duration = std::time::Duration::from_mins(5);

/// A store of values, as far as there is one. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Cache {
    /// Every value is loaded from the database.
    #[default]
    None,
    /// In this process.
    Local(Local),
    /// In Redis.
    Shared(Shared),
}

/// What is kept.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Kind {
    /// A person's account and settings.
    User,
    /// A person's categories.
    Categories,
}

/// Which value: its kind and whose it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) id: Uuid,
}

/// A type whose values are kept.
pub(crate) trait Cached: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// As what.
    const KIND: Kind;
}

/// The marks of one writer on what it changes.
#[derive(Debug)]
#[must_use = "what is held must be released after the commit, before it is acknowledged"]
struct Hold {
    cache: Cache,
    keys: Vec<Key>,
    mark: Mark,
}

/// Whose mark it is; no two are alike.
type Mark = Uuid;

/// What a reader finds.
#[derive(Debug)]
enum Found<T> {
    /// The value.
    Value(T),
    /// Nothing: the reader's mark is there now.
    Nothing(Ticket),
    /// Somebody else's mark, or a cache that cannot be used.
    Unusable,
}

/// Allows a reader to put a value where its mark is.
#[derive(Debug)]
struct Ticket {
    key: Key,
    mark: Mark,
    epoch: i64,
}

impl Cached for User {
    const KIND: Kind = Kind::User;
}

impl Cached for Vec<Category> {
    const KIND: Kind = Kind::Categories;
}

impl Cache {
    /// A cache in the memory of this process, for a database that no other process writes.
    pub(crate) fn in_process() -> Self {
        Self::Local(Local::new())
    }

    /// The value of `id`, kept or loaded. A `load` that fails leaves nothing.
    pub(crate) async fn get<T: Cached, E>(
        &self,
        id: Uuid,
        load: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let key = Key { kind: T::KIND, id };
        let ticket = match self.read(key).await {
            Found::Value(value) => {
                count(key.kind, "hit");
                return Ok(value);
            }
            Found::Nothing(ticket) => Some(ticket),
            Found::Unusable => None,
        };
        if !matches!(self, Self::None) {
            count(key.kind, "miss");
        }
        let value = load.await?;
        if let Some(ticket) = ticket {
            self.fill(&ticket, &value).await;
        }
        Ok(value)
    }

    /// Marks what is about to be written. Whoever writes a key excludes other writers of it, by a lock in the
    /// database that lasts from here to the commit.
    async fn hold(&self, keys: Vec<Key>) -> Hold {
        let hold = Hold { cache: self.clone(), keys, mark: new_mark() };
        if !hold.keys.is_empty() {
            match self {
                Self::None => {}
                Self::Local(local) => local.hold(&hold.keys, hold.mark),
                Self::Shared(shared) => shared.hold(&hold.keys, hold.mark).await,
            }
        }
        hold
    }

    /// Commits what makes the values of `outdated` so.
    pub(crate) async fn commit(&self, transaction: Transaction, outdated: Vec<Key>) -> sqlx::Result<()> {
        let hold = self.hold(outdated).await;
        let committed = transaction.commit().await;
        // Also when it failed: it may have reached the database all the same.
        hold.release().await;
        committed
    }

    async fn read<T: Cached>(&self, key: Key) -> Found<T> {
        match self {
            Self::None => Found::Unusable,
            Self::Local(local) => local.read(key),
            Self::Shared(shared) => shared.read(key).await,
        }
    }

    async fn fill<T: Cached>(&self, ticket: &Ticket, value: &T) {
        match self {
            Self::None => {}
            Self::Local(local) => local.fill(ticket, value),
            Self::Shared(shared) => shared.fill(ticket, value).await,
        }
    }
}

impl Hold {
    /// Removes what readers may have kept, whether the commit succeeded or not. Once this returns, nobody finds what
    /// was there before the commit.
    async fn release(self) {
        if self.keys.is_empty() {
            return;
        }
        match &self.cache {
            Cache::None => {}
            Cache::Local(local) => local.release(&self.keys, self.mark),
            Cache::Shared(shared) => shared.release(&self.keys, self.mark).await,
        }
    }
}

impl Key {
    /// All that is kept of a person.
    pub(crate) fn all_of(user_id: Uuid) -> Vec<Self> {
        [Kind::User, Kind::Categories].map(|kind| Self { kind, id: user_id }).to_vec()
    }

    /// What a change of `resource` makes outdated.
    pub(crate) fn outdated_by(resource: Resource, user_id: Uuid) -> Option<Self> {
        let kind = match resource {
            Resource::User => Kind::User,
            Resource::Category => Kind::Categories,
            _ => return None,
        };
        Some(Self { kind, id: user_id })
    }
}

impl Kind {
    /// Its name, in keys and metrics.
    const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Categories => "categories",
        }
    }
}

fn new_mark() -> Mark {
    Uuid::from_u128(rand::random())
}

fn count(kind: Kind, result: &'static str) {
    metrics::counter!("cache_reads_total", "kind" => kind.as_str(), "result" => result).increment(1);
}
