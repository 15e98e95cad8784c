//! Who is online here, and which groups have whom online. Soft state: it can be rebuilt from nothing.
//!
//! `R` is what receives for one connection. Nothing here knows what that is, nor any transport, and nothing waits: the lock
//! is this module's own and no await happens under it.

use std::sync::Arc;

use foldhash::HashMap;

use crate::domain::{GroupId, TokenHash, UserId};
use crate::sync::{Mutex, MutexGuard};

/// All presences.
#[derive(Debug)]
pub struct Registry<R> {
    tables: Mutex<Tables<R>>,
}

#[derive(Debug)]
struct Tables<R> {
    newest: u64,
    online: HashMap<PresenceId, Online<R>>,
    users: HashMap<UserId, Vec<(PresenceId, Arc<R>)>>,
    groups: HashMap<GroupId, HashMap<PresenceId, Arc<R>>>,
    departed: HashMap<UserId, HashMap<PresenceId, Arc<R>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PresenceId(u64);

/// One connection on which a user is logged in.
#[derive(Debug)]
pub struct Online<R> {
    /// Who.
    pub user_id: UserId,
    /// With which session.
    pub token_hash: TokenHash,
    /// A member of what.
    pub groups: Vec<GroupId>,
    /// What receives for them.
    pub receiver: Arc<R>,
}

/// Being online. Ends when it is dropped, however the connection ends.
#[derive(Debug)]
pub struct Presence<R> {
    registry: Arc<Registry<R>>,
    user_id: UserId,
    id: PresenceId,
}

impl<R> Presence<R> {
    /// Nothing is published to it from now on. Until it is dropped it is still listed among what a user's messages went to, for
    /// some of them may be on their way.
    pub fn depart(&self) {
        self.registry.lock().depart(self.id);
    }
}

impl<R> Drop for Presence<R> {
    fn drop(&mut self) {
        let mut tables = self.registry.lock();
        tables.remove(self.id);
        tables.forget(self.user_id, self.id);
    }
}

impl<R> Default for Registry<R> {
    fn default() -> Self {
        let tables = Tables {
            newest: 0,
            online: HashMap::default(),
            users: HashMap::default(),
            groups: HashMap::default(),
            departed: HashMap::default(),
        };
        Self { tables: Mutex::new(tables) }
    }
}

impl<R> Registry<R> {
    /// Notes that somebody is online.
    pub fn enter(self: &Arc<Self>, online: Online<R>) -> Presence<R> {
        let user_id = online.user_id;
        let id = self.lock().insert(online);
        Presence { registry: Arc::clone(self), user_id, id }
    }

    /// Notes that a user is a member of a group from now on, on all their connections.
    pub fn join(&self, user_id: UserId, group_id: GroupId) {
        self.lock().join(user_id, group_id);
    }

    /// Notes that a user is no member of a group any more, on all their connections.
    pub fn leave(&self, user_id: UserId, group_id: GroupId) {
        self.lock().leave(user_id, group_id);
    }

    /// Whether a user is logged in on a connection.
    pub fn is_online(&self, user_id: UserId) -> bool {
        self.lock().users.contains_key(&user_id)
    }

    /// The sessions that somebody is logged in with.
    pub fn list_sessions(&self) -> Vec<TokenHash> {
        self.lock().online.values().map(|online| online.token_hash).collect()
    }

    /// What receives for a user, once for each connection, and what did and has departed.
    pub fn list_receivers(&self, user_id: UserId) -> Vec<Arc<R>> {
        let tables = self.lock();
        let departed = tables.departed.get(&user_id).into_iter().flat_map(HashMap::values);
        tables.receivers(user_id).chain(departed).cloned().collect()
    }

    /// What receives for a user who is logged in with a certain session, once for each connection.
    pub fn list_session(&self, user_id: UserId, token_hash: &TokenHash) -> Vec<Arc<R>> {
        self.lock().session(user_id, token_hash).cloned().collect()
    }

    /// Shows `publish` what receives for a user. It runs under the lock, so it may not wait for anything.
    pub fn for_user(&self, user_id: UserId, publish: impl FnMut(&Arc<R>)) {
        self.lock().receivers(user_id).for_each(publish);
    }

    /// Shows `publish` what receives for the members of a group. It runs under the lock, so it may not wait for anything.
    pub fn for_members(&self, group_id: GroupId, publish: impl FnMut(&Arc<R>)) {
        self.lock().groups.get(&group_id).into_iter().flat_map(HashMap::values).for_each(publish);
    }

    fn lock(&self) -> MutexGuard<'_, Tables<R>> {
        self.tables.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}

impl<R> Tables<R> {
    fn insert(&mut self, online: Online<R>) -> PresenceId {
        self.newest += 1;
        let id = PresenceId(self.newest);
        self.users.entry(online.user_id).or_default().push((id, Arc::clone(&online.receiver)));
        for group_id in &online.groups {
            self.groups.entry(*group_id).or_default().insert(id, Arc::clone(&online.receiver));
        }
        self.online.insert(id, online);
        id
    }

    fn depart(&mut self, id: PresenceId) {
        if let Some(Online { user_id, receiver, .. }) = self.remove(id) {
            self.departed.entry(user_id).or_default().insert(id, receiver);
        }
    }

    fn forget(&mut self, user_id: UserId, id: PresenceId) {
        if let Some(departed) = self.departed.get_mut(&user_id) {
            departed.remove(&id);
            if departed.is_empty() {
                self.departed.remove(&user_id);
            }
        }
    }

    fn remove(&mut self, id: PresenceId) -> Option<Online<R>> {
        let online = self.online.remove(&id)?;
        if let Some(presences) = self.users.get_mut(&online.user_id) {
            presences.retain(|(other, _)| *other != id);
            if presences.is_empty() {
                self.users.remove(&online.user_id);
            }
        }
        for group_id in &online.groups {
            if let Some(members) = self.groups.get_mut(group_id) {
                members.remove(&id);
                if members.is_empty() {
                    self.groups.remove(group_id);
                }
            }
        }
        Some(online)
    }

    fn join(&mut self, user_id: UserId, group_id: GroupId) {
        for (id, receiver) in self.users.get(&user_id).into_iter().flatten() {
            if let Some(online) = self.online.get_mut(id) {
                online.groups.push(group_id);
                self.groups.entry(group_id).or_default().insert(*id, Arc::clone(receiver));
            }
        }
    }

    fn leave(&mut self, user_id: UserId, group_id: GroupId) {
        for (id, _) in self.users.get(&user_id).into_iter().flatten() {
            if let Some(online) = self.online.get_mut(id) {
                online.groups.retain(|&other| other != group_id);
            }
            if let Some(members) = self.groups.get_mut(&group_id) {
                members.remove(id);
                if members.is_empty() {
                    self.groups.remove(&group_id);
                }
            }
        }
    }

    fn receivers(&self, user_id: UserId) -> impl Iterator<Item = &Arc<R>> {
        self.users.get(&user_id).into_iter().flatten().map(|(_, receiver)| receiver)
    }

    fn session(&self, user_id: UserId, token_hash: &TokenHash) -> impl Iterator<Item = &Arc<R>> {
        let presences = self.users.get(&user_id).into_iter().flatten();
        presences.filter(|(id, _)| self.online[id].token_hash == *token_hash).map(|(_, receiver)| receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn online(name: &'static str, user: i64, groups: &[i64]) -> Online<&'static str> {
        Online {
            user_id: UserId(user),
            token_hash: TokenHash([0; 32]),
            groups: groups.iter().copied().map(GroupId).collect(),
            receiver: Arc::new(name),
        }
    }

    #[test]
    fn who_has_left_leaves_nothing_behind() {
        let registry = Arc::new(Registry::default());
        let ada = registry.enter(online("ada", 1, &[7, 8]));
        let bob = registry.enter(online("bob", 2, &[7]));
        registry.join(UserId(2), GroupId(9));
        registry.leave(UserId(2), GroupId(9));

        drop(ada);
        bob.depart();
        drop(bob);

        let (tables, empty) = (registry.lock(), (0, 0, 0, 0));
        let left = (tables.online.len(), tables.users.len(), tables.groups.len(), tables.departed.len());
        assert_eq!(left, empty);
        drop(tables);
    }

    #[test]
    fn what_has_departed_is_listed_but_nothing_is_published_to_it() {
        let registry = Arc::new(Registry::default());
        let phone = registry.enter(online("phone", 1, &[7]));

        phone.depart();

        registry.for_user(UserId(1), |receiver| panic!("{receiver} has departed"));
        registry.for_members(GroupId(7), |receiver| panic!("{receiver} has departed"));
        assert_eq!(registry.list_receivers(UserId(1)), [Arc::new("phone")]);
        assert_eq!(registry.list_sessions(), []);
    }

    #[test]
    fn a_session_is_listed_with_all_connections_that_use_it_and_no_other() {
        let registry = Arc::new(Registry::default());
        let (one, other) = (TokenHash([1; 32]), TokenHash([2; 32]));
        let people = [("phone", 1, one), ("laptop", 1, one), ("tablet", 1, other), ("bob", 2, one)];
        let _presences =
            people.map(|(name, user, token_hash)| registry.enter(Online { token_hash, ..online(name, user, &[]) }));

        assert_eq!(registry.list_session(UserId(1), &one), [Arc::new("phone"), Arc::new("laptop")]);
        assert_eq!(registry.list_session(UserId(3), &one), []);
    }

    #[test]
    fn members_are_reached_on_all_their_connections_and_nobody_else_is() {
        let registry = Arc::new(Registry::default());
        let people =
            [online("phone", 1, &[7]), online("laptop", 1, &[7]), online("bob", 2, &[]), online("eve", 3, &[8])];
        let _presences = people.map(|online| registry.enter(online));
        registry.join(UserId(2), GroupId(7));

        let (mut members, mut devices) = (Vec::new(), Vec::new());
        registry.for_members(GroupId(7), |receiver| members.push(**receiver));
        registry.for_user(UserId(1), |receiver| devices.push(**receiver));

        members.sort_unstable();
        assert_eq!(members, ["bob", "laptop", "phone"]);
        assert_eq!(devices, ["phone", "laptop"]);
    }
}
