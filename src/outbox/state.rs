//! The outbox as a pure state machine: no locks, no tasks, no IO.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::queue::{Chunk, Cost, Encoded, Queue, Received};
use crate::domain::{MessageId, UserId};

/// Units: bytes that the longest response takes in the outbox, kept free for every request that is unanswered.
const RESPONSE_BYTES: usize = 256;

/// How much may wait in an outbox.
#[derive(Debug, Clone, Copy)]
pub struct OutboxLimits {
    /// Units: bytes, a quarter of them for responses.
    pub bytes: usize,
    /// Requests that may be unanswered.
    pub in_flight: usize,
}

impl OutboxLimits {
    fn response_bytes(self) -> usize {
        self.bytes / 4
    }

    fn update_bytes(self) -> usize {
        self.bytes - self.response_bytes()
    }
}

/// What the connection's writer should do.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Write these bytes.
    Write(Chunk),
    /// Read from the store what is owed here, and [fill](super::Outbox::fill) it in.
    ReadOn(Gap),
    /// End: all that was put in is written, and nothing more will be.
    End,
}

/// A part of the log that a lagging connection has to read from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Who is owed it.
    pub user_id: UserId,
    /// Exclusive.
    pub after: MessageId,
    /// Inclusive. All of it was published, and responses that come before it are in the outbox.
    pub upto: MessageId,
    /// Units: bytes that there is room for.
    pub room_bytes: usize,
}

/// A response before which others have to leave.
struct Early(Cow<'static, [u8]>);

/// Shows the length alone: it may hold a token.
impl fmt::Debug for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Early({} bytes)", self.0.len())
    }
}

/// What the connection receives. Going from lagging to live takes one look at two ids, under the lock under which messages
/// are offered, so that none can fall between.
#[derive(Debug, Clone, Copy)]
enum Delivery {
    /// Nobody is logged in, or nothing was asked for.
    Off,
    /// All that was offered is in the queue or was.
    Live { reader: Reader },
    /// What is owed behind `cursor` and up to `owed_upto` has to be read from the store; nothing is queued meanwhile.
    Lagging { reader: Reader, cursor: MessageId, owed_upto: MessageId },
}

/// Who receives on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reader {
    user_id: UserId,
    /// Whether what it receives moves the user's mark: in version 1. In version 2 the client keeps a cursor of its own.
    marks: bool,
}

impl Reader {
    fn received(self, message_id: MessageId) -> Option<Received> {
        self.marks.then_some(Received { user_id: self.user_id, message_id })
    }
}

/// What comes before the messages of a connection of version 2, and what once they have reached the head.
#[derive(Debug)]
pub struct Following {
    /// Who follows the log.
    pub user_id: UserId,
    /// Exclusive.
    pub after: MessageId,
    /// Deleted messages up to here are no news to the client; `None` where it is news that it begins anew.
    pub told_upto: Option<MessageId>,
    /// The head that has to be reached.
    pub head: MessageId,
    /// The update that says that it is, encoded.
    pub synced: Arc<[u8]>,
    /// The update that says that hints were left out, encoded.
    pub refresh: Arc<[u8]>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    limits: OutboxLimits,
    queue: Queue,
    delivery: Delivery,
    /// Of entries in the queue and, until the next call of `next`, of those handed to the writer.
    response_bytes: usize,
    update_bytes: usize,
    written_response_bytes: usize,
    written_update_bytes: usize,
    /// Whether the writer has been handed a chunk and has not come back.
    is_writing: bool,
    /// What is left of a chunk that another has begun to write. In a box, for it is rare.
    unwritten: Option<Box<Chunk>>,
    asked: u64,
    answered: u64,
    /// Responses to requests before which others are unanswered.
    early: BTreeMap<u64, Early>,
    /// The update that is due when the cursor has reached this message.
    due: Option<(MessageId, Arc<[u8]>)>,
    /// What is said once there is room again, if hints were left out.
    refresh: Arc<[u8]>,
    left_out_hints: bool,
    /// As in [`Following`]. While it is `None` the next page is still to say so, and nothing else may come before that.
    told_upto: Option<MessageId>,
    is_closed: bool,
}

impl State {
    pub(super) fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            queue: Queue::default(),
            delivery: Delivery::Off,
            response_bytes: 0,
            update_bytes: 0,
            written_response_bytes: 0,
            written_update_bytes: 0,
            is_writing: false,
            unwritten: None,
            asked: 0,
            answered: 0,
            early: BTreeMap::new(),
            due: None,
            refresh: Arc::default(),
            left_out_hints: false,
            told_upto: Some(MessageId(0)),
            is_closed: false,
        }
    }

    pub(super) fn ask(&mut self) -> Option<u64> {
        let unanswered = usize::try_from(self.asked - self.answered).unwrap_or(usize::MAX);
        let reserved = (unanswered + 1).saturating_mul(RESPONSE_BYTES);
        let is_full = self.response_bytes.saturating_add(reserved) > self.limits.response_bytes();
        // An empty share takes one request whatever its size, so that no setting can lock a connection up.
        if unanswered >= self.limits.in_flight || (is_full && (unanswered > 0 || self.response_bytes > 0)) {
            return None;
        }
        self.asked += 1;
        Some(self.asked - 1)
    }

    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    pub(super) fn answered_before(&self, sequence: u64) -> bool {
        self.answered >= sequence
    }

    /// Whether the writer has something to do now that it had not before.
    pub(super) fn respond(&mut self, sequence: u64, response: Cow<'static, [u8]>) -> bool {
        if sequence != self.answered {
            self.early.insert(sequence, Early(response));
            return false;
        }
        self.push_response(&response);
        while let Some(Early(response)) = self.early.remove(&self.answered) {
            self.push_response(&response);
        }
        true
    }

    fn push_response(&mut self, response: &[u8]) {
        self.answered += 1;
        self.response_bytes += self.queue.push_response(response);
    }

    /// Whether the writer has something to do now that it had not before.
    pub(super) fn offer<'a>(&mut self, message_id: MessageId, encode: impl FnOnce() -> Encoded<'a>) -> bool {
        match &mut self.delivery {
            Delivery::Off => false,
            Delivery::Lagging { owed_upto, .. } => {
                *owed_upto = message_id;
                false
            }
            &mut Delivery::Live { reader } => {
                let update = encode();
                if self.has_room_for(&update) {
                    self.push_update(update, reader.received(message_id));
                } else {
                    let cursor = MessageId(message_id.0 - 1);
                    self.delivery = Delivery::Lagging { reader, cursor, owed_upto: message_id };
                }
                true
            }
        }
    }

    fn has_room_for(&self, update: &Encoded<'_>) -> bool {
        self.update_bytes + update.cost() <= self.limits.update_bytes()
    }

    fn push_update(&mut self, update: Encoded<'_>, received: Option<Received>) {
        self.update_bytes += self.queue.push_update(update, received);
    }

    pub(super) fn attach(&mut self, user_id: UserId, mark: MessageId, published: MessageId) {
        let reader = Reader { user_id, marks: true };
        self.told_upto = Some(MessageId(0));
        self.delivery = Delivery::Lagging { reader, cursor: mark, owed_upto: published };
    }

    pub(super) fn follow(&mut self, following: Following, published: MessageId) {
        let Following { user_id, after, told_upto, head, synced, refresh } = following;
        self.refresh = refresh;
        self.due = Some((head, synced));
        self.told_upto = told_upto;
        let reader = Reader { user_id, marks: false };
        self.delivery = Delivery::Lagging { reader, cursor: after, owed_upto: published };
    }

    /// Puts in an update that is in no log: one that finds no room is made up for by telling that some were left out. Whether the
    /// writer has something to do now that it had not before.
    pub(super) fn hint(&mut self, bytes: Arc<[u8]>) -> bool {
        let hint = Encoded::Shared(bytes);
        match self.delivery {
            Delivery::Off | Delivery::Live { reader: Reader { marks: true, .. } } => false,
            Delivery::Live { .. } if self.has_room_for(&hint) => {
                self.push_update(hint, None);
                true
            }
            Delivery::Live { .. } | Delivery::Lagging { .. } => {
                self.left_out_hints = true;
                false
            }
        }
    }

    pub(super) fn end(&mut self, last: Option<Arc<[u8]>>) {
        self.detach();
        if let Some(last) = last {
            self.push_update(Encoded::Shared(last), None);
        }
    }

    pub(super) fn detach(&mut self) {
        self.delivery = Delivery::Off;
        self.due = None;
        self.left_out_hints = false;
        self.queue.drop_updates();
        self.update_bytes = self.written_update_bytes;
    }

    /// Whether the next call of `next` or `wrote` gives room for requests back, whatever it says.
    pub(super) fn makes_room(&self) -> bool {
        self.written_response_bytes > 0
    }

    /// What the connection's writer should do; `None` while nothing is in here for it.
    pub(super) fn next(&mut self) -> Option<Next> {
        if let Some(unwritten) = self.unwritten.take() {
            self.is_writing = true;
            return Some(Next::Write(*unwritten));
        }
        self.settle();
        self.queue_what_is_due();
        if !self.queue.is_empty() {
            return Some(self.write());
        }
        self.queue.give_room_back();
        if self.is_closed {
            return Some(Next::End);
        }
        if let Delivery::Lagging { reader, cursor, owed_upto } = self.delivery {
            // No further than to where something is due, so that it comes at its place.
            let upto = self.due.as_ref().map_or(owed_upto, |(head, _)| owed_upto.min(*head));
            if cursor < upto || self.told_upto.is_none() {
                let room_bytes = self.limits.update_bytes();
                return Some(Next::ReadOn(Gap { user_id: reader.user_id, after: cursor, upto, room_bytes }));
            }
            self.delivery = Delivery::Live { reader };
        }
        if matches!(self.delivery, Delivery::Live { .. }) && std::mem::take(&mut self.left_out_hints) {
            self.push_update(Encoded::Shared(Arc::clone(&self.refresh)), None);
            return Some(self.write());
        }
        None
    }

    fn write(&mut self) -> Next {
        self.is_writing = true;
        Next::Write(self.take_chunk())
    }

    /// What was handed out is written: there is room for as much.
    fn settle(&mut self) {
        self.is_writing = false;
        self.response_bytes -= std::mem::take(&mut self.written_response_bytes);
        self.update_bytes -= std::mem::take(&mut self.written_update_bytes);
    }

    /// What another may write in the writer's place, to say at once by [`State::wrote`] how that went; `None` while the writer
    /// writes, or has something else to do.
    pub(super) fn take_now(&mut self) -> Option<Chunk> {
        let is_free = !self.is_writing && self.unwritten.is_none() && !self.queue.is_empty();
        is_free.then(|| self.take_chunk())
    }

    /// Says what is left of the chunk that was taken; whether the writer can sleep on.
    pub(super) fn wrote(&mut self, unwritten: Option<Chunk>) -> bool {
        if let Some(unwritten) = unwritten {
            self.unwritten = Some(Box::new(unwritten));
            return false;
        }
        self.settle();
        let has_to_read = matches!(self.delivery, Delivery::Lagging { .. });
        self.queue.is_empty() && !self.is_closed && !has_to_read && !self.left_out_hints
    }

    fn queue_what_is_due(&mut self) {
        let Delivery::Lagging { cursor, .. } = self.delivery else { return };
        if self.told_upto.is_none() {
            return;
        }
        if let Some((_, bytes)) = self.due.take_if(|(head, _)| *head <= cursor) {
            self.push_update(Encoded::Shared(bytes), None);
            // Who has just been told that all of the past is there asks for lists anyway.
            self.left_out_hints = false;
        }
    }

    fn take_chunk(&mut self) -> Chunk {
        let (chunk, Cost { responses, updates }) = self.queue.take_chunk();
        self.written_response_bytes += responses;
        self.written_update_bytes += updates;
        chunk
    }

    /// Of what was ever owed, nothing newer than `pruned_upto` is deleted.
    pub(super) fn miss(&mut self, gap: Gap, pruned_upto: MessageId, encode: impl FnOnce() -> Arc<[u8]>) {
        if !self.is_reading(gap) {
            return;
        }
        // Up to `gap.after` all has come, be it deleted since.
        let is_news = self.told_upto.is_none_or(|told_upto| pruned_upto > told_upto.max(gap.after));
        if is_news {
            self.push_update(Encoded::Shared(encode()), None);
        }
        self.told_upto = self.told_upto.max(Some(pruned_upto));
    }

    /// Whether the login that asked for `gap` still waits for it; otherwise what it was owed counts as missed.
    fn is_reading(&self, gap: Gap) -> bool {
        matches!(self.delivery, Delivery::Lagging { reader, cursor, .. }
            if reader.user_id == gap.user_id && cursor == gap.after)
    }

    pub(super) fn fill(&mut self, gap: Gap, updates: Vec<(MessageId, Arc<[u8]>)>, reached: MessageId) {
        let reader = match &mut self.delivery {
            Delivery::Lagging { reader, cursor, .. } if reader.user_id == gap.user_id && *cursor == gap.after => {
                *cursor = reached;
                *reader
            }
            // The login that asked has ended meanwhile; what it was owed counts as missed.
            _ => return,
        };
        for (message_id, bytes) in updates {
            self.push_update(Encoded::Shared(bytes), reader.received(message_id));
        }
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
        // What is queued still leaves; without this a busy group would keep the connection from ever ending.
        self.delivery = Delivery::Off;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: UserId = UserId(1);
    const LIMITS: OutboxLimits = OutboxLimits { bytes: 4096, in_flight: 4 };

    fn live() -> State {
        let mut state = State::new(LIMITS);
        state.attach(ADA, MessageId(0), MessageId(0));
        assert_eq!(state.next(), None);
        state
    }

    fn bytes(text: &str) -> Arc<[u8]> {
        text.as_bytes().into()
    }

    fn own(text: &str) -> Encoded<'_> {
        Encoded::Own(text.as_bytes())
    }

    fn response(text: &'static str) -> Cow<'static, [u8]> {
        Cow::Borrowed(text.as_bytes())
    }

    fn written(state: &mut State) -> String {
        match state.next() {
            Some(Next::Write(chunk)) => String::from_utf8(chunk.bytes).unwrap(),
            other => panic!("expected something to write, got {other:?}"),
        }
    }

    #[test]
    fn responses_leave_in_the_order_of_their_requests() {
        let mut state = State::new(LIMITS);
        for sequence in 0..3 {
            assert_eq!(state.ask(), Some(sequence));
        }

        state.respond(2, response("c"));
        state.respond(1, response("b"));
        assert_eq!(state.next(), None);
        state.respond(0, response("a"));

        assert!(state.answered_before(3));
        assert_eq!(written(&mut state), "abc");
    }

    #[test]
    fn what_another_could_not_write_comes_first_and_nobody_else_writes_meanwhile() {
        let mut state = live();
        state.offer(MessageId(1), || own("one"));
        let mut chunk = state.take_now().unwrap();
        chunk.bytes.drain(..1);
        assert!(!state.wrote(Some(chunk)));
        state.offer(MessageId(2), || own("two"));
        assert!(state.take_now().is_none());

        assert_eq!(written(&mut state), "ne");
        assert!(state.take_now().is_none());
        assert_eq!(written(&mut state), "two");
        assert_eq!(state.next(), None);
        state.offer(MessageId(3), || own("three"));
        let chunk = state.take_now().unwrap();
        assert_eq!(chunk.bytes, b"three");
        assert!(state.wrote(None));
        assert_eq!((state.update_bytes, state.next()), (0, None));
    }

    #[test]
    fn where_another_has_written_all_the_writer_still_has_to_read_and_to_end() {
        let mut state = live();
        let answer = |state: &mut State| {
            let sequence = state.ask().unwrap();
            state.respond(sequence, response("done"));
            state.take_now().unwrap();
            state.wrote(None)
        };
        assert!(answer(&mut state));

        let long = "x".repeat(5000);
        state.offer(MessageId(1), || own(&long));
        assert!(!answer(&mut state));
        state.close();
        assert!(!answer(&mut state));
        assert_eq!(state.next(), Some(Next::End));
    }

    #[test]
    fn no_more_requests_are_asked_than_may_be_in_flight() {
        let mut state = State::new(LIMITS);
        for sequence in 0..3 {
            assert_eq!(state.ask(), Some(sequence));
        }
        assert_eq!(State::new(OutboxLimits { bytes: 4096, in_flight: 0 }).ask(), None);

        // Responses have 1,024 bytes, and each of four unanswered requests may need 256 of them.
        assert_eq!(state.ask(), Some(3));
        assert_eq!(state.ask(), None);
        state.respond(0, response("a"));
        assert_eq!(state.ask(), None);
        written(&mut state);
        assert_eq!(state.next(), None);
        assert_eq!(state.ask(), Some(4));
    }

    #[test]
    fn messages_that_were_put_in_as_one_are_received_as_their_newest() {
        let mut state = State::new(LIMITS);
        state.attach(ADA, MessageId(6), MessageId(9));
        let Some(Next::ReadOn(gap)) = state.next() else { panic!("what was missed has to be read") };
        state.fill(gap, vec![(MessageId(8), bytes("seven, eight"))], MessageId(9));

        let Some(Next::Write(chunk)) = state.next() else { panic!("it was put in to be written") };
        assert_eq!(chunk.bytes, b"seven, eight");
        assert_eq!(chunk.received, Some(Received { user_id: ADA, message_id: MessageId(8) }));
    }

    #[test]
    fn updates_beyond_the_limit_are_left_to_the_store() {
        let mut state = live();
        let long = "x".repeat(1000);
        assert!(state.offer(MessageId(5), || own(&long)));
        assert!(state.offer(MessageId(7), || own(&long)));
        assert!(state.offer(MessageId(9), || own(&long)));
        assert!(!state.offer(MessageId(12), || panic!("a lagging outbox encodes nothing")));

        assert_eq!(written(&mut state).len(), 2000);
        let Some(Next::ReadOn(gap)) = state.next() else { panic!("the rest has to be read") };
        assert_eq!((gap.after, gap.upto), (MessageId(8), MessageId(12)));

        state.fill(gap, vec![(MessageId(9), bytes("nine"))], MessageId(9));
        assert_eq!(written(&mut state), "nine");
        let Some(Next::ReadOn(gap)) = state.next() else { panic!("the page was not the last") };
        assert_eq!((gap.after, gap.upto), (MessageId(9), MessageId(12)));

        state.fill(gap, vec![(MessageId(12), bytes("twelve"))], MessageId(12));
        assert_eq!(written(&mut state), "twelve");
        assert_eq!(state.next(), None);
        assert!(state.offer(MessageId(13), || own("thirteen")));
        assert_eq!(written(&mut state), "thirteen");
    }

    #[test]
    fn a_message_offered_while_the_last_page_is_read_is_read_next() {
        let mut state = State::new(LIMITS);
        state.attach(ADA, MessageId(0), MessageId(3));
        let Some(Next::ReadOn(gap)) = state.next() else { panic!("three ids are behind") };

        state.offer(MessageId(4), || panic!("a lagging outbox encodes nothing"));
        state.fill(gap, vec![], MessageId(3));

        let Some(Next::ReadOn(gap)) = state.next() else { panic!("message 4 may not be lost") };
        assert_eq!((gap.after, gap.upto), (MessageId(3), MessageId(4)));
    }

    #[test]
    fn responses_are_not_held_up_by_lagging() {
        let mut state = live();
        let long = "x".repeat(5000);
        state.offer(MessageId(1), || own(&long));
        let sequence = state.ask().unwrap();
        state.respond(sequence, response("done"));

        assert_eq!(written(&mut state), "done");
        assert!(matches!(state.next(), Some(Next::ReadOn(_))));
    }

    #[test]
    fn after_detaching_no_update_leaves_and_a_late_page_is_dropped() {
        let mut state = live();
        state.offer(MessageId(1), || own("one"));
        let long = "x".repeat(5000);
        state.offer(MessageId(2), || own(&long));
        let first = state.ask().unwrap();
        state.detach();
        state.respond(first, response("bye"));

        assert_eq!(written(&mut state), "bye");
        let gap = Gap { user_id: ADA, after: MessageId(1), upto: MessageId(2), room_bytes: 1 };
        state.fill(gap, vec![(MessageId(2), bytes("late"))], MessageId(2));
        assert_eq!(state.next(), None);
        assert!(!state.offer(MessageId(3), || panic!("nobody is logged in")));
    }

    #[test]
    fn a_chunk_tells_the_newest_message_in_it() {
        let mut state = live();
        state.offer(MessageId(4), || own("four"));
        state.offer(MessageId(6), || own("six"));

        let Some(Next::Write(chunk)) = state.next() else { panic!("two updates wait") };
        assert_eq!(chunk.received, Some(Received { user_id: ADA, message_id: MessageId(6) }));
    }

    /// An outbox of version 2 that was asked for what comes behind `after`, of a log of nine messages.
    fn following(after: i64, told_upto: Option<i64>) -> State {
        let mut state = State::new(LIMITS);
        let (after, told_upto, head) = (MessageId(after), told_upto.map(MessageId), MessageId(9));
        let [synced, refresh] = ["synced", "refresh"].map(bytes);
        state.follow(Following { user_id: ADA, after, told_upto, head, synced, refresh }, head);
        state
    }

    fn asked(state: &mut State) -> Gap {
        match state.next() {
            Some(Next::ReadOn(gap)) => gap,
            other => panic!("expected to read on, got {other:?}"),
        }
    }

    #[test]
    fn deleted_messages_are_told_of_once_and_only_where_they_had_not_come() {
        let mut state = following(3, Some(3));
        let gap = asked(&mut state);
        state.miss(gap, MessageId(3), || panic!("it had come before it was deleted"));
        state.fill(gap, vec![(MessageId(4), bytes("four "))], MessageId(4));
        assert_eq!(written(&mut state), "four ");

        let gap = asked(&mut state);
        state.miss(gap, MessageId(6), || bytes("missing "));
        state.fill(gap, vec![(MessageId(5), bytes("five "))], MessageId(5));
        assert_eq!(written(&mut state), "missing five ");

        let gap = asked(&mut state);
        state.miss(gap, MessageId(6), || panic!("it was told"));
        state.fill(gap, vec![(MessageId(7), bytes("seven "))], MessageId(7));
        assert_eq!(written(&mut state), "seven ");

        let gap = asked(&mut state);
        state.miss(gap, MessageId(8), || bytes("missing "));
        state.fill(gap, vec![], MessageId(9));
        assert_eq!(written(&mut state), "missing synced");
        assert_eq!(state.next(), None);
    }

    #[test]
    fn who_begins_with_the_oldest_misses_nothing_that_was_deleted_before() {
        let mut state = following(0, Some(9));
        let gap = asked(&mut state);

        state.miss(gap, MessageId(8), || panic!("nobody has asked for it"));
    }

    #[test]
    fn who_begins_anew_is_told_so_first_even_where_there_is_nothing() {
        let mut state = State::new(LIMITS);
        let (nowhere, [synced, refresh]) = (MessageId(0), ["synced", "refresh"].map(bytes));
        let following = Following { user_id: ADA, after: nowhere, told_upto: None, head: nowhere, synced, refresh };
        state.follow(following, nowhere);

        let gap = asked(&mut state);
        state.miss(gap, nowhere, || bytes("missing "));
        state.fill(gap, vec![], nowhere);

        assert_eq!(written(&mut state), "missing synced");
        assert_eq!(state.next(), None);
    }

    #[test]
    fn a_closed_outbox_ends_once_it_is_empty_and_reads_nothing_on() {
        let mut state = State::new(LIMITS);
        state.attach(ADA, MessageId(0), MessageId(9));
        let sequence = state.ask().unwrap();
        state.respond(sequence, response("last"));
        state.close();

        assert_eq!(written(&mut state), "last");
        assert_eq!(state.next(), Some(Next::End));
    }

    #[test]
    fn a_closed_outbox_takes_no_more_updates() {
        let mut state = live();
        state.offer(MessageId(1), || own("one"));
        state.close();

        assert!(!state.offer(MessageId(2), || panic!("it is closed")));

        assert_eq!(written(&mut state), "one");
        assert_eq!(state.next(), Some(Next::End));
    }

    #[test]
    fn what_is_due_comes_when_its_place_is_reached_and_nothing_beyond_is_read_before() {
        let mut state = following(6, Some(6));
        state.offer(MessageId(10), || panic!("a lagging outbox encodes nothing"));
        let gap = asked(&mut state);
        assert_eq!((gap.after, gap.upto), (MessageId(6), MessageId(9)));

        state.fill(gap, vec![(MessageId(8), bytes("eight"))], MessageId(9));
        assert_eq!(written(&mut state), "eightsynced");

        let gap = asked(&mut state);
        assert_eq!((gap.after, gap.upto), (MessageId(9), MessageId(10)));
    }

    #[test]
    fn nothing_that_is_received_in_version_2_moves_a_mark() {
        let mut state = following(6, Some(6));
        let gap = asked(&mut state);
        state.fill(gap, vec![(MessageId(8), bytes("eight"))], MessageId(9));

        let Some(Next::Write(chunk)) = state.next() else { panic!("an update waits") };

        assert_eq!(chunk.received, None);
    }

    #[test]
    fn hints_are_for_those_who_follow_and_what_was_left_out_of_them_is_said_once() {
        let mut old = live();
        assert!(!old.hint(bytes("hint")));
        assert_eq!(old.next(), None);

        let mut state = following(6, Some(6));
        assert!(!state.hint(bytes("before synced")));
        let gap = asked(&mut state);
        state.fill(gap, vec![], MessageId(9));
        assert_eq!(written(&mut state), "synced");
        assert_eq!(state.next(), None);
        assert!(state.hint(bytes("hint")));
        assert_eq!(written(&mut state), "hint");
        assert_eq!(state.next(), None);
        assert!(state.hint(bytes(&"x".repeat(2900))));
        assert!(!state.hint(bytes(&"x".repeat(200))));
        assert!(!state.hint(bytes(&"x".repeat(200))));
        assert_eq!(written(&mut state).len(), 2900);
        assert_eq!(written(&mut state), "refresh");
        assert_eq!(state.next(), None);
    }
}
