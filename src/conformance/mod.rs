//! Whether a server speaks the wire: every statement of docs/PROTOCOL.md that shows from outside within seconds, tried.
//!
//! The server may be any; only its address is known. The suite registers users and groups of its own, a handful, by names that
//! nobody else has, and they stay behind. It uses no codec but its own, so that what is wrong at both ends shows as well.
//!
//! A topic is a file with a table of `Behaviour`s and an async function for each. To add a behaviour is to add both; its name,
//! its quotation and its heading are held against the document by a test.

mod awaiting;
mod behaviour;
mod connection;
mod message;
mod refusals;
mod report;
mod requests;
mod scene;
#[cfg(test)]
mod tests;
mod topics;

use std::io::{self, Write};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use behaviour::{Behaviour, Check, Met, Unmet, Wire};
use scene::Scene;

/// How long one behaviour may take, unless asked otherwise. Most take milliseconds.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// What to try, and on which server.
#[derive(Debug, Clone)]
pub struct Options {
    /// `HOST:PORT`.
    pub address: String,
    /// Of the wire; `None` for both.
    pub version: Option<u8>,
    /// Tries only what has this in its line, its heading or its quotation.
    pub only: Option<String>,
    /// How long one behaviour may take; one message may take half of it.
    pub deadline: Duration,
}

/// How many behaviours ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// The server does what the document says.
    pub passed: usize,
    /// The server does otherwise.
    pub failed: usize,
    /// It could not be tried.
    pub skipped: usize,
}

impl Summary {
    /// How many there were.
    pub fn total(&self) -> usize {
        self.passed + self.failed + self.skipped
    }
}

/// Tries the server, and writes a line for each behaviour and a last one with the sums to `out`. Where `options` leave nothing
/// to try, nothing is written.
///
/// # Errors
/// When the server cannot be reached at all, or `out` takes nothing.
pub async fn run(options: &Options, out: &mut (impl Write + Send)) -> io::Result<Summary> {
    let chosen: Vec<_> = all().filter(|(behaviour, wire)| options.choose(behaviour, *wire)).collect();
    let mut summary = Summary::default();
    if chosen.is_empty() {
        return Ok(summary);
    }
    reach(options).await?;
    let mut scene = Scene::new(options.address.clone(), options.deadline / 2).await;
    for (behaviour, wire) in chosen {
        scene.wire = wire;
        let met = check(behaviour, &mut scene, options.deadline).await;
        match &met {
            Ok(()) => summary.passed += 1,
            Err(Unmet::Failed(_)) => summary.failed += 1,
            Err(Unmet::Skipped(_)) => summary.skipped += 1,
        }
        report::write(out, behaviour, wire, &met)?;
    }
    report::write_summary(out, summary)?;
    Ok(summary)
}

/// Every behaviour on every wire that it is tried on.
fn all() -> impl Iterator<Item = (&'static Behaviour, Wire)> {
    let behaviours = topics::TOPICS.iter().copied().flatten();
    behaviours.flat_map(|behaviour| behaviour.wires.iter().map(move |wire| (behaviour, *wire)))
}

impl Options {
    fn choose(&self, behaviour: &Behaviour, wire: Wire) -> bool {
        let words = |text: &str| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        let text = words(&format!("{wire} {} {} {}", behaviour.name, behaviour.section, behaviour.says));
        self.version.is_none_or(|version| version == wire.version())
            && text.contains(&words(self.only.as_deref().unwrap_or_default()))
    }
}

/// Tells a server that is not there from one that misbehaves.
async fn reach(options: &Options) -> io::Result<()> {
    match timeout(options.deadline, TcpStream::connect(&options.address)).await {
        Ok(connected) => connected.map(drop),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn check(behaviour: &Behaviour, scene: &mut Scene, deadline: Duration) -> Met {
    match behaviour.check {
        Check::Skip(why) => Err(Unmet::Skipped(why.to_owned())),
        Check::Run(run) => match timeout(deadline, run(scene)).await {
            Ok(met) => met,
            Err(_) => Err(Unmet::because(format!("it took longer than {deadline:?}"))),
        },
    }
}
