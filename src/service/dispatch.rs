//! What answers and delivers, in commit order, on the writer's thread.
//!
//! For each outcome it changes the registry, puts the response into the sender's outbox, then the update into the
//! receivers'. Were requests answered by tasks of their own, those would be woken out of order.

#[cfg(all(test, chinwag_shuttle))]
mod interleavings;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::marks::Marks;
use super::ticket::{LogInTicket, Settled, Ticket};
use super::{Receiver, Registry};
use crate::domain::{Epoch, MessageId, Nonce, TokenHash, UserId};
use crate::outbox::{Due, Encoded, Following};
use crate::protocol::{Conversation, Framing, MessageRef, Response, StampRef, Update};
use crate::registry::Online;
use crate::store::{Committed, LoggedIn, Membership, Outcome, Refusal, Sent, SentTo, Synced};

/// Outboxes to which a batch is written on the writer's thread: waking their own writers would cost more, and meanwhile more
/// messages come that the next commit takes together. For more it would take longer than a commit, and other threads can help.
const FEW: usize = 128;

/// How much of a large batch is put into outboxes before their writers are woken. Units: outcomes.
const AT_ONCE: usize = 128;

#[derive(Debug)]
pub(super) struct Dispatcher {
    registry: Arc<Registry>,
    marks: Arc<Marks>,
    /// The newest message that was offered to those online; never ahead of what is committed.
    published: MessageId,
    epoch: Epoch,
    /// Outboxes whose writers sleep although there is something for them.
    due: Vec<Due>,
    /// Where updates are encoded.
    scratch: Vec<u8>,
}

impl Dispatcher {
    pub(super) fn new(registry: Arc<Registry>, marks: Arc<Marks>, head: MessageId, epoch: Epoch) -> Self {
        Self { registry, marks, published: head, epoch, due: Vec::new(), scratch: Vec::new() }
    }

    /// Answers and delivers a batch.
    pub(super) fn dispatch_all(&mut self, committed: Committed<Ticket>) {
        for (dispatched, (outcome, ticket)) in (1..).zip(committed) {
            self.dispatch(outcome, ticket);
            if dispatched % AT_ONCE == 0 {
                self.wake();
            }
        }
        if self.due.len() <= FEW {
            self.due.drain(..).for_each(Due::write);
        }
        self.wake();
    }

    /// Wakes the writers of those to whom nobody has written. Each then writes all there is for it, so the later the fewer writes.
    fn wake(&mut self) {
        self.due.clear();
    }

    fn dispatch(&mut self, outcome: Outcome, ticket: Ticket) {
        match outcome {
            Outcome::Refused(refusal) => self.due.extend(refuse(ticket, refusal)),
            Outcome::Done => self.accept(ticket),
            Outcome::LoggedIn(logged_in) => self.log_in(logged_in, ticket),
            Outcome::LoggedOut { user_id, token_hash } => self.log_out(user_id, &token_hash, ticket),
            Outcome::Synced(synced) => self.sync(synced, ticket),
            Outcome::Joined(membership) => {
                self.registry.join(membership.user_id, membership.group_id);
                self.accept(ticket);
                self.tell_members(&membership, &joined(&membership));
            }
            Outcome::Left(membership) => {
                self.accept(ticket);
                self.leave(&membership);
            }
            Outcome::ContactChanged { user_id, contact, is_added } => {
                self.accept(ticket);
                let username = contact.to_string();
                let change =
                    if is_added { Update::ContactAdded { username } } else { Update::ContactRemoved { username } };
                self.tell_user(user_id, &change);
            }
            Outcome::Read { user_id, target, message_id } => {
                self.accept(ticket);
                self.tell_user(user_id, &Update::Read { of: name(&target), id: self.epoch.id(message_id) });
            }
            Outcome::Identified(user_id) => identify(ticket, user_id),
            Outcome::SessionsEnded { user_id, ended } => {
                self.accept(ticket);
                self.end_sessions(user_id, &ended, "revoked");
            }
            Outcome::AccountDeleted { user_id, ended, left } => {
                self.accept(ticket);
                left.iter().for_each(|membership| self.leave(membership));
                self.end_sessions(user_id, &ended, "account_deleted");
            }
            Outcome::Sent(sent) => self.send(&sent, ticket),
            Outcome::Repeated { message_id, sent_at_ms } => {
                if let Ticket::Message(reply) = ticket {
                    let encode = || Response::encode_accepted(&self.epoch.id(message_id), sent_at_ms);
                    let due = reply.accept_message(encode);
                    self.due.extend(due);
                }
            }
        }
    }

    fn log_in(&mut self, logged_in: LoggedIn, ticket: Ticket) {
        let Ticket::LogIn(LogInTicket { reply, token, settled }) = ticket else {
            return self.accept(ticket);
        };
        let LoggedIn { user_id, username, head, mark, groups } = logged_in;
        // What this user has acknowledged by now, here before a logout or on another connection, is not missed any more.
        let receiver = Arc::clone(&reply.receiver);
        receiver.probe();
        for other in self.registry.list_receivers(user_id) {
            other.probe();
        }
        let mark = self.marks.newest(user_id).map_or(mark, |noted| noted.max(mark));
        receiver.user_id.store(user_id.0, Ordering::Relaxed);
        let token_hash = token.hash();
        let presence = self.registry.enter(Online { user_id, token_hash, groups, receiver: Arc::clone(&receiver) });
        let is_version_2 = receiver.outbox.is_version_2();
        let due = reply.accept_with(&Response::LoggedIn {
            username: username.to_string(),
            token: token.to_secret(),
            head: is_version_2.then(|| self.epoch.id(head)),
        });
        self.due.extend(due);
        if !is_version_2 {
            receiver.outbox.attach(user_id, mark, self.published);
        }
        // A connection that ended meanwhile drops the presence with the message.
        drop(settled.send(Settled::LoggedIn { presence, user_id, username }));
    }

    /// Members are told while the one who leaves still is one, so that their other connections are told too.
    fn leave(&self, membership: &Membership) {
        let Membership { user_id, username, group_id, group_name } = membership;
        let left = Update::Left { group_name: group_name.to_string(), username: username.to_string() };
        self.tell_members(membership, &left);
        self.registry.leave(*user_id, *group_id);
    }

    fn tell_members(&self, membership: &Membership, change: &Update) {
        let bytes: Arc<[u8]> = change.encode(Framing::Array).into();
        self.registry.for_members(membership.group_id, |receiver| receiver.outbox.hint(Arc::clone(&bytes)));
    }

    fn tell_user(&self, user_id: UserId, change: &Update) {
        let bytes: Arc<[u8]> = change.encode(Framing::Array).into();
        self.registry.for_user(user_id, |receiver| receiver.outbox.hint(Arc::clone(&bytes)));
    }

    fn end_sessions(&self, user_id: UserId, ended: &[TokenHash], code: &str) {
        for token_hash in ended {
            for receiver in self.registry.list_session(user_id, token_hash) {
                receiver.end(code);
            }
        }
    }

    fn sync(&mut self, synced: Synced, ticket: Ticket) {
        let Synced { user_id, after, told_upto, head } = synced;
        let outbox = match &ticket {
            Ticket::Request(reply, _) => Arc::clone(&reply.receiver.outbox),
            _ => return self.accept(ticket),
        };
        self.accept(ticket);
        let encode = |update: Update| update.encode(outbox.framing()).into();
        let synced = encode(Update::Synced { id: self.epoch.id(head) });
        let following = Following { user_id, after, told_upto, head, synced, refresh: encode(Update::Refresh) };
        outbox.follow(following, self.published);
    }

    /// Ends a session on the connection that asked for it, and on all others where it is used.
    fn log_out(&mut self, user_id: Option<UserId>, token_hash: &TokenHash, ticket: Ticket) {
        let Ticket::Request(reply, _) = &ticket else { return self.accept(ticket) };
        reply.receiver.outbox.detach();
        for receiver in user_id.map(|user_id| self.registry.list_session(user_id, token_hash)).into_iter().flatten() {
            if !Arc::ptr_eq(&receiver, &reply.receiver) {
                receiver.end("logged_out");
            }
        }
        self.accept(ticket);
    }

    fn send(&mut self, sent: &Sent, ticket: Ticket) {
        let Self { registry, epoch, due, scratch, .. } = self;
        let Sent { message_id, sender_id, .. } = *sent;
        let mut update = EncodedOnce::new(sent, epoch, scratch);
        if let Ticket::Message(reply) = ticket {
            reply.receiver.pace.note(sent.overdrawn);
            due.extend(reply.accept_message(|| Response::encode_accepted(update.id(), sent.sent_at_ms)));
        }
        match &sent.target {
            SentTo::User { user_id, .. } => {
                registry.for_user(*user_id, |receiver| due.extend(update.offer(message_id, receiver)));
                if *user_id != sender_id {
                    registry.for_user(sender_id, |receiver| due.extend(update.offer_own(message_id, receiver)));
                }
            }
            SentTo::Group { group_id, .. } => {
                registry.for_members(*group_id, |receiver| due.extend(update.offer(message_id, receiver)));
            }
        }
        self.published = message_id;
    }

    fn accept(&mut self, ticket: Ticket) {
        self.due.extend(accept(ticket));
    }
}

/// A message's id, and its update's bytes in each form in which somebody receives it. Those of a group are each made once, and
/// shared among its members; those of a whisper go to so few that each has its own.
struct EncodedOnce<'a> {
    sent: &'a Sent,
    epoch: &'a Epoch,
    id: Option<String>,
    shared: [Option<Arc<[u8]>>; 4],
    /// Where it is encoded, and the form that is in there.
    scratch: &'a mut Vec<u8>,
    in_scratch: Option<Form>,
}

/// The forms of one update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bare,
    Array,
    Version2,
    /// To the sender, who knows it by its nonce.
    Own,
}

impl<'a> EncodedOnce<'a> {
    fn new(sent: &'a Sent, epoch: &'a Epoch, scratch: &'a mut Vec<u8>) -> Self {
        Self { sent, epoch, id: None, shared: [const { None }; 4], scratch, in_scratch: None }
    }

    /// As clients are told it, in version 2.
    fn id(&mut self) -> &str {
        let Self { sent, epoch, id, .. } = self;
        id.get_or_insert_with(|| epoch.id(sent.message_id))
    }

    fn offer(&mut self, message_id: MessageId, receiver: &Receiver) -> Option<Due> {
        let form = match receiver.outbox.framing() {
            Framing::Bare => Form::Bare,
            Framing::Array if !receiver.outbox.is_version_2() => Form::Array,
            Framing::Array if receiver.user_id.load(Ordering::Relaxed) == self.sent.sender_id.0 => Form::Own,
            Framing::Array => Form::Version2,
        };
        receiver.outbox.offer(message_id, || self.encode(form))
    }

    /// Offers a whisper to its sender, which version 1 does not.
    fn offer_own(&mut self, message_id: MessageId, receiver: &Receiver) -> Option<Due> {
        if !receiver.outbox.is_version_2() {
            return None;
        }
        receiver.outbox.offer(message_id, || self.encode(Form::Own))
    }

    fn encode(&mut self, form: Form) -> Encoded<'_> {
        if let SentTo::User { .. } = self.sent.target {
            return Encoded::Own(self.write(form));
        }
        let shared = match &self.shared[form as usize] {
            Some(shared) => Arc::clone(shared),
            None => {
                let bytes = self.write(form).into();
                Arc::clone(self.shared[form as usize].insert(bytes))
            }
        };
        Encoded::Shared(shared)
    }

    fn write(&mut self, form: Form) -> &[u8] {
        if self.in_scratch != Some(form) {
            let tells_id = matches!(form, Form::Version2 | Form::Own);
            let Self { sent, epoch, id, scratch, .. } = self;
            let id = tells_id.then(|| id.get_or_insert_with(|| epoch.id(sent.message_id)).as_str());
            scratch.clear();
            write(sent, form, id, scratch);
            self.in_scratch = Some(form);
        }
        self.scratch
    }
}

/// Appends an update to `bytes`.
fn write(sent: &Sent, form: Form, id: Option<&str>, bytes: &mut Vec<u8>) {
    let Sent { sent_at_ms, sender, target, content, nonce, .. } = sent;
    let framing = if form == Form::Bare { Framing::Bare } else { Framing::Array };
    let own = |text| if form == Form::Own { text } else { None };
    let (group_name, to) = match target {
        SentTo::User { username, .. } => (None, Some(&**username)),
        SentTo::Group { group_name, .. } => (Some(&**group_name), None),
    };
    let nonce = own(nonce.as_ref().map(Nonce::as_str));
    let stamp = id.map(|id| StampRef { id, at_ms: *sent_at_ms, to: own(to), nonce });
    MessageRef { group_name, sender, content: content.as_str(), stamp }.write(framing, bytes);
}

fn accept(ticket: Ticket) -> Option<Due> {
    match ticket {
        Ticket::Message(reply) => reply.accept(),
        Ticket::Request(reply, settled) | Ticket::LogIn(LogInTicket { reply, settled, .. }) => {
            let due = reply.accept();
            // The connection may have ended meanwhile; what was done stays done.
            drop(settled.send(Settled::Done));
            due
        }
        Ticket::Save(saved) => {
            saved.send(()).ok();
            None
        }
        Ticket::Identify(_, _) => None,
    }
}

/// Says whose token it is, and notes that it was shown.
fn identify(ticket: Ticket, user_id: UserId) {
    if let Ticket::Identify(receiver, identified) = ticket {
        receiver.is_known.store(true, Ordering::Relaxed);
        identified.send(Ok(user_id)).ok();
    }
}

fn joined(membership: &Membership) -> Update {
    Update::Joined { group_name: membership.group_name.to_string(), username: membership.username.to_string() }
}

fn name(target: &SentTo) -> Conversation {
    match target {
        SentTo::User { username, .. } => Conversation::With(username.to_string()),
        SentTo::Group { group_name, .. } => Conversation::Group(group_name.to_string()),
    }
}

fn refuse(ticket: Ticket, refusal: Refusal) -> Option<Due> {
    match ticket {
        Ticket::Message(reply) => reply.refuse(refusal),
        Ticket::Request(reply, settled) | Ticket::LogIn(LogInTicket { reply, settled, .. }) => {
            let due = reply.refuse(refusal);
            drop(settled.send(Settled::Refused));
            due
        }
        Ticket::Save(_) => None,
        Ticket::Identify(_, identified) => {
            identified.send(Err(refusal)).ok();
            None
        }
    }
}
