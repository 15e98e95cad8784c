//! Who may connect: so many in all, and so many strangers from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::domain::Network;

/// Connections that are told why they may not stay; the rest of a flood is dropped without a word.
const TOLD_AT_ONCE: usize = 64;

/// Shared by all listeners.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    telling: Arc<Semaphore>,
    strangers: Arc<Strangers>,
}

/// A connection that may stay. Its place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    _place: OwnedSemaphorePermit,
    stranger: Option<Stranger>,
}

/// Connections by address that have not shown who they are.
#[derive(Debug)]
struct Strangers {
    most: usize,
    exempts_loopback: bool,
    counts: Mutex<HashMap<Network, usize>>,
}

/// One of them.
#[derive(Debug)]
struct Stranger {
    strangers: Arc<Strangers>,
    network: Network,
}

impl Admission {
    /// Admits what `limits` allow, but no more than `most_connections`, which the system allows.
    pub fn new(limits: &Limits, most_connections: usize) -> Self {
        let (most, exempts_loopback) = (limits.strangers_per_address, limits.exempts_loopback);
        Self {
            places: Arc::new(Semaphore::new(limits.max_connections.min(most_connections))),
            telling: Arc::new(Semaphore::new(TOLD_AT_ONCE)),
            strangers: Arc::new(Strangers { most, exempts_loopback, counts: Mutex::default() }),
        }
    }

    /// Admits a connection from `address`, if there is a place for it.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Admitted> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let stranger = self.strangers.enter(Network::of(address))?;
        Some(Admitted { _place: place, stranger: Some(stranger) })
    }

    /// Leave to tell a connection that it may not stay.
    pub(super) fn tell(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.telling).try_acquire_owned().ok()
    }
}

impl Admitted {
    /// The client has shown who it is.
    pub(super) fn is_known(&mut self) {
        self.stranger = None;
    }
}

impl Strangers {
    fn enter(self: &Arc<Self>, network: Network) -> Option<Stranger> {
        let mut counts = self.lock();
        let count = counts.entry(network).or_default();
        if *count >= self.most && !(self.exempts_loopback && network.is_loopback()) {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Stranger { strangers: Arc::clone(self), network })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.counts.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut counts = self.strangers.lock();
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(strangers_per_address: usize, exempts_loopback: bool) -> Admission {
        let limits = Limits { strangers_per_address, exempts_loopback, max_connections: 4, ..Limits::default() };
        Admission::new(&limits, 100)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_strangers_until_one_is_known_or_gone() {
        let admission = admission(2, true);
        let mut known = admission.admit(address("192.0.2.1")).unwrap();
        let gone = admission.admit(address("192.0.2.1")).unwrap();
        assert!(admission.admit(address("192.0.2.1")).is_none());
        assert!(admission.admit(address("192.0.2.2")).is_some());

        known.is_known();
        let third = admission.admit(address("192.0.2.1"));
        assert!(third.is_some());
        assert!(admission.admit(address("192.0.2.1")).is_none());

        drop((known, gone, third));
        assert!(admission.strangers.lock().is_empty());
    }

    #[test]
    fn this_machine_is_exempt_where_the_limits_say_so() {
        let (exempt, strict) = (admission(1, true), admission(1, false));
        let _first = [exempt.admit(address("::1")), strict.admit(address("::1"))];

        assert!(exempt.admit(address("::1")).is_some());
        assert!(strict.admit(address("::1")).is_none());
    }

    #[test]
    fn there_are_so_many_places_in_all() {
        let admission = admission(100, true);
        let mut admitted: Vec<_> = (0..4).map(|_| admission.admit(address("192.0.2.1")).unwrap()).collect();
        assert!(admission.admit(address("192.0.2.2")).is_none());

        admitted.pop();

        assert!(admission.admit(address("192.0.2.2")).is_some());
    }
}
