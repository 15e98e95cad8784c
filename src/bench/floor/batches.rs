//! What the floors on the disk have in common: batches of messages for a time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::bench::error::BenchError;
use crate::bench::load::clock::{thread_cpu_ns, whole_ns};
use crate::bench::load::stage::histogram;

/// What is to be written.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) directory: PathBuf,
    pub(super) messages_per_commit: f64,
    pub(super) content_bytes: usize,
    pub(super) has_nonces: bool,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

/// What it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) messages_per_s: f64,
    /// Of the thread that writes.
    pub(super) cpu_ns_per_message: f64,
    /// From the beginning of a batch until it is on the disk.
    pub(super) sync_p50_ns: f64,
    pub(super) sync_p99_ns: f64,
    pub(super) sync_max_ns: f64,
}

impl Stored {
    /// Has batches written until the time is over, or nobody waits any more; those of the warm-up do not count.
    pub(super) fn write(
        &self,
        is_over: &dyn Fn() -> bool,
        mut write: impl FnMut(usize) -> Result<(), BenchError>,
    ) -> Result<Written, BenchError> {
        let (mut messages, mut latencies) = (0, histogram());
        let mut batches = sizes(self.messages_per_commit);
        let started = Instant::now();
        while started.elapsed() < self.warm_up && !is_over() {
            batches.next().map_or(Ok(()), &mut write)?;
        }
        let (began, cpu_ns) = (Instant::now(), thread_cpu_ns());
        for batch in batches {
            let began_batch = Instant::now();
            write(batch)?;
            latencies.saturating_record(whole_ns(began_batch.elapsed()));
            messages += batch;
            if began.elapsed() >= self.measured || is_over() {
                break;
            }
        }
        Ok(Written {
            messages_per_s: messages as f64 / began.elapsed().as_secs_f64(),
            cpu_ns_per_message: (thread_cpu_ns() - cpu_ns) as f64 / messages as f64,
            sync_p50_ns: latencies.value_at_quantile(0.5) as f64,
            sync_p99_ns: latencies.value_at_quantile(0.99) as f64,
            sync_max_ns: latencies.value_at_quantile(1.0) as f64,
        })
    }
}

/// Whole numbers whose mean is this.
fn sizes(mean: f64) -> impl Iterator<Item = usize> {
    let mean = mean.max(1.0);
    let upto = move |batches: u32| (f64::from(batches) * mean).round() as usize;
    (0..).map(move |batch| upto(batch + 1) - upto(batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_as_large_in_the_mean_as_those_of_the_run() {
        assert_eq!(sizes(1.0).take(3).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(sizes(0.0).take(2).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(sizes(12.7).take(1000).sum::<usize>(), 12_700);
        assert!(sizes(12.7).take(1000).all(|size| size == 12 || size == 13));
    }

    #[test]
    fn it_ends_when_the_time_is_over_or_nobody_waits() {
        let stored = |measured| Stored {
            directory: PathBuf::new(),
            messages_per_commit: 3.0,
            content_bytes: 1,
            has_nonces: false,
            warm_up: Duration::ZERO,
            measured,
        };
        let mut batches = 0;

        stored(Duration::ZERO)
            .write(&|| false, |_| {
                batches += 1;
                Ok(())
            })
            .unwrap();
        stored(Duration::MAX)
            .write(&|| true, |_| {
                batches += 1;
                Ok(())
            })
            .unwrap();

        assert_eq!(batches, 2);
    }
}
