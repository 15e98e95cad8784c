//! Two programs under the same load, in turn: what tells a gain from the noise of a machine.
//!
//! Both servers run all the time, each on a file of its own, and are idle while the other is measured. A round of the one and the
//! round of the other that follows are a pair; what the machine does besides moves both of them alike, more or less. So a figure's
//! ratio is taken within each pair, and its confidence from how much the pairs agree.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::arena::Arena;
use super::choice::Scenario;
use super::error::BenchError;
use super::figure::{Better, Figure};
use super::options::{Comparison, Load};
use super::preload::Filled;
use super::progress::Progress;
use super::report::show;
use super::result::Outcome;
use super::server::Target;
use super::statistics::{Ratio, median, ratio};
use super::{Verdict, this_binary};

/// One figure of both programs.
#[derive(Debug, PartialEq)]
struct Compared {
    figure: &'static Figure,
    /// Medians.
    old: f64,
    new: f64,
    /// Of the new to the old.
    ratio: Ratio,
}

/// Measures both programs in turn, and writes to `out` what came of it. To be called inside a [`tokio::task::LocalSet`].
///
/// # Errors
/// [`BenchError`] where it could not be measured; `out` has the scenarios that could.
pub async fn compare(asked: &Comparison, out: &mut impl Write) -> Result<Verdict, BenchError> {
    super::descriptors::raise_limit();
    let (progress, mut outcomes) = (Progress::new(), Vec::new());
    let filled = super::fill(&asked.directory, &asked.load, &progress).await?;
    for &scenario in &asked.scenarios {
        let (old, new) = measure(scenario, asked, filled.as_ref(), &progress).await?;
        progress.clear();
        if !asked.json {
            write(out, &old, &new, &asked.load)?;
        }
        outcomes.push((old, new));
    }
    if asked.json {
        let scenarios: Vec<Value> = outcomes.iter().map(|(old, new)| report(old, new)).collect();
        writeln!(out, "{:#}", json!({ "old": asked.old, "new": asked.new, "scenarios": scenarios }))?;
    }
    let is_right = |(old, new): &(Outcome, Outcome)| old.account().is_right() && new.account().is_right();
    Ok(if outcomes.iter().all(is_right) { Verdict::Right } else { Verdict::Wrong })
}

async fn measure(
    scenario: Scenario,
    asked: &Comparison,
    filled: Option<&Filled>,
    progress: &Progress,
) -> Result<(Outcome, Outcome), BenchError> {
    let Comparison { old, new, directory, load, .. } = asked;
    let new = new.clone().map_or_else(this_binary, Ok)?;
    progress.say(&format!("{}: setting up", scenario.name()));
    let mut old = Arena::open(scenario, Target::start(old, directory, filled).await?, load).await?;
    let mut new = Arena::open(scenario, Target::start(&new, directory, filled).await?, load).await?;
    'rounds: for number in 1..=load.rounds {
        for (arena, which) in [(&mut old, "old"), (&mut new, "new")] {
            progress.say(&format!("{}: round {number} of {}, {which}", scenario.name(), load.rounds));
            if !arena.round(load, false).await? {
                break 'rounds;
            }
        }
    }
    Ok((old.close().await?, new.close().await?))
}

/// Every figure that both programs have in some pair of rounds.
fn compared(old: &Outcome, new: &Outcome) -> Vec<Compared> {
    let figures = old.rounds.first().map(|round| &round.figures[..]).unwrap_or_default();
    let compared = |&(figure, _): &(&'static Figure, Option<f64>)| {
        let pairs = old.rounds.iter().zip(&new.rounds);
        let pairs: Vec<(f64, f64)> =
            pairs.filter_map(|(old, new)| Some((old.value(figure)?, new.value(figure)?))).collect();
        let (olds, news): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        Some(Compared { figure, old: median(&olds)?, new: median(&news)?, ratio: ratio(&pairs)? })
    };
    figures.iter().filter_map(compared).collect()
}

impl Compared {
    /// What the interval says; nothing where it says nothing.
    fn verdict(&self) -> &'static str {
        let is_more = match self.ratio.interval {
            Some((low, _)) if low > 1.0 => true,
            Some((_, high)) if high < 1.0 => false,
            _ => return "",
        };
        match (self.figure.better, is_more) {
            (Better::More, true) | (Better::Less, false) => "better",
            (Better::More, false) | (Better::Less, true) => "worse",
            (Better::Neither, _) => "",
        }
    }
}

fn write(out: &mut impl Write, old: &Outcome, new: &Outcome, load: &Load) -> io::Result<()> {
    writeln!(out, "{}", super::report::heading(old, load))?;
    writeln!(out, "  {:<30}{:>14}{:>14}{:>10}   95 % confidence", "", "old", "new", "new/old")?;
    for compared in compared(old, new) {
        let Compared { figure, old, new, ratio: Ratio { mean, interval } } = &compared;
        let [old, new] = [old, new].map(|value| show(*value, figure.unit));
        let interval = interval.map_or_else(|| "-".to_owned(), |(low, high)| format!("{low:.3} .. {high:.3}"));
        let line =
            format!("  {:<30}{old:>14}{new:>14}{mean:>10.3}   {interval:<17}{}", figure.label, compared.verdict());
        writeln!(out, "{}", line.trim_end())?;
    }
    for (which, outcome) in [("old: ", old), ("new: ", new)] {
        super::report::write_account(out, which, outcome)?;
    }
    writeln!(out)?;
    out.flush()
}

fn report(old: &Outcome, new: &Outcome) -> Value {
    let line = |compared: Compared| {
        let Compared { figure, old, new, ratio: Ratio { mean, interval } } = compared;
        let (low, high) = interval.unzip();
        (figure.name.to_owned(), json!({ "old": old, "new": new, "ratio": mean, "low": low, "high": high }))
    };
    let figures: Map<String, Value> = compared(old, new).into_iter().map(line).collect();
    json!({
        "scenario": old.scenario.name(),
        "figures": figures,
        "account_old": super::json::account(&old.account()),
        "account_new": super::json::account(&new.account()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::{CPU_PER_MESSAGE, LOAD_CORES, MESSAGES};
    use crate::bench::load::stage::Account;
    use crate::bench::result::Round;

    fn outcome(rounds: &[(Option<f64>, f64, f64)]) -> Outcome {
        let round = |&(messages, cpu, load): &(Option<f64>, f64, f64)| Round {
            figures: vec![(&MESSAGES, messages), (&CPU_PER_MESSAGE, Some(cpu)), (&LOAD_CORES, Some(load))],
            account: Account::default(),
        };
        let rounds = rounds.iter().map(round).collect();
        Outcome { scenario: Scenario::Whisper, setting: String::new(), rounds, refusal: None }
    }

    #[test]
    fn a_gain_is_told_from_noise_by_pairs_of_rounds() {
        let old = outcome(&[(Some(100.0), 10.0, 1.0), (Some(300.0), 11.0, 1.0), (Some(200.0), 12.0, 1.0)]);
        let new = outcome(&[(Some(110.0), 12.0, 2.0), (Some(331.0), 10.0, 2.0), (Some(221.0), 12.0, 2.0)]);

        let compared = compared(&old, &new);

        assert_eq!((compared[0].old, compared[0].new), (200.0, 221.0));
        assert!((compared[0].ratio.mean - 1.103).abs() < 0.001);
        assert_eq!(compared.iter().map(Compared::verdict).collect::<Vec<_>>(), ["better", "", ""]);
        let back: Vec<_> = super::compared(&new, &old).iter().map(Compared::verdict).collect();
        assert_eq!(back, ["worse", "", ""]);
    }

    #[test]
    fn a_round_without_a_figure_makes_no_pair() {
        let old = outcome(&[(None, 1.0, 1.0), (Some(4.0), 1.0, 1.0)]);
        let new = outcome(&[(Some(9.0), 1.0, 1.0), (Some(8.0), 1.0, 1.0)]);

        assert_eq!(compared(&old, &new)[0].ratio, Ratio { mean: 2.0, interval: None });
    }
}
