//! How many messages one side of a call has room for.

use tokio::sync::Semaphore;

/// What each side may send of a call before it is told of more room.
pub(super) const INITIAL: u32 = 8;

/// More room than this is not counted: nobody keeps so many messages.
const MOST: usize = 1 << 20;

/// The room that a client has for messages of a call.
pub(super) struct Credit(Semaphore);

impl Credit {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(INITIAL as usize))
    }

    /// The client has made room.
    pub(super) fn add(&self, messages: u32) {
        let room = MOST.saturating_sub(self.0.available_permits());
        self.0.add_permits(room.min(messages as usize));
    }

    /// Waits for room for one message and uses it.
    pub(super) async fn take(&self) {
        // It is never closed.
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::pin::pin;

    #[tokio::test]
    async fn what_is_granted_can_be_taken_and_no_more() {
        let credit = Credit::new();
        for _ in 0..INITIAL {
            credit.take().await;
        }
        let mut next = pin!(credit.take());
        assert!(poll!(&mut next).is_pending());
        credit.add(1);
        next.await;
        assert!(poll!(pin!(credit.take())).is_pending());
    }

    #[tokio::test]
    async fn a_client_that_claims_endless_room_breaks_nothing() {
        let credit = Credit::new();
        for _ in 0..10 {
            credit.add(u32::MAX);
        }
        assert_eq!(credit.0.available_permits(), MOST);
    }
}
