//! What waits for the socket, in order.
//!
//! What is for this connection alone lies in one piece, which leaves as it is where that is all there is and no more than a chunk.
//! What others receive, too, is shared with them until then, so that a thousand who do not read keep a message once.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::domain::{MessageId, UserId};

/// Units: bytes that are handed to the socket at once, unless what comes first is longer.
const CHUNK_BYTES: usize = 64 * 1024;

/// Units: bytes that a queued response or update costs besides its own: the entry, and its share of the queue.
const ENTRY_BYTES: usize = 96;

/// Responses, or updates, that follow one another become one entry up to this, and chunks are made of whole entries. Units: bytes.
pub const RUN_BYTES: usize = CHUNK_BYTES / 4;

/// Room is made for as much as the last chunk had, up to the first of these, and beyond the second no more than is needed soon:
/// what waits should take no more memory than is counted for it. Units: bytes.
const MOST_EXPECTED: usize = 4 * 1024;
const STEP_BYTES: usize = 32 * 1024;

/// An empty queue keeps no more room than this, and none on a connection that was told little so far, for most of those only wait.
/// Units: entries.
const KEPT_ENTRIES: usize = 16;
const LITTLE_ENTRIES: u8 = 8;

/// Bytes for the socket.
#[derive(PartialEq, Eq)]
pub struct Chunk {
    /// Whole responses and updates, in order.
    pub bytes: Vec<u8>,
    /// The newest message among them.
    pub received: Option<Received>,
}

/// Shows the length alone: a response may hold a token, an update what somebody said.
impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes, {:?})", self.bytes.len(), self.received)
    }
}

/// How far a user has received the log, once certain bytes have reached them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Who.
    pub user_id: UserId,
    /// Up to where.
    pub message_id: MessageId,
}

/// An update's bytes.
pub enum Encoded<'a> {
    /// Of one connection.
    Own(&'a [u8]),
    /// Of several.
    Shared(Arc<[u8]>),
}

/// See the module.
#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// The bytes of entries that are this connection's own, one behind the other.
    own: Vec<u8>,
    /// Units: bytes of the last chunk, for the next may be as long.
    last_bytes: usize,
    /// Entries that there ever were, or as many as can be counted.
    told_entries: u8,
}

/// Responses, or updates.
struct Entry {
    kind: Kind,
    place: Place,
    cost: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Response,
    /// `received` for what moves a mark on.
    Update {
        received: Option<Received>,
    },
}

enum Place {
    /// So many of the queue's own bytes.
    Own(usize),
    Shared(Arc<[u8]>),
}

/// What entries cost. Units: bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) responses: usize,
    pub(super) updates: usize,
}

impl Encoded<'_> {
    /// What it costs in a queue. Units: bytes.
    pub(super) fn cost(&self) -> usize {
        cost(match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        })
    }
}

fn cost(bytes: &[u8]) -> usize {
    bytes.len() + ENTRY_BYTES
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns what it costs.
    pub(super) fn push_response(&mut self, bytes: &[u8]) -> usize {
        self.push_own(Kind::Response, bytes)
    }

    /// Returns what it costs.
    pub(super) fn push_update(&mut self, bytes: Encoded<'_>, received: Option<Received>) -> usize {
        let kind = Kind::Update { received };
        match bytes {
            Encoded::Own(bytes) => self.push_own(kind, bytes),
            Encoded::Shared(bytes) => {
                let cost = cost(&bytes);
                self.push(Entry { kind, place: Place::Shared(bytes), cost });
                cost
            }
        }
    }

    fn push_own(&mut self, kind: Kind, bytes: &[u8]) -> usize {
        self.make_room(bytes.len());
        self.own.extend_from_slice(bytes);
        let cost = cost(bytes);
        if !self.entries.back_mut().is_some_and(|last| last.join(kind, bytes)) {
            self.push(Entry { kind, place: Place::Own(bytes.len()), cost });
        }
        cost
    }

    fn make_room(&mut self, length: usize) {
        if self.own.capacity() == 0 {
            self.own.reserve(length.max(self.last_bytes.min(MOST_EXPECTED)));
        } else if self.own.len() >= STEP_BYTES && self.own.capacity() - self.own.len() < length {
            self.own.reserve_exact(length.max(STEP_BYTES));
        }
    }

    fn push(&mut self, entry: Entry) {
        self.told_entries = self.told_entries.saturating_add(1);
        self.entries.push_back(entry);
    }

    /// Takes out what comes first, as much as makes a chunk; and what that has cost.
    pub(super) fn take_chunk(&mut self) -> (Chunk, Cost) {
        let (mut leaving, mut length, mut own_length) = (0, 0, 0);
        for Entry { place, .. } in &self.entries {
            if leaving > 0 && length + place.len() > CHUNK_BYTES {
                break;
            }
            leaving += 1;
            length += place.len();
            own_length += place.own_len();
        }
        self.last_bytes = length;
        let own = self.take_own(own_length);
        let mut mixed = (own_length < length).then(|| Vec::with_capacity(length));
        let (mut received, mut cost, mut own_start) = (None, Cost::default(), 0);
        for entry in self.entries.drain(..leaving) {
            match entry.kind {
                Kind::Response => cost.responses += entry.cost,
                Kind::Update { received: newest } => {
                    cost.updates += entry.cost;
                    received = newest.or(received);
                }
            }
            let Some(mixed) = &mut mixed else { continue };
            match entry.place {
                Place::Own(length) => {
                    mixed.extend_from_slice(&own[own_start..own_start + length]);
                    own_start += length;
                }
                Place::Shared(bytes) => mixed.extend_from_slice(&bytes),
            }
        }
        (Chunk { bytes: mixed.unwrap_or(own), received }, cost)
    }

    fn take_own(&mut self, length: usize) -> Vec<u8> {
        if length == self.own.len() {
            return std::mem::take(&mut self.own);
        }
        let taken = self.own[..length].to_vec();
        self.own.drain(..length);
        self.own.shrink_to(self.own.len() + STEP_BYTES);
        taken
    }

    pub(super) fn drop_updates(&mut self) {
        let (own, mut own_start) = (std::mem::take(&mut self.own), 0);
        self.entries.retain(|Entry { kind, place, .. }| {
            let bytes = &own[own_start..own_start + place.own_len()];
            own_start += bytes.len();
            let stays = matches!(kind, Kind::Response);
            if stays {
                self.own.extend_from_slice(bytes);
            }
            stays
        });
    }

    /// For when it is empty.
    pub(super) fn give_room_back(&mut self) {
        self.entries.shrink_to(if self.told_entries > LITTLE_ENTRIES { KEPT_ENTRIES } else { 0 });
    }
}

impl Entry {
    /// Takes more of its kind in, behind its own bytes; whether it can.
    fn join(&mut self, kind: Kind, bytes: &[u8]) -> bool {
        let Place::Own(length) = &mut self.place else { return false };
        if *length + bytes.len() > RUN_BYTES {
            return false;
        }
        match (&mut self.kind, kind) {
            (Kind::Response, Kind::Response) => {}
            (Kind::Update { received: newest }, Kind::Update { received }) => *newest = received.or(*newest),
            _ => return false,
        }
        *length += bytes.len();
        self.cost += cost(bytes);
        true
    }
}

impl Place {
    fn len(&self) -> usize {
        match self {
            Self::Own(length) => *length,
            Self::Shared(bytes) => bytes.len(),
        }
    }

    fn own_len(&self) -> usize {
        match self {
            Self::Own(length) => *length,
            Self::Shared(_) => 0,
        }
    }
}

/// Shows the lengths alone: a response may hold a token, an update what somebody said.
impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| entry.place.len())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(message_id: i64) -> Option<Received> {
        Some(Received { user_id: UserId(1), message_id: MessageId(message_id) })
    }

    fn shared(text: &str) -> Encoded<'static> {
        Encoded::Shared(text.as_bytes().into())
    }

    fn own(text: &str) -> Encoded<'_> {
        Encoded::Own(text.as_bytes())
    }

    fn taken(queue: &mut Queue) -> (String, Option<i64>) {
        let (Chunk { bytes, received }, _) = queue.take_chunk();
        (String::from_utf8(bytes).unwrap(), received.map(|received| received.message_id.0))
    }

    #[test]
    fn all_leaves_in_order_whoever_else_has_it() {
        let mut queue = Queue::default();
        let mut cost = Cost::default();
        cost.responses += queue.push_response(b"a");
        cost.updates += queue.push_update(own("bc"), received(1));
        cost.updates += queue.push_update(own("d"), received(2));
        cost.updates += queue.push_update(shared("efg"), received(3));
        cost.responses += queue.push_response(b"h");
        cost.responses += queue.push_response(b"i");
        cost.updates += queue.push_update(own("j"), None);

        let (chunk, taken) = queue.take_chunk();

        assert_eq!(String::from_utf8(chunk.bytes).unwrap(), "abcdefghij");
        assert_eq!(chunk.received, received(3));
        assert_eq!(taken, cost);
        assert_eq!((cost.responses, cost.updates), (3 + 3 * ENTRY_BYTES, 7 + 4 * ENTRY_BYTES));
        assert!(queue.is_empty() && queue.own.is_empty());
    }

    #[test]
    fn what_is_all_its_own_leaves_without_being_copied() {
        let mut queue = Queue::default();
        queue.push_response(b"done");
        queue.push_update(own("news"), received(1));
        let place = queue.own.as_ptr();

        let (chunk, _) = queue.take_chunk();

        assert_eq!((chunk.bytes.as_ptr(), chunk.bytes.as_slice()), (place, b"donenews".as_slice()));
    }

    #[test]
    fn a_chunk_is_no_longer_than_it_may_be_unless_one_message_is() {
        let mut queue = Queue::default();
        let text = |letter: &str, length| letter.repeat(length);
        for _ in 0..5 {
            queue.push_update(own(&text("a", RUN_BYTES / 2)), None);
            queue.push_update(own(&text("b", RUN_BYTES / 2)), None);
        }
        let run = text("a", RUN_BYTES / 2) + &text("b", RUN_BYTES / 2);
        assert_eq!(taken(&mut queue).0, run.repeat(CHUNK_BYTES / RUN_BYTES));
        assert_eq!(taken(&mut queue).0, run);

        let long = text("c", CHUNK_BYTES + 1);
        queue.push_update(own("short"), received(1));
        queue.push_update(shared(&long), received(2));
        queue.push_update(own("last"), received(3));
        assert_eq!(taken(&mut queue), ("short".to_owned(), Some(1)));
        assert_eq!(taken(&mut queue), (long, Some(2)));
        assert_eq!(taken(&mut queue), ("last".to_owned(), Some(3)));
        assert!(queue.is_empty());
    }

    #[test]
    fn responses_stay_where_updates_are_dropped() {
        let mut queue = Queue::default();
        queue.push_update(own("one "), received(1));
        queue.push_response(b"two ");
        queue.push_update(shared("three "), received(2));
        queue.push_update(own("four "), received(3));
        queue.push_response(b"five ");

        queue.drop_updates();
        queue.push_update(own("six"), received(4));

        assert_eq!(taken(&mut queue), ("two five six".to_owned(), Some(4)));
    }

    #[test]
    fn what_waits_takes_little_more_room_than_it_needs() {
        let mut queue = Queue::default();
        let waits = |queue: &Queue| queue.own.capacity() - queue.own.len();
        for _ in 0..1000 {
            queue.push_update(own(&"x".repeat(200)), None);
            assert!(waits(&queue) <= STEP_BYTES);
        }
        while !queue.is_empty() {
            let before = queue.own.len();
            let (chunk, _) = queue.take_chunk();
            assert!(chunk.bytes.capacity() + queue.own.capacity() <= before + STEP_BYTES);
        }
        assert_eq!(queue.own.capacity(), 0);
        assert!(queue.last_bytes > MOST_EXPECTED);

        queue.push_response(b"done");
        assert!(waits(&queue) <= MOST_EXPECTED);
    }

    #[test]
    fn it_keeps_room_only_on_a_connection_that_was_told_much_and_not_too_much_room() {
        let mut queue = Queue::default();
        let mut tell = |count| {
            for _ in 0..count {
                queue.push_update(shared("x"), None);
            }
            queue.take_chunk();
            queue.give_room_back();
            queue.entries.capacity()
        };

        assert_eq!(tell(LITTLE_ENTRIES), 0);
        assert!((1..=KEPT_ENTRIES).contains(&tell(1)));
        assert!((1..=KEPT_ENTRIES).contains(&tell(25)));
    }
}
