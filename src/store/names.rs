//! Names of those that a page of messages is of: each is looked up once.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use crate::domain::{GroupId, UserId};

/// The names that one read has met.
#[derive(Debug)]
pub(super) struct Names<'a> {
    conn: &'a Connection,
    users: HashMap<UserId, Arc<str>>,
    groups: HashMap<GroupId, Arc<str>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(conn: &'a Connection) -> Self {
        Self { conn, users: HashMap::new(), groups: HashMap::new() }
    }

    /// A user's name, as registered.
    pub(super) fn user(&mut self, user_id: UserId) -> rusqlite::Result<Arc<str>> {
        if let Some(name) = self.users.get(&user_id) {
            return Ok(Arc::clone(name));
        }
        let name = find(self.conn, "select username from users where user_id = ?", user_id.0)?;
        self.users.insert(user_id, Arc::clone(&name));
        Ok(name)
    }

    /// A group's name, as created.
    pub(super) fn group(&mut self, group_id: GroupId) -> rusqlite::Result<Arc<str>> {
        if let Some(name) = self.groups.get(&group_id) {
            return Ok(Arc::clone(name));
        }
        let name = find(self.conn, "select group_name from groups where group_id = ?", group_id.0)?;
        self.groups.insert(group_id, Arc::clone(&name));
        Ok(name)
    }
}

fn find(conn: &Connection, sql: &str, id: i64) -> rusqlite::Result<Arc<str>> {
    conn.prepare_cached(sql)?.query_row([id], |row| row.get::<_, String>(0)).map(Arc::from)
}
