//! What waits for the writer.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};

use super::draft::{Draft, Outcome, Refusal};
use super::{Committed, QUEUE_DRAFTS, room_of};

/// Drafts of one commit. More make each cheaper, for a connection gets all that a commit has for it by one write, and the last one
/// later.
pub(super) const BATCH_DRAFTS: usize = 4096;

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

impl<T> Queued<T> {
    /// What it takes of the queue's room, to be given to others once it is taken or refused. Units: bytes.
    fn room(&self) -> usize {
        room_of(self.draft.content_bytes()) as usize
    }
}

/// Drafts that are taken together, and the tickets of each.
pub(super) type Batch<T> = (Vec<Draft>, Vec<T>);

/// What waits for the writer. A draft is either taken by it, or taken out and refused.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    /// What contents take of the queue.
    room: Arc<Semaphore>,
    busy_after: Duration,
}

#[derive(Debug)]
struct Waiting<T> {
    arriving: mpsc::Receiver<Queued<T>>,
    /// Drafts that were looked at during a stalled commit and are still young.
    young: VecDeque<Queued<T>>,
}

impl<T> Queue<T> {
    pub(super) fn new(arriving: mpsc::Receiver<Queued<T>>, room: Arc<Semaphore>, busy_after: Duration) -> Self {
        Self { waiting: Mutex::new(Waiting { arriving, young: VecDeque::new() }), room, busy_after }
    }

    /// What has queued up, at least one draft; `None` when nothing is queued and nothing can be any more.
    ///
    /// Cancel safety: may be dropped and called again. Only the writer calls this.
    pub(super) async fn next_batch(&self) -> Option<Batch<T>> {
        poll_fn(|cx| self.poll_batch(cx)).await
    }

    fn poll_batch(&self, cx: &mut Context<'_>) -> Poll<Option<Batch<T>>> {
        let mut waiting = self.lock();
        let mut next = match waiting.young.pop_front() {
            Some(queued) => Some(queued),
            None => match ready!(waiting.arriving.poll_recv(cx)) {
                Some(queued) => Some(queued),
                None => return Poll::Ready(None),
            },
        };
        let there = (1 + waiting.young.len() + waiting.arriving.len()).min(BATCH_DRAFTS);
        let (mut drafts, mut tickets, mut content_bytes) = (Vec::with_capacity(there), Vec::with_capacity(there), 0);
        let mut room = 0;
        while let Some(queued) = next {
            content_bytes += queued.draft.content_bytes();
            room += queued.room();
            drafts.push(queued.draft);
            tickets.push(queued.ticket);
            if drafts.len() == BATCH_DRAFTS || content_bytes >= BATCH_BYTES {
                break;
            }
            next = waiting.next();
        }
        drop(waiting);
        self.room.add_permits(room);
        Poll::Ready(Some((drafts, tickets)))
    }

    /// Takes out what has waited too long, and answers it.
    pub(super) fn expire(&self) -> Committed<T> {
        let mut waiting = self.lock();
        waiting.look();
        let now = Instant::now();
        let old = waiting.young.partition_point(|queued| now.duration_since(queued.since) >= self.busy_after);
        let old: Vec<Queued<T>> = waiting.young.drain(..old).collect();
        drop(waiting);
        let refuse = |queued: Queued<T>| {
            self.room.add_permits(queued.room());
            (Outcome::Refused(Refusal::Busy), queued.ticket)
        };
        old.into_iter().map(refuse).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}

impl<T> Waiting<T> {
    /// The oldest there is now.
    fn next(&mut self) -> Option<Queued<T>> {
        self.young.pop_front().or_else(|| self.arriving.try_recv().ok())
    }

    /// Takes what has arrived to where its age can be seen, and leaves its place to others.
    fn look(&mut self) {
        while self.young.len() < QUEUE_DRAFTS {
            let Ok(queued) = self.arriving.try_recv() else { break };
            self.young.push_back(queued);
        }
    }
}
