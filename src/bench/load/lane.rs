//! A stream of messages from one sender to one target, and which of them are under way.

use std::cell::RefCell;
use std::collections::VecDeque;

/// A stream of messages. Shared by the sender's connection and those that receive.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Who sends on it.
    sender: usize,
    /// How many connections receive each message.
    receivers: u32,
    /// The lane whose turn it is when a message of this one is through.
    gives_to: u32,
    under_way: RefCell<UnderWay>,
}

/// The messages that are not answered and received by all.
#[derive(Debug, Default)]
struct UnderWay {
    /// The sequence of the first of them.
    first: u32,
    /// What each of them waits for, its answer and its receipts.
    awaited: VecDeque<u32>,
}

impl Lane {
    pub(crate) fn new(sender: usize, receivers: u32, gives_to: u32) -> Self {
        Self { sender, receivers, gives_to, under_way: RefCell::default() }
    }

    pub(crate) fn sender(&self) -> usize {
        self.sender
    }

    pub(crate) fn gives_to(&self) -> u32 {
        self.gives_to
    }

    /// The sequence of the next message, which is under way from now on.
    pub(crate) fn send(&self) -> u32 {
        let mut under_way = self.under_way.borrow_mut();
        let sequence = under_way.first + u32::try_from(under_way.awaited.len()).expect("a lane is shorter than that");
        under_way.awaited.push_back(self.receivers + 1);
        sequence
    }

    /// How many messages were sent.
    pub(crate) fn sent(&self) -> u32 {
        let under_way = self.under_way.borrow();
        under_way.first + u32::try_from(under_way.awaited.len()).expect("a lane is shorter than that")
    }

    /// Notes an answer or a receipt. Returns how many messages are through by that.
    pub(crate) fn note(&self, sequence: u32) -> u32 {
        self.under_way.borrow_mut().note(sequence, 1)
    }

    /// Notes a refusal: nobody will receive the message. Returns how many messages are through by that.
    pub(crate) fn refuse(&self, sequence: u32) -> u32 {
        self.under_way.borrow_mut().note(sequence, u32::MAX)
    }

    /// Answers and receipts that have not come.
    pub(crate) fn awaited(&self) -> u64 {
        self.under_way.borrow().awaited.iter().map(|&awaited| u64::from(awaited)).sum()
    }
}

impl UnderWay {
    fn note(&mut self, sequence: u32, count: u32) -> u32 {
        let Some(at) = sequence.checked_sub(self.first) else { return 0 };
        if let Some(awaited) = self.awaited.get_mut(at as usize) {
            *awaited = awaited.saturating_sub(count);
        }
        let through = self.awaited.iter().take_while(|awaited| **awaited == 0).count();
        self.awaited.drain(..through);
        let through = u32::try_from(through).expect("a lane is shorter than that");
        self.first += through;
        through
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(receivers: u32) -> Lane {
        Lane::new(0, receivers, 0)
    }

    #[test]
    fn a_message_is_through_when_it_is_answered_and_received_by_all() {
        let lane = lane(2);

        assert_eq!((lane.send(), lane.send(), lane.sent()), (0, 1, 2));
        assert_eq!([1, 1, 0, 0].map(|sequence| lane.note(sequence)), [0; 4]);
        assert_eq!(lane.awaited(), 2);
        assert_eq!((lane.note(0), lane.note(1)), (1, 1));
        assert_eq!((lane.awaited(), lane.send()), (0, 2));
    }

    #[test]
    fn a_refused_message_is_through_at_once() {
        let lane = lane(100);
        lane.send();

        assert_eq!((lane.refuse(0), lane.awaited()), (1, 0));
    }
}
