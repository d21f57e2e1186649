//! The open sockets of the process, of each address and of each person, counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use focusflow_mesh::refusal::resource_exhausted;
use focusflow_mesh::server::network;
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
    by_network: Counts<u128>,
    by_user: Counts<Uuid>,
    connections: Gauge,
    calls: Gauge,
}

/// A socket's place among the open ones; dropping it frees the place.
pub(super) struct Slot {
    sockets: Sockets,
    network: Option<u128>,
    user_id: Option<Uuid>,
}

/// How many sockets somebody has.
#[derive(Default)]
struct Counts<K>(Mutex<HashMap<K, usize>>);

/// A call that is under way, in the metrics.
pub(super) struct CountedCall(Gauge);

impl Sockets {
    pub(in crate::edge) fn new(limits: WebSocketLimits) -> Self {
        let connections = gauge!("websocket_connections_active");
        let calls = gauge!("websocket_calls_active");
        // Shown from the start on.
        connections.set(0.0);
        calls.set(0.0);
        let open = AtomicUsize::new(0);
        let (by_network, by_user) = (Counts::default(), Counts::default());
        Self { inner: Arc::new(Inner { limits, open, by_network, by_user, connections, calls }) }
    }

    pub(super) fn limits(&self) -> WebSocketLimits {
        self.inner.limits
    }

    /// Takes a place for a client at `address`, if there is one.
    pub(super) fn open(&self, address: IpAddr) -> Result<Slot, Status> {
        let most = self.inner.limits.connections_max;
        let taken = self.inner.open.fetch_add(1, Ordering::Relaxed);
        self.inner.connections.increment(1.0);
        let mut slot = Slot { sockets: self.clone(), network: None, user_id: None };
        if taken >= most {
            let message = format!("{most} WebSockets are open, as many as are allowed");
            return Err(resource_exhausted("WEBSOCKET_CONNECTIONS_MAX", message, Some(RETRY)));
        }
        slot.comes_from(network(address))?;
        Ok(slot)
    }

    /// Counts a call for as long as the answer lives.
    pub(super) fn count_call(&self) -> CountedCall {
        self.inner.calls.increment(1.0);
        CountedCall(self.inner.calls.clone())
    }
}

impl Slot {
    /// Counts the socket among its person's, if there is a place for it.
    pub(super) fn belongs_to(&mut self, user_id: Uuid) -> Result<(), Status> {
        let most = self.sockets.limits().connections_per_user_max;
        if !self.sockets.inner.by_user.take(user_id, most) {
            let message = format!("{most} WebSockets of this account are open, as many as are allowed");
            return Err(resource_exhausted("WEBSOCKET_CONNECTIONS_PER_USER_MAX", message, Some(RETRY)));
        }
        self.user_id = Some(user_id);
        Ok(())
    }

    fn comes_from(&mut self, network: u128) -> Result<(), Status> {
        let most = self.sockets.limits().connections_per_address_max;
        if !self.sockets.inner.by_network.take(network, most) {
            let message = format!("{most} WebSockets of this address are open, as many as are allowed");
            return Err(resource_exhausted("WEBSOCKET_CONNECTIONS_PER_ADDRESS_MAX", message, Some(RETRY)));
        }
        self.network = Some(network);
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Inner { open, connections, by_network, by_user, .. } = &*self.sockets.inner;
        open.fetch_sub(1, Ordering::Relaxed);
        connections.decrement(1.0);
        if let Some(network) = self.network {
            by_network.give_back(network);
        }
        if let Some(user_id) = self.user_id {
            by_user.give_back(user_id);
        }
    }
}

impl<K: Copy + Eq + Hash> Counts<K> {
    /// Answers whether there was a place.
    fn take(&self, key: K, most: usize) -> bool {
        let mut counts = self.lock();
        let open = counts.entry(key).or_default();
        let has_place = *open < most;
        *open += usize::from(has_place);
        has_place
    }

    fn give_back(&self, key: K) {
        let mut counts = self.lock();
        if let Some(open) = counts.get_mut(&key) {
            *open -= 1;
            if *open == 0 {
                counts.remove(&key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CountedCall {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_place_that_is_freed_can_be_taken_again() {
        let limits = WebSocketLimits { connections_max: 2, connections_per_user_max: 1, ..WebSocketLimits::default() };
        let sockets = Sockets::new(limits);
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut first = sockets.open(Ipv4Addr::LOCALHOST.into()).unwrap();
        let mut second = sockets.open(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert!(sockets.open(Ipv4Addr::LOCALHOST.into()).is_err());

        first.belongs_to(ada).unwrap();
        assert!(second.belongs_to(ada).is_err());
        second.belongs_to(bob).unwrap();
        drop(first);
        sockets.open(Ipv4Addr::LOCALHOST.into()).unwrap().belongs_to(ada).unwrap();
    }
}
