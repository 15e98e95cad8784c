//! Others who whisper while something else is measured: what they lose by it, and what of the server's CPU is theirs.

use std::time::Duration;

use super::talking::Talking;
use super::whispers;
use crate::bench::error::BenchError;
use crate::bench::figure::{self, Figure, Figures};
use crate::bench::options::Load;
use crate::bench::result::Round;
use crate::bench::server::Target;

/// What is shown of the others beside what is measured. Their answers would be taken for those that it gets.
const MEANWHILE: [&Figure; 6] = [
    &figure::MESSAGES,
    &figure::RECEIPT_P50,
    &figure::RECEIPT_P99,
    &figure::RECEIPT_P999,
    &figure::RECEIPT_MAX,
    &figure::COMMITS,
];

/// What is shown of them alone, and which of their figures it is.
const ALONE: [(&Figure, &Figure); 5] = [
    (&figure::ALONE_MESSAGES, &figure::MESSAGES),
    (&figure::ALONE_P50, &figure::RECEIPT_P50),
    (&figure::ALONE_P99, &figure::RECEIPT_P99),
    (&figure::ALONE_CPU, &figure::CPU_PER_MESSAGE),
    (&figure::ALONE_COMMITS, &figure::COMMITS),
];

/// What they have beside it in terms of what they have alone.
const RATIOS: [(&Figure, &Figure); 2] =
    [(&figure::RECEIPT_P50_X_ALONE, &figure::RECEIPT_P50), (&figure::RECEIPT_P99_X_ALONE, &figure::RECEIPT_P99)];

/// Pairs who whisper at a rate, where one is asked for; else nobody.
#[derive(Debug)]
pub(super) struct Others(Option<Box<Talking>>);

/// What came of them in a round, where there are any.
#[derive(Debug)]
pub(super) struct Beside(Option<Whispered>);

/// What they did before it, and during it.
#[derive(Debug)]
struct Whispered {
    alone: Round,
    meanwhile: Round,
}

impl Others {
    pub(super) async fn prepare(load: &Load, target: &Target) -> Result<Self, BenchError> {
        if load.rate.is_none() {
            return Ok(Self(None));
        }
        let (cast, setting) = (whispers::pairs(load), whispers::setting_of_pairs(load));
        Talking::prepare(cast, setting, 0, load, target).await.map(|talking| Self(Some(Box::new(talking))))
    }

    /// Who else is there, in words, behind what is measured.
    pub(super) fn setting(&self, measured: String) -> String {
        match &self.0 {
            Some(talking) => format!("{measured}; {}", talking.setting()),
            None => measured,
        }
    }

    /// Has them whisper for a round, and for another one while `measured` goes on.
    pub(super) async fn beside<T>(
        &mut self,
        load: &Load,
        target: &Target,
        measured: impl Future<Output = Result<T, BenchError>>,
    ) -> Result<(T, Beside), BenchError> {
        let Some(talking) = &mut self.0 else { return Ok((measured.await?, Beside(None))) };
        let alone = talking.round(load, target).await?;
        let (meanwhile, measured) = tokio::try_join!(talking.round(load, target), measured)?;
        Ok((measured, Beside(Some(Whispered { alone, meanwhile }))))
    }

    pub(super) fn refusal(&self) -> Option<String> {
        self.0.as_ref().and_then(|talking| talking.refusal())
    }
}

impl Beside {
    /// What is left of the server's CPU time in `elapsed` without theirs: a difference, for nobody can tell whose it was.
    ///
    /// Theirs is as much for each message as where they are alone. Where the server has more to do than it can, more messages
    /// share a commit and take less, so what is left is too little then; commits a message, beside it and alone, show that.
    pub(super) fn without_theirs(&self, cpu_ns: Option<f64>, elapsed: Duration) -> Option<f64> {
        let Some(Whispered { alone, meanwhile }) = &self.0 else { return cpu_ns };
        let messages = meanwhile.value(&figure::MESSAGES)? * elapsed.as_secs_f64();
        Some(cpu_ns? - alone.value(&figure::CPU_PER_MESSAGE)? * messages)
    }

    /// A round, with what came of them.
    pub(super) fn added_to(&self, mut round: Round) -> Round {
        if let Some(whispered) = &self.0 {
            round.figures.extend(whispered.figures());
            round.account = round.account.plus(&whispered.alone.account).plus(&whispered.meanwhile.account);
        }
        round
    }
}

impl Whispered {
    fn figures(&self) -> Figures {
        let Self { alone, meanwhile } = self;
        let mut figures: Figures = MEANWHILE.map(|figure| (figure, meanwhile.value(figure))).into();
        figures.extend(ALONE.map(|(figure, of)| (figure, alone.value(of))));
        figures.extend(RATIOS.map(|(figure, of)| (figure, meanwhile.ratio(of, alone))));
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::stage::Account;

    fn beside() -> Beside {
        let round = |messages, p99, cpu| Round {
            figures: vec![
                (&figure::MESSAGES, Some(messages)),
                (&figure::RECEIPT_P99, Some(p99)),
                (&figure::CPU_PER_MESSAGE, cpu),
            ],
            account: Account { sent: 7, ..Account::default() },
        };
        Beside(Some(Whispered { alone: round(100.0, 4.0, Some(20.0)), meanwhile: round(90.0, 6.0, None) }))
    }

    #[test]
    fn what_others_lose_is_a_ratio_to_what_they_have_alone() {
        let round = beside().added_to(Round {
            figures: vec![(&figure::DELIVERIES, Some(1.0))],
            account: Account { sent: 1, ..Account::default() },
        });

        let shown = [&figure::DELIVERIES, &figure::MESSAGES, &figure::ALONE_MESSAGES, &figure::RECEIPT_P99_X_ALONE];
        assert_eq!(shown.map(|figure| round.value(figure)), [1.0, 90.0, 100.0, 1.5].map(Some));
        assert_eq!((round.value(&figure::RECEIPT_P50_X_ALONE), round.account.sent), (None, 15));
    }

    #[test]
    fn cpu_that_is_left_is_without_that_of_the_messages_that_were_sent() {
        let elapsed = Duration::from_millis(500);

        assert_eq!(beside().without_theirs(Some(1000.0), elapsed), Some(1000.0 - 45.0 * 20.0));
        assert_eq!(beside().without_theirs(None, elapsed), None);
        assert_eq!(Beside(None).without_theirs(Some(1000.0), elapsed), Some(1000.0));
    }
}
