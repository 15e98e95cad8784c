//! What is asked for in version 2, and is more than a line: history and lists. Each is the map at the end of its response.

use serde::{Deserialize, Serialize};

/// A part of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// In the order that was asked for.
    pub messages: Vec<Said>,
    /// Whether there is nothing beyond them in that direction.
    pub end: bool,
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Its id.
    pub id: String,
    /// When it was accepted. Units: milliseconds since 1970 (UTC).
    #[serde(rename = "at")]
    pub at_ms: i64,
    /// Who said it.
    pub sender: String,
    /// What was said.
    pub content: String,
    /// That of one's own message, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// A part of one's contacts, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactsPage {
    /// In the order of their names.
    pub contacts: Vec<Contact>,
    /// Whether there are others behind them.
    pub more: bool,
}

/// One of one's contacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Their name, as registered.
    pub username: String,
    /// Whether they are logged in on a connection.
    pub online: bool,
    /// When one of their logins was last used, to the hour. Units: milliseconds since 1970 (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<i64>,
}

/// A part of the groups that one is a member of, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupsPage {
    /// In the order of their names.
    pub groups: Vec<OwnGroup>,
    /// Whether there are others behind them.
    pub more: bool,
}

/// A group that one is a member of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnGroup {
    /// Its name, as created.
    pub group: String,
    /// What one is in it.
    pub role: Role,
    /// Messages of others behind the one up to which one has read, at most [`MAX_UNREAD`].
    pub unread: i64,
    /// The id of the newest message that one may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// Unread messages are counted up to here: what people want to know beyond that is that there are many.
pub const MAX_UNREAD: i64 = 100;

/// What somebody is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// They have created it, or it has passed to them.
    Owner,
    /// They have joined it.
    Member,
}

/// A part of a group's members, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersPage {
    /// In the order of their names.
    pub members: Vec<Member>,
    /// Whether there are others behind them.
    pub more: bool,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Their name, as registered.
    pub username: String,
    /// What they are in it.
    pub role: Role,
    /// Whether they are logged in on a connection.
    pub online: bool,
}

/// A part of the groups that there are, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundPage {
    /// In the order of their names.
    pub groups: Vec<FoundGroup>,
    /// Whether there are others behind them.
    pub more: bool,
}

/// A group that there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundGroup {
    /// Its name, as created.
    pub group: String,
    /// How many members it has.
    pub members: i64,
}

/// One's sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionList {
    /// The oldest first.
    pub sessions: Vec<SessionEntry>,
}

/// One of one's sessions. Times in milliseconds since 1970 (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEntry {
    /// By what it is ended.
    pub session: String,
    /// When it began.
    pub created_at: i64,
    /// When it was last used, to the hour.
    pub used_at: i64,
    /// Where it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The program that began it, as it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Whether it is the one of the token that asks.
    pub own: bool,
}
