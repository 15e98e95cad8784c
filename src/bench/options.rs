//! What is asked of a run.

use std::path::PathBuf;
use std::time::Duration;

use super::choice::Scenario;
use super::load::stage::Pace;
use super::load::talk::Timing;
use super::preload::Preload;

/// How long is waited for messages that do not come, unless asked otherwise. A server under load takes tenths of a second.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What to measure, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// In this order.
    pub scenarios: Vec<Scenario>,
    /// `HOST:PORT` of a server that is there; `None` starts one.
    pub address: Option<String>,
    /// Where the files of a server of one's own go.
    pub directory: PathBuf,
    /// Measures with a server of one's own the least that the same work takes, too.
    pub has_floors: bool,
    /// The load.
    pub load: Load,
    /// Writes JSON for programs instead of a table for people.
    pub json: bool,
}

/// What to compare.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The program whose figures are 1.
    pub old: PathBuf,
    /// The program that is compared with it; `None` is this one.
    pub new: Option<PathBuf>,
    /// In this order.
    pub scenarios: Vec<Scenario>,
    /// Where the servers' files go.
    pub directory: PathBuf,
    /// The load.
    pub load: Load,
    /// Writes JSON for programs instead of a table for people.
    pub json: bool,
}

/// How much is done at once, and for how long.
#[derive(Debug, Clone)]
pub struct Load {
    /// Of the wire: 1 or 2.
    pub version: u8,
    /// How often everything is measured.
    pub rounds: usize,
    /// How long one round is measured.
    pub measured: Duration,
    /// How long a round goes on before that.
    pub warm_up: Duration,
    /// How long nothing may come before what has not come is lost.
    pub patience: Duration,
    /// Pairs of users that whisper.
    pub pairs: usize,
    /// Messages under way of each pair, or in each group.
    pub window: u32,
    /// Members of a group.
    pub members: usize,
    /// Groups, where there are many.
    pub groups: usize,
    /// Connections, where those are what there are many of; `None` is as many as suit the scenario.
    pub connections: Option<usize>,
    /// Messages that are there to be read.
    pub messages: u32,
    /// Conversations that they are of, or that people whisper in; `None` is as many as suit the scenario.
    pub conversations: Option<u32>,
    /// Units: bytes of a message's content.
    pub content_bytes: usize,
    /// What is in the file before the server starts; `None` is nothing.
    pub preload: Option<Preload>,
    /// Messages a second in all, whatever becomes of them; `None` sends when earlier ones are through.
    pub rate: Option<f64>,
}

impl Load {
    pub(super) fn timing(&self) -> Timing {
        Timing { warm_up: self.warm_up, measured: self.measured, patience: self.patience }
    }

    pub(super) fn pace(&self) -> Pace {
        self.rate.map_or(Pace::Closed, Pace::Open)
    }
}
