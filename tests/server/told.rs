//! What clients were told, and whether the store bears it out.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use chinwag::client::Login;
use chinwag::domain::Token;

use crate::database;

/// What was answered with success, and what was received.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) users: Vec<String>,
    pub(crate) logins: Vec<Login>,
    /// Logins of which the logout was answered.
    pub(crate) ended: Vec<Login>,
    pub(crate) groups: Vec<String>,
    /// Group, user.
    pub(crate) members: Vec<[String; 2]>,
    /// Who added, whom.
    pub(crate) contacts: Vec<[String; 2]>,
    pub(crate) messages: Vec<String>,
    pub(crate) received: Vec<Received>,
}

/// The messages that came over one connection, in order.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) user: String,
    pub(crate) contents: Vec<String>,
}

impl Told {
    pub(crate) fn extend(&mut self, other: Self) {
        self.users.extend(other.users);
        self.logins.extend(other.logins);
        self.ended.extend(other.ended);
        self.groups.extend(other.groups);
        self.members.extend(other.members);
        self.contacts.extend(other.contacts);
        self.messages.extend(other.messages);
        self.received.extend(other.received);
    }

    /// How many requests were answered with success.
    pub(crate) fn answers(&self) -> usize {
        let rows = self.users.len() + self.groups.len() + self.members.len() + self.contacts.len();
        rows + self.logins.len() + self.ended.len() + self.messages.len()
    }

    /// Fails where the file at `path` is damaged or lacks something.
    pub(crate) async fn check(&self, path: &Path) {
        let sound = "select group_concat(integrity_check, '; ') from pragma_integrity_check";
        assert_eq!(database::texts(path, sound).await, ["ok"]);
        let dangling = "select count(*) from pragma_foreign_key_check";
        assert_eq!(database::number(path, dangling).await, 0);
        self.check_rows(path).await;
        self.check_sessions(path).await;
        self.check_messages(path).await;
    }

    async fn check_rows(&self, path: &Path) {
        let members = "select group_name || '/' || username from readable_members where is_member";
        let contacts = "select username || '/' || contact from readable_contacts";
        for (kind, told, stored) in [
            ("users", self.users.clone(), "select username from users"),
            ("groups", self.groups.clone(), "select group_name from groups"),
            ("members", joined(&self.members), members),
            ("contacts", joined(&self.contacts), contacts),
        ] {
            let stored: HashSet<String> = database::texts(path, stored).await.into_iter().collect();
            let lost: Vec<_> = told.iter().filter(|row| !stored.contains(*row)).collect();
            assert!(lost.is_empty(), "{} of {} {kind} lost: {lost:?}", lost.len(), told.len());
        }
    }

    async fn check_sessions(&self, path: &Path) {
        let hashes = database::texts(path, "select lower(hex(token_hash)) from sessions").await;
        let stored: HashSet<String> = hashes.into_iter().collect();
        let ended: HashSet<String> = self.ended.iter().map(token_hash).collect();
        let lost = self.logins.iter().map(token_hash).filter(|hash| !ended.contains(hash) && !stored.contains(hash));
        assert_eq!(lost.count(), 0, "of {} logins", self.logins.len());
        assert_eq!(ended.iter().filter(|hash| stored.contains(*hash)).count(), 0, "of {} logouts", ended.len());
    }

    /// Every message that was answered or received is there once, and no connection received two in another order.
    async fn check_messages(&self, path: &Path) {
        let stored = database::texts(path, "select content from messages order by message_id").await;
        let ids: HashMap<&String, usize> = stored.iter().enumerate().map(|(id, content)| (content, id)).collect();
        assert_eq!(ids.len(), stored.len(), "a message is stored twice");
        let lost: Vec<_> = self.messages.iter().filter(|content| !ids.contains_key(content)).collect();
        assert!(lost.is_empty(), "{} of {} messages lost: {lost:?}", lost.len(), self.messages.len());
        for Received { user, contents } in &self.received {
            let phantoms: Vec<_> = contents.iter().filter(|content| !ids.contains_key(content)).collect();
            assert!(phantoms.is_empty(), "{user} received what is not stored: {phantoms:?}");
            assert!(contents.is_sorted_by_key(|content| ids[content]), "{user} received in another order than stored");
        }
    }
}

fn joined(pairs: &[[String; 2]]) -> Vec<String> {
    pairs.iter().map(|pair| pair.join("/")).collect()
}

fn token_hash(login: &Login) -> String {
    Token::parse(&login.token).unwrap().hash().0.iter().map(|byte| format!("{byte:02x}")).collect()
}
