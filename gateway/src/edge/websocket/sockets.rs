//! The open sockets of the process and of each person, counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use focusflow_mesh::refusal::resource_exhausted;
use metrics::{Gauge, gauge};
use tonic::Status;
use uuid::Uuid;

use crate::config::WebSocketLimits;

/// When to try again where too many are open.
const RETRY: Duration = Duration::from_secs(5);

/// Counts the sockets of a process. Clones share the counts.
#[derive(Clone)]
pub(in crate::edge) struct Sockets {
    inner: Arc<Inner>,
}

struct Inner {
    limits: WebSocketLimits,
    open: AtomicUsize,
    by_user: Mutex<HashMap<Uuid, usize>>,
    connections: Gauge,
    calls: Gauge,
}

/// A socket's place among the open ones; dropping it frees the place.
pub(super) struct Slot {
    sockets: Sockets,
    user_id: Option<Uuid>,
}

/// A call that is under way, in the metrics.
pub(super) struct CountedCall(Gauge);

impl Sockets {
    pub(in crate::edge) fn new(limits: WebSocketLimits) -> Self {
        let connections = gauge!("websocket_connections_active");
        let calls = gauge!("websocket_calls_active");
        // Shown from the start on.
        connections.set(0.0);
        calls.set(0.0);
        let (open, by_user) = (AtomicUsize::new(0), Mutex::default());
        Self { inner: Arc::new(Inner { limits, open, by_user, connections, calls }) }
    }

    pub(super) fn limits(&self) -> WebSocketLimits {
        self.inner.limits
    }

    /// Takes a place, if there is one.
    pub(super) fn open(&self) -> Result<Slot, Status> {
        let most = self.inner.limits.connections_max;
        let taken = self.inner.open.fetch_add(1, Ordering::Relaxed);
        self.inner.connections.increment(1.0);
        let slot = Slot { sockets: self.clone(), user_id: None };
        if taken < most {
            return Ok(slot);
        }
        let message = format!("{most} WebSockets are open, as many as are allowed");
        Err(resource_exhausted("WEBSOCKET_CONNECTIONS_MAX", message, Some(RETRY)))
    }

    /// Counts a call for as long as the answer lives.
    pub(super) fn count_call(&self) -> CountedCall {
        self.inner.calls.increment(1.0);
        CountedCall(self.inner.calls.clone())
    }

    fn by_user(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, usize>> {
        self.inner.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Counts the socket among its person's, if there is a place for it.
    pub(super) fn belongs_to(&mut self, user_id: Uuid) -> Result<(), Status> {
        let most = self.sockets.limits().connections_per_user_max;
        let mut by_user = self.sockets.by_user();
        let open = by_user.entry(user_id).or_default();
        if *open >= most {
            let message = format!("{most} WebSockets of this account are open, as many as are allowed");
            return Err(resource_exhausted("WEBSOCKET_CONNECTIONS_PER_USER_MAX", message, Some(RETRY)));
        }
        *open += 1;
        drop(by_user);
        self.user_id = Some(user_id);
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.sockets.inner.open.fetch_sub(1, Ordering::Relaxed);
        self.sockets.inner.connections.decrement(1.0);
        let Some(user_id) = self.user_id else { return };
        let mut by_user = self.sockets.by_user();
        if let Some(open) = by_user.get_mut(&user_id) {
            *open -= 1;
            if *open == 0 {
                by_user.remove(&user_id);
            }
        }
    }
}

impl Drop for CountedCall {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_freed_can_be_taken_again() {
        let limits = WebSocketLimits { connections_max: 2, connections_per_user_max: 1, ..WebSocketLimits::default() };
        let sockets = Sockets::new(limits);
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut first = sockets.open().unwrap();
        let mut second = sockets.open().unwrap();
        assert!(sockets.open().is_err());

        first.belongs_to(ada).unwrap();
        assert!(second.belongs_to(ada).is_err());
        second.belongs_to(bob).unwrap();
        drop(first);
        sockets.open().unwrap().belongs_to(ada).unwrap();
    }
}
