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
    entries: HashMap<K, Entry>,
    tidy_at: usize,
}

#[derive(Debug, Default)]
struct Entry {
    bucket: Bucket,
    /// Attempts that are taken from the bucket and not decided yet.
    under_way: usize,
}

/// Why an attempt may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// Too many have counted.
    Overdrawn(Overdrawn),
    /// So many are under way that there would be too many if all of them counted.
    UnderWay,
}

/// Something that somebody tries. Dropped undecided, as when the server was too busy to do it, it has not happened.
#[derive(Debug)]
pub(super) struct Attempt<'b, K: Clone + Eq + Hash> {
    buckets: &'b Buckets<K>,
    /// `None`: nobody counts it.
    key: Option<K>,
    outcome: Counts,
}

/// What is taken from the bucket for an attempt in the end.
#[derive(Debug, Clone, Copy)]
enum Counts {
    Nothing,
    One,
    /// And what was taken before is given back.
    Forgiven,
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, table: Mutex::new(Table { entries: HashMap::new(), tidy_at: TIDY_AFTER }) }
    }

    /// Begins an attempt, which is taken from the bucket until it is decided; without a key nobody counts it.
    ///
    /// # Errors
    /// [`Denied`] when there is nothing left.
    pub(super) fn begin(&self, key: Option<K>, now: Instant) -> Result<Attempt<'_, K>, Denied> {
        if let (Some(rate), Some(key)) = (self.rate, &key) {
            self.lock().begin(key, rate, now)?;
        }
        Ok(Attempt { buckets: self, key, outcome: Counts::Nothing })
    }

    fn lock(&self) -> MutexGuard<'_, Table<K>> {
        self.table.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}

impl<K: Clone + Eq + Hash> Attempt<'_, K> {
    /// It has happened.
    pub(super) fn counts(mut self) {
        self.outcome = Counts::One;
    }

    /// It has shown that those before it were no attack.
    pub(super) fn forgives(mut self) {
        self.outcome = Counts::Forgiven;
    }
}

impl<K: Clone + Eq + Hash> Drop for Attempt<'_, K> {
    fn drop(&mut self) {
        if let (Some(rate), Some(key)) = (self.buckets.rate, &self.key) {
            self.buckets.lock().decide(key, rate, self.outcome);
        }
    }
}

impl<K: Clone + Eq + Hash> Table<K> {
    fn begin(&mut self, key: &K, rate: Rate, now: Instant) -> Result<(), Denied> {
        self.tidy(now);
        let entry = self.entries.entry(key.clone()).or_default();
        match entry.bucket.take(rate, rate.cost(), Duration::ZERO, now) {
            Ok(_) => {
                entry.under_way += 1;
                Ok(())
            }
            Err(_) if entry.under_way > 0 => Err(Denied::UnderWay),
            Err(overdrawn) => Err(Denied::Overdrawn(overdrawn)),
        }
    }

    fn decide(&mut self, key: &K, rate: Rate, outcome: Counts) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.under_way -= 1;
        match outcome {
            Counts::One => {}
            Counts::Nothing => entry.bucket.give_back(rate.cost()),
            Counts::Forgiven => entry.bucket = Bucket::default(),
        }
    }

    fn tidy(&mut self, now: Instant) {
        if self.entries.len() >= self.tidy_at {
            self.entries.retain(|_, entry| entry.under_way > 0 || !entry.bucket.is_full(now));
            self.tidy_at = self.entries.len() + TIDY_AFTER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets() -> Buckets<usize> {
        Buckets::new(Some(Rate::new(0.1, Duration::from_secs(30))))
    }

    /// Makes attempts that count until there are no more; how many there were.
    fn exhaust(buckets: &Buckets<usize>, key: usize, now: Instant) -> usize {
        std::iter::from_fn(|| buckets.begin(Some(key), now).ok().map(Attempt::counts)).count()
    }

    #[test]
    fn what_one_key_has_taken_another_has_not() {
        let (buckets, now) = (buckets(), Instant::now());

        assert_eq!(exhaust(&buckets, 1, now), 3);

        assert!(buckets.begin(Some(2), now).is_ok());
        let wait = Duration::from_secs(10);
        assert_eq!(buckets.begin(Some(1), now).unwrap_err(), Denied::Overdrawn(Overdrawn { wait }));
    }

    #[test]
    fn what_was_not_done_has_not_happened_and_what_was_right_forgives_the_rest() {
        let (buckets, now) = (buckets(), Instant::now());
        for _ in 0..100 {
            drop(buckets.begin(Some(1), now).unwrap());
        }
        for _ in 0..2 {
            buckets.begin(Some(1), now).unwrap().counts();
        }

        buckets.begin(Some(1), now).unwrap().forgives();

        assert_eq!(exhaust(&buckets, 1, now), 3);
    }

    #[test]
    fn what_is_under_way_takes_its_place_until_it_is_decided() {
        let (buckets, now) = (buckets(), Instant::now());
        let under_way: Vec<_> = (0..3).map(|_| buckets.begin(Some(1), now).unwrap()).collect();

        assert_eq!(buckets.begin(Some(1), now).unwrap_err(), Denied::UnderWay);
        drop(under_way);
        assert_eq!(exhaust(&buckets, 1, now), 3);
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let (buckets, now) = (Buckets::new(None), Instant::now());

        assert!((0..10_000).all(|_| buckets.begin(Some(1), now).map(Attempt::counts).is_ok()));
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let (buckets, start) = (buckets(), Instant::now());
        for key in 0..10 * TIDY_AFTER {
            buckets.begin(Some(key), start + Duration::from_millis(20 * key as u64)).unwrap().counts();
        }

        assert!(buckets.lock().entries.len() < 3 * TIDY_AFTER);
    }
}
