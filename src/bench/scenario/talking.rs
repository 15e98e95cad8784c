//! What all scenarios have in common in which people talk.

use std::path::Path;

use super::crowd::Crowd;
use super::{ANSWER, cores, per_second, quantiles, quotient};
use crate::bench::error::BenchError;
use crate::bench::figure::{self, Figure, Figures};
use crate::bench::floor::Floors;
use crate::bench::load::cast::Cast;
use crate::bench::load::people::People;
use crate::bench::load::talk::{Talk, Talked};
use crate::bench::load::wire::Wire;
use crate::bench::number::grouped;
use crate::bench::options::Load;
use crate::bench::process::Usage;
use crate::bench::result::Round;
use crate::bench::server::Target;
use crate::bench::told::Committed;

/// People at a server.
#[derive(Debug)]
pub(in crate::bench) struct Talking {
    setting: String,
    cast: Cast,
    talk: Talk,
    /// Connections to which nothing is said.
    _idle: Vec<Wire>,
}

/// What is read of the server at a moment.
#[derive(Debug)]
struct Reading {
    usage: Usage,
    committed: Option<Committed>,
    /// Units: bytes.
    resident: Option<f64>,
}

impl Reading {
    fn of(target: &Target) -> Self {
        Self { usage: target.usage(), committed: target.committed(), resident: target.resident_bytes() }
    }
}

impl Talking {
    pub(super) async fn prepare(
        mut cast: Cast,
        setting: String,
        idle: usize,
        load: &Load,
        target: &Target,
    ) -> Result<Self, BenchError> {
        cast.has_echo = load.version > 1;
        let rate = load.rate.map(|rate| format!(", {} messages a second", grouped(rate))).unwrap_or_default();
        let setting = format!("{setting}{rate}, {} bytes, version {}", load.content_bytes, load.version);
        let people = People::new(target.address(), load.version);
        let talk = Talk::at_server(&cast, &people, load.content_bytes).await?;
        let idle = if idle > 0 { Crowd::register(target, idle).await?.connect_all(idle).await? } else { Vec::new() };
        Ok(Self { setting, cast, talk, _idle: idle })
    }

    /// The same, where something has been said in every conversation before: the first message of one costs a server more.
    pub(super) async fn begun(mut self, load: &Load) -> Result<Self, BenchError> {
        self.talk.open_lanes(load.patience).await?;
        Ok(self)
    }

    pub(super) fn setting(&self) -> String {
        self.setting.clone()
    }

    pub(super) async fn round(&mut self, load: &Load, target: &Target) -> Result<Round, BenchError> {
        let talked = self.talk.round(load.timing(), load.pace(), || Reading::of(target)).await?;
        Ok(Round { figures: figures(&talked), account: talked.account })
    }

    /// Adds the floors to a round.
    pub(super) async fn add_floors(&self, round: &mut Round, load: &Load, directory: &Path) -> Result<(), BenchError> {
        let messages_per_commit = round.value(&figure::COMMITS).map(f64::recip);
        let floors = Floors { cast: &self.cast, load, sample: self.talk.sample(), directory, messages_per_commit };
        floors.measure(round).await
    }

    pub(super) fn refusal(&self) -> Option<String> {
        self.talk.refusal()
    }
}

fn figures(talked: &Talked<Reading>) -> Figures {
    let Talked { elapsed, answered, received, latencies, load_cpu_ns, readings: (first, last), .. } = talked;
    let cpu_ns = last.usage.cpu_ns_since(&first.usage);
    let commits = first.committed.zip(last.committed).and_then(|(first, last)| last.commits_per_message(first));
    let mut figures = vec![
        (&figure::MESSAGES, Some(per_second(*answered, *elapsed))),
        (&figure::DELIVERIES, Some(per_second(*received, *elapsed))),
    ];
    figures.extend(quantiles(&latencies.answer, ANSWER));
    figures.extend(quantiles(&latencies.receipt, RECEIPT));
    figures.extend([
        (&figure::CPU_PER_MESSAGE, quotient(cpu_ns, *answered as f64)),
        (&figure::CPU_PER_DELIVERY, quotient(cpu_ns, *received as f64)),
        (&figure::SERVER_CORES, cpu_ns.map(|sum| cores(sum, *elapsed))),
        (&figure::LOAD_CORES, Some(cores(*load_cpu_ns as f64, *elapsed))),
        (&figure::COMMITS, commits),
        (&figure::WRITTEN, quotient(last.usage.written_bytes_since(&first.usage), *answered as f64)),
        (&figure::RESIDENT, last.resident),
    ]);
    figures
}

const RECEIPT: [&Figure; 4] = [&figure::RECEIPT_P50, &figure::RECEIPT_P99, &figure::RECEIPT_P999, &figure::RECEIPT_MAX];
