//! Who is online here, and which groups have whom online. Soft state: it can be rebuilt from nothing.
//!
//! Nothing here knows a transport or waits for anything; the lock is this module's own and no await happens under it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use crate::domain::{GroupId, MessageId, TokenHash, UserId};
use crate::outbox::Outbox;
use crate::protocol::{Framing, Update};

/// Brings a user's mark up to date with what the peer of one of their connections has acknowledged by now.
pub type Probe = Arc<dyn Fn() + Send + Sync>;

/// All presences.
#[derive(Debug, Default)]
pub struct Registry {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    newest: u64,
    online: HashMap<PresenceId, Online>,
    users: HashMap<UserId, Vec<PresenceId>>,
    groups: HashMap<GroupId, HashMap<PresenceId, Arc<Outbox>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PresenceId(u64);

/// One connection on which a user is logged in.
pub struct Newcomer {
    /// Who.
    pub user_id: UserId,
    /// With which session.
    pub token_hash: TokenHash,
    /// A member of what.
    pub groups: Vec<GroupId>,
    /// Where their updates go.
    pub outbox: Arc<Outbox>,
    /// Asked when the same user logs in elsewhere.
    pub probe: Probe,
}

struct Online {
    user_id: UserId,
    token_hash: TokenHash,
    groups: Vec<GroupId>,
    outbox: Arc<Outbox>,
    probe: Probe,
}

impl fmt::Debug for Online {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Online").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// Being online. Ends when it is dropped, however the connection ends.
#[derive(Debug)]
pub struct Presence {
    registry: Arc<Registry>,
    id: PresenceId,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.registry.lock().remove(self.id);
    }
}

impl Registry {
    /// Notes that somebody is online.
    pub fn enter(self: &Arc<Self>, newcomer: Newcomer) -> Presence {
        let id = self.lock().insert(newcomer);
        Presence { registry: Arc::clone(self), id }
    }

    /// Notes that a user is a member of a group from now on, on all their connections.
    pub fn join(&self, user_id: UserId, group_id: GroupId) {
        self.lock().join(user_id, group_id);
    }

    /// Brings the mark of `user_id` up to date, as far as their connections here can tell.
    pub fn probe(&self, user_id: UserId) {
        for probe in self.lock().probes(user_id) {
            probe();
        }
    }

    /// The sessions that somebody is logged in with.
    pub fn list_sessions(&self) -> Vec<TokenHash> {
        self.lock().online.values().map(|online| online.token_hash).collect()
    }

    /// Offers a whisper to every connection of its recipient.
    pub fn publish_whisper(&self, message_id: MessageId, recipient_id: UserId, sender: &str, content: &str) {
        let mut encoded = EncodedOnce::new(|framing| Update::encode_whisper(framing, sender, content));
        let tables = self.lock();
        for id in tables.users.get(&recipient_id).into_iter().flatten() {
            tables.online[id].outbox.offer(message_id, |framing| encoded.bytes(framing));
        }
    }

    /// Offers a group message to every connection of every member.
    pub fn publish_group_message(
        &self,
        message_id: MessageId,
        group_id: GroupId,
        group_name: &str,
        sender: &str,
        content: &str,
    ) {
        let mut encoded =
            EncodedOnce::new(|framing| Update::encode_group_message(framing, group_name, sender, content));
        let tables = self.lock();
        for outbox in tables.groups.get(&group_id).into_iter().flat_map(HashMap::values) {
            outbox.offer(message_id, |framing| encoded.bytes(framing));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}

impl Tables {
    fn insert(&mut self, newcomer: Newcomer) -> PresenceId {
        let Newcomer { user_id, token_hash, groups, outbox, probe } = newcomer;
        self.newest += 1;
        let id = PresenceId(self.newest);
        self.users.entry(user_id).or_default().push(id);
        for group_id in &groups {
            self.groups.entry(*group_id).or_default().insert(id, Arc::clone(&outbox));
        }
        self.online.insert(id, Online { user_id, token_hash, groups, outbox, probe });
        id
    }

    fn remove(&mut self, id: PresenceId) {
        let Some(online) = self.online.remove(&id) else { return };
        if let Some(presences) = self.users.get_mut(&online.user_id) {
            presences.retain(|&other| other != id);
            if presences.is_empty() {
                self.users.remove(&online.user_id);
            }
        }
        for group_id in online.groups {
            if let Some(members) = self.groups.get_mut(&group_id) {
                members.remove(&id);
                if members.is_empty() {
                    self.groups.remove(&group_id);
                }
            }
        }
    }

    fn join(&mut self, user_id: UserId, group_id: GroupId) {
        for id in self.users.get(&user_id).into_iter().flatten() {
            if let Some(online) = self.online.get_mut(id) {
                online.groups.push(group_id);
                self.groups.entry(group_id).or_default().insert(*id, Arc::clone(&online.outbox));
            }
        }
    }

    fn probes(&self, user_id: UserId) -> Vec<Probe> {
        let presences = self.users.get(&user_id).into_iter().flatten();
        presences.map(|id| Arc::clone(&self.online[id].probe)).collect()
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

    fn bytes(&mut self, framing: Framing) -> Bytes {
        let slot = match framing {
            Framing::Bare => &mut self.bare,
            Framing::Array => &mut self.array,
        };
        slot.get_or_insert_with(|| (self.encode)(framing).into()).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{Next, OutboxLimits};

    fn newcomer(user: i64, groups: &[i64]) -> Newcomer {
        let outbox = Outbox::new(Framing::Array, OutboxLimits { bytes: 65_536, in_flight: 1 });
        outbox.attach(UserId(user), MessageId(0), MessageId(0));
        assert_eq!(outbox.next(), Next::Wait);
        Newcomer {
            user_id: UserId(user),
            token_hash: TokenHash([0; 32]),
            groups: groups.iter().copied().map(GroupId).collect(),
            outbox: Arc::new(outbox),
            probe: Arc::new(|| ()),
        }
    }

    #[test]
    fn who_has_left_leaves_nothing_behind() {
        let registry = Arc::new(Registry::default());
        let ada = registry.enter(newcomer(1, &[7, 8]));
        let bob = registry.enter(newcomer(2, &[7]));
        registry.join(UserId(2), GroupId(9));

        drop(ada);
        drop(bob);

        assert_eq!(format!("{:?}", Tables { newest: 2, ..Tables::default() }), format!("{:?}", registry.lock()));
    }

    #[test]
    fn a_group_message_reaches_members_on_all_their_connections_and_nobody_else() {
        let registry = Arc::new(Registry::default());
        let people = [newcomer(1, &[7]), newcomer(1, &[7]), newcomer(2, &[]), newcomer(3, &[8])];
        let outboxes: Vec<_> = people.iter().map(|newcomer| Arc::clone(&newcomer.outbox)).collect();
        let _presences: Vec<_> = people.into_iter().map(|newcomer| registry.enter(newcomer)).collect();
        registry.join(UserId(2), GroupId(7));

        registry.publish_group_message(MessageId(1), GroupId(7), "rust", "ada", "hello");

        let reached: Vec<bool> = outboxes.iter().map(|outbox| matches!(outbox.next(), Next::Write(_))).collect();
        assert_eq!(reached, [true, true, true, false]);
    }
}
