//! Who may still connect: so many altogether, and so many from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Limits;

/// The places of a listener.
#[derive(Debug)]
pub(super) struct Slots {
    max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_network: HashMap<u128, usize>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    network: u128,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    All,
    Address,
}

/// What counts as one address: an IPv4 address, or the /64 network that a subscriber has with IPv6.
pub fn network(address: IpAddr) -> u128 {
    const HOST_BITS: u32 = 64;
    match address.to_canonical() {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => u128::from(address) >> HOST_BITS << HOST_BITS,
    }
}

impl Slots {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection from `address`.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Full> {
        let network = network(address);
        let mut taken = self.taken();
        if taken.all >= self.max {
            return Err(Full::All);
        }
        let of_network = taken.by_network.entry(network).or_default();
        if *of_network >= self.per_address_max {
            return Err(Full::Address);
        }
        *of_network += 1;
        taken.all += 1;
        Ok(Slot { slots: Arc::clone(self), network })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        taken.all -= 1;
        if let Some(of_network) = taken.by_network.get_mut(&self.network) {
            *of_network -= 1;
            if *of_network == 0 {
                taken.by_network.remove(&self.network);
            }
        }
    }
}

impl Full {
    /// As the metric says it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::All => "limit",
            Self::Address => "address_limit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(all: usize, per_address: usize) -> Arc<Slots> {
        Slots::new(&Limits { connections_max: all, connections_per_address_max: per_address, ..Limits::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_leaves_room_for_others_and_gets_its_places_back() {
        let slots = slots(3, 2);
        let first = slots.take(address("192.0.2.1")).unwrap();
        let _second = slots.take(address("::ffff:192.0.2.1")).unwrap();
        assert_eq!(slots.take(address("192.0.2.1")).unwrap_err(), Full::Address);
        let _other = slots.take(address("192.0.2.2")).unwrap();
        assert_eq!(slots.take(address("192.0.2.3")).unwrap_err(), Full::All);
        drop(first);
        slots.take(address("192.0.2.1")).unwrap();
        assert_eq!(slots.taken().by_network.len(), 2, "what nobody holds is forgotten");
    }

    #[test]
    fn a_subscribers_addresses_are_one() {
        let of = |text| network(address(text));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
