//! What waits for one connection's socket: responses, and updates while its reader keeps up.
//!
//! The `State` inside decides and knows neither locks nor tasks; [`Outbox`] is the handle that the dispatcher, the connection's
//! reader and its writer share. Nobody who puts something in ever waits for the socket.

mod state;

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

use state::State;
pub use state::{Chunk, Following, Gap, Next, OutboxLimits, Received};

use crate::domain::{MessageId, UserId};
use crate::protocol::Framing;
use crate::sync::{Mutex, MutexGuard};

/// One connection's outbox.
#[derive(Debug)]
pub struct Outbox {
    framing: Framing,
    /// Whether version 2 is spoken. Set before anything is asked for that could be answered otherwise.
    is_version_2: AtomicBool,
    state: Mutex<State>,
    /// Tells the connection's writer that [`Outbox::next`] may have something.
    filled: Notify,
    /// Tells the connection's reader that a request was answered or room was made.
    eased: Notify,
}

impl Outbox {
    /// An empty outbox of a connection that nobody is logged in on.
    pub fn new(framing: Framing, limits: OutboxLimits) -> Self {
        Self {
            framing,
            is_version_2: AtomicBool::new(false),
            state: Mutex::new(State::new(limits)),
            filled: Notify::new(),
            eased: Notify::new(),
        }
    }

    /// How this connection's responses and updates are encoded.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether version 2 is spoken on this connection.
    pub fn is_version_2(&self) -> bool {
        self.is_version_2.load(Ordering::Relaxed)
    }

    /// From now on version 2 is spoken on this connection.
    pub fn speak_version_2(&self) {
        self.is_version_2.store(true, Ordering::Relaxed);
    }

    /// Numbers the next request, once few enough are unanswered and the responses' share has room for its response.
    ///
    /// Cancel safety: may be dropped; no number is used up then. Only the connection's reader calls this.
    pub async fn ask(&self) -> u64 {
        loop {
            if let Some(sequence) = self.lock().ask() {
                return sequence;
            }
            self.eased.notified().await;
        }
    }

    /// How many requests were numbered so far.
    pub fn asked(&self) -> u64 {
        self.lock().asked()
    }

    /// Returns once every request before `sequence` is answered.
    ///
    /// Cancel safety: may be dropped and called again. Only the connection's reader calls this.
    pub async fn answered_before(&self, sequence: u64) {
        while !self.lock().answered_before(sequence) {
            self.eased.notified().await;
        }
    }

    /// Puts in the response to request `sequence`; it leaves after those to the requests before it.
    pub fn respond(&self, sequence: u64, response: Bytes) {
        self.lock().respond(sequence, response);
        self.filled.notify_one();
        self.eased.notify_one();
    }

    /// Puts in an update that this connection's user is owed, encoded by `encode` only if there is room for it now.
    pub fn offer(&self, message_id: MessageId, encode: impl FnOnce() -> Bytes) {
        let wake = self.lock().offer(message_id, encode);
        if wake {
            self.filled.notify_one();
        }
    }

    /// From now on the connection receives what `user_id` is owed behind `mark`. `published` is the newest message that was
    /// offered to anyone: the rest will be offered to this outbox.
    pub fn attach(&self, user_id: UserId, mark: MessageId, published: MessageId) {
        self.lock().attach(user_id, mark, published);
        self.filled.notify_one();
    }

    /// From now on a connection of version 2 receives all of its user's conversations, from where it asked for. `published` as
    /// above.
    pub fn follow(&self, following: Following, published: MessageId) {
        self.lock().follow(following, published);
        self.filled.notify_one();
    }

    /// Puts in an update that is in no log, on a connection that follows in version 2.
    pub fn hint(&self, bytes: Bytes) {
        let wake = self.lock().hint(bytes);
        if wake {
            self.filled.notify_one();
        }
    }

    /// From now on the connection receives nothing but `last`; to be closed.
    pub fn end(&self, last: Option<Bytes>) {
        self.lock().end(last);
        self.filled.notify_one();
    }

    /// From now on the connection receives no updates; those still waiting are dropped, and count as missed.
    pub fn detach(&self) {
        self.lock().detach();
    }

    /// What the connection's writer should do next. To be called only when what it was told before is done.
    pub fn next(&self) -> Next {
        let next = self.lock().next();
        self.eased.notify_one();
        next
    }

    /// Tells a connection of version 2, unless it knows, that messages which come in `gap` or behind it are deleted, up to
    /// `pruned_upto`. To be called before [`Outbox::fill`].
    pub fn miss(&self, gap: Gap, pruned_upto: MessageId, encode: impl FnOnce() -> Bytes) {
        self.lock().miss(gap, pruned_upto, encode);
    }

    /// Hands in what the store says is owed in `gap`, encoded: all there is up to `reached`.
    pub fn fill(&self, gap: Gap, updates: Vec<(MessageId, Bytes)>, reached: MessageId) {
        self.lock().fill(gap, updates, reached);
    }

    /// Returns once [`Outbox::next`] may have something new.
    ///
    /// Cancel safety: may be dropped and called again.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// No more requests will be asked and no more updates offered: once empty, [`Outbox::next`] says so.
    pub fn close(&self) {
        self.lock().close();
        self.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}
