//! What can be measured.

mod groups;
mod talking;
mod whispers;

use std::path::Path;
use std::str::FromStr;

use super::error::BenchError;
use super::load::cast::Cast;
use super::options::Load;
use super::result::Round;
use super::server::Target;
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
}

/// What is said where a word is none of these.
const NAMES: [(&str, Scenario); 3] =
    [("whisper", Scenario::Whisper), ("ping-pong", Scenario::PingPong), ("group", Scenario::Group)];

impl Scenario {
    /// What is run where nothing is said.
    pub const USUAL: [Self; 3] = [Self::Whisper, Self::PingPong, Self::Group];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, scenario)| *scenario == self).expect("every scenario has a name").0
    }

    /// All names, for a sentence.
    pub fn names() -> String {
        NAMES.map(|(name, _)| name).join(", ")
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = NAMES.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, scenario)| *scenario)
            .ok_or_else(|| format!("no scenario is called so; there are {}", Self::names()))
    }
}

/// A scenario that is set up and can be run again and again.
#[derive(Debug)]
pub(super) enum Prepared {
    Talking(Box<Talking>),
}

/// Sets everything up that is not measured.
pub(super) async fn prepare(scenario: Scenario, load: &Load, target: &Target) -> Result<Prepared, BenchError> {
    let talking = |cast: Cast, setting: String| Talking::prepare(cast, setting, load, target);
    Ok(match scenario {
        Scenario::Whisper => {
            Prepared::Talking(Box::new(talking(whispers::pairs(load), whispers::setting(load)).await?))
        }
        Scenario::PingPong => Prepared::Talking(Box::new(talking(whispers::ping_pong(), String::new()).await?)),
        Scenario::Group => Prepared::Talking(Box::new(talking(groups::one(load), groups::setting(load)).await?)),
    })
}

impl Prepared {
    /// How it is run, in words.
    pub(super) fn setting(&self) -> String {
        match self {
            Self::Talking(talking) => talking.setting(),
        }
    }

    /// One round.
    pub(super) async fn round(&mut self, load: &Load, target: &Target) -> Result<Round, BenchError> {
        match self {
            Self::Talking(talking) => talking.round(load, target).await,
        }
    }

    /// Adds to a round the least that it could have taken; `directory` is where the server's files are.
    pub(super) async fn add_floors(&self, round: &mut Round, load: &Load, directory: &Path) -> Result<(), BenchError> {
        match self {
            Self::Talking(talking) => talking.add_floors(round, load, directory).await,
        }
    }

    /// Why messages were refused, if any were.
    pub(super) fn refusal(&self) -> Option<String> {
        match self {
            Self::Talking(talking) => talking.refusal(),
        }
    }
}
