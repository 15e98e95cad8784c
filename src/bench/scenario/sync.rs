//! `sync`: somebody comes back who has missed much.

use std::rc::Rc;

use super::backlog::Backlog;
use super::others::Others;
use super::repeating::{Repeated, repeat};
use super::{cores, per_second, quantiles, quotient};
use crate::bench::error::BenchError;
use crate::bench::figure::{self, Figure};
use crate::bench::load::content::Mark;
use crate::bench::load::ledger::{Ledger, Receipt};
use crate::bench::load::stage::Account;
use crate::bench::load::wire::Heard;
use crate::bench::options::Load;
use crate::bench::result::Round;
use crate::bench::server::Target;

const SYNCED: [&Figure; 4] = [&figure::SYNCED_P50, &figure::SYNCED_P99, &figure::SYNCED_P999, &figure::SYNCED_MAX];

/// Somebody who has missed something.
#[derive(Debug)]
pub(in crate::bench) struct Sync {
    backlog: Rc<Backlog>,
    others: Others,
}

impl Sync {
    pub(super) async fn prepare(load: &Load, target: &Target) -> Result<Self, BenchError> {
        Ok(Self { backlog: Backlog::fill(load, target).await?, others: Others::prepare(load, target).await? })
    }

    pub(super) fn setting(&self) -> String {
        self.others.setting(self.backlog.setting())
    }

    pub(super) async fn round(&mut self, load: &Load, target: &Target) -> Result<Round, BenchError> {
        let backlog = Rc::clone(&self.backlog);
        let worker = async move || sync(&backlog).await;
        let repeating = repeat(load.timing(), vec![worker], || target.usage());
        let (repeated, beside) = self.others.beside(load, target, repeating).await?;
        let Repeated { elapsed, latencies, load_cpu_ns, measured, account, readings: (first, last), .. } = repeated;
        let cpu_ns = last.cpu_ns_since(&first);
        let own_cpu_ns = beside.without_theirs(cpu_ns, elapsed);
        let mut figures = vec![(&figure::DELIVERIES, Some(per_second(measured.received, elapsed)))];
        figures.extend(quantiles(&latencies, SYNCED));
        figures.extend([
            (&figure::CPU_PER_DELIVERY, quotient(own_cpu_ns, measured.received as f64)),
            (&figure::SERVER_CORES, cpu_ns.map(|cpu_ns| cores(cpu_ns, elapsed))),
            (&figure::LOAD_CORES, Some(cores(load_cpu_ns as f64, elapsed))),
        ]);
        Ok(beside.added_to(Round { figures, account }))
    }

    pub(super) fn refusal(&self) -> Option<String> {
        self.others.refusal()
    }
}

/// Comes, receives everything once, and goes.
async fn sync(backlog: &Backlog) -> Result<Account, BenchError> {
    let (mut wire, login) = backlog.connect().await?;
    let (mut ledger, mut account) = (Ledger::default(), Account::default());
    let sent: Vec<u32> = backlog.ids.iter().map(|ids| u32::try_from(ids.len()).expect("a part of a u32")).collect();
    (0..).zip(&sent).for_each(|(lane, _)| ledger.expect(lane));
    wire.sync(&login, None).await?;
    let mut is_synced = false;
    loop {
        wire.drain(|heard| match heard {
            Heard::Said { content, .. } => match Mark::read(content) {
                Some(mark) => {
                    let sent = sent.get(mark.lane as usize).copied().unwrap_or(0);
                    enter(&mut account, ledger.enter(mark, sent));
                }
                None => account.unknown += 1,
            },
            Heard::Synced => is_synced = true,
            _ => account.unknown += 1,
        })?;
        if is_synced {
            break;
        }
        // Where there is always more to read, others on this thread would not hear what has come to them meanwhile.
        tokio::task::yield_now().await;
        wire.turn_in_time("messages that were missed").await?;
    }
    account.sent = backlog.messages() as u64;
    account.lost = account.sent.saturating_sub(account.received);
    Ok(account)
}

fn enter(account: &mut Account, receipt: Receipt) {
    match receipt {
        Receipt::InOrder => account.received += 1,
        Receipt::Late => {
            account.received += 1;
            account.out_of_order += 1;
        }
        Receipt::Again => account.doubled += 1,
        Receipt::Unknown => account.unknown += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_is_not_received() {
        let mut account = Account::default();
        for receipt in [Receipt::InOrder, Receipt::Late, Receipt::Again, Receipt::Unknown] {
            enter(&mut account, receipt);
        }

        let expected = Account { received: 2, out_of_order: 1, doubled: 1, unknown: 1, ..Account::default() };
        assert_eq!(account, expected);
    }
}
