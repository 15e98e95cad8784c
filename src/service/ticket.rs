//! What travels with a draft to the writer and comes back with its outcome: where the answer goes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Receiver;
use super::error::ServiceError;
use crate::domain::{Token, UserId};
use crate::outbox::{Due, Outbox};
use crate::protocol::{Refused, Response};
use crate::registry::Presence;
use crate::store::Refusal;

/// Where an outcome goes.
#[derive(Debug)]
pub(super) enum Ticket {
    /// Into an outbox; the connection goes on meanwhile.
    Message(Reply),
    /// Into an outbox, and to the connection, which waits for it before it takes its next request.
    Request(Reply, oneshot::Sender<Settled>),
    /// Into an outbox and to the connection, whose user is online from then on.
    LogIn(LogInTicket),
    /// To the connection alone, which goes on to read for the user whose token it is.
    Identify(Arc<Receiver>, oneshot::Sender<Result<UserId, Refusal>>),
    /// To a saver; dropped without a word when nothing was saved.
    Save(oneshot::Sender<()>),
}

/// What a login needs once it is committed.
pub(super) struct LogInTicket {
    pub(super) reply: Reply,
    pub(super) token: Token,
    pub(super) settled: oneshot::Sender<Settled>,
}

impl fmt::Debug for LogInTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogInTicket").finish_non_exhaustive()
    }
}

/// How a request ended, as its connection needs to know it.
#[derive(Debug)]
pub(super) enum Settled {
    Done,
    LoggedIn {
        presence: Presence<Receiver>,
        user_id: UserId,
        /// As registered.
        username: Arc<str>,
    },
    Refused,
}

/// The place of a response in its connection's outbox.
pub(super) struct Reply {
    pub(super) receiver: Arc<Receiver>,
    pub(super) sequence: u64,
    /// Whether the request shows who is asking: by a password that was right, or by a token if it is accepted.
    pub(super) shows_user: bool,
}

/// Leaves the receiver out, which says nothing.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// How long a connection is held back after a message that was refused for its sender's rate.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Reply {
    pub(super) fn accept(self) -> Option<Due> {
        self.note_user();
        let outbox = &self.receiver.outbox;
        outbox.respond(self.sequence, Cow::Borrowed(Response::done(outbox.framing())))
    }

    pub(super) fn accept_with(self, response: &Response) -> Option<Due> {
        self.note_user();
        let outbox = &self.receiver.outbox;
        outbox.respond(self.sequence, response.encode(outbox.framing()).into())
    }

    /// Accepts a message, of which version 2 says more: `encode_accepted`.
    pub(super) fn accept_message(self, encode_accepted: impl FnOnce() -> Vec<u8>) -> Option<Due> {
        if !self.receiver.outbox.is_version_2() {
            return self.accept();
        }
        self.note_user();
        self.receiver.outbox.respond(self.sequence, encode_accepted().into())
    }

    pub(super) fn refuse(self, refusal: Refusal) -> Option<Due> {
        if let Refusal::RateLimited { wait } = refusal {
            self.receiver.pace.note(wait.min(LONGEST_PAUSE));
        }
        // What is refused for another reason had a token that was accepted.
        if !matches!(refusal, Refusal::NotAuthenticated | Refusal::Busy | Refusal::Failed) {
            self.note_user();
        }
        refuse(&self.receiver.outbox, self.sequence, &refusal.into())
    }

    fn note_user(&self) {
        if self.shows_user {
            self.receiver.is_known.store(true, Ordering::Relaxed);
        }
    }
}

/// Answers request `sequence` with the sentence for `err`.
pub(super) fn refuse(outbox: &Arc<Outbox>, sequence: u64, err: &ServiceError) -> Option<Due> {
    let refused = if outbox.is_version_2() { err.answer() } else { Refused::because(err.answer().why) };
    outbox.respond(sequence, Response::Refused(refused).encode(outbox.framing()).into())
}
