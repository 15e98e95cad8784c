//! How each scenario is set up and run.

mod backlog;
mod crowd;
mod groups;
mod history;
mod idle;
mod login;
mod mixed;
mod others;
mod reconnect;
mod repeating;
mod storm;
mod sync;
mod talking;
mod whispers;

use std::time::Duration;

use hdrhistogram::Histogram;

use super::choice::Scenario;
use super::error::BenchError;
use super::figure::{self, Figure, Figures};
use super::options::Load;
use super::result::Round;
use super::server::Target;
use history::History;
use idle::Idle;
use login::Login;
use reconnect::Reconnect;
use storm::Storm;
use sync::Sync;
use talking::Talking;

/// A scenario that is set up and can be run again and again.
#[derive(Debug)]
pub(super) enum Prepared {
    Talking(Box<Talking>),
    Login(Login),
    Storm(Box<Storm>),
    Idle(Idle),
    Sync(Sync),
    History(History),
    Reconnect(Reconnect),
}

/// Sets everything up that is not measured.
pub(super) async fn prepare(scenario: Scenario, load: &Load, target: &Target) -> Result<Prepared, BenchError> {
    let talking = match scenario {
        Scenario::Whisper => (whispers::cast(load), whispers::setting(load), 0),
        Scenario::PingPong => (whispers::ping_pong(), "one under way".to_owned(), 0),
        Scenario::Group => (groups::one(load), groups::setting(load), 0),
        Scenario::Groups => (groups::many(load), groups::setting_of_many(load), 0),
        Scenario::Mixed => {
            let connections = load.connections.unwrap_or(mixed::CONNECTIONS);
            (mixed::cast(), mixed::setting(connections), connections)
        }
        Scenario::Login => return Login::prepare(load, target).await.map(Prepared::Login),
        Scenario::Storm => return Storm::prepare(load, target).await.map(|storm| Prepared::Storm(Box::new(storm))),
        Scenario::Idle => return Idle::prepare(load, target).await.map(Prepared::Idle),
        Scenario::Sync => return Sync::prepare(load, target).await.map(Prepared::Sync),
        Scenario::History => return History::prepare(load, target).await.map(Prepared::History),
        Scenario::Reconnect => return Reconnect::prepare(load, target).await.map(Prepared::Reconnect),
    };
    let (cast, setting, idle) = talking;
    let mut talking = Talking::prepare(cast, setting, idle, load, target).await?;
    if scenario == Scenario::Whisper && load.conversations.is_some() {
        talking = talking.begun(load).await?;
    }
    Ok(Prepared::Talking(Box::new(talking)))
}

impl Prepared {
    /// How it is run, in words.
    pub(super) fn setting(&self) -> String {
        match self {
            Self::Talking(talking) => talking.setting(),
            Self::Login(login) => login.setting(),
            Self::Storm(storm) => storm.setting(),
            Self::Idle(idle) => idle.setting(),
            Self::Sync(sync) => sync.setting(),
            Self::History(history) => history.setting(),
            Self::Reconnect(reconnect) => reconnect.setting(),
        }
    }

    /// One round.
    pub(super) async fn round(&mut self, load: &Load, target: &mut Target) -> Result<Round, BenchError> {
        match self {
            Self::Talking(talking) => talking.round(load, target).await,
            Self::Login(login) => login.round(load, target).await,
            Self::Storm(storm) => storm.round(target).await,
            Self::Idle(idle) => idle.round(load, target).await,
            Self::Sync(sync) => sync.round(load, target).await,
            Self::History(history) => history.round(load, target).await,
            Self::Reconnect(reconnect) => reconnect.round(target).await,
        }
    }

    /// Adds to a round the least that it could have taken, where that is known. Of a server that was there before it is not.
    pub(super) async fn add_floors(
        &mut self,
        round: &mut Round,
        load: &Load,
        target: &Target,
    ) -> Result<(), BenchError> {
        let Some(directory) = target.directory() else { return Ok(()) };
        match self {
            Self::Talking(talking) => talking.add_floors(round, load, directory).await,
            Self::Storm(storm) => storm.add_floors(round, target).await,
            _ => Ok(()),
        }
    }

    /// Why messages were refused, if any were.
    pub(super) fn refusal(&self) -> Option<String> {
        match self {
            Self::Talking(talking) => talking.refusal(),
            Self::Storm(storm) => storm.refusal(),
            Self::Sync(sync) => sync.refusal(),
            Self::History(history) => history.refusal(),
            _ => None,
        }
    }
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

fn cores(cpu_ns: f64, elapsed: Duration) -> f64 {
    cpu_ns / elapsed.as_nanos() as f64
}

fn quotient(sum: Option<f64>, count: f64) -> Option<f64> {
    sum.map(|sum| sum / count)
}

const ANSWER: [&Figure; 4] = [&figure::ANSWER_P50, &figure::ANSWER_P99, &figure::ANSWER_P999, &figure::ANSWER_MAX];

/// What is shown of a histogram of latencies; nothing where it is empty.
fn quantiles(latencies: &Histogram<u64>, [p50, p99, p999, longest]: [&'static Figure; 4]) -> Figures {
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
