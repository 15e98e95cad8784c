//! How many messages somebody may send, and when they are due, whichever lanes they go on.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use tokio::sync::Notify;

/// Somebody who sends. Shared by their connection and those that receive.
#[derive(Debug)]
pub(crate) struct Speaker {
    /// Messages under way at once, in a closed loop.
    window: u32,
    /// Wakes the connection.
    wake: Rc<Notify>,
    /// Messages that may be sent at once, in a closed loop.
    credits: Cell<u32>,
    /// When messages are due, in an open loop. Units: nanoseconds since the run began.
    due: RefCell<VecDeque<u64>>,
}

impl Speaker {
    pub(crate) fn new(window: u32, wake: Rc<Notify>) -> Self {
        Self { window, wake, credits: Cell::new(0), due: RefCell::default() }
    }

    /// Lets as many messages be sent as the window has.
    pub(crate) fn open(&self) {
        self.credits.set(self.window);
        self.wake.notify_one();
    }

    /// Lets one more message be sent.
    pub(crate) fn give(&self) {
        self.credits.set(self.credits.get() + 1);
        self.wake.notify_one();
    }

    /// Has a message sent that was due at `at_ns`.
    pub(crate) fn fall_due(&self, at_ns: u64) {
        self.due.borrow_mut().push_back(at_ns);
        self.wake.notify_one();
    }

    /// Takes a message that is due, if there is one.
    pub(crate) fn take_due(&self) -> Option<u64> {
        self.due.borrow_mut().pop_front()
    }

    /// Takes a credit, if there is one.
    pub(crate) fn take_credit(&self) -> bool {
        let credits = self.credits.get();
        self.credits.set(credits.saturating_sub(1));
        credits > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_are_as_many_as_the_window_and_those_given() {
        let speaker = Speaker::new(2, Rc::default());
        speaker.open();
        speaker.give();

        assert_eq!([(); 4].map(|()| speaker.take_credit()), [true, true, true, false]);
    }
}
