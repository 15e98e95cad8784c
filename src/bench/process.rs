//! What the kernel knows of a process: CPU, wake-ups, bytes written, memory. From `/proc`; elsewhere than on Linux nothing is known.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a process has used up to now.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    cpu: Option<Cpu>,
    /// How often its threads have gone to wait for something; each time they were woken again.
    waits: Option<u64>,
    written_bytes: Option<u64>,
}

/// Units: nanoseconds.
#[derive(Debug, Clone, Default)]
struct Cpu {
    /// By the scheduler's clock, for each thread that lives.
    of_threads: BTreeMap<u32, u64>,
    /// Of all threads there ever were, in ticks of 10 ms.
    in_ticks: u64,
}

impl Usage {
    pub(super) fn of(pid: u32) -> Self {
        let written_bytes = field(format!("/proc/{pid}/io"), "write_bytes:");
        Self { cpu: Cpu::of(pid), waits: waits(pid), written_bytes }
    }

    /// CPU time since `earlier`. Units: nanoseconds.
    pub(super) fn cpu_ns_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.cpu.as_ref()?.since(earlier.cpu.as_ref()?) as f64)
    }

    /// How often a thread of it was woken since `earlier`.
    pub(super) fn wake_ups_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.waits?.saturating_sub(earlier.waits?) as f64)
    }

    /// Bytes sent to the disk since `earlier`.
    pub(super) fn written_bytes_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.written_bytes?.saturating_sub(earlier.written_bytes?) as f64)
    }
}

impl Cpu {
    fn of(pid: u32) -> Option<Self> {
        let mut of_threads = BTreeMap::new();
        for thread in threads(pid)? {
            let id = thread.file_name().and_then(|name| name.to_str()?.parse().ok());
            let ran_ns = fs::read_to_string(thread.join("schedstat")).ok();
            let ran_ns = ran_ns.and_then(|line| line.split_whitespace().next()?.parse().ok());
            if let (Some(id), Some(ran_ns)) = (id, ran_ns) {
                of_threads.insert(id, ran_ns);
            }
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let ticks = ticks(&stat)?;
        let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        Some(Self { of_threads, in_ticks: ticks * tick_ns })
    }

    /// Exact where every thread of `earlier` still lives; else as exact as ticks are.
    fn since(&self, earlier: &Self) -> u64 {
        let all_live = earlier.of_threads.keys().all(|id| self.of_threads.contains_key(id));
        if !all_live || self.of_threads.is_empty() {
            return self.in_ticks.saturating_sub(earlier.in_ticks);
        }
        let of_thread = |(id, ran_ns): (&u32, &u64)| ran_ns - earlier.of_threads.get(id).unwrap_or(&0).min(ran_ns);
        self.of_threads.iter().map(of_thread).sum()
    }
}

/// Where the kernel tells of each thread of a process.
fn threads(pid: u32) -> Option<impl Iterator<Item = PathBuf>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    Some(threads.flatten().map(|thread| thread.path()))
}

fn waits(pid: u32) -> Option<u64> {
    let of_thread = |thread: PathBuf| field(thread.join("status"), "voluntary_ctxt_switches:");
    Some(threads(pid)?.filter_map(of_thread).sum())
}

/// User and system time in `/proc/PID/stat`, whose second field, the program's name, may hold anything.
///
/// Source: the manual page `proc_pid_stat(5)`.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    Some(fields.next()?? + fields.next()??)
}

/// Memory that only this process has, files apart. Units: bytes.
pub(super) fn memory_bytes(pid: u32) -> Option<u64> {
    field(format!("/proc/{pid}/status"), "RssAnon:").map(|kib| kib * 1024)
}

/// All memory that this process has at the moment, the program and what it shares of files with it. Units: bytes.
pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
    field(format!("/proc/{pid}/status"), "VmRSS:").map(|kib| kib * 1024)
}

fn field(path: impl AsRef<Path>, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 500 60 8 9 20 0 1 0";

        assert_eq!(ticks(stat), Some(560));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn where_a_thread_has_ended_the_ticks_of_all_are_taken() {
        let cpu =
            |of_threads: &[(u32, u64)], in_ticks| Cpu { of_threads: of_threads.iter().copied().collect(), in_ticks };
        let earlier = cpu(&[(1, 100), (2, 50)], 1000);

        assert_eq!(cpu(&[(1, 140), (2, 50), (3, 7)], 9000).since(&earlier), 47);
        assert_eq!(cpu(&[(1, 140), (3, 7)], 9000).since(&earlier), 8000);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_used_cpu_and_memory() {
        let before = Usage::of(std::process::id());
        let sum: u64 = (0..5_000_000u64).map(std::hint::black_box).sum();
        std::thread::sleep(std::time::Duration::from_millis(1));
        let after = Usage::of(std::process::id());

        assert!(memory_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
        assert!(resident_bytes(std::process::id()) > memory_bytes(std::process::id()));
        assert!(sum > 0 && after.cpu_ns_since(&before).is_some());
        assert!(after.wake_ups_since(&before).is_some_and(|wake_ups| wake_ups > 0.0));
    }
}
