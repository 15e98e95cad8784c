//! A scenario that is set up at a server, and its rounds.

use super::choice::Scenario;
use super::error::BenchError;
use super::options::Load;
use super::result::{Outcome, Round};
use super::scenario::{self, Prepared};
use super::server::Target;

/// A scenario at a server. Where it is dropped, the connections go first, then the server, then its files.
#[derive(Debug)]
pub(super) struct Arena {
    scenario: Scenario,
    prepared: Prepared,
    target: Target,
    rounds: Vec<Round>,
}

impl Arena {
    pub(super) async fn open(scenario: Scenario, mut target: Target, load: &Load) -> Result<Self, BenchError> {
        let prepared = match scenario::prepare(scenario, load, &target).await {
            Ok(prepared) => prepared,
            Err(err) => return Err(target.explain(err).await),
        };
        Ok(Self { scenario, prepared, target, rounds: Vec::new() })
    }

    /// One more round. Returns whether another makes sense: where messages are missing, they would be missing in its window, too.
    pub(super) async fn round(&mut self, load: &Load, has_floors: bool) -> Result<bool, BenchError> {
        let mut round = match self.prepared.round(load, &mut self.target).await {
            Ok(round) => round,
            Err(err) => return Err(self.target.explain(err).await),
        };
        if has_floors
            && round.account.is_right()
            && let Err(err) = self.prepared.add_floors(&mut round, load, &self.target).await
        {
            return Err(self.target.explain(err).await);
        }
        let is_right = round.account.is_right();
        self.rounds.push(round);
        Ok(is_right)
    }

    /// The round before.
    pub(super) fn last(&self) -> Option<&Round> {
        self.rounds.last()
    }

    /// The same, to say more of it.
    pub(super) fn last_mut(&mut self) -> Option<&mut Round> {
        self.rounds.last_mut()
    }

    /// Ends a server of the benchmark's own.
    pub(super) async fn close(self) -> Result<Outcome, BenchError> {
        let Self { scenario, prepared, target, rounds } = self;
        let outcome = Outcome { scenario, setting: prepared.setting(), rounds, refusal: prepared.refusal() };
        drop(prepared);
        target.stop().await?;
        Ok(outcome)
    }
}
