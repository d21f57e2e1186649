//! Tells those who watch a person that the person's sequence has grown, in whichever process it did.
//!
//! Three ways lead here, and none of them has to be reliable: commits of this process are announced directly, those of
//! other processes by Redis, and what neither says is found by a [`poll`](self::poll) of the database once a second. An
//! announcement is only a reason to look: what changed is read from the table, so announcements may be lost, doubled
//! or out of order.

mod poll;
mod redis;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};
use uuid::Uuid;

pub(crate) use self::poll::{LastNumbers, poll};
pub(crate) use self::redis::{listen, send};

/// Announcements that wait for Redis; more are dropped, as the poll finds what they would have said.
const OUTBOX_MAX: usize = 4_096;

/// A person's sequence has reached a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Announcement {
    pub(crate) user_id: Uuid,
    pub(crate) last_number: i64,
}

/// Who is watched in this process. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relay {
    watched: Arc<Watched>,
    outbox: Option<mpsc::Sender<Announcement>>,
}

/// One who watches a person; dropped, they do not any more.
#[derive(Debug)]
pub(crate) struct Watching {
    watched: Arc<Watched>,
    user_id: Uuid,
    last_number: watch::Receiver<i64>,
}

#[derive(Debug, Default)]
struct Watched {
    people: Mutex<HashMap<Uuid, watch::Sender<i64>>>,
    /// Changes with the number of people.
    count: watch::Sender<usize>,
}

impl Relay {
    /// A relay whose announcements other processes hear: what comes out of the receiver is for [`send`].
    pub(crate) fn to_others() -> (Self, mpsc::Receiver<Announcement>) {
        let (outbox, announcements) = mpsc::channel(OUTBOX_MAX);
        (Self { outbox: Some(outbox), ..Self::default() }, announcements)
    }

    /// Begins to watch a person.
    pub(crate) fn watch(&self, user_id: Uuid) -> Watching {
        let mut people = self.watched.people();
        let last_number = people.entry(user_id).or_default().subscribe();
        self.watched.count.send_replace(people.len());
        Watching { watched: Arc::clone(&self.watched), user_id, last_number }
    }

    /// Announces a commit of this process, here and elsewhere.
    pub(crate) fn announce(&self, announcement: Announcement) {
        self.hear(announcement);
        if let Some(outbox) = &self.outbox {
            let _ = outbox.try_send(announcement);
        }
    }

    /// Passes on an announcement, wherever it comes from, to those who watch the person here.
    fn hear(&self, Announcement { user_id, last_number }: Announcement) {
        if let Some(person) = self.watched.people().get(&user_id) {
            person.send_if_modified(|known| {
                let is_news = last_number > *known;
                *known = last_number.max(*known);
                is_news
            });
        }
    }

    /// The people who are watched here.
    fn people(&self) -> Vec<Uuid> {
        self.watched.people().keys().copied().collect()
    }

    /// Waits until somebody is watched here.
    async fn somebody(&self) {
        // The sender lives as long as `self`.
        let _ = self.watched.count.subscribe().wait_for(|count| *count > 0).await;
    }
}

impl Watching {
    /// Waits for an announcement that was not waited for before.
    pub(crate) async fn next(&mut self) {
        if self.last_number.changed().await.is_err() {
            // The sender lives as long as it has receivers.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut people = self.watched.people();
        if people.get(&self.user_id).is_some_and(|person| person.receiver_count() == 1) {
            people.remove(&self.user_id);
            self.watched.count.send_replace(people.len());
        }
    }
}

impl Watched {
    /// Every change here is complete in itself, so a panic elsewhere does no harm.
    fn people(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<i64>>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    const ADA: Uuid = Uuid::from_u128(1);
    const BOB: Uuid = Uuid::from_u128(2);

    fn reached(user_id: Uuid, last_number: i64) -> Announcement {
        Announcement { user_id, last_number }
    }

    async fn is_told(watching: &mut Watching) -> bool {
        let mut next = pin!(watching.next());
        std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn everyone_who_watches_the_person_is_told_and_nobody_else() {
        let relay = Relay::default();
        let (mut one, mut other, mut bob) = (relay.watch(ADA), relay.watch(ADA), relay.watch(BOB));
        relay.announce(reached(ADA, 3));
        assert!(is_told(&mut one).await && is_told(&mut other).await);
        assert!(!is_told(&mut bob).await);
    }

    #[tokio::test]
    async fn what_was_announced_before_is_no_news() {
        let relay = Relay::default();
        let mut ada = relay.watch(ADA);
        relay.announce(reached(ADA, 3));
        assert!(is_told(&mut ada).await);
        for number in [3, 2] {
            relay.announce(reached(ADA, number));
            assert!(!is_told(&mut ada).await, "{number}");
        }
    }

    #[tokio::test]
    async fn a_person_is_watched_until_the_last_one_leaves() {
        let relay = Relay::default();
        let (one, other) = (relay.watch(ADA), relay.watch(ADA));
        drop(one);
        assert_eq!(relay.people(), [ADA]);
        drop(other);
        assert!(relay.people().is_empty());
    }

    #[tokio::test]
    async fn an_outbox_that_nobody_empties_holds_nothing_up() {
        let (relay, mut announcements) = Relay::to_others();
        let limit = i64::try_from(OUTBOX_MAX).unwrap();
        for number in 1..=limit + 1 {
            relay.announce(reached(ADA, number));
        }
        let mut waiting = 0;
        while announcements.try_recv().is_ok() {
            waiting += 1;
        }
        assert_eq!(waiting, OUTBOX_MAX);
    }
}
