//! The time of a run.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Counts from the beginning of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Units: nanoseconds since the run began.
    pub(crate) fn now_ns(self) -> u64 {
        whole_ns(self.0.elapsed())
    }

    pub(crate) fn instant(self, at_ns: u64) -> Instant {
        self.0 + Duration::from_nanos(at_ns)
    }
}

pub(crate) fn whole_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time that this thread has used. Units: nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(used.tv_sec * 1_000_000_000 + used.tv_nsec).unwrap_or(0)
}
