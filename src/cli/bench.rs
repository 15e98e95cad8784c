//! The command line of `chinwag bench`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::host_and_port;
use crate::bench::{Comparison, Load, Options, PATIENCE, Preload, Scenario};

/// Units: bytes of the shortest content, which says whose a message is, which one, and when it was sent.
const MIN_CONTENT_BYTES: i64 = 32;

/// Units: bytes of the longest content that a server takes by default.
const MAX_CONTENT_BYTES: i64 = 16 * 1024;

/// Rounds of one server, where nothing is said.
const ROUNDS: u16 = 3;

/// Pairs of rounds of two servers, where nothing is said: fewer than six make wide intervals.
const PAIRS: u16 = 10;

/// The end of the help.
pub(super) fn scenarios() -> String {
    format!("Scenarios:\n{}", Scenario::help())
}

/// What to measure, and how.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    /// What else there is.
    #[command(subcommand)]
    pub command: Option<BenchCommand>,
    /// What to measure, by default whisper, ping-pong and group; and where, if that is a server that is there
    #[arg(value_name = "SCENARIO|HOST:PORT")]
    pub what: Vec<What>,
    /// Where the files of a server of its own go, for as long as it runs; by default the current directory. The disk decides
    /// much: what is kept in memory, as /tmp is on many systems, costs nothing
    #[arg(long, value_name = "DIRECTORY")]
    pub dir: Option<PathBuf>,
    /// Leave out the floors: what the same work takes at least on the same machine
    #[arg(long)]
    pub no_floor: bool,
    /// Print JSON, with the figures of every round
    #[arg(long)]
    pub json: bool,
    /// The load.
    #[command(flatten)]
    pub load: LoadFlags,
}

/// What `bench` can do besides measuring one server.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Tell whether one build of the server does better than another
    ///
    /// Runs both on the same load, a round of the one and a round of the other in turn. For each figure it shows the ratio of the
    /// new to the old within such pairs of rounds (their geometric mean) and the interval in which it is with a confidence of 95 %
    /// (the t-interval of its logarithm). Where that does not hold 1, the new is 'better' or 'worse'; with so many figures, now and
    /// then one is so by chance. Exit codes are those of 'chinwag bench'.
    Compare(Compare),
}

/// What to compare.
#[derive(Debug, Args)]
pub struct Compare {
    /// The program that is compared with
    #[arg(value_name = "OLD_BINARY")]
    pub old: PathBuf,
    /// The program that is compared; by default this one
    #[arg(value_name = "NEW_BINARY")]
    pub new: Option<PathBuf>,
    /// What to measure; may be given more than once. By default whisper, ping-pong and group
    #[arg(long, value_name = "SCENARIO")]
    pub scenario: Vec<Scenario>,
    /// Where the servers' files go, for as long as they run; by default the current directory
    #[arg(long, value_name = "DIRECTORY")]
    pub dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The load.
    #[command(flatten)]
    pub load: LoadFlags,
}

/// A scenario or a server.
#[derive(Debug, Clone)]
pub enum What {
    /// What to measure.
    Scenario(Scenario),
    /// Where.
    Server(String),
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') {
            return Ok(Self::Server(host_and_port(text)?));
        }
        Ok(Self::Scenario(text.parse()?))
    }
}

/// Flags for [`Load`].
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadFlags {
    /// Rounds; by default 3, of whose figures the median, the lowest and the highest are shown, or to compare 10 pairs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: Option<u16>,
    /// Seconds that are measured in each round
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds, default_value = "5")]
    pub seconds: Duration,
    /// Seconds before that, in each round
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds, default_value = "1")]
    pub warm_up: Duration,
    /// Version of the wire, 1 or 2; version 2 with nonces
    #[arg(long, value_name = "VERSION", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub version: u8,
    /// Pairs of users who whisper
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub pairs: u32,
    /// Messages under way in each pair, and in each group; the next is sent when one has been answered and received by all
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub window: u32,
    /// Members of a group
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub members: u32,
    /// Groups, where there are many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub groups: u32,
    /// Connections, where those are what there are many of; the default is the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: Option<u32>,
    /// Messages that are there to be read
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub messages: u32,
    /// Conversations that they are of, by default 1; in whisper those that are held, all alike and by as few users as have so
    /// many with one another, instead of --pairs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub conversations: Option<u32>,
    /// Fill the file before the server starts: with so many messages, half of them said in groups, of so many users. It
    /// is filled once, and each server has a copy. The program that runs fills it, so an older one that is compared may not be able
    /// to read it. With the floors, those who talk do so at a server with an empty file, too, in the same rounds
    #[arg(long, value_name = "MESSAGES,USERS", value_parser = preload)]
    pub preload: Option<Preload>,
    /// Bytes of a message
    #[arg(long, value_name = "BYTES", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(MIN_CONTENT_BYTES..=MAX_CONTENT_BYTES))]
    pub size: u32,
    /// Messages a second in all, sent in time whatever becomes of earlier ones; latencies count from when each was due. Instead of
    /// --window; in sync and history those of --pairs, first alone and then beside it, so that CPU a delivery or a page
    /// is a difference: that of both, less what as many whispers take alone
    #[arg(long, value_name = "N", value_parser = some_rate)]
    pub rate: Option<f64>,
}

fn some_seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("a number of seconds from 0.01 to 86400 is needed")
}

fn preload(text: &str) -> Result<Preload, &'static str> {
    let numbers =
        text.split_once(',').and_then(|(messages, users)| Some((messages.parse().ok()?, users.parse().ok()?)));
    let numbers = numbers.filter(|&(_, users)| (2..=1_000_000).contains(&users));
    let numbers = numbers.ok_or("a number of messages and one of users, from 2 to 1000000, are needed: 1000000,10000");
    numbers.map(|(messages, users)| Preload { messages, users })
}

fn some_rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate| (0.1..=10_000_000.0).contains(rate));
    rate.ok_or("a number from 0.1 to 10000000 is needed")
}

impl Bench {
    /// What these arguments ask for.
    ///
    /// # Errors
    /// A sentence, where they contradict one another.
    pub fn options(&self) -> Result<Options, &'static str> {
        let (mut scenarios, mut address) = (Vec::new(), None);
        for what in &self.what {
            match what {
                What::Scenario(scenario) if scenarios.contains(scenario) => return Err("a scenario is named twice"),
                What::Scenario(scenario) => scenarios.push(*scenario),
                What::Server(_) if address.is_some() => return Err("there can be one server only"),
                What::Server(server) => address = Some(server.clone()),
            }
        }
        if address.is_some() && self.dir.is_some() {
            return Err("--dir is for the files of a server that is started, not for one that is there");
        }
        if address.is_some() && self.load.preload.is_some() {
            return Err("--preload fills the file of a server that is started, not of one that is there");
        }
        if scenarios.is_empty() {
            scenarios.extend(Scenario::USUAL);
        }
        if address.is_some() && scenarios.iter().any(|scenario| scenario.restarts_server()) {
            return Err("reconnect stops and starts the server, so it needs one of its own");
        }
        self.load.check(&scenarios)?;
        let directory = self.dir.clone().unwrap_or_else(|| ".".into());
        let (has_floors, load, json) = (!self.no_floor, self.load.load(ROUNDS), self.json);
        Ok(Options { scenarios, address, directory, has_floors, load, json })
    }
}

impl Compare {
    /// What these arguments ask for.
    ///
    /// # Errors
    /// A sentence, where they contradict one another.
    pub fn comparison(&self) -> Result<Comparison, &'static str> {
        let usual = if self.scenario.is_empty() { &Scenario::USUAL[..] } else { &self.scenario };
        self.load.check(usual)?;
        Ok(Comparison {
            old: self.old.clone(),
            new: self.new.clone(),
            scenarios: usual.to_vec(),
            directory: self.dir.clone().unwrap_or_else(|| ".".into()),
            load: self.load.load(PAIRS),
            json: self.json,
        })
    }
}

impl LoadFlags {
    fn check(&self, scenarios: &[Scenario]) -> Result<(), &'static str> {
        if self.rate.is_some() && !scenarios.iter().all(|scenario| scenario.has_rate()) {
            return Err(
                "--rate is one of messages, for whisper, ping-pong, group, groups, mixed, storm, sync and history",
            );
        }
        Ok(())
    }

    /// `rounds` is for who does not say how many.
    fn load(&self, rounds: u16) -> Load {
        Load {
            version: self.version,
            rounds: self.rounds.unwrap_or(rounds).into(),
            measured: self.seconds,
            warm_up: self.warm_up,
            patience: PATIENCE,
            pairs: self.pairs as usize,
            window: self.window,
            members: self.members as usize,
            groups: self.groups as usize,
            connections: self.connections.map(|count| count as usize),
            messages: self.messages,
            conversations: self.conversations,
            preload: self.preload,
            content_bytes: self.size as usize,
            rate: self.rate,
        }
    }
}
