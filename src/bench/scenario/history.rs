//! `history`: people who read what was said, a page at a time, anywhere in it.

use std::rc::Rc;

use super::backlog::Backlog;
use super::others::Others;
use super::repeating::{Repeated, repeat};
use super::{ANSWER, cores, per_second, quantiles, quotient};
use crate::bench::error::BenchError;
use crate::bench::figure;
use crate::bench::load::content::Mark;
use crate::bench::load::stage::Account;
use crate::bench::load::wire::Wire;
use crate::bench::options::Load;
use crate::bench::result::Round;
use crate::bench::server::Target;
use crate::client::Login;
use crate::protocol::{Conversation, HistoryPage, Range, Request, Response};

/// Where nothing is said: connections that read.
const CONNECTIONS: usize = 8;

/// Messages of a page, as where a client does not say.
const PAGE: usize = 50;

/// A conversation that can be read.
#[derive(Debug)]
pub(in crate::bench) struct History {
    backlog: Rc<Backlog>,
    readers: usize,
    others: Others,
}

impl History {
    pub(super) async fn prepare(load: &Load, target: &Target) -> Result<Self, BenchError> {
        let backlog = Backlog::fill(load, target).await?;
        if backlog.ids.iter().any(|ids| ids.len() <= PAGE) {
            return Err(BenchError::Impossible("history needs more than 50 messages in each conversation"));
        }
        let (readers, others) = (load.connections.unwrap_or(CONNECTIONS), Others::prepare(load, target).await?);
        Ok(Self { backlog, readers, others })
    }

    pub(super) fn setting(&self) -> String {
        self.others.setting(format!("{} at once, pages of {PAGE} out of {}", self.readers, self.backlog.setting()))
    }

    pub(super) async fn round(&mut self, load: &Load, target: &Target) -> Result<Round, BenchError> {
        let mut workers = Vec::new();
        for reader in 0..self.readers {
            let (wire, login) = self.backlog.connect().await?;
            let backlog = Rc::clone(&self.backlog);
            let mut reader = Reader { wire, login, chance: Chance(reader as u64 + 1) };
            workers.push(async move || reader.read(&backlog).await);
        }
        let repeating = repeat(load.timing(), workers, || target.usage());
        let (repeated, beside) = self.others.beside(load, target, repeating).await?;
        let Repeated { elapsed, done, latencies, load_cpu_ns, account, readings: (first, last), .. } = repeated;
        let cpu_ns = last.cpu_ns_since(&first);
        let own_cpu_ns = beside.without_theirs(cpu_ns, elapsed);
        let mut figures = vec![(&figure::PAGES, Some(per_second(done, elapsed)))];
        figures.extend(quantiles(&latencies, ANSWER));
        figures.extend([
            (&figure::CPU_PER_PAGE, quotient(own_cpu_ns, done as f64)),
            (&figure::SERVER_CORES, cpu_ns.map(|cpu_ns| cores(cpu_ns, elapsed))),
            (&figure::LOAD_CORES, Some(cores(load_cpu_ns as f64, elapsed))),
        ]);
        Ok(beside.added_to(Round { figures, account }))
    }

    pub(super) fn refusal(&self) -> Option<String> {
        self.others.refusal()
    }
}

/// Numbers without a pattern, the same ones in each run.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    /// A number below `end`.
    ///
    /// Source: Marsaglia, Xorshift RNGs (2003), the shifts 13, 7, 17.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// A connection that reads.
struct Reader {
    wire: Wire,
    login: Login,
    chance: Chance,
}

impl Reader {
    /// Reads one page before some message, and sees that it is the right one.
    async fn read(&mut self, backlog: &Backlog) -> Result<Account, BenchError> {
        let lane = self.chance.below(backlog.ids.len());
        let ids = &backlog.ids[lane];
        let before = PAGE + self.chance.below(ids.len() - PAGE);
        let (username, token) = self.login.credentials();
        let of = Conversation::With(backlog.talker(lane));
        let range = Range { before: Some(ids[before].clone()), after: None, limit: Some(PAGE as i64) };
        match self.wire.ask(&Request::History { username, token, of, range }).await? {
            Response::History(page) => Ok(account(&page, lane, before)),
            other => Err(BenchError::Answer { action: "history", said: format!("{other:?}") }),
        }
    }
}

/// What a page should have: the messages before one, the newest first.
fn account(page: &HistoryPage, lane: usize, before: usize) -> Account {
    let expected = (0..before).rev().map(|sequence| (lane, sequence));
    let is_right = |(said, expected): (&crate::protocol::Said, (usize, usize))| {
        let mark = Mark::read(said.content.as_bytes());
        mark.is_some_and(|mark| (mark.lane as usize, mark.sequence as usize) == expected)
    };
    let received = page.messages.iter().zip(expected).filter(|&(said, expected)| is_right((said, expected))).count();
    Account {
        sent: 1,
        answered: 1,
        received: received as u64,
        lost: PAGE.saturating_sub(page.messages.len()) as u64,
        unknown: (page.messages.len() - received) as u64,
        ..Account::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::content::MARK_BYTES;
    use crate::protocol::Said;

    fn page(sequences: impl Iterator<Item = u32>) -> HistoryPage {
        let said = |sequence| {
            let mut content = vec![0; MARK_BYTES];
            Mark { lane: 3, sequence, at_ns: 0 }.write(&mut content);
            let content = String::from_utf8(content).unwrap();
            Said { id: String::new(), at_ms: 0, sender: String::new(), content, nonce: None }
        };
        HistoryPage { messages: sequences.map(said).collect(), end: false }
    }

    #[test]
    fn a_page_is_right_when_it_has_the_messages_before_in_order() {
        let right = account(&page((10..60).rev()), 3, 60);
        let shifted = account(&page((9..59).rev()), 3, 60);
        let short = account(&page((20..60).rev()), 3, 60);

        assert!(right.is_right() && right.received == 50);
        assert_eq!((shifted.received, shifted.unknown), (0, 50));
        assert_eq!((short.received, short.lost), (40, 10));
    }
}
