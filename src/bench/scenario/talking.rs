//! What all scenarios have in common in which people talk.

use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::bench::error::BenchError;
use crate::bench::figure::{self, Figure, Figures};
use crate::bench::floor::Floors;
use crate::bench::load::cast::Cast;
use crate::bench::load::people::People;
use crate::bench::load::talk::{Talk, Talked};
use crate::bench::options::Load;
use crate::bench::process::Usage;
use crate::bench::result::Round;
use crate::bench::server::{Committed, Target};

/// People at a server.
#[derive(Debug)]
pub(in crate::bench) struct Talking {
    setting: String,
    cast: Cast,
    talk: Talk,
}

/// What is read of the server at a moment.
#[derive(Debug)]
struct Reading {
    usage: Usage,
    committed: Option<Committed>,
}

impl Reading {
    fn of(target: &Target) -> Self {
        Self { usage: target.usage(), committed: target.committed() }
    }
}

impl Talking {
    pub(super) async fn prepare(
        mut cast: Cast,
        setting: String,
        load: &Load,
        target: &Target,
    ) -> Result<Self, BenchError> {
        cast.has_echo = load.version > 1;
        let people = People::new(target.address(), load.version);
        let talk = Talk::at_server(&cast, &people, load.content_bytes).await?;
        Ok(Self { setting, cast, talk })
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
    let of_messages = |sum: Option<f64>| sum.map(|sum| sum / *answered as f64);
    let commits = first.committed.zip(last.committed).and_then(|(first, last)| last.commits_per_message(first));
    let mut figures = vec![
        (&figure::MESSAGES, Some(per_second(*answered, *elapsed))),
        (&figure::DELIVERIES, Some(per_second(*received, *elapsed))),
    ];
    figures.extend(quantiles(&latencies.answer, ANSWER));
    figures.extend(quantiles(&latencies.receipt, RECEIPT));
    figures.extend([
        (&figure::CPU_PER_MESSAGE, of_messages(cpu_ns)),
        (&figure::CPU_PER_DELIVERY, cpu_ns.map(|sum| sum / *received as f64)),
        (&figure::SERVER_CORES, cpu_ns.map(|sum| cores(sum, *elapsed))),
        (&figure::LOAD_CORES, Some(cores(*load_cpu_ns as f64, *elapsed))),
        (&figure::COMMITS, commits),
        (&figure::WRITTEN, of_messages(last.usage.written_bytes_since(&first.usage))),
    ]);
    figures
}

pub(super) fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

pub(super) fn cores(cpu_ns: f64, elapsed: Duration) -> f64 {
    cpu_ns / elapsed.as_nanos() as f64
}

const ANSWER: [&Figure; 4] = [&figure::ANSWER_P50, &figure::ANSWER_P99, &figure::ANSWER_P999, &figure::ANSWER_MAX];

const RECEIPT: [&Figure; 4] = [&figure::RECEIPT_P50, &figure::RECEIPT_P99, &figure::RECEIPT_P999, &figure::RECEIPT_MAX];

/// What is shown of a histogram of latencies; nothing where it is empty.
pub(super) fn quantiles(latencies: &Histogram<u64>, [p50, p99, p999, longest]: [&'static Figure; 4]) -> Figures {
    let at = |quantile: f64| (!latencies.is_empty()).then(|| latencies.value_at_quantile(quantile) as f64);
    vec![(p50, at(0.5)), (p99, at(0.99)), (p999, at(0.999)), (longest, at(1.0))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::stage::histogram;

    #[test]
    fn quantiles_are_nanoseconds_to_three_digits() {
        let mut latencies = histogram();
        assert!(quantiles(&latencies, ANSWER).iter().all(|(_, value)| value.is_none()));
        (1..=1000u64).for_each(|us| latencies.saturating_record(us * 1000));

        let values = quantiles(&latencies, ANSWER);

        for ((figure, value), expected) in values.iter().zip([500_000.0, 990_000.0, 999_000.0, 1_000_000.0]) {
            let value = value.unwrap();
            assert!((value / expected - 1.0).abs() < 0.001, "{}: {value}", figure.name);
        }
    }

    #[test]
    fn rates_are_of_seconds_and_cores_of_time() {
        assert_eq!(per_second(30, Duration::from_millis(1500)), 20.0);
        assert_eq!(cores(3e9, Duration::from_secs(2)), 1.5);
    }
}
