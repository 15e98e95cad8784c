//! What clients were told, and whether the store bears it out.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use chinwag::client::Login;
use chinwag::domain::Token;
use sqlx::SqliteConnection;

use crate::database;

/// What was answered with success, and what was received.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) users: Vec<String>,
    pub(crate) logins: Vec<Login>,
    /// Logins of which the logout was asked for: it may be stored before it is answered.
    pub(crate) ending: Vec<Login>,
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
#[derive(Clone, Default)]
pub(crate) struct Received {
    pub(crate) user: String,
    pub(crate) contents: Vec<String>,
}

impl Told {
    pub(crate) fn extend(&mut self, other: Self) {
        self.users.extend(other.users);
        self.logins.extend(other.logins);
        self.ending.extend(other.ending);
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
        let mut conn = database::connect(path, true).await;
        assert_eq!(self.problems(&mut conn).await, [""; 0]);
    }

    /// What is wrong with a database: damage, and what it lacks.
    pub(crate) async fn problems(&self, conn: &mut SqliteConnection) -> Vec<String> {
        let sound = "select integrity_check from pragma_integrity_check where integrity_check <> 'ok'
            union all select 'dangling row of ' || \"table\" from pragma_foreign_key_check";
        let mut problems = database::list(conn, sound).await;
        if self.answers() == 0 {
            return problems;
        }
        let schema = "select name from sqlite_schema where name = 'readable_messages'";
        if database::list(conn, schema).await.is_empty() {
            problems.push("everything is lost".to_owned());
        } else {
            self.find_lost_rows(conn, &mut problems).await;
            self.find_wrong_sessions(conn, &mut problems).await;
            self.find_wrong_messages(conn, &mut problems).await;
        }
        problems
    }

    async fn find_lost_rows(&self, conn: &mut SqliteConnection, problems: &mut Vec<String>) {
        let members = "select group_name || '/' || username from readable_members where is_member";
        let contacts = "select username || '/' || contact from readable_contacts";
        for (kind, told, stored) in [
            ("users", self.users.clone(), "select username from users"),
            ("groups", self.groups.clone(), "select group_name from groups"),
            ("members", joined(&self.members), members),
            ("contacts", joined(&self.contacts), contacts),
        ] {
            let stored: HashSet<String> = database::list(conn, stored).await.into_iter().collect();
            let lost: Vec<_> = told.iter().filter(|row| !stored.contains(*row)).collect();
            if !lost.is_empty() {
                problems.push(format!("{} of {} {kind} lost: {lost:?}", lost.len(), told.len()));
            }
        }
    }

    async fn find_wrong_sessions(&self, conn: &mut SqliteConnection, problems: &mut Vec<String>) {
        let hashes = database::list(conn, "select lower(hex(token_hash)) from sessions").await;
        let stored: HashSet<String> = hashes.into_iter().collect();
        let ended: HashSet<String> = self.ended.iter().map(token_hash).collect();
        let ending: HashSet<String> = self.ending.iter().map(token_hash).collect();
        let good = self.logins.iter().map(token_hash).filter(|hash| !ended.contains(hash) && !ending.contains(hash));
        let lost = good.filter(|hash| !stored.contains(hash)).count();
        let undead = ended.intersection(&stored).count();
        if lost + undead > 0 {
            problems.push(format!("{lost} logins lost, {undead} logouts lost"));
        }
    }

    /// Every message that was answered or received is there once, and no connection received two in another order.
    async fn find_wrong_messages(&self, conn: &mut SqliteConnection, problems: &mut Vec<String>) {
        let stored = database::list(conn, "select content from messages order by message_id").await;
        let ids: BTreeMap<&String, usize> = stored.iter().enumerate().map(|(id, content)| (content, id)).collect();
        if ids.len() < stored.len() {
            problems.push("a message is stored twice".to_owned());
        }
        let lost: Vec<_> = self.messages.iter().filter(|content| !ids.contains_key(content)).collect();
        if !lost.is_empty() {
            problems.push(format!("{} of {} messages lost: {lost:?}", lost.len(), self.messages.len()));
        }
        for Received { user, contents } in &self.received {
            let phantoms: Vec<_> = contents.iter().filter(|content| !ids.contains_key(content)).collect();
            if !phantoms.is_empty() {
                problems.push(format!("{user} received what is not stored: {phantoms:?}"));
            } else if !contents.is_sorted_by_key(|content| ids[content]) {
                problems.push(format!("{user} received in another order than stored"));
            }
        }
    }
}

fn joined(pairs: &[[String; 2]]) -> Vec<String> {
    pairs.iter().map(|pair| pair.join("/")).collect()
}

fn token_hash(login: &Login) -> String {
    Token::parse(&login.token).unwrap().hash().0.iter().map(|byte| format!("{byte:02x}")).collect()
}
