//! The one task that answers and delivers, in commit order.
//!
//! For each outcome it changes the registry, puts the response into the sender's outbox, then the update into the
//! receivers'. Were requests answered by tasks of their own, those would be woken out of order.

#[cfg(all(test, chinwag_shuttle))]
mod interleavings;

use std::sync::Arc;

use tokio::sync::mpsc;

use super::marks::Marks;
use super::ticket::{LogInTicket, Settled, Ticket};
use super::{Receiver, Registry};
use crate::domain::MessageId;
use crate::protocol::{Framing, Update};
use crate::registry::Online;
use crate::store::{Committed, LoggedIn, Outcome, Refusal, Sent, SentTo};
use bytes::Bytes;

#[derive(Debug)]
pub(super) struct Dispatcher {
    registry: Arc<Registry>,
    marks: Arc<Marks>,
    /// The newest message that was offered to those online; never ahead of what is committed.
    published: MessageId,
}

impl Dispatcher {
    pub(super) fn new(registry: Arc<Registry>, marks: Arc<Marks>, head: MessageId) -> Self {
        Self { registry, marks, published: head }
    }

    /// Runs until the writer has ended.
    pub(super) async fn run(mut self, mut committed: mpsc::Receiver<Committed<Ticket>>) {
        while let Some(outcomes) = committed.recv().await {
            for (outcome, ticket) in outcomes {
                self.dispatch(outcome, ticket);
                // A batch for large groups takes long; the connections it wakes want to run meanwhile.
                tokio::task::consume_budget().await;
            }
        }
    }

    fn dispatch(&mut self, outcome: Outcome, ticket: Ticket) {
        match outcome {
            Outcome::Refused(refusal) => refuse(ticket, refusal),
            Outcome::Done => accept(ticket),
            Outcome::LoggedIn(logged_in) => self.log_in(logged_in, ticket),
            Outcome::LoggedOut => log_out(ticket),
            Outcome::Joined { user_id, group_id } => {
                self.registry.join(user_id, group_id);
                accept(ticket);
            }
            Outcome::Sent(sent) => {
                if let Ticket::Message(reply) = &ticket {
                    reply.receiver.pace.note(sent.overdrawn);
                }
                accept(ticket);
                self.deliver(&sent);
            }
        }
    }

    fn log_in(&self, logged_in: LoggedIn, ticket: Ticket) {
        let Ticket::LogIn(LogInTicket { reply, token_hash, settled }) = ticket else {
            return accept(ticket);
        };
        let LoggedIn { user_id, mark, groups } = logged_in;
        // What this user has acknowledged by now, here before a logout or on another connection, is not missed any more.
        let receiver = Arc::clone(&reply.receiver);
        receiver.probe();
        for other in self.registry.list_receivers(user_id) {
            other.probe();
        }
        let mark = self.marks.newest(user_id).map_or(mark, |noted| noted.max(mark));
        let presence = self.registry.enter(Online { user_id, token_hash, groups, receiver: Arc::clone(&receiver) });
        reply.accept();
        receiver.outbox.attach(user_id, mark, self.published);
        // A connection that ended meanwhile drops the presence with the message.
        drop(settled.send(Settled::LoggedIn(presence)));
    }

    fn deliver(&mut self, sent: &Sent) {
        let Sent { message_id, sender, target, content, .. } = sent;
        let mut update = EncodedOnce::new(|framing| match target {
            SentTo::User(_) => Update::encode_whisper(framing, sender, content.as_str()),
            SentTo::Group { group_name, .. } => {
                Update::encode_group_message(framing, group_name, sender, content.as_str())
            }
        });
        match target {
            SentTo::User(user_id) => self.registry.for_user(*user_id, |receiver| update.offer(*message_id, receiver)),
            SentTo::Group { group_id, .. } => {
                self.registry.for_members(*group_id, |receiver| update.offer(*message_id, receiver));
            }
        }
        self.published = *message_id;
    }
}

/// An update's bytes, made once for each framing that somebody uses, and shared.
struct EncodedOnce<F> {
    encode: F,
    bare: Option<Bytes>,
    array: Option<Bytes>,
}

impl<F: Fn(Framing) -> Vec<u8>> EncodedOnce<F> {
    fn new(encode: F) -> Self {
        Self { encode, bare: None, array: None }
    }

    fn offer(&mut self, message_id: MessageId, receiver: &Receiver) {
        receiver.outbox.offer(message_id, |framing| self.bytes(framing));
    }

    fn bytes(&mut self, framing: Framing) -> Bytes {
        let slot = match framing {
            Framing::Bare => &mut self.bare,
            Framing::Array => &mut self.array,
        };
        slot.get_or_insert_with(|| (self.encode)(framing).into()).clone()
    }
}

fn accept(ticket: Ticket) {
    match ticket {
        Ticket::Message(reply) => reply.accept(),
        Ticket::Request(reply, settled) | Ticket::LogIn(LogInTicket { reply, settled, .. }) => {
            reply.accept();
            // The connection may have ended meanwhile; what was done stays done.
            drop(settled.send(Settled::Done));
        }
        Ticket::Save(saved) => drop(saved.send(())),
    }
}

fn log_out(ticket: Ticket) {
    if let Ticket::Request(reply, _) = &ticket {
        reply.receiver.outbox.detach();
    }
    accept(ticket);
}

fn refuse(ticket: Ticket, refusal: Refusal) {
    match ticket {
        Ticket::Message(reply) => reply.refuse(refusal),
        Ticket::Request(reply, settled) | Ticket::LogIn(LogInTicket { reply, settled, .. }) => {
            reply.refuse(refusal);
            drop(settled.send(Settled::Refused));
        }
        Ticket::Save(saved) => drop(saved),
    }
}
