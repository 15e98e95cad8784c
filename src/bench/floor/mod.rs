//! The least that the same work takes on the same machine, measured in the same rounds. A figure alone says as much about the
//! machine as about the server; its ratio to a floor says how much is left to gain.
//!
//! - Loopback: the same bytes between the same sockets, by a loop that knows where everything goes and reads nothing of it.
//! - `SQLite`: the same rows, as many in each commit, into a table without indexes, by prepared statements.
//! - File: the same bytes, as many at a time, written one behind the other to a file that has its length already, and synced.
//! - Hashing: passwords compared by as many threads, beside the same chat.

mod batches;
mod disk;
pub(super) mod hashing;
#[cfg(target_os = "linux")]
mod loopback;
#[cfg(target_os = "linux")]
mod relay;
mod sqlite;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use super::error::BenchError;
use super::figure::{self, Figure, Figures};
use super::load::cast::Cast;
use super::load::seat::Sample;
use super::load::talk::Timing;
use super::options::Load;
use super::result::Round;
use batches::{Stored, Written};

/// A floor is steadier than a server, so it is measured for a part of a round's time.
const SHARE: u32 = 5;

/// Ratios of messages a second.
const OF_RATES: [&Figure; 3] = [&figure::MESSAGES_X_LOOPBACK, &figure::MESSAGES_X_SQLITE, &figure::MESSAGES_X_FILE];

/// What a round's floors are made of.
#[derive(Debug)]
pub(super) struct Floors<'a> {
    pub(super) cast: &'a Cast,
    pub(super) load: &'a Load,
    /// How long what the server has sent was.
    pub(super) sample: Sample,
    /// Where the server's files are.
    pub(super) directory: &'a Path,
    /// What the server has made of messages; `None` where it has not told.
    pub(super) messages_per_commit: Option<f64>,
}

/// What the loopback took.
#[derive(Debug, Clone, Copy)]
struct Loopback {
    messages_per_s: f64,
    receipt_p50_ns: f64,
    receipt_p99_ns: f64,
    cpu_ns_per_message: f64,
}

impl Floors<'_> {
    /// Measures all of them, and adds them and the ratios to them to a round.
    pub(super) async fn measure(&self, round: &mut Round) -> Result<(), BenchError> {
        let loopback = self.loopback().await?;
        let (sqlite, file) = (self.on_disk(sqlite::run).await?, self.on_disk(disk::run).await?);
        let floors = figures(loopback, sqlite, file);
        let mut ratios = ratios(round, loopback, sqlite, file);
        if self.load.rate.is_some() {
            // How many there are a second was decided before.
            ratios.retain(|(figure, _)| !OF_RATES.contains(figure));
        }
        round.figures.extend(floors.into_iter().chain(ratios));
        Ok(())
    }

    #[cfg(target_os = "linux")]
    async fn loopback(&self) -> Result<Option<Loopback>, BenchError> {
        loopback::run(self.cast, self.load, self.sample, self.timing(), self.load.pace()).await.map(Some)
    }

    #[cfg(not(target_os = "linux"))]
    async fn loopback(&self) -> Result<Option<Loopback>, BenchError> {
        Ok(None)
    }

    fn timing(&self) -> Timing {
        let Load { warm_up, measured, patience, .. } = *self.load;
        Timing { warm_up: warm_up / SHARE, measured: measured / SHARE, patience }
    }

    /// Runs a floor on a thread of its own, so that a signal need not wait for the disk.
    async fn on_disk(
        &self,
        run: fn(&Stored, &dyn Fn() -> bool) -> Result<Written, BenchError>,
    ) -> Result<Option<Written>, BenchError> {
        let Some(messages_per_commit) = self.messages_per_commit else { return Ok(None) };
        let stored = Stored {
            directory: self.directory.to_owned(),
            messages_per_commit,
            content_bytes: self.load.content_bytes,
            has_nonces: self.load.version > 1,
            warm_up: self.timing().warm_up,
            measured: self.timing().measured,
        };
        let (sender, receiver) = oneshot::channel();
        let is_over = Over::default();
        let watched = Arc::clone(&is_over.0);
        std::thread::spawn(move || sender.send(run(&stored, &|| watched.load(Ordering::Relaxed))).ok());
        receiver.await.expect("the thread sends what it has found before it ends").map(Some)
    }
}

/// Says to a thread that nobody waits for it any more.
#[derive(Default)]
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn figures(loopback: Option<Loopback>, sqlite: Option<Written>, file: Option<Written>) -> Figures {
    vec![
        (&figure::LOOPBACK_MESSAGES, loopback.map(|floor| floor.messages_per_s)),
        (&figure::LOOPBACK_P50, loopback.map(|floor| floor.receipt_p50_ns)),
        (&figure::LOOPBACK_P99, loopback.map(|floor| floor.receipt_p99_ns)),
        (&figure::LOOPBACK_CPU, loopback.map(|floor| floor.cpu_ns_per_message)),
        (&figure::SQLITE_ROWS, sqlite.map(|floor| floor.messages_per_s)),
        (&figure::SQLITE_CPU, sqlite.map(|floor| floor.cpu_ns_per_message)),
        (&figure::SQLITE_P50, sqlite.map(|floor| floor.sync_p50_ns)),
        (&figure::SQLITE_P99, sqlite.map(|floor| floor.sync_p99_ns)),
        (&figure::FILE_MESSAGES, file.map(|floor| floor.messages_per_s)),
        (&figure::FILE_P50, file.map(|floor| floor.sync_p50_ns)),
        (&figure::FILE_P99, file.map(|floor| floor.sync_p99_ns)),
        (&figure::FILE_MAX, file.map(|floor| floor.sync_max_ns)),
    ]
}

fn ratios(round: &Round, loopback: Option<Loopback>, sqlite: Option<Written>, file: Option<Written>) -> Figures {
    let ratio = |of: &Figure, to: Option<f64>| round.value(of).zip(to).map(|(of, to)| of / to);
    let sum = |one: Option<f64>, other: Option<f64>| one.zip(other).map(|(one, other)| one + other);
    let loopback_cpu = loopback.map(|floor| floor.cpu_ns_per_message);
    let sqlite_cpu = sqlite.map(|floor| floor.cpu_ns_per_message);
    let receipt = sum(loopback.map(|floor| floor.receipt_p50_ns), file.map(|floor| floor.sync_p50_ns));
    vec![
        (&figure::CPU_X_LOOPBACK, ratio(&figure::CPU_PER_MESSAGE, loopback_cpu)),
        (&figure::CPU_X_SQLITE, ratio(&figure::CPU_PER_MESSAGE, sqlite_cpu)),
        (&figure::CPU_X_FLOORS, ratio(&figure::CPU_PER_MESSAGE, sum(loopback_cpu, sqlite_cpu))),
        (&figure::MESSAGES_X_LOOPBACK, ratio(&figure::MESSAGES, loopback.map(|floor| floor.messages_per_s))),
        (&figure::MESSAGES_X_SQLITE, ratio(&figure::MESSAGES, sqlite.map(|floor| floor.messages_per_s))),
        (&figure::MESSAGES_X_FILE, ratio(&figure::MESSAGES, file.map(|floor| floor.messages_per_s))),
        (&figure::RECEIPT_X_FLOORS, ratio(&figure::RECEIPT_P50, receipt)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::stage::Account;

    #[test]
    fn ratios_are_of_the_server_to_its_floors() {
        let figures = vec![
            (&figure::MESSAGES, Some(100.0)),
            (&figure::CPU_PER_MESSAGE, Some(30.0)),
            (&figure::RECEIPT_P50, Some(9.0)),
        ];
        let round = Round { figures, account: Account::default() };
        let loopback =
            Loopback { messages_per_s: 400.0, receipt_p50_ns: 1.0, receipt_p99_ns: 5.0, cpu_ns_per_message: 6.0 };
        let written = Written {
            messages_per_s: 200.0,
            cpu_ns_per_message: 4.0,
            sync_p50_ns: 2.0,
            sync_p99_ns: 7.0,
            sync_max_ns: 9.0,
        };

        let all = ratios(&round, Some(loopback), Some(written), Some(written));
        let some = ratios(&round, Some(loopback), None, None);

        let values = |ratios: &Figures| ratios.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        assert_eq!(values(&all), [5.0, 7.5, 3.0, 0.25, 0.5, 0.5, 3.0].map(Some));
        assert_eq!(values(&some), [Some(5.0), None, None, Some(0.25), None, None, None]);
    }
}
