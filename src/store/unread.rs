//! What somebody has not read yet of what was said in a group.

use rusqlite::Connection;

use super::group::OwnGroupRow;
use super::index::{Index, Span};
use super::message;
use crate::domain::UserId;

/// Messages that are looked at at once.
const STEP_MESSAGES: usize = 500;

/// A group that somebody is a member of.
#[derive(Debug)]
pub struct OwnGroup {
    /// Its name, as created.
    pub group_name: String,
    /// Whether it is theirs.
    pub is_owner: bool,
    /// Messages of others behind the one up to which they have read, at most as many as were to be counted.
    pub unread: i64,
    /// The newest message that they may read.
    pub last_id: Option<i64>,
}

/// What is unread in a group of `user_id`, counted up to `max_unread`.
pub(super) fn find(
    conn: &Connection,
    index: &Index,
    user_id: UserId,
    group: OwnGroupRow,
    max_unread: i64,
) -> rusqlite::Result<OwnGroup> {
    let OwnGroupRow { group_name, is_owner, group_id, read_id, joined_id } = group;
    let span = |after| Span { conversation: -group_id, after, upto: i64::MAX };
    let last_id = index.list_before(conn, span(joined_id), 1)?.pop();
    let unread = count(conn, index, user_id, span(read_id), max_unread)?;
    Ok(OwnGroup { group_name, is_owner, unread, last_id })
}

fn count(conn: &Connection, index: &Index, user_id: UserId, mut span: Span, max_unread: i64) -> rusqlite::Result<i64> {
    let mut unread = 0;
    loop {
        let ids = index.list_after(conn, span, STEP_MESSAGES)?;
        for &id in &ids {
            if unread == max_unread {
                return Ok(unread);
            }
            let sender_id = message::find_sender(conn, id)?;
            unread += i64::from(sender_id.is_some_and(|sender_id| sender_id != user_id));
        }
        match ids.last() {
            Some(&last) if ids.len() == STEP_MESSAGES => span.after = last,
            _ => return Ok(unread),
        }
    }
}
