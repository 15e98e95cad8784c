//! What the writer has done so far, for who measures it: at level `debug`.

use std::time::{Duration, Instant};

use crate::domain::MessageId;

/// How often the sums are logged while messages are written. Who measures wants several in a second or two.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Sums since the start, logged while they grow and once more at the end.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Commits that had messages in them.
    commits: u64,
    messages: u64,
    told_at: Option<Instant>,
}

impl Tally {
    /// Counts a commit by how it moved the log's head.
    pub(super) fn count(&mut self, before: MessageId, after: MessageId) {
        let messages = after.0.abs_diff(before.0);
        if messages == 0 {
            return;
        }
        self.commits += 1;
        self.messages += messages;
        if self.told_at.is_none_or(|told_at| told_at.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            self.tell();
        }
    }

    fn tell(&self) {
        tracing::debug!(commits = self.commits, messages = self.messages, "messages committed so far");
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commits_with_messages_count() {
        let mut tally = Tally::default();

        tally.count(MessageId(7), MessageId(7));
        tally.count(MessageId(7), MessageId(10));
        tally.count(MessageId(10), MessageId(11));

        assert_eq!((tally.commits, tally.messages), (2, 4));
    }
}
