//! Which messages one connection has received, and whether each came once and in its turn.

use std::collections::{BTreeSet, HashMap};

use super::content::Mark;

/// What a connection has received of the lanes that lead to it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    lanes: HashMap<u32, Received>,
}

#[derive(Debug, Default)]
struct Received {
    /// The sequence that comes next.
    next: u32,
    /// Those before it that have not come.
    missing: BTreeSet<u32>,
}

/// What a received message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// The one whose turn it was, or a later one, where earlier ones were refused or are missing.
    InOrder,
    /// One that a later one of its lane has overtaken.
    Late,
    /// One that has come before.
    Again,
    /// One that is not for this connection, or that nobody has sent.
    Unknown,
}

impl Ledger {
    /// From now on messages of this lane are for this connection.
    pub(crate) fn expect(&mut self, lane: u32) {
        self.lanes.insert(lane, Received::default());
    }

    /// Enters a message. `sent` is how many its lane has sent.
    pub(crate) fn enter(&mut self, mark: Mark, sent: u32) -> Receipt {
        let Some(received) = self.lanes.get_mut(&mark.lane).filter(|_| mark.sequence < sent) else {
            return Receipt::Unknown;
        };
        if mark.sequence >= received.next {
            received.missing.extend(received.next..mark.sequence);
            received.next = mark.sequence + 1;
            return Receipt::InOrder;
        }
        if received.missing.remove(&mark.sequence) { Receipt::Late } else { Receipt::Again }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts(sequences: &[u32]) -> Vec<Receipt> {
        let mut ledger = Ledger::default();
        ledger.expect(1);
        let enter = |&sequence: &u32| ledger.enter(Mark { lane: 1, sequence, at_ns: 0 }, 9);
        sequences.iter().map(enter).collect()
    }

    #[test]
    fn what_comes_late_or_again_is_told_from_what_comes_in_order() {
        use Receipt::{Again, InOrder, Late, Unknown};

        assert_eq!(receipts(&[0, 1, 2]), [InOrder; 3]);
        assert_eq!(receipts(&[0, 2, 1, 3]), [InOrder, InOrder, Late, InOrder]);
        assert_eq!(receipts(&[0, 0, 1, 0]), [InOrder, Again, InOrder, Again]);
        assert_eq!(receipts(&[2, 1, 1]), [InOrder, Late, Again]);
        assert_eq!(receipts(&[8, 9]), [InOrder, Unknown]);
    }

    #[test]
    fn a_message_of_somebody_elses_lane_is_unknown() {
        let mut ledger = Ledger::default();
        ledger.expect(1);

        assert_eq!(ledger.enter(Mark { lane: 2, sequence: 0, at_ns: 0 }, 9), Receipt::Unknown);
    }
}
