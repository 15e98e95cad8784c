//! What a scenario has come to: its rounds, and the account of its messages.

use super::choice::Scenario;
use super::figure::{Figure, Figures};
use super::load::stage::Account;
use super::statistics::{median, spread};

/// The outcome of one scenario.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) scenario: Scenario,
    /// How it was run, in words.
    pub(super) setting: String,
    pub(super) rounds: Vec<Round>,
    /// The first sentence with which a message was refused.
    pub(super) refusal: Option<String>,
}

/// One round.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) figures: Figures,
    pub(super) account: Account,
}

/// A figure over all rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Outcome {
    pub(super) fn account(&self) -> Account {
        self.rounds.iter().fold(Account::default(), |sum, round| sum.plus(&round.account))
    }

    /// Every figure with its values in the rounds that have one; a figure without any cannot be known.
    pub(super) fn summaries(&self) -> Vec<(&'static Figure, Option<Summary>)> {
        let Some(first) = self.rounds.first() else { return Vec::new() };
        let summary = |&(figure, _): &(&'static Figure, Option<f64>)| (figure, summarize(&self.values(figure)));
        first.figures.iter().map(summary).collect()
    }

    fn values(&self, figure: &Figure) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| round.value(figure)).collect()
    }
}

impl Round {
    pub(super) fn value(&self, figure: &Figure) -> Option<f64> {
        let found = self.figures.iter().find(|(other, _)| *other == figure);
        found.and_then(|(_, value)| *value).filter(|value| value.is_finite())
    }

    /// A figure in terms of another round's.
    pub(super) fn ratio(&self, figure: &Figure, to: &Self) -> Option<f64> {
        self.value(figure).zip(to.value(figure)).map(|(value, to)| value / to)
    }
}

fn summarize(values: &[f64]) -> Option<Summary> {
    let (min, max) = spread(values)?;
    Some(Summary { median: median(values)?, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::{COMMITS, MESSAGES};

    #[test]
    fn a_figure_is_summed_up_over_the_rounds_that_know_it() {
        let round = |messages, commits| Round {
            figures: vec![(&MESSAGES, messages), (&COMMITS, commits)],
            account: Account { sent: 2, ..Account::default() },
        };
        let rounds = vec![round(Some(10.0), None), round(None, None), round(Some(30.0), Some(f64::NAN))];
        let outcome = Outcome { scenario: Scenario::Whisper, setting: String::new(), rounds, refusal: None };

        let summary = Summary { median: 20.0, min: 10.0, max: 30.0 };
        assert_eq!(outcome.summaries(), [(&MESSAGES, Some(summary)), (&COMMITS, None)]);
        assert_eq!(outcome.account().sent, 6);
    }
}
