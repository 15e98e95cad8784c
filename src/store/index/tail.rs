//! What the index has in memory: the messages behind the last segment.

use std::collections::BTreeSet;

use foldhash::HashMap;

/// Messages of one conversation: those behind `after`, up to and with `upto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Span {
    /// As the table `messages` has it.
    pub(in crate::store) conversation: i64,
    /// Exclusive.
    pub(in crate::store) after: i64,
    /// Inclusive.
    pub(in crate::store) upto: i64,
}

/// A sender, and the hash of a nonce of theirs.
pub(in crate::store) type NonceKey = (i64, u32);

/// A message as the index knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) message_id: i64,
    pub(super) conversation: i64,
    pub(super) nonce: Option<NonceKey>,
}

/// The messages of a stretch of the log, by conversation and by nonce.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Exclusive.
    after: i64,
    /// Inclusive.
    upto: i64,
    messages: usize,
    /// In ascending order each.
    conversations: HashMap<i64, Vec<i64>>,
    nonces: BTreeSet<(NonceKey, i64)>,
}

impl Tail {
    pub(super) fn behind(after: i64) -> Self {
        Self { after, upto: after, ..Self::default() }
    }

    /// The stretch: exclusive, inclusive.
    pub(super) fn stretch(&self) -> (i64, i64) {
        (self.after, self.upto)
    }

    /// How many messages it was given.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    /// Adds a message that is newer than all there are.
    pub(super) fn add(&mut self, entry: Entry) {
        self.upto = entry.message_id;
        self.messages += 1;
        self.conversations.entry(entry.conversation).or_default().push(entry.message_id);
        if let Some(nonce) = entry.nonce {
            self.nonces.insert((nonce, entry.message_id));
        }
    }

    /// Forgets a message that is deleted. A nonce may stay, for who looks finds no message.
    pub(super) fn remove(&mut self, conversation: i64, message_id: i64) {
        if let Some(ids) = self.conversations.get_mut(&conversation)
            && let Ok(place) = ids.binary_search(&message_id)
        {
            ids.remove(place);
            if ids.is_empty() {
                self.conversations.remove(&conversation);
            }
        }
    }

    /// The messages of a span, in ascending order.
    pub(super) fn ids(&self, span: Span) -> &[i64] {
        let ids = self.conversations.get(&span.conversation).map_or(&[][..], Vec::as_slice);
        let start = ids.partition_point(|&id| id <= span.after);
        let end = ids.partition_point(|&id| id <= span.upto);
        &ids[start..end.max(start)]
    }

    /// The messages that may have a nonce.
    pub(super) fn with_nonce(&self, nonce: NonceKey) -> impl Iterator<Item = i64> {
        self.nonces.range((nonce, i64::MIN)..=(nonce, i64::MAX)).map(|(_, message_id)| *message_id)
    }

    /// Its conversations, in ascending order.
    pub(super) fn conversations(&self) -> Vec<i64> {
        let mut conversations: Vec<i64> = self.conversations.keys().copied().collect();
        conversations.sort_unstable();
        conversations
    }

    /// Its nonces, in ascending order.
    pub(super) fn nonces(&self) -> Vec<(NonceKey, i64)> {
        self.nonces.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail() -> Tail {
        let mut tail = Tail::behind(4);
        for (message_id, conversation) in [(5, 1), (6, 2), (7, 1), (9, 1)] {
            tail.add(Entry { message_id, conversation, nonce: (message_id == 7).then_some((3, 8)) });
        }
        tail
    }

    fn span(after: i64, upto: i64) -> Span {
        Span { conversation: 1, after, upto }
    }

    #[test]
    fn a_span_begins_behind_one_message_and_ends_with_another() {
        let tail = tail();

        assert_eq!(tail.ids(span(0, 100)), [5, 7, 9]);
        assert_eq!(tail.ids(span(5, 8)), [7]);
        assert!(tail.ids(span(9, 5)).is_empty());
        assert!(tail.ids(Span { conversation: 3, after: 0, upto: 100 }).is_empty());
        assert_eq!(tail.stretch(), (4, 9));
    }

    #[test]
    fn a_removed_message_is_in_no_conversation() {
        let mut tail = tail();

        tail.remove(1, 7);
        tail.remove(1, 8);
        tail.remove(2, 6);

        assert_eq!(tail.ids(span(0, 100)), [5, 9]);
        assert_eq!(tail.conversations(), [1]);
    }

    #[test]
    fn a_nonce_leads_to_the_messages_that_may_have_it() {
        let tail = tail();

        assert_eq!(tail.with_nonce((3, 8)).collect::<Vec<_>>(), [7]);
        assert_eq!(tail.with_nonce((3, 9)).count() + tail.with_nonce((2, 8)).count(), 0);
    }
}
