//! The model: who is registered, who is a member, and everything that each user is owed, in one list each.

use std::collections::BTreeSet;

use chinwag::protocol::Update;

use super::schedule::{GROUPS, To, USERS};
use crate::helpers::{group_message, whisper};

const NO_USER: &str = "there is no such user";
const NO_MEMBER: &str = "there is no such group, or you are not a member of it";

#[derive(Debug)]
pub(super) struct Book {
    pub(super) users: [User; USERS],
    groups: [Group; GROUPS],
}

#[derive(Debug)]
pub(super) struct User {
    pub(super) name: String,
    is_registered: bool,
    /// Everything owed since registration, in the order of the log.
    pub(super) owed: Vec<Update>,
    /// How many of these a connection of this user has certainly acknowledged: none of them comes again.
    pub(super) acknowledged: usize,
    /// How many may be acknowledged as far as anyone can tell: up to an abnormal end, or the last moment before a logout.
    pub(super) perhaps_acknowledged: usize,
}

#[derive(Debug)]
struct Group {
    name: String,
    /// Nobody as long as the group does not exist.
    members: BTreeSet<usize>,
}

/// Where in the list of its user a connection goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    At(usize),
    /// Nothing was received yet, and it is open how much was acknowledged before the login. Both inclusive.
    Between(usize, usize),
}

impl Book {
    /// An empty book with names of its own.
    pub(super) fn new(tag: &str) -> Self {
        let user = |user| User {
            name: format!("{tag}-user-{user}"),
            is_registered: false,
            owed: Vec::new(),
            acknowledged: 0,
            perhaps_acknowledged: 0,
        };
        let group = |group| Group { name: format!("{tag} group {group}"), members: BTreeSet::new() };
        Self { users: std::array::from_fn(user), groups: std::array::from_fn(group) }
    }

    pub(super) fn group_name(&self, group: usize) -> &str {
        &self.groups[group].name
    }

    pub(super) fn register(&mut self, user: usize) -> Result<(), &'static str> {
        if std::mem::replace(&mut self.users[user].is_registered, true) {
            return Err("this username is taken");
        }
        Ok(())
    }

    pub(super) fn is_registered(&self, user: usize) -> bool {
        self.users[user].is_registered
    }

    pub(super) fn create_group(&mut self, user: usize, group: usize) -> Result<(), &'static str> {
        let members = &mut self.groups[group].members;
        if !members.is_empty() {
            return Err("this group name is taken");
        }
        members.insert(user);
        Ok(())
    }

    pub(super) fn join_group(&mut self, user: usize, group: usize) -> Result<(), &'static str> {
        let members = &mut self.groups[group].members;
        if members.is_empty() {
            return Err("there is no such group");
        }
        if members.insert(user) { Ok(()) } else { Err("you are a member of this group already") }
    }

    /// Whether `user` may say something to `to`.
    pub(super) fn may_say(&self, user: usize, to: To) -> Result<(), &'static str> {
        match to {
            To::User(recipient) if !self.is_registered(recipient) => Err(NO_USER),
            To::Group(group) if !self.groups[group].members.contains(&user) => Err(NO_MEMBER),
            To::User(_) | To::Group(_) => Ok(()),
        }
    }

    /// `content` is the next message of the log.
    pub(super) fn deliver(&mut self, user: usize, to: To, content: &str) {
        let sender = self.users[user].name.clone();
        match to {
            To::User(recipient) => self.users[recipient].owed.push(whisper(&sender, content)),
            To::Group(group) => {
                let Group { name, members } = &self.groups[group];
                for &member in members {
                    self.users[member].owed.push(group_message(name, &sender, content));
                }
            }
        }
    }
}

impl User {
    pub(super) fn perhaps_acknowledge(&mut self, upto: usize) {
        self.perhaps_acknowledged = self.perhaps_acknowledged.max(upto);
    }

    /// Where a login goes on, when other connections may have acknowledged what is owed up to `elsewhere`.
    pub(super) fn place(&self, elsewhere: Option<usize>) -> Place {
        let perhaps = self.perhaps_acknowledged.max(elsewhere.unwrap_or(0));
        if perhaps > self.acknowledged {
            Place::Between(self.acknowledged, perhaps)
        } else {
            Place::At(self.acknowledged)
        }
    }

    /// Where a connection goes on that was at `place` and has received `update`.
    pub(super) fn received(&self, place: Place, update: &Update) -> Result<Place, String> {
        let (first, last) = match place {
            Place::At(next) => (next, next),
            Place::Between(first, last) => (first, last),
        };
        let found = (first..=last).find(|&index| self.owed.get(index) == Some(update));
        found.map(|index| Place::At(index + 1)).ok_or_else(|| {
            let anywhere = self.owed.iter().position(|owed| owed == update);
            let (name, length) = (&self.name, self.owed.len());
            format!(
                "{name} is owed {length} updates and was at {place:?} of them, but received {}, which is at {anywhere:?}",
                short(update)
            )
        })
    }
}

/// Enough of an update to recognise it.
fn short(update: &Update) -> String {
    format!("{update:?}").chars().take(160).collect()
}
