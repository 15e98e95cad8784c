//! Lets messages fall due at a steady rate, whatever becomes of those before.
//!
//! A thread sleeps from one moment to the next, for the timers of the load's runtime are no finer than a millisecond, and that
//! would show in every latency.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::clock::{Clock, whole_ns};
use super::stage::Stage;

/// Stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Pacer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Moments that have come. Units: nanoseconds since the run began.
    due: Mutex<VecDeque<u64>>,
    has_come: Notify,
    is_over: AtomicBool,
}

impl Pacer {
    /// Begins at once.
    pub(crate) fn start(clock: Clock, per_second: f64) -> Self {
        let shared = Arc::new(Shared::default());
        let (thread, interval) = (Arc::clone(&shared), Duration::from_secs_f64(1.0 / per_second));
        std::thread::spawn(move || keep_time(&thread, clock, interval));
        Self(shared)
    }

    /// Hands the moments out to the lanes' speakers in turn, for ever.
    pub(crate) async fn hand_out(&self, stage: &Rc<Stage>) {
        let mut lanes = stage.lanes.iter().cycle();
        loop {
            self.0.has_come.notified().await;
            let due = std::mem::take(&mut *self.0.due.lock().unwrap_or_else(PoisonError::into_inner));
            for (at_ns, lane) in due.into_iter().zip(lanes.by_ref()) {
                stage.speaker(lane).fall_due(at_ns);
            }
        }
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

fn keep_time(shared: &Shared, clock: Clock, interval: Duration) {
    let interval_ns = whole_ns(interval).max(1);
    let mut next_ns = clock.now_ns();
    while !shared.is_over.load(Ordering::Relaxed) {
        let now_ns = clock.now_ns();
        let mut due = shared.due.lock().unwrap_or_else(PoisonError::into_inner);
        while next_ns <= now_ns {
            due.push_back(next_ns);
            next_ns += interval_ns;
        }
        drop(due);
        shared.has_come.notify_one();
        std::thread::sleep(clock.instant(next_ns).saturating_duration_since(Instant::now()));
    }
}
