//! What waits for the writer.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::yield_now;

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

/// Drafts and tickets of one commit.
pub(super) type Batch<T> = (Vec<Draft>, Vec<T>);

/// The end of the queue from which drafts are taken: by the writer, which commits them, or as too old, so each once.
#[derive(Debug)]
pub(super) struct Queue<T>(Arc<Mutex<State<T>>>);

#[derive(Debug)]
struct State<T> {
    arriving: mpsc::Receiver<Queued<T>>,
    /// What contents take of the queue.
    room: Arc<Semaphore>,
    /// Drafts that have arrived and are still young.
    waiting: VecDeque<Queued<T>>,
    busy_after: Duration,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Queue<T> {
    pub(super) fn new(arriving: mpsc::Receiver<Queued<T>>, room: Arc<Semaphore>, busy_after: Duration) -> Self {
        Self(Arc::new(Mutex::new(State { arriving, room, waiting: VecDeque::new(), busy_after })))
    }

    /// What has queued up, at least one draft; `None` when nothing is queued and nothing can be any more.
    pub(super) async fn next_batch(&self) -> Option<Batch<T>> {
        loop {
            let is_open = poll_fn(|cx| self.lock().poll_waiting(cx)).await;
            // Who has sent something by now is read first, and comes along.
            yield_now().await;
            let (drafts, tickets) = self.lock().take_batch();
            if !drafts.is_empty() || !is_open {
                return (!drafts.is_empty()).then_some((drafts, tickets));
            }
        }
    }

    /// Takes out what has waited too long, and answers it.
    pub(super) fn expire(&self) -> Committed<T> {
        self.lock().expire()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Waits until something is in the queue; whether there ever will be.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.waiting.is_empty() {
            match self.arriving.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(false),
                Poll::Ready(Some(queued)) => self.waiting.push_back(queued),
            }
        }
        Poll::Ready(true)
    }

    fn take_batch(&mut self) -> Batch<T> {
        let (mut drafts, mut tickets, mut content_bytes) = (Vec::new(), Vec::new(), 0);
        while drafts.len() < BATCH_DRAFTS && content_bytes < BATCH_BYTES {
            let Some(queued) = self.waiting.pop_front().or_else(|| self.arriving.try_recv().ok()) else { break };
            content_bytes += self.take(&queued);
            drafts.push(queued.draft);
            tickets.push(queued.ticket);
        }
        (drafts, tickets)
    }

    /// Gives the room of a draft that is taken or refused to others. Units: bytes of its content.
    fn take(&self, queued: &Queued<T>) -> usize {
        let content_bytes = queued.draft.content_bytes();
        self.room.add_permits(room_of(content_bytes) as usize);
        content_bytes
    }

    fn expire(&mut self) -> Committed<T> {
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
