//! `storm`: many come with their passwords while others talk.

use super::login::Login;
use super::talking::Talking;
use super::whispers;
use crate::bench::error::BenchError;
use crate::bench::figure::{self, Figure};
use crate::bench::floor::hashing;
use crate::bench::options::Load;
use crate::bench::result::Round;
use crate::bench::server::Target;

/// Where nothing is said: connections that log in again and again. On two cores they wait for half a second; who had to wait for
/// two would be refused.
const CONNECTIONS: usize = 32;

/// Where nothing is said: messages a second, far from what a server can do.
const RATE: f64 = 500.0;

/// What a storm must not spoil, and what shows that there was one. CPU is that of the passwords, so it is no message's.
const FIGURES: [&Figure; 12] = [
    &figure::MESSAGES,
    &figure::ANSWER_P50,
    &figure::ANSWER_P99,
    &figure::ANSWER_P999,
    &figure::ANSWER_MAX,
    &figure::RECEIPT_P50,
    &figure::RECEIPT_P99,
    &figure::RECEIPT_P999,
    &figure::RECEIPT_MAX,
    &figure::SERVER_CORES,
    &figure::LOAD_CORES,
    &figure::RESIDENT,
];

/// People who talk, and people who come.
#[derive(Debug)]
pub(in crate::bench) struct Storm {
    connections: usize,
    load: Load,
    talking: Talking,
    login: Login,
}

impl Storm {
    pub(super) async fn prepare(load: &Load, target: &Target) -> Result<Self, BenchError> {
        let (rate, connections) = (load.rate.unwrap_or(RATE), load.connections.unwrap_or(CONNECTIONS));
        let load = Load { rate: Some(rate), connections: Some(connections), ..load.clone() };
        let (cast, setting) = (whispers::pairs(&load), whispers::setting_of_pairs(&load));
        let talking = Talking::prepare(cast, setting, 0, &load, target).await?;
        let login = Login::prepare(&load, target).await?;
        Ok(Self { connections, load, talking, login })
    }

    pub(super) fn setting(&self) -> String {
        format!("{} log in at once; {}", self.connections, self.talking.setting())
    }

    pub(super) async fn round(&mut self, target: &Target) -> Result<Round, BenchError> {
        let Self { load, talking, login, .. } = self;
        let (talked, logged_in) = tokio::try_join!(talking.round(load, target), login.round(load, target))?;
        let mut figures = talked.figures;
        figures.retain(|(figure, _)| FIGURES.contains(figure));
        figures.push((&figure::LOGINS, logged_in.value(&figure::LOGINS)));
        Ok(Round { figures, account: talked.account.plus(&logged_in.account) })
    }

    /// Adds to a round what the threads that hash could have done: as many of them, beside the same chat in which nobody logs in,
    /// and for as long, because there are not many hashes in a second.
    pub(super) async fn add_floors(&mut self, round: &mut Round, target: &Target) -> Result<(), BenchError> {
        let Self { load, talking, .. } = self;
        let (talked, hashes) = tokio::try_join!(talking.round(load, target), hashing::run(load.timing()))?;
        let ratio = round.value(&figure::LOGINS).map(|logins| logins / hashes);
        round.figures.extend([(&figure::HASHES, Some(hashes)), (&figure::LOGINS_X_HASHING, ratio)]);
        round.account = round.account.plus(&talked.account);
        Ok(())
    }

    pub(super) fn refusal(&self) -> Option<String> {
        self.talking.refusal()
    }
}
