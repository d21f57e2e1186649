//! The way through Redis.

use fred::interfaces::{ClientLike as _, EventInterface as _, PubsubInterface as _};
use fred::types::Message;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Announcement, Relay};
use crate::redis::Redis;

const CHANNEL: &str = "focusflow:changes";
const ID_LENGTH: usize = 16;

/// Sends what this process announces. What Redis does not take is dropped.
pub(crate) async fn send(redis: Redis, mut announcements: mpsc::Receiver<Announcement>) {
    while let Some(announcement) = announcements.recv().await {
        if let Err(error) = redis.publish(CHANNEL, announcement.encode()).await {
            metrics::counter!("change_announcements_lost_total").increment(1);
            tracing::debug!(%error, "a change was not announced to other processes");
        }
    }
}

/// Hears what other processes announce, for as long as the process lives.
pub(crate) async fn listen(redis: Redis, relay: Relay) {
    let subscriber = redis.subscriber();
    let mut connected = subscriber.reconnect_rx();
    let mut messages = subscriber.message_rx();
    let _connection = subscriber.connect();
    loop {
        tokio::select! {
            event = connected.recv() => match event {
                // Subscriptions end with their connection.
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    if let Err(error) = subscriber.subscribe(CHANNEL).await {
                        tracing::warn!(%error, "could not subscribe to changes");
                    }
                }
                Err(RecvError::Closed) => return,
            },
            message = messages.recv() => match message {
                Ok(message) => hear(&relay, &message),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }
}

fn hear(relay: &Relay, message: &Message) {
    if let Some(announcement) = message.value.as_bytes().and_then(Announcement::decode) {
        relay.hear(announcement);
    }
}

impl Announcement {
    fn encode(self) -> Vec<u8> {
        [self.user_id.as_bytes().as_slice(), &self.last_number.to_be_bytes()].concat()
    }

    /// `None` for what another version may have sent.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (id, number) = bytes.split_at_checked(ID_LENGTH)?;
        let last_number = i64::from_be_bytes(number.try_into().ok()?);
        Some(Self { user_id: Uuid::from_slice(id).ok()?, last_number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_survive_the_wire_and_other_messages_are_ignored() {
        let announcement = Announcement { user_id: Uuid::from_u128(5), last_number: i64::MAX };
        let bytes = announcement.encode();
        assert_eq!(Announcement::decode(&bytes), Some(announcement));
        for other in [&bytes[..23], &[], &[bytes.as_slice(), b"more"].concat()] {
            assert_eq!(Announcement::decode(other), None);
        }
    }
}
