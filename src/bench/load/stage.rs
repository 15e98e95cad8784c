//! What all connections of a scenario share: the lanes, whether to send, and what has come of it.

use std::cell::{Cell, RefCell};

use hdrhistogram::Histogram;

use super::clock::Clock;
use super::content::Mark;
use super::lane::Lane;
use super::ledger::Receipt;
use super::seat::Sample;
use super::speaker::Speaker;

/// Units: nanoseconds of the longest latency that is told from longer ones: two minutes.
const LONGEST_NS: u64 = 120_000_000_000;

/// A histogram of nanoseconds, with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("these bounds are in order")
}

/// How messages are timed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// As soon as an earlier one is through.
    Closed,
    /// So many a second in all, come what may.
    Open(f64),
}

/// Every message and every receipt of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    /// Receipts, each by one connection.
    pub(crate) received: u64,
    /// Answers and receipts that have not come.
    pub(crate) lost: u64,
    /// Receipts of what had been received before.
    pub(crate) doubled: u64,
    /// Receipts of what a later message had overtaken.
    pub(crate) out_of_order: u64,
    /// Receipts of what was not sent so, or not to there.
    pub(crate) unknown: u64,
}

impl Account {
    /// Whether every message has come once, in its turn, where it should.
    pub(crate) fn is_right(&self) -> bool {
        self.lost + self.doubled + self.out_of_order + self.unknown == 0
    }

    /// Both together.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// What has been added to `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    fn with(&self, other: &Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            sent: both(self.sent, other.sent),
            answered: both(self.answered, other.answered),
            refused: both(self.refused, other.refused),
            received: both(self.received, other.received),
            lost: both(self.lost, other.lost),
            doubled: both(self.doubled, other.doubled),
            out_of_order: both(self.out_of_order, other.out_of_order),
            unknown: both(self.unknown, other.unknown),
        }
    }
}

/// From the intended moment of a message on. Units: nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    pub(crate) answer: Histogram<u64>,
    pub(crate) receipt: Histogram<u64>,
}

/// Shared by all connections of a scenario, on one thread.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) clock: Clock,
    pub(crate) lanes: Vec<Lane>,
    /// All people, by their numbers.
    pub(crate) speakers: Vec<Speaker>,
    account: Cell<Account>,
    is_sending: Cell<bool>,
    /// Messages whose moment is in here are measured. Units: nanoseconds since the run began.
    window: Cell<(u64, u64)>,
    latencies: RefCell<Latencies>,
    /// The first sentence of refusal.
    refusal: RefCell<Option<String>>,
    pub(crate) sample: Cell<Sample>,
}

impl Stage {
    pub(crate) fn new(lanes: Vec<Lane>, speakers: Vec<Speaker>) -> Self {
        Self {
            clock: Clock::start(),
            lanes,
            speakers,
            account: Cell::default(),
            is_sending: Cell::new(false),
            window: Cell::new((u64::MAX, u64::MAX)),
            latencies: RefCell::new(Latencies { answer: histogram(), receipt: histogram() }),
            refusal: RefCell::default(),
            sample: Cell::default(),
        }
    }

    /// Who sends on a lane.
    pub(crate) fn speaker(&self, lane: &Lane) -> &Speaker {
        &self.speakers[lane.sender()]
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.is_sending.get()
    }

    pub(crate) fn start_sending(&self) {
        self.is_sending.set(true);
    }

    pub(crate) fn stop_sending(&self) {
        self.is_sending.set(false);
    }

    /// Measures what is meant to be sent from now on, for so long.
    pub(crate) fn open_window(&self, length_ns: u64) {
        let now_ns = self.clock.now_ns();
        self.window.set((now_ns, now_ns + length_ns));
        let mut latencies = self.latencies.borrow_mut();
        latencies.answer.reset();
        latencies.receipt.reset();
    }

    pub(crate) fn latencies(&self) -> Latencies {
        self.latencies.borrow().clone()
    }

    /// What was counted up to now; what is under way is not lost yet.
    pub(crate) fn account(&self) -> Account {
        self.account.get()
    }

    /// Answers and receipts that have not come.
    pub(crate) fn awaited(&self) -> u64 {
        self.lanes.iter().map(Lane::awaited).sum()
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        self.refusal.borrow().clone()
    }

    /// The mark of the next message of a lane, which is sent by that.
    pub(crate) fn send(&self, lane: u32, at_ns: u64) -> Mark {
        self.count(|account| account.sent += 1);
        Mark { lane, sequence: self.lanes[lane as usize].send(), at_ns }
    }

    pub(crate) fn answer(&self, mark: Mark, now_ns: u64) {
        self.count(|account| account.answered += 1);
        if self.measures(mark.at_ns) {
            self.latencies.borrow_mut().answer.saturating_record(now_ns.saturating_sub(mark.at_ns));
        }
        self.pass_on(mark.lane, self.lanes[mark.lane as usize].note(mark.sequence));
    }

    pub(crate) fn refuse(&self, mark: Mark, why: String) {
        self.count(|account| account.refused += 1);
        self.refusal.borrow_mut().get_or_insert(why);
        self.pass_on(mark.lane, self.lanes[mark.lane as usize].refuse(mark.sequence));
    }

    pub(crate) fn receive(&self, mark: Mark, receipt: Receipt, now_ns: u64) {
        match receipt {
            Receipt::InOrder => {}
            Receipt::Late => self.count(|account| account.out_of_order += 1),
            Receipt::Again => return self.count(|account| account.doubled += 1),
            Receipt::Unknown => return self.count_unknown(),
        }
        self.count(|account| account.received += 1);
        if self.measures(mark.at_ns) {
            self.latencies.borrow_mut().receipt.saturating_record(now_ns.saturating_sub(mark.at_ns));
        }
        self.pass_on(mark.lane, self.lanes[mark.lane as usize].note(mark.sequence));
    }

    pub(crate) fn count_unknown(&self) {
        self.count(|account| account.unknown += 1);
    }

    fn measures(&self, at_ns: u64) -> bool {
        let (start, end) = self.window.get();
        (start..end).contains(&at_ns)
    }

    fn pass_on(&self, lane: u32, through: u32) {
        let next = &self.lanes[self.lanes[lane as usize].gives_to() as usize];
        for _ in 0..through {
            self.speaker(next).give();
        }
    }

    fn count(&self, change: impl FnOnce(&mut Account)) {
        let mut account = self.account.get();
        change(&mut account);
        self.account.set(account);
    }
}
