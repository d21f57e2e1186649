//! Values in the memory of the process, for the one process that writes the database.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use moka::ops::compute::Op;
use moka::sync;
use tokio::time::Instant;

use super::{Cached, Found, Key, LOAD_TIME_MAX, Mark, Ticket, VALUE_LIFETIME, WRITE_TIME_MAX, new_mark};

/// About 10 MiB of people.
const VALUES_MAX: u64 = 20_000;

/// See the module.
#[derive(Clone)]
pub(crate) struct Local {
    slots: sync::Cache<Key, Slot>,
}

#[derive(Clone)]
enum Slot {
    Value(Arc<dyn Any + Send + Sync>),
    Loading(Mark, Instant),
    Held(Mark, Instant),
}

impl Local {
    pub(super) fn new() -> Self {
        Self { slots: sync::Cache::builder().max_capacity(VALUES_MAX).time_to_live(VALUE_LIFETIME).build() }
    }

    pub(super) fn read<T: Cached>(&self, key: Key) -> Found<T> {
        // Most reads end here, without the lock that the rest takes.
        if let Some(value) = self.slots.get(&key).and_then(|slot| slot.value()) {
            return Found::Value(value);
        }
        let (now, mark) = (Instant::now(), new_mark());
        let mut found = Found::Unusable;
        self.slots.entry(key).and_compute_with(|slot| match slot.map(moka::Entry::into_value) {
            Some(Slot::Loading(_, until) | Slot::Held(_, until)) if now < until => Op::Nop,
            Some(slot @ Slot::Value(_)) => {
                found = slot.value().map_or(Found::Unusable, Found::Value);
                Op::Nop
            }
            _ => {
                found = Found::Nothing(Ticket { key, mark, epoch: 0 });
                Op::Put(Slot::Loading(mark, now + LOAD_TIME_MAX))
            }
        });
        found
    }

    pub(super) fn fill<T: Cached>(&self, ticket: &Ticket, value: &T) {
        self.slots.entry(ticket.key).and_compute_with(|slot| match slot.map(moka::Entry::into_value) {
            Some(Slot::Loading(mark, _)) if mark == ticket.mark => Op::Put(Slot::Value(Arc::new(value.clone()))),
            _ => Op::Nop,
        });
    }

    pub(super) fn hold(&self, keys: &[Key], mark: Mark) {
        let until = Instant::now() + WRITE_TIME_MAX;
        for key in keys {
            self.slots.insert(*key, Slot::Held(mark, until));
        }
    }

    pub(super) fn release(&self, keys: &[Key], mark: Mark) {
        for key in keys {
            self.slots.entry(*key).and_compute_with(|slot| match slot.map(moka::Entry::into_value) {
                Some(Slot::Held(other, _)) if other != mark => Op::Nop,
                Some(_) => Op::Remove,
                None => Op::Nop,
            });
        }
    }
}

impl Slot {
    fn value<T: Cached>(&self) -> Option<T> {
        match self {
            Self::Value(value) => value.downcast_ref().cloned(),
            Self::Loading(..) | Self::Held(..) => None,
        }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Local").field("values", &self.slots.entry_count()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use serde::{Deserialize, Serialize};
    use uuid::Uuid;

    use super::super::{Cache, Kind};
    use super::*;

    #[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
    struct Version(u32);

    impl Cached for Version {
        const KIND: Kind = Kind::User;
    }

    const ID: Uuid = Uuid::nil();

    fn keys() -> Vec<Key> {
        vec![Key { kind: Kind::User, id: ID }]
    }

    /// Reads, with `stored` in the database.
    async fn read(cache: &Cache, stored: u32) -> u32 {
        cache.get(ID, async { Ok::<_, Infallible>(Version(stored)) }).await.unwrap().0
    }

    #[tokio::test]
    async fn a_value_is_loaded_once() {
        let cache = Cache::in_process();
        assert_eq!((read(&cache, 1).await, read(&cache, 2).await), (1, 1));
    }

    #[tokio::test]
    async fn a_write_removes_what_was_there_before_it() {
        let cache = Cache::in_process();
        read(&cache, 1).await;
        let hold = cache.hold(keys()).await;
        assert_eq!(read(&cache, 1).await, 1, "the database is asked while the write is under way");
        hold.release().await;
        assert_eq!(read(&cache, 2).await, 2);
    }

    #[tokio::test]
    async fn what_was_loaded_before_a_write_is_not_kept_after_it() {
        let cache = Cache::in_process();
        let load = async {
            // The database has answered; before the answer is kept, somebody writes.
            cache.hold(keys()).await.release().await;
            Ok::<_, Infallible>(Version(1))
        };
        assert_eq!(cache.get(ID, load).await.unwrap(), Version(1));
        assert_eq!(read(&cache, 2).await, 2);
    }

    #[tokio::test]
    async fn a_load_that_fails_is_tried_again() {
        let cache = Cache::in_process();
        cache.get::<Version, _>(ID, async { Err("no database") }).await.unwrap_err();
        assert_eq!(read(&cache, 1).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn marks_whose_owners_are_gone_expire() {
        let cache = Cache::in_process();
        cache.get::<Version, _>(ID, async { Err("no database") }).await.unwrap_err();
        tokio::time::advance(LOAD_TIME_MAX).await;
        assert_eq!((read(&cache, 1).await, read(&cache, 2).await), (1, 1));

        let _never_released = cache.hold(keys()).await;
        assert_eq!((read(&cache, 3).await, read(&cache, 4).await), (3, 4));
        tokio::time::advance(WRITE_TIME_MAX).await;
        assert_eq!((read(&cache, 5).await, read(&cache, 6).await), (5, 5));
    }

    #[tokio::test]
    async fn a_writer_leaves_the_mark_of_the_next() {
        let cache = Cache::in_process();
        let first = cache.hold(keys()).await;
        let second = cache.hold(keys()).await;
        first.release().await;
        assert_eq!((read(&cache, 1).await, read(&cache, 2).await), (1, 2), "nothing is kept");
        second.release().await;
        assert_eq!((read(&cache, 3).await, read(&cache, 4).await), (3, 3));
    }
}
