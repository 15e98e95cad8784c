//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};

use super::draft::{Draft, Outcome, Refusal};
use super::{Committed, QUEUE_DRAFTS, room_of};

/// Drafts of one commit. More make each cheaper and the last one later.
const BATCH_DRAFTS: usize = 1024;

/// Units: bytes of content in one commit, beyond which it is closed.
pub(super) const BATCH_BYTES: usize = 1024 * 1024;

/// A draft on its way to the writer.
#[derive(Debug)]
pub(super) struct Queued<T> {
    pub(super) draft: Draft,
    pub(super) ticket: T,
    /// When its request was taken up.
    pub(super) since: Instant,
}

/// What waits for the writer. Only the writer takes from it, so a draft is either taken or refused.
#[derive(Debug)]
pub(super) struct Queue<T> {
    arriving: mpsc::Receiver<Queued<T>>,
    /// What contents take of the queue.
    room: Arc<Semaphore>,
    /// Drafts that were looked at during a stalled commit and are still young.
    waiting: VecDeque<Queued<T>>,
    busy_after: Duration,
}

impl<T> Queue<T> {
    pub(super) fn new(arriving: mpsc::Receiver<Queued<T>>, room: Arc<Semaphore>, busy_after: Duration) -> Self {
        Self { arriving, room, waiting: VecDeque::new(), busy_after }
    }

    /// What has queued up, at least one draft; `None` when nothing is queued and nothing can be any more.
    pub(super) async fn next_batch(&mut self) -> Option<(Vec<Draft>, Vec<T>)> {
        let (mut drafts, mut tickets, mut content_bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = match self.waiting.pop_front() {
            Some(queued) => Some(queued),
            None => Some(self.arriving.recv().await?),
        };
        while let Some(queued) = next {
            content_bytes += self.take(&queued);
            drafts.push(queued.draft);
            tickets.push(queued.ticket);
            if drafts.len() == BATCH_DRAFTS || content_bytes >= BATCH_BYTES {
                break;
            }
            next = self.waiting.pop_front().or_else(|| self.arriving.try_recv().ok());
        }
        Some((drafts, tickets))
    }

    /// Gives the room of a draft that is taken or refused to others. Units: bytes of its content.
    fn take(&self, queued: &Queued<T>) -> usize {
        let content_bytes = queued.draft.content_bytes();
        self.room.add_permits(room_of(content_bytes) as usize);
        content_bytes
    }

    /// Takes out what has waited too long, and answers it.
    pub(super) fn expire(&mut self) -> Committed<T> {
        while self.waiting.len() < QUEUE_DRAFTS {
            let Ok(queued) = self.arriving.try_recv() else { break };
            self.waiting.push_back(queued);
        }
        let now = Instant::now();
        let old = self.waiting.partition_point(|queued| now.duration_since(queued.since) >= self.busy_after);
        let old: Vec<Queued<T>> = self.waiting.drain(..old).collect();
        let refuse = |queued: Queued<T>| {
            self.take(&queued);
            (Outcome::Refused(Refusal::Busy), queued.ticket)
        };
        old.into_iter().map(refuse).collect()
    }
}
