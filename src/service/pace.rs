//! How fast a connection may hand in messages, once its users have said more than their rate allows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Holds a connection back: its messages go one at a time then, each after the pause that the one before it has earned.
/// Meanwhile nothing is read from its socket, so that a sender who floods is slowed before anything is refused.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Whether it may not go on as it likes: nearly none is held, and each message asks.
    is_held: AtomicBool,
    held_until: Mutex<Option<Instant>>,
}

impl Pace {
    /// Notes by how much the sender of a message was overdrawn.
    pub(super) fn note(&self, overdrawn: Duration) {
        let holds = !overdrawn.is_zero();
        if holds || self.is_held.load(Ordering::Acquire) {
            *self.lock() = holds.then(|| Instant::now() + overdrawn);
            self.is_held.store(holds, Ordering::Release);
        }
    }

    /// Until when the next message has to wait; `None` when it need not, nor for those before it.
    pub(super) fn held_until(&self) -> Option<Instant> {
        if self.is_held.load(Ordering::Acquire) { *self.lock() } else { None }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.held_until.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}
