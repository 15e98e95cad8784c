//! How much of something somebody may take, and how fast.

use std::time::{Duration, Instant};

/// So many a second, and some at once after a while of taking none.
///
/// Source: the generic cell rate algorithm, ITU-T I.371: a token bucket that needs no timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How long it takes to get one back.
    one_every: Duration,
    /// How long what is not taken is saved up.
    saved_for: Duration,
}

impl Rate {
    /// The slowest and the fastest rate. Units: a second.
    pub const RANGE: std::ops::RangeInclusive<f64> = 0.0001..=1_000_000.0;

    /// `per_second`, brought into [`Rate::RANGE`], with a burst of what that makes in `saved_for`, or of one.
    pub fn new(per_second: f64, saved_for: Duration) -> Self {
        let one_every = Duration::from_secs_f64(per_second.clamp(*Self::RANGE.start(), *Self::RANGE.end()).recip());
        Self { one_every, saved_for: saved_for.max(one_every) }
    }

    /// What taking one costs. Units: the time it takes to get it back.
    pub fn cost(self) -> Duration {
        self.one_every
    }
}

/// What somebody has taken of a [`Rate`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket {
    /// When it is full again. Each taking moves this on, so it alone says how much is in the bucket. `None`: full since ever.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes what costs `cost`, overdrawing by up to `overdraft`; by how much it is overdrawn then. What costs more than a full
    /// bucket holds may be taken from a full one.
    ///
    /// # Errors
    /// [`Overdrawn`]; nothing was taken.
    pub fn take(
        &mut self,
        rate: Rate,
        cost: Duration,
        overdraft: Duration,
        now: Instant,
    ) -> Result<Duration, Overdrawn> {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        let missing = full_at.duration_since(now) + cost.min(rate.saved_for);
        let overdrawn = missing.saturating_sub(rate.saved_for);
        if overdrawn > overdraft {
            return Err(Overdrawn { wait: overdrawn });
        }
        self.full_at = Some(full_at + cost);
        Ok(overdrawn)
    }

    /// Gives back what cost `cost`.
    pub fn give_back(&mut self, cost: Duration) {
        self.full_at = self.full_at.and_then(|full_at| full_at.checked_sub(cost));
    }

    /// Whether nothing is missing from it, as if nobody had ever taken anything.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

/// There is not enough in the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdrawn {
    /// How long it takes until there is.
    pub wait: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_allowed_and_then_one_at_a_time() {
        let (rate, start, mut bucket) = (Rate::new(0.1, 30 * SECOND), Instant::now(), Bucket::default());
        let mut take = |second| bucket.take(rate, rate.cost(), Duration::ZERO, start + second * SECOND);

        assert_eq!([0, 0, 0].map(&mut take), [Ok(Duration::ZERO); 3]);
        assert_eq!([0, 9].map(&mut take), [10, 1].map(|wait| Err(Overdrawn { wait: wait * SECOND })));
        assert_eq!([10, 11, 20].map(|second| take(second).is_ok()), [true, false, true]);
        assert_eq!([60, 60, 60, 60].map(|second| take(second).is_ok()), [true, true, true, false]);
    }

    #[test]
    fn an_overdraft_says_how_long_it_takes_to_get_back() {
        let (rate, now, mut bucket) = (Rate::new(1.0, SECOND), Instant::now(), Bucket::default());
        let mut take = || bucket.take(rate, rate.cost(), 2 * SECOND, now);

        assert_eq!([(); 3].map(|()| take()), [0, 1, 2].map(|overdrawn| Ok(overdrawn * SECOND)));
        assert_eq!(take(), Err(Overdrawn { wait: 3 * SECOND }));
    }

    #[test]
    fn what_costs_more_than_a_full_bucket_is_taken_from_a_full_one_and_has_to_come_back() {
        let (rate, now, mut bucket) = (Rate::new(1.0, 2 * SECOND), Instant::now(), Bucket::default());

        assert_eq!(bucket.take(rate, 100 * SECOND, Duration::ZERO, now), Ok(Duration::ZERO));

        assert_eq!(bucket.take(rate, SECOND, Duration::ZERO, now), Err(Overdrawn { wait: 99 * SECOND }));
        assert!(!bucket.is_full(now + 99 * SECOND));
        assert!(bucket.is_full(now + 100 * SECOND));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (rate, now, mut bucket) = (Rate::new(1.0, SECOND), Instant::now(), Bucket::default());

        for _ in 0..10 {
            assert!(bucket.take(rate, rate.cost(), Duration::ZERO, now).is_ok());
            bucket.give_back(rate.cost());
        }

        assert!(bucket.is_full(now));
    }

    #[test]
    fn no_rate_is_without_a_burst_of_one() {
        let (rate, now, mut bucket) = (Rate::new(0.0, Duration::ZERO), Instant::now(), Bucket::default());

        assert!(bucket.take(rate, rate.cost(), Duration::ZERO, now).is_ok());
        assert!(bucket.take(rate, rate.cost(), Duration::ZERO, now).is_err());
    }
}
