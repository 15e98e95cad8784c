//! A person at a connection: sends on its lanes, receives what is said to it, and enters everything.

use std::collections::VecDeque;
use std::rc::Rc;

use tokio::sync::Notify;

use super::content::Mark;
use super::ledger::Ledger;
use super::stage::Stage;
use super::template::Template;
use super::wire::{Heard, Wire};
use crate::bench::error::BenchError;

/// A connection with what it has to do.
#[derive(Debug)]
pub(crate) struct Seat {
    wire: Wire,
    person: usize,
    /// They are taken in turn.
    lanes: Vec<(u32, Template)>,
    /// The one whose turn it is.
    turn: usize,
    ledger: Ledger,
    wake: Rc<Notify>,
    /// Messages that are not answered, the oldest first.
    unanswered: VecDeque<Mark>,
}

/// How long what a server sends is, for a floor that sends as much. Units: bytes; 0 before the first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// The response to a message.
    pub(crate) response_bytes: usize,
    /// An update with a message.
    pub(crate) update_bytes: usize,
}

impl Seat {
    /// `wake` is that of its speaker.
    pub(crate) fn new(
        wire: Wire,
        person: usize,
        lanes: Vec<(u32, Template)>,
        receives: &[u32],
        wake: Rc<Notify>,
    ) -> Self {
        let mut ledger = Ledger::default();
        receives.iter().for_each(|&lane| ledger.expect(lane));
        Self { wire, person, lanes, turn: 0, ledger, wake, unanswered: VecDeque::new() }
    }

    /// Sends and receives until the connection breaks or this is dropped.
    pub(crate) async fn run(mut self, stage: Rc<Stage>) -> Result<(), BenchError> {
        loop {
            self.send(&stage);
            self.wire.flush()?;
            tokio::select! {
                biased;
                turned = self.wire.turn() => {
                    turned?;
                    self.hear(&stage)?;
                }
                () = self.wake.notified() => {}
            }
        }
    }

    /// Writes all messages that are due or have a credit.
    fn send(&mut self, stage: &Stage) {
        let Self { wire, person, lanes, turn, unanswered, .. } = self;
        let (speaker, mut now_ns) = (&stage.speakers[*person], None);
        while let Some(at_ns) = speaker.take_due().or_else(|| {
            let may_send = stage.is_sending() && speaker.take_credit();
            may_send.then(|| *now_ns.get_or_insert_with(|| stage.clock.now_ns()))
        }) {
            let (lane, template) = &lanes[*turn];
            *turn = (*turn + 1) % lanes.len();
            let mark = stage.send(*lane, at_ns);
            template.write(mark, wire.output());
            unanswered.push_back(mark);
        }
    }

    fn hear(&mut self, stage: &Stage) -> Result<(), BenchError> {
        let Self { wire, ledger, unanswered, .. } = self;
        let (now_ns, mut sample) = (stage.clock.now_ns(), stage.sample.get());
        wire.drain(|heard| match heard {
            Heard::Said { content, length } => match Mark::read(content) {
                Some(mark) => {
                    sample.update_bytes = length;
                    let sent = stage.lanes.get(mark.lane as usize).map_or(0, |lane| lane.sent());
                    stage.receive(mark, ledger.enter(mark, sent), now_ns);
                }
                None => stage.count_unknown(),
            },
            Heard::Done { length } => match unanswered.pop_front() {
                Some(mark) => {
                    sample.response_bytes = length;
                    stage.answer(mark, now_ns);
                }
                None => stage.count_unknown(),
            },
            Heard::Refused(refused) => match unanswered.pop_front() {
                Some(mark) => stage.refuse(mark, refused.why),
                None => stage.count_unknown(),
            },
            Heard::Synced | Heard::Other => {}
        })?;
        stage.sample.set(sample);
        Ok(())
    }
}
