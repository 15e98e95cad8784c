//! What a full file costs: the same scenario at a server with an empty one, in the same rounds.

use super::arena::Arena;
use super::choice::Scenario;
use super::error::BenchError;
use super::figure::{self, Figure, Figures};
use super::options::{Load, Options};
use super::result::Round;
use super::server::Target;
use super::this_binary;

/// What is shown of the empty file, and which of its figures it is.
const EMPTY: [(&Figure, &Figure); 3] = [
    (&figure::EMPTY_MESSAGES, &figure::MESSAGES),
    (&figure::EMPTY_P99, &figure::RECEIPT_P99),
    (&figure::EMPTY_CPU, &figure::CPU_PER_MESSAGE),
];

/// What the full one has in terms of that.
const RATIOS: [(&Figure, &Figure); 3] = [
    (&figure::MESSAGES_X_EMPTY, &figure::MESSAGES),
    (&figure::RECEIPT_P99_X_EMPTY, &figure::RECEIPT_P99),
    (&figure::CPU_X_EMPTY, &figure::CPU_PER_MESSAGE),
];

/// A server with an empty file, where another one's is full and something can be said of both.
#[derive(Debug)]
pub(super) struct Empty(Option<Arena>);

impl Empty {
    /// Sets it up.
    pub(super) async fn open(scenario: Scenario, options: &Options) -> Result<Self, BenchError> {
        let Options { load, directory, has_floors, .. } = options;
        if load.preload.is_none() || !has_floors || !scenario.is_talk() {
            return Ok(Self(None));
        }
        let target = Target::start(&this_binary()?, directory, None).await?;
        Arena::open(scenario, target, load).await.map(Some).map(Self)
    }

    /// One more round of it. Returns whether another makes sense.
    pub(super) async fn round(&mut self, load: &Load) -> Result<bool, BenchError> {
        match &mut self.0 {
            Some(arena) => arena.round(load, false).await,
            None => Ok(true),
        }
    }

    /// Adds its last round to the one of the full file that followed.
    pub(super) fn add_to(&self, full: &mut Round, load: &Load) {
        if let Some(empty) = self.0.as_ref().and_then(Arena::last) {
            full.figures.extend(figures(full, empty, load.rate.is_some()));
            full.account = full.account.plus(&empty.account);
        }
    }

    /// Ends the server.
    pub(super) async fn close(self) -> Result<(), BenchError> {
        match self.0 {
            Some(arena) => arena.close().await.map(drop),
            None => Ok(()),
        }
    }
}

/// How many there are a second was decided before where `has_rate`.
fn figures(full: &Round, empty: &Round, has_rate: bool) -> Figures {
    let mut figures: Figures = EMPTY.map(|(figure, of)| (figure, empty.value(of))).into();
    figures.extend(RATIOS.map(|(figure, of)| (figure, full.ratio(of, empty))));
    figures.retain(|(figure, _)| !has_rate || *figure != &figure::MESSAGES_X_EMPTY);
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::stage::Account;

    #[test]
    fn a_full_file_is_told_in_terms_of_an_empty_one() {
        let round = |messages, p99| Round {
            figures: vec![(&figure::MESSAGES, Some(messages)), (&figure::RECEIPT_P99, Some(p99))],
            account: Account::default(),
        };
        let (full, empty) = (round(80.0, 6.0), round(100.0, 4.0));

        let values =
            |has_rate| figures(&full, &empty, has_rate).into_iter().map(|(_, value)| value).collect::<Vec<_>>();

        assert_eq!(values(false), [Some(100.0), Some(4.0), None, Some(0.8), Some(1.5), None]);
        assert_eq!(values(true), [Some(100.0), Some(4.0), None, Some(1.5), None]);
    }
}
