//! How often somebody may try to log in under one name from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use crate::config::LoginTries;

/// Names with a try under way or behind them are looked through for forgotten ones when there are this many more.
const TIDY_AFTER: usize = 1024;

/// A bucket of tries for each name and address; one that is full again is forgotten. Nobody is ever locked out for good, and
/// who guesses from one address locks nobody out elsewhere.
#[derive(Debug)]
pub(super) struct Tries {
    limit: LoginTries,
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    /// When the bucket will be full again: each try moves it on, so one number says how much is in it.
    full_at: HashMap<Key, Instant>,
    tidy_at: usize,
}

/// Who tries: a folded name, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) username_key: String,
    pub(super) address: IpAddr,
}

impl Tries {
    pub(super) fn new(limit: LoginTries) -> Self {
        Self { limit, buckets: Mutex::default() }
    }

    /// Takes a try; `false` when there is none.
    pub(super) fn take(&self, key: &Key, now: Instant) -> bool {
        let mut buckets = self.lock();
        buckets.tidy(now);
        let full_at = buckets.full_at.get(key).copied().unwrap_or(now).max(now);
        let taken = full_at.duration_since(now);
        if taken + self.limit.one_every > self.limit.one_every * self.limit.burst {
            return false;
        }
        buckets.full_at.insert(key.clone(), full_at + self.limit.one_every);
        true
    }

    /// Forgives what was tried: the password was right.
    pub(super) fn forgive(&self, key: &Key) {
        self.lock().full_at.remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}

impl Buckets {
    fn tidy(&mut self, now: Instant) {
        if self.full_at.len() >= self.tidy_at {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.tidy_at = self.full_at.len() + TIDY_AFTER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const LIMIT: LoginTries = LoginTries { burst: 3, one_every: Duration::from_secs(10) };

    fn key(name: &str) -> Key {
        Key { username_key: name.to_owned(), address: Ipv4Addr::LOCALHOST.into() }
    }

    #[test]
    fn a_burst_is_allowed_and_then_one_try_at_a_time() {
        let (tries, start) = (Tries::new(LIMIT), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);

        let at_once = [0, 0, 0, 0, 9].map(|seconds| tries.take(&key("ada"), after(seconds)));
        let later = [10, 11, 20, 60, 60, 60, 60].map(|seconds| tries.take(&key("ada"), after(seconds)));

        assert_eq!(at_once, [true, true, true, false, false]);
        assert_eq!(later, [true, false, true, true, true, true, false]);
        assert!(tries.take(&key("bob"), after(60)));
    }

    #[test]
    fn a_success_forgives_what_was_tried() {
        let (tries, now) = (Tries::new(LIMIT), Instant::now());
        while tries.take(&key("ada"), now) {}

        tries.forgive(&key("ada"));

        assert!(tries.take(&key("ada"), now));
    }

    #[test]
    fn names_that_nobody_tries_any_more_are_forgotten() {
        let (tries, start) = (Tries::new(LIMIT), Instant::now());
        for n in 0..10 * TIDY_AFTER {
            tries.take(&key(&n.to_string()), start + Duration::from_millis(20 * n as u64));
        }

        assert!(tries.lock().full_at.len() < 3 * TIDY_AFTER);
    }
}
