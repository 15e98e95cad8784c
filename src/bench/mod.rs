//! What a server can do: loads that people make, measured. As pgbench is to `PostgreSQL`.
//!
//! The server is a child process on a file of its own, or one that is there already; nothing is known of it but its socket and,
//! where it is a child, what the kernel says of it. The load is people at connections (`load`), all on one thread. A
//! [`Scenario`] is who does what; everything that is measured of it is a `figure`. Every message is accounted for: a figure of a
//! server that loses some is worth nothing.

mod arena;
mod choice;
mod compare;
mod descriptors;
mod directory;
mod empty;
mod error;
mod figure;
mod floor;
mod json;
mod load;
mod number;
mod options;
mod preload;
mod process;
mod progress;
mod report;
mod result;
mod scenario;
mod server;
mod statistics;
mod told;

use std::io::Write;
use std::path::{Path, PathBuf};

pub use choice::Scenario;
pub use compare::compare;
pub use error::BenchError;
pub use options::{Comparison, Load, Options, PATIENCE};
pub use preload::Preload;

use arena::Arena;
use empty::Empty;
use preload::Filled;
use progress::Progress;
use result::Outcome;
use server::Target;

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
    descriptors::raise_limit();
    let progress = Progress::new();
    let filled = fill(&options.directory, &options.load, &progress).await?;
    let mut outcomes = Vec::new();
    for &scenario in &options.scenarios {
        let outcome = measure(scenario, options, filled.as_ref(), &progress).await?;
        progress.clear();
        if !options.json {
            report::write(out, &outcome, &options.load)?;
        }
        outcomes.push(outcome);
    }
    if options.json {
        writeln!(out, "{:#}", json::report(&outcomes, &options.load, filled.as_ref()))?;
    }
    let is_right = outcomes.iter().all(|outcome| outcome.account().is_right());
    Ok(if is_right { Verdict::Right } else { Verdict::Wrong })
}

/// The file that each server of a run has a copy of.
async fn fill(directory: &Path, load: &Load, progress: &Progress) -> Result<Option<Filled>, BenchError> {
    if load.preload.is_some() {
        progress.say("filling a file");
    }
    Filled::make(directory, load.preload, load.content_bytes).await
}

async fn measure(
    scenario: Scenario,
    options: &Options,
    filled: Option<&Filled>,
    progress: &Progress,
) -> Result<Outcome, BenchError> {
    let name = scenario.name();
    progress.say(&format!("{name}: setting up"));
    let target = match &options.address {
        Some(address) => Target::Foreign(address.clone()),
        None => Target::start(&this_binary()?, &options.directory, filled).await?,
    };
    let mut arena = Arena::open(scenario, target, &options.load).await?;
    let mut empty = Empty::open(scenario, options).await?;
    for number in 1..=options.load.rounds {
        progress.say(&format!("{name}: round {number} of {}", options.load.rounds));
        let is_empty_right = empty.round(&options.load).await?;
        let is_right = arena.round(&options.load, options.has_floors).await?;
        if let Some(round) = arena.last_mut() {
            empty.add_to(round, &options.load);
        }
        if !is_right || !is_empty_right {
            break;
        }
    }
    empty.close().await?;
    arena.close().await
}

/// The program that runs.
fn this_binary() -> Result<PathBuf, BenchError> {
    std::env::current_exe().map_err(|err| BenchError::File("the program that runs".into(), err))
}
