//! How often somebody may do what is not done as a user: log in, register.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::domain::{Bucket, Overdrawn, Rate};

/// The table is looked through for full buckets when there are this many more.
const TIDY_AFTER: usize = 1024;

/// A bucket for each key; one that is full again is forgotten. Nobody is ever locked out for good.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    /// `None`: there is no limit.
    rate: Option<Rate>,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    buckets: HashMap<K, Bucket>,
    tidy_at: usize,
}

impl<K: Eq + Hash> Buckets<K> {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, table: Mutex::new(Table { buckets: HashMap::new(), tidy_at: TIDY_AFTER }) }
    }

    /// Takes one.
    ///
    /// # Errors
    /// [`Overdrawn`] when there is none.
    pub(super) fn take(&self, key: K, now: Instant) -> Result<(), Overdrawn> {
        let Some(rate) = self.rate else { return Ok(()) };
        let mut table = self.lock();
        table.tidy(now);
        table.buckets.entry(key).or_default().take(rate, rate.cost(), Duration::ZERO, now).map(drop)
    }

    /// Gives back what was taken.
    pub(super) fn forgive(&self, key: &K) {
        self.lock().buckets.remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, Table<K>> {
        self.table.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}

impl<K: Eq + Hash> Table<K> {
    fn tidy(&mut self, now: Instant) {
        if self.buckets.len() >= self.tidy_at {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            self.tidy_at = self.buckets.len() + TIDY_AFTER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets() -> Buckets<usize> {
        Buckets::new(Some(Rate::new(0.1, Duration::from_secs(30))))
    }

    #[test]
    fn what_one_key_has_taken_another_has_not() {
        let (buckets, now) = (buckets(), Instant::now());
        while buckets.take(1, now).is_ok() {}

        assert!(buckets.take(2, now).is_ok());
        assert!(buckets.take(1, now).is_err());
        buckets.forgive(&1);
        assert!(buckets.take(1, now).is_ok());
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let (buckets, now) = (Buckets::new(None), Instant::now());

        assert!((0..10_000).all(|_| buckets.take(1, now).is_ok()));
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let (buckets, start) = (buckets(), Instant::now());
        for key in 0..10 * TIDY_AFTER {
            buckets.take(key, start + Duration::from_millis(20 * key as u64)).unwrap();
        }

        assert!(buckets.lock().buckets.len() < 3 * TIDY_AFTER);
    }
}
