//! What somebody is owed, as it is sent.

use std::sync::Arc;

use crate::domain::{Epoch, MessageId};
use crate::outbox::RUN_BYTES;
use crate::protocol::{Framing, MessageRef, StampRef};
use crate::store::{Owed, Page};

/// A page of what somebody is owed, as it is sent.
pub(super) struct EncodedPage {
    /// Runs of messages, each with the newest in it.
    pub(super) updates: Vec<(MessageId, Arc<[u8]>)>,
    /// The oldest of its messages, or how far it goes where it has none.
    pub(super) first: MessageId,
    pub(super) reached: MessageId,
    pub(super) pruned_upto: MessageId,
}

impl EncodedPage {
    /// With `epoch`, as version 2 has it.
    pub(super) fn new(framing: Framing, epoch: Option<&Epoch>, page: &Page) -> Self {
        let &Page { ref messages, reached, pruned_upto } = page;
        let first = messages.first().map_or(reached, |owed| owed.message_id);
        let (mut updates, mut run, mut newest) = (Vec::new(), Vec::with_capacity(RUN_BYTES), None);
        for owed in messages {
            let before = run.len();
            write(framing, epoch, owed, &mut run);
            if let Some(newest) = newest.filter(|_| run.len() > RUN_BYTES) {
                updates.push((newest, run[..before].into()));
                run.drain(..before);
            }
            newest = Some(owed.message_id);
        }
        updates.extend(newest.map(|newest| (newest, run.into())));
        Self { updates, first, reached, pruned_upto }
    }
}

fn write(framing: Framing, epoch: Option<&Epoch>, owed: &Owed, bytes: &mut Vec<u8>) {
    let Owed { message_id, sent_at_ms, sender, to, nonce, group_name, content } = owed;
    let id = epoch.map(|epoch| epoch.id(*message_id));
    let stamp = id.as_deref().map(|id| StampRef { id, at_ms: *sent_at_ms, to: to.as_deref(), nonce: nonce.as_deref() });
    MessageRef { group_name: group_name.as_deref(), sender, content, stamp }.write(framing, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Update;

    fn owed(message_id: i64, content: String) -> Owed {
        let (message_id, sender) = (MessageId(message_id), "ada".into());
        Owed { message_id, sent_at_ms: 0, sender, to: None, nonce: None, group_name: None, content }
    }

    fn encoded(messages: Vec<Owed>) -> EncodedPage {
        let page = Page { messages, reached: MessageId(99), pruned_upto: MessageId(1) };
        EncodedPage::new(Framing::Array, None, &page)
    }

    #[test]
    fn a_page_is_cut_into_runs_that_are_no_longer_than_they_may_be_and_have_the_id_of_their_newest() {
        let content = |id: i64| format!("{id:01000}");
        let page = encoded((3..100).map(|id| owed(id, content(id))).collect());

        let bytes: Vec<u8> = page.updates.iter().flat_map(|(_, run)| run.iter().copied()).collect();
        let update = |id| Update::Whisper { sender: "ada".to_owned(), content: content(id), stamp: None };
        assert_eq!(bytes, (3..100).flat_map(|id| update(id).encode(Framing::Array)).collect::<Vec<_>>());
        assert!(page.updates.iter().all(|(_, run)| run.len() <= RUN_BYTES));
        // Of 1,022 bytes each.
        let newest: Vec<i64> = page.updates.iter().map(|(newest, _)| newest.0).collect();
        assert_eq!(newest, [18, 34, 50, 66, 82, 98, 99]);
        assert_eq!((page.first, page.reached, page.pruned_upto), (MessageId(3), MessageId(99), MessageId(1)));
    }

    #[test]
    fn a_message_that_is_longer_than_a_run_is_one_and_an_empty_page_has_none() {
        let long = "x".repeat(RUN_BYTES);
        let page = encoded(vec![owed(1, "short".to_owned()), owed(2, long), owed(3, "short".to_owned())]);
        assert_eq!(page.updates.iter().map(|(newest, _)| newest.0).collect::<Vec<_>>(), [1, 2, 3]);

        let page = encoded(Vec::new());
        assert!(page.updates.is_empty());
        assert_eq!(page.first, MessageId(99));
    }
}
