//! How long to wait before trying again.

use std::time::Duration;

use uuid::Uuid;

/// The first wait, at the longest. Most connections break alone, and the server is there; who reads notices nothing of it.
const FIRST: Duration = Duration::from_millis(100);

/// The longest wait. A server that was away for hours has everybody back within this, and meanwhile nobody costs much.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that grow while things fail. The longest doubles each time, and of it chance takes between half and all: those whom
/// one server has lost at one moment do not come back at one moment.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let wait = wait(self.failures, random());
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Begins anew, for something has worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

fn wait(failures: u32, random: u32) -> Duration {
    let longest = FIRST.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST);
    longest / 2 + (longest / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// The first bits of a UUID of version 4, which are all random.
fn random() -> u32 {
    Uuid::new_v4().as_fields().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_chance_takes_between_half_and_all() {
        for (failures, longest_ms) in [(0, 100), (1, 200), (4, 1600), (8, 25_600), (9, 30_000), (u32::MAX, 30_000)] {
            assert_eq!(wait(failures, 0), Duration::from_millis(longest_ms / 2), "{failures}");
            assert_eq!(wait(failures, u32::MAX), Duration::from_millis(longest_ms), "{failures}");
        }
    }

    #[test]
    fn waits_grow_while_things_fail_and_begin_anew_when_something_has_worked() {
        let mut backoff = Backoff::default();

        let waits: Vec<Duration> = (0..4).map(|_| backoff.next()).collect();
        backoff.reset();

        assert!(waits.is_sorted(), "{waits:?}");
        assert!(waits[3] >= 4 * FIRST, "{waits:?}");
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn no_two_clients_wait_alike() {
        let waits: std::collections::HashSet<Duration> = (0..10).map(|_| Backoff::default().next()).collect();
        assert!(waits.len() > 1);
    }
}
