//! What can be measured.

mod backlog;
mod crowd;
mod groups;
mod history;
mod idle;
mod login;
mod mixed;
mod reconnect;
mod repeating;
mod sync;
mod talking;
mod whispers;

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::error::BenchError;
use super::figure::{self, Figure, Figures};
use super::options::Load;
use super::result::Round;
use super::server::Target;
use history::History;
use idle::Idle;
use login::Login;
use reconnect::Reconnect;
use sync::Sync;
use talking::Talking;

/// Something that users do, which is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// Pairs, each with some whispers under way.
    Whisper,
    /// One pair with one whisper under way, to and fro.
    PingPong,
    /// One group.
    Group,
    /// Many small groups.
    Groups,
    /// A chat as it is.
    Mixed,
    /// Passwords.
    Login,
    /// Connections that do nothing.
    Idle,
    /// Much that was missed.
    Sync,
    /// Pages of what was said.
    History,
    /// A restart, after which all come back.
    Reconnect,
}

/// All scenarios as they are called, and what each is.
const ALL: [(&str, Scenario, &str); 10] = [
    ("whisper", Scenario::Whisper, "--pairs of users, with --window whispers under way in each"),
    ("ping-pong", Scenario::PingPong, "one pair, of whom each whispers when the other's whisper has come"),
    ("group", Scenario::Group, "one group of --members, in which four talk and all listen, with --window under way"),
    ("groups", Scenario::Groups, "--groups of 10 members, each with --window messages under way"),
    ("mixed", Scenario::Mixed, "groups of every size, whispers, people away, and --connections (500) that are idle"),
    ("login", Scenario::Login, "--connections (16) that come at once, log in by password, and go"),
    ("idle", Scenario::Idle, "--connections (1000) that come, stay, and do nothing"),
    ("sync", Scenario::Sync, "one who comes back and has missed --messages of --conversations"),
    ("history", Scenario::History, "--connections (8) that read pages of 50, out of --messages of --conversations"),
    ("reconnect", Scenario::Reconnect, "a restart, and --connections (500) that come back at once, by token"),
];

impl Scenario {
    /// What is run where nothing is said.
    pub const USUAL: [Self; 3] = [Self::Whisper, Self::PingPong, Self::Group];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// All of them, a line for each.
    pub fn help() -> String {
        let line = |(name, _, what): &(&str, Self, &str)| format!("  {name:<11}{what}");
        ALL.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Whether people talk in it, for a rate is one of messages.
    pub fn has_rate(self) -> bool {
        matches!(self, Self::Whisper | Self::PingPong | Self::Group | Self::Groups | Self::Mixed)
    }

    /// Whether it stops and starts the server.
    pub fn restarts_server(self) -> bool {
        self == Self::Reconnect
    }

    fn entry(self) -> &'static (&'static str, Self, &'static str) {
        ALL.iter().find(|(_, scenario, _)| *scenario == self).expect("every scenario is among them")
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = ALL.iter().find(|(name, ..)| *name == text).map(|(_, scenario, _)| *scenario);
        let names = || ALL.map(|(name, ..)| name).join(", ");
        known.ok_or_else(|| format!("no scenario is called so; there are {}", names()))
    }
}

/// A scenario that is set up and can be run again and again.
#[derive(Debug)]
pub(super) enum Prepared {
    Talking(Box<Talking>),
    Login(Login),
    Idle(Idle),
    Sync(Sync),
    History(History),
    Reconnect(Reconnect),
}

/// Sets everything up that is not measured.
pub(super) async fn prepare(scenario: Scenario, load: &Load, target: &Target) -> Result<Prepared, BenchError> {
    let talking = match scenario {
        Scenario::Whisper => (whispers::pairs(load), whispers::setting(load), 0),
        Scenario::PingPong => (whispers::ping_pong(), "one under way".to_owned(), 0),
        Scenario::Group => (groups::one(load), groups::setting(load), 0),
        Scenario::Groups => (groups::many(load), groups::setting_of_many(load), 0),
        Scenario::Mixed => {
            let connections = load.connections.unwrap_or(mixed::CONNECTIONS);
            (mixed::cast(), mixed::setting(connections), connections)
        }
        Scenario::Login => return Login::prepare(load, target).await.map(Prepared::Login),
        Scenario::Idle => return Idle::prepare(load, target).await.map(Prepared::Idle),
        Scenario::Sync => return Sync::prepare(load, target).await.map(Prepared::Sync),
        Scenario::History => return History::prepare(load, target).await.map(Prepared::History),
        Scenario::Reconnect => return Reconnect::prepare(load, target).await.map(Prepared::Reconnect),
    };
    let (cast, setting, idle) = talking;
    let talking = Talking::prepare(cast, setting, idle, load, target).await?;
    Ok(Prepared::Talking(Box::new(talking)))
}

impl Prepared {
    /// How it is run, in words.
    pub(super) fn setting(&self) -> String {
        match self {
            Self::Talking(talking) => talking.setting(),
            Self::Login(login) => login.setting(),
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
            Self::Idle(idle) => idle.round(load, target).await,
            Self::Sync(sync) => sync.round(load, target).await,
            Self::History(history) => history.round(load, target).await,
            Self::Reconnect(reconnect) => reconnect.round(target).await,
        }
    }

    /// Adds to a round the least that it could have taken, where that is known; `directory` is where the server's files are.
    pub(super) async fn add_floors(&self, round: &mut Round, load: &Load, directory: &Path) -> Result<(), BenchError> {
        match self {
            Self::Talking(talking) => talking.add_floors(round, load, directory).await,
            _ => Ok(()),
        }
    }

    /// Why messages were refused, if any were.
    pub(super) fn refusal(&self) -> Option<String> {
        match self {
            Self::Talking(talking) => talking.refusal(),
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
    fn every_scenario_is_known_by_its_name() {
        for (name, scenario, _) in ALL {
            assert_eq!((name.parse(), scenario.name()), (Ok(scenario), name));
        }
        assert!(Scenario::from_str("shouting").is_err());
    }

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
