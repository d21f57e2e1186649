//! The way that needs nothing but the database.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::{Announcement, Relay};

/// How late a watcher learns of another process's commit when nobody announces it.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// People asked about at once.
const PEOPLE_PER_QUERY: usize = 1_000;

/// Knows how far people's sequences have come.
pub(crate) trait LastNumbers: Send + Sync {
    /// The last numbers of those among `user_ids` who exist.
    fn last_numbers(&self, user_ids: &[Uuid]) -> impl Future<Output = sqlx::Result<Vec<(Uuid, i64)>>> + Send;
}

/// Asks again and again about the people who are watched here. Asks nothing while there are none.
pub(crate) async fn poll(relay: Relay, database: impl LastNumbers) {
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        relay.somebody().await;
        for people in relay.people().chunks(PEOPLE_PER_QUERY) {
            match database.last_numbers(people).await {
                Ok(numbers) => numbers.into_iter().for_each(|(user_id, last_number)| {
                    relay.hear(Announcement { user_id, last_number });
                }),
                Err(error) => tracing::debug!(%error, "could not ask for what changed"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// Says which people it was asked about.
    struct Sequences(mpsc::UnboundedSender<Vec<Uuid>>);

    impl LastNumbers for Sequences {
        async fn last_numbers(&self, user_ids: &[Uuid]) -> sqlx::Result<Vec<(Uuid, i64)>> {
            self.0.send(user_ids.to_vec()).unwrap();
            Ok(user_ids.iter().map(|user_id| (*user_id, 7)).collect())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_watch_learn_of_what_nobody_announced() {
        let relay = Relay::default();
        let (asked, mut questions) = mpsc::unbounded_channel();
        let polling = tokio::spawn(poll(relay.clone(), Sequences(asked)));
        let mut watching = relay.watch(Uuid::nil());
        watching.next().await;
        assert_eq!(questions.recv().await.unwrap(), [Uuid::nil()]);
        polling.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_asked_about_while_nobody_watches() {
        let relay = Relay::default();
        let (asked, mut questions) = mpsc::unbounded_channel();
        let polling = tokio::spawn(poll(relay.clone(), Sequences(asked)));
        drop(relay.watch(Uuid::nil()));
        tokio::time::sleep(10 * POLL_INTERVAL).await;
        assert!(questions.try_recv().is_err());
        polling.abort();
    }
}
