//! What the writer decides from: who there is, which tokens are good, who is a member of what.
//!
//! A mirror of the tables in memory, owned by the writer alone, so that it changes in commit order and nothing needs a lock.
//! Changes of a batch are provisional until it is committed; [`Directory::rollback`] takes them back.

use std::collections::HashMap;
use std::sync::Arc;

// For keys that no client chooses; names and nonces have the standard library's.
use foldhash::{HashMap as FastMap, HashSet as FastSet};
use rusqlite::Connection;

use super::message::{self, Earlier};
use super::session::{self, Session};
use super::{group, mark, pair, user};
use crate::domain::{Bucket, GroupId, GroupName, MessageId, Nonce, SessionId, TokenHash, UserId, Username};

#[derive(Debug, Default)]
pub(super) struct Directory {
    users: FastMap<UserId, User>,
    user_ids: HashMap<String, UserId>,
    groups: FastMap<GroupId, Group>,
    group_ids: HashMap<String, GroupId>,
    sessions: FastMap<TokenHash, Session>,
    newest_user: UserId,
    newest_group: GroupId,
    newest_session: SessionId,
    head: MessageId,
    committed_head: MessageId,
    /// Who has whispered with whom, the lower id first.
    pairs: FastSet<(UserId, UserId)>,
    /// Messages with a nonce, of this batch and those that its nonces were used for before.
    earlier: HashMap<(UserId, Nonce), Earlier>,
    provisional: Vec<Change>,
}

#[derive(Debug)]
pub(super) struct User {
    pub(super) username: Arc<str>,
    /// How far this user's version-1 connections have acknowledged the log.
    pub(super) mark: MessageId,
    /// Groups of which this user is a member now, in ascending order.
    pub(super) groups: Vec<GroupId>,
    /// Tokens of this user's sessions.
    sessions: Vec<TokenHash>,
    /// The account has ended; only its name is left.
    is_deleted: bool,
    /// What this user has said of late, against their rate. A rollback gives nothing back: what failed was work, too.
    said: Bucket,
}

#[derive(Debug)]
pub(super) struct Group {
    /// As created.
    pub(super) name: Arc<str>,
    /// A member, or the last one where there is none.
    pub(super) owner_id: UserId,
    /// In the order in which they joined.
    pub(super) members: Vec<UserId>,
}

/// A change, with what it takes to undo it.
#[derive(Debug)]
enum Change {
    UserAdded(UserId),
    GroupAdded(GroupId, String),
    MemberAdded(UserId, GroupId),
    /// From this place among the members.
    MemberRemoved(UserId, GroupId, usize),
    OwnerChanged(GroupId, UserId),
    UserDeleted(UserId),
    PairAdded(UserId, UserId),
    SessionAdded(TokenHash),
    SessionRemoved(TokenHash, Session),
    MarkMoved(UserId, MessageId),
    UseStored(TokenHash, i64),
}

impl Directory {
    /// Reads the tables: whole, and before anybody is served, so by SQLite's own interface.
    pub(super) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let mut directory = Self::default();
        directory.head = message::find_head(conn)?;
        directory.committed_head = directory.head;
        directory.pairs = pair::list(conn)?.into_iter().collect();
        for (user_id, username, is_deleted) in user::list_names(conn)? {
            directory.put_user(user_id, &username, MessageId(0));
            directory.user_mut(user_id).is_deleted = is_deleted;
        }
        for (user_id, message_id) in mark::list(conn)? {
            directory.user_mut(user_id).mark = message_id;
        }
        for (group_id, group_name, group_key, owner_id) in group::list_names(conn)? {
            directory.put_group(group_id, &group_name, group_key, owner_id);
        }
        for (user_id, group_id) in group::list_memberships(conn)? {
            directory.put_member(user_id, group_id);
        }
        for (token_hash, session) in session::list(conn)? {
            directory.newest_session = directory.newest_session.max(session.session_id);
            directory.put_session(token_hash, session);
        }
        Ok(directory)
    }

    pub(super) fn head(&self) -> MessageId {
        self.head
    }

    /// The user who has this name now.
    pub(super) fn find_user(&self, name: &Username) -> Option<UserId> {
        self.find_name(name).filter(|user_id| !self.user(*user_id).is_deleted)
    }

    /// The user who has this name, or had it.
    pub(super) fn find_name(&self, name: &Username) -> Option<UserId> {
        self.user_ids.get(name.key().as_str()).copied()
    }

    pub(super) fn user(&self, user_id: UserId) -> &User {
        self.users.get(&user_id).expect("user ids come from this directory, which forgets nobody")
    }

    pub(super) fn find_group(&self, name: &GroupName) -> Option<GroupId> {
        self.group_ids.get(name.key()).copied()
    }

    pub(super) fn group(&self, group_id: GroupId) -> &Group {
        self.groups.get(&group_id).expect("group ids come from this directory, which forgets no group")
    }

    pub(super) fn is_member(&self, user_id: UserId, group_id: GroupId) -> bool {
        self.user(user_id).groups.binary_search(&group_id).is_ok()
    }

    /// What a user has said of late.
    pub(super) fn said_by(&mut self, user_id: UserId) -> &mut Bucket {
        &mut self.user_mut(user_id).said
    }

    pub(super) fn session_mut(&mut self, token_hash: &TokenHash) -> Option<&mut Session> {
        self.sessions.get_mut(token_hash)
    }

    /// A session, and the name of the user whose it is.
    pub(super) fn session_with_name(&mut self, token_hash: &TokenHash) -> Option<(&mut Session, &str)> {
        let session = self.sessions.get_mut(token_hash)?;
        let user = self.users.get(&session.user_id).expect("sessions are of users of this directory");
        Some((session, &user.username))
    }

    /// The sessions of a user.
    pub(super) fn sessions_of(&self, user_id: UserId) -> impl Iterator<Item = (TokenHash, SessionId)> {
        self.user(user_id).sessions.iter().map(|token_hash| (*token_hash, self.sessions[token_hash].session_id))
    }

    /// Whose token this is.
    pub(super) fn user_of(&self, token_hash: &TokenHash) -> Option<UserId> {
        self.sessions.get(token_hash).map(|session| session.user_id)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = (&TokenHash, &Session)> {
        self.sessions.iter()
    }

    pub(super) fn add_user(&mut self, username: &Username) -> UserId {
        let user_id = self.newest_user.next();
        self.put_user(user_id, username.as_str(), self.head);
        self.provisional.push(Change::UserAdded(user_id));
        user_id
    }

    pub(super) fn add_group(&mut self, name: &GroupName, owner_id: UserId) -> GroupId {
        let group_id = self.newest_group.next();
        self.put_group(group_id, name.as_str(), name.key().to_owned(), owner_id);
        self.provisional.push(Change::GroupAdded(group_id, name.key().to_owned()));
        group_id
    }

    /// The caller has checked that this user is no member.
    pub(super) fn add_member(&mut self, user_id: UserId, group_id: GroupId) {
        self.put_member(user_id, group_id);
        self.provisional.push(Change::MemberAdded(user_id, group_id));
    }

    /// The caller has checked that this user is a member.
    pub(super) fn remove_member(&mut self, user_id: UserId, group_id: GroupId) {
        self.user_mut(user_id).groups.retain(|&other| other != group_id);
        let members = &mut self.group_mut(group_id).members;
        let place = members.iter().position(|&other| other == user_id).expect("the two lists say the same");
        members.remove(place);
        self.provisional.push(Change::MemberRemoved(user_id, group_id, place));
    }

    pub(super) fn change_owner(&mut self, group_id: GroupId, owner_id: UserId) {
        let before = std::mem::replace(&mut self.group_mut(group_id).owner_id, owner_id);
        self.provisional.push(Change::OwnerChanged(group_id, before));
    }

    /// The caller has ended this user's memberships and sessions.
    pub(super) fn delete_user(&mut self, user_id: UserId) {
        self.user_mut(user_id).is_deleted = true;
        self.provisional.push(Change::UserDeleted(user_id));
    }

    /// Notes that two users have whispered; `false` when they had before.
    pub(super) fn add_pair(&mut self, one: UserId, other: UserId) -> bool {
        let (low, high) = (one.min(other), one.max(other));
        let is_new = self.pairs.insert((low, high));
        if is_new {
            self.provisional.push(Change::PairAdded(low, high));
        }
        is_new
    }

    /// Notes messages that were sent before with nonces of this batch.
    pub(super) fn recall(&mut self, earlier: Vec<((UserId, Nonce), Earlier)>) {
        self.earlier.extend(earlier);
    }

    /// What a user has sent with a nonce, as far as it was recalled or is of this batch.
    pub(super) fn earlier(&self, sender_id: UserId, nonce: &Nonce) -> Option<&Earlier> {
        self.earlier.get(&(sender_id, nonce.clone()))
    }

    /// Notes a message of this batch that has a nonce.
    pub(super) fn note_nonce(&mut self, sender_id: UserId, nonce: &Nonce, sent: Earlier) {
        self.earlier.insert((sender_id, nonce.clone()), sent);
    }

    pub(super) fn add_session(&mut self, token_hash: TokenHash, user_id: UserId, now_ms: i64) -> SessionId {
        self.newest_session = self.newest_session.next();
        let session_id = self.newest_session;
        let session = Session { session_id, user_id, last_used_at_ms: now_ms, stored_use_at_ms: now_ms };
        self.put_session(token_hash, session);
        self.provisional.push(Change::SessionAdded(token_hash));
        session_id
    }

    pub(super) fn remove_session(&mut self, token_hash: &TokenHash) -> Option<Session> {
        let session = self.take_session(token_hash)?;
        self.provisional.push(Change::SessionRemoved(*token_hash, session));
        Some(session)
    }

    fn take_session(&mut self, token_hash: &TokenHash) -> Option<Session> {
        let session = self.sessions.remove(token_hash)?;
        self.user_mut(session.user_id).sessions.retain(|other| other != token_hash);
        Some(session)
    }

    /// Moves a mark on; `false` when it is there or beyond already.
    pub(super) fn move_mark(&mut self, user_id: UserId, message_id: MessageId) -> bool {
        let user = self.user_mut(user_id);
        if message_id <= user.mark {
            return false;
        }
        let before = std::mem::replace(&mut user.mark, message_id);
        self.provisional.push(Change::MarkMoved(user_id, before));
        true
    }

    /// Notes that the use of a session is being stored as of `last_used_at_ms`.
    pub(super) fn store_use(&mut self, token_hash: &TokenHash) {
        if let Some(session) = self.sessions.get_mut(token_hash) {
            let before = std::mem::replace(&mut session.stored_use_at_ms, session.last_used_at_ms);
            self.provisional.push(Change::UseStored(*token_hash, before));
        }
    }

    /// The id of the next message.
    pub(super) fn add_message(&mut self) -> MessageId {
        self.head = self.head.next();
        self.head
    }

    /// Makes the provisional changes final.
    pub(super) fn commit(&mut self) {
        self.provisional.clear();
        self.earlier.clear();
        self.committed_head = self.head;
    }

    /// Takes the provisional changes back, the latest first.
    pub(super) fn rollback(&mut self) {
        self.head = self.committed_head;
        self.earlier.clear();
        while let Some(change) = self.provisional.pop() {
            self.undo(change);
        }
    }

    fn undo(&mut self, change: Change) {
        match change {
            Change::UserAdded(user_id) => {
                let user = self.users.remove(&user_id).expect("it was added, and later changes are undone");
                self.user_ids.remove(&user.username.to_ascii_lowercase());
            }
            Change::GroupAdded(group_id, group_key) => {
                self.groups.remove(&group_id);
                self.group_ids.remove(&group_key);
            }
            Change::MemberAdded(user_id, group_id) => {
                self.user_mut(user_id).groups.retain(|&other| other != group_id);
                self.group_mut(group_id).members.retain(|&other| other != user_id);
            }
            Change::MemberRemoved(user_id, group_id, place) => {
                self.put_member(user_id, group_id);
                let members = &mut self.group_mut(group_id).members;
                members.pop();
                members.insert(place, user_id);
            }
            Change::OwnerChanged(group_id, before) => self.group_mut(group_id).owner_id = before,
            Change::UserDeleted(user_id) => self.user_mut(user_id).is_deleted = false,
            Change::PairAdded(low, high) => {
                self.pairs.remove(&(low, high));
            }
            Change::SessionAdded(token_hash) => {
                self.take_session(&token_hash);
            }
            Change::SessionRemoved(token_hash, session) => self.put_session(token_hash, session),
            Change::MarkMoved(user_id, before) => self.user_mut(user_id).mark = before,
            Change::UseStored(token_hash, before) => {
                if let Some(session) = self.sessions.get_mut(&token_hash) {
                    session.stored_use_at_ms = before;
                }
            }
        }
    }

    fn put_user(&mut self, user_id: UserId, username: &str, mark: MessageId) {
        self.newest_user = self.newest_user.max(user_id);
        self.user_ids.insert(username.to_ascii_lowercase(), user_id);
        let user = User {
            username: username.into(),
            mark,
            groups: Vec::new(),
            sessions: Vec::new(),
            is_deleted: false,
            said: Bucket::default(),
        };
        self.users.insert(user_id, user);
    }

    fn put_member(&mut self, user_id: UserId, group_id: GroupId) {
        let groups = &mut self.user_mut(user_id).groups;
        let place = groups.partition_point(|&other| other < group_id);
        groups.insert(place, group_id);
        self.group_mut(group_id).members.push(user_id);
    }

    fn put_session(&mut self, token_hash: TokenHash, session: Session) {
        self.user_mut(session.user_id).sessions.push(token_hash);
        self.sessions.insert(token_hash, session);
    }

    fn put_group(&mut self, group_id: GroupId, group_name: &str, group_key: String, owner_id: UserId) {
        self.newest_group = self.newest_group.max(group_id);
        self.group_ids.insert(group_key, group_id);
        self.groups.insert(group_id, Group { name: group_name.into(), owner_id, members: Vec::new() });
    }

    fn group_mut(&mut self, group_id: GroupId) -> &mut Group {
        self.groups.get_mut(&group_id).expect("group ids come from this directory, which forgets no group")
    }

    fn user_mut(&mut self, user_id: UserId) -> &mut User {
        self.users.get_mut(&user_id).expect("user ids come from this directory, which forgets nobody")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_takes_back_everything_since_the_last_commit() {
        let mut directory = Directory::default();
        let ada = directory.add_user(&Username::parse("Ada").unwrap());
        let rust = directory.add_group(&GroupName::parse("rust").unwrap(), ada);
        let token_hash = TokenHash([1; 32]);
        directory.add_session(token_hash, ada, 0);
        let eve = directory.add_user(&Username::parse("eve").unwrap());
        directory.add_member(eve, rust);
        directory.add_member(ada, rust);
        directory.add_message();
        directory.commit();
        let before = format!(
            "{:?}",
            (&directory.users, &directory.groups, &directory.sessions, &directory.pairs, directory.head)
        );

        directory.add_user(&Username::parse("bob").unwrap());
        directory.add_group(&GroupName::parse("go").unwrap(), ada);
        directory.change_owner(rust, eve);
        directory.remove_member(eve, rust);
        directory.delete_user(eve);
        directory.remove_session(&token_hash);
        let head = directory.add_message();
        directory.move_mark(ada, head);
        directory.add_pair(ada, ada);
        directory.add_session(TokenHash([2; 32]), ada, 0);
        directory.rollback();

        assert_eq!(
            format!(
                "{:?}",
                (&directory.users, &directory.groups, &directory.sessions, &directory.pairs, directory.head)
            ),
            before
        );
        assert_eq!(directory.find_user(&Username::parse("bob").unwrap()), None);
        assert_eq!(directory.find_group(&GroupName::parse("go").unwrap()), None);
        assert_eq!(directory.find_user(&Username::parse("ADA").unwrap()), Some(ada));
    }
}
