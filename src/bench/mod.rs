//! What a server can do: loads that people make, measured. As pgbench is to `PostgreSQL`.
//!
//! The server is a child process on a file of its own, or one that is there already; nothing is known of it but its socket and,
//! where it is a child, what the kernel says of it. The load is people at connections (`load`), all on one thread. A
//! [`Scenario`] is who does what; everything that is measured of it is a `figure`. Every message is accounted for: a figure of a
//! server that loses some is worth nothing.

mod directory;
mod error;
mod figure;
mod floor;
mod json;
mod load;
mod options;
mod process;
mod progress;
mod report;
mod result;
mod scenario;
mod server;
mod statistics;

use std::io::Write;

pub use error::BenchError;
pub use options::{Load, Options, PATIENCE};
pub use scenario::Scenario;

use directory::TemporaryDirectory;
use progress::Progress;
use result::Outcome;
use server::{OwnServer, Target};

/// How a run that came to its end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every message came once and in order.
    Right,
    /// Messages were lost or doubled, or came out of order.
    Wrong,
}

/// Measures, and writes to `out` what came of it. To be called inside a [`tokio::task::LocalSet`].
///
/// # Errors
/// [`BenchError`] where it could not be measured; `out` has the scenarios that could.
pub async fn run(options: &Options, out: &mut impl Write) -> Result<Verdict, BenchError> {
    let progress = Progress::new();
    let mut outcomes = Vec::new();
    for &scenario in &options.scenarios {
        let outcome = measure(scenario, options, &progress).await?;
        progress.clear();
        if !options.json {
            report::write(out, &outcome, &options.load)?;
        }
        outcomes.push(outcome);
    }
    if options.json {
        writeln!(out, "{:#}", json::report(&outcomes, &options.load))?;
    }
    let is_right = outcomes.iter().all(|outcome| outcome.account().is_right());
    Ok(if is_right { Verdict::Right } else { Verdict::Wrong })
}

async fn measure(scenario: Scenario, options: &Options, progress: &Progress) -> Result<Outcome, BenchError> {
    let name = scenario.name();
    progress.say(&format!("{name}: setting up"));
    let (target, directory) = target(options).await?;
    let mut prepared = scenario::prepare(scenario, &options.load, &target).await?;
    let mut rounds = Vec::new();
    for number in 1..=options.load.rounds {
        progress.say(&format!("{name}: round {number} of {}", options.load.rounds));
        let mut round = prepared.round(&options.load, &target).await?;
        let is_right = round.account.is_right();
        if let Some(directory) = directory.as_ref().filter(|_| is_right && options.has_floors) {
            progress.say(&format!("{name}: the least of round {number} of {}", options.load.rounds));
            prepared.add_floors(&mut round, &options.load, directory.path()).await?;
        }
        rounds.push(round);
        if !is_right {
            // What is missing would be missing in the next round's window, too.
            break;
        }
    }
    let (setting, refusal) = (prepared.setting(), prepared.refusal());
    drop(prepared);
    target.stop().await?;
    Ok(Outcome { scenario, setting, rounds, refusal })
}

/// The server, and where its files are if they are the benchmark's own.
async fn target(options: &Options) -> Result<(Target, Option<TemporaryDirectory>), BenchError> {
    if let Some(address) = &options.address {
        return Ok((Target::Foreign(address.clone()), None));
    }
    let binary = std::env::current_exe().map_err(|err| BenchError::File("/proc/self/exe".into(), err))?;
    let directory = TemporaryDirectory::new(&options.directory)?;
    let server = OwnServer::start(&binary, directory.path()).await?;
    Ok((Target::Own(server), Some(directory)))
}
