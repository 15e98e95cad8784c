//! The table `messages`: the log.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use sqlx::SqliteConnection;

use super::incoming::{Incoming, Rows, Value};
use crate::domain::{Content, GroupId, MessageId, Nonce, UserId};

/// The kinds of rows, as stored.
const WHISPER: i64 = 1;
const GROUP_MESSAGE: i64 = 2;

/// To whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    User(UserId),
    Group(GroupId),
}

impl Target {
    /// The conversation that this is with `user_id`, as the view `message_conversations` has it.
    pub(super) fn conversation_with(self, user_id: UserId) -> i64 {
        match self {
            Self::User(other) => (user_id.min(other).0 << 31) | user_id.max(other).0,
            Self::Group(group_id) => -group_id.0,
        }
    }
}

/// A message to be inserted; its id follows from its place in the batch.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) sender_id: UserId,
    pub(super) target: Target,
    pub(super) content: &'a Content,
    pub(super) nonce: Option<&'a Nonce>,
}

/// A message that was sent with a nonce.
#[derive(Debug, Clone)]
pub(super) struct Earlier {
    pub(super) message_id: MessageId,
    pub(super) sent_at_ms: i64,
    pub(super) target: Target,
    pub(super) content: Arc<str>,
}

/// Appends incoming messages to the log.
pub(super) const INSERT: &str =
    "insert into messages (message_id, kind, sender_id, recipient_id, group_id, sent_at_ms, content, nonce)
    select a, b, c, d, e, f, g, h from incoming";

/// Follows [`INSERT`] where there are no foreign keys: nothing is appended unless all that [`references`] tells is there.
pub(super) const IF_ALL_ARE_THERE: &str = "where not exists (
        select 1 from referenced
        where (a is not null and a not in (select user_id from users))
            or (b is not null and b not in (select group_id from groups))
    )";

/// Appends `rows` to the log, in one statement.
pub(super) async fn insert(conn: &mut SqliteConnection, incoming: &Incoming, rows: Rows) -> Result<(), sqlx::Error> {
    incoming.run(conn, INSERT, rows).await
}

/// What rows of messages refer to, each once: users in the first column, groups in the second.
pub(super) fn references(rows: &[Row<'_>]) -> Rows {
    let (mut users, mut groups) = (Vec::with_capacity(2 * rows.len()), Vec::new());
    for row in rows {
        users.push(row.sender_id.0);
        match row.target {
            Target::User(user_id) => users.push(user_id.0),
            Target::Group(group_id) => groups.push(group_id.0),
        }
    }
    for ids in [&mut users, &mut groups] {
        ids.sort_unstable();
        ids.dedup();
    }
    let mut referenced = Rows::new(2, users.len() + groups.len());
    users.into_iter().for_each(|user_id| referenced.push([Value::Integer(user_id), Value::Key(None)]));
    groups.into_iter().for_each(|group_id| referenced.push([Value::Key(None), Value::Integer(group_id)]));
    referenced
}

/// What appends messages finds in the table of incoming rows.
pub(super) fn rows(first: MessageId, rows: &[Row<'_>], now_ms: i64) -> Rows {
    let mut messages = Rows::new(8, rows.len());
    for (message_id, Row { sender_id, target, content, nonce }) in (first.0..).zip(rows) {
        let (kind, recipient_id, group_id) = match target {
            Target::User(user_id) => (WHISPER, Some(user_id.0), None),
            Target::Group(group_id) => (GROUP_MESSAGE, None, Some(group_id.0)),
        };
        messages.push([
            Value::Integer(message_id),
            Value::Integer(kind),
            Value::Integer(sender_id.0),
            Value::Key(recipient_id),
            Value::Key(group_id),
            Value::Integer(now_ms),
            Value::Text(Some(content.as_str())),
            Value::Text(nonce.map(Nonce::as_str)),
        ]);
    }
    messages
}

/// The newest id that was ever given out.
pub(super) fn find_head(conn: &Connection) -> rusqlite::Result<MessageId> {
    let sql = "select max(head, coalesce((select max(message_id) from messages), 0)) from meta";
    conn.query_row(sql, [], |row| row.get(0).map(MessageId))
}

/// Those of these messages that have a nonce, by who sent them with which.
pub(super) fn list_with_nonce(conn: &Connection, ids: &[i64]) -> rusqlite::Result<Vec<((UserId, Nonce), Earlier)>> {
    let sql = "select sender_id, nonce, sent_at_ms, recipient_id, group_id, content
        from messages where message_id = ? and nonce is not null";
    let mut select = conn.prepare_cached(sql)?;
    let mut earlier = Vec::new();
    for &message_id in ids {
        let found = select.query_row([message_id], |row| {
            let (recipient_id, group_id): (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
            let target =
                recipient_id.map(|id| Target::User(UserId(id))).or(group_id.map(|id| Target::Group(GroupId(id))));
            let nonce = row.get_ref(1)?.as_str().map(Nonce::parse)?;
            Ok((UserId(row.get(0)?), nonce, row.get(2)?, target, row.get(5)?))
        });
        if let Some((sender_id, Ok(nonce), sent_at_ms, Some(target), content)) = found.optional()? {
            let message_id = MessageId(message_id);
            earlier.push(((sender_id, nonce), Earlier { message_id, sent_at_ms, target, content }));
        }
    }
    Ok(earlier)
}

/// A row as readers of the log have it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) message_id: MessageId,
    pub(super) sender_id: UserId,
    pub(super) recipient_id: Option<UserId>,
    pub(super) group_id: Option<GroupId>,
    pub(super) sent_at_ms: i64,
    pub(super) content: String,
    pub(super) nonce: Option<String>,
}

/// The message that has this id; `None` where it is deleted.
pub(super) fn find(conn: &Connection, message_id: i64) -> rusqlite::Result<Option<Stored>> {
    let sql = "select sender_id, recipient_id, group_id, sent_at_ms, content, nonce from messages where message_id = ?";
    let mut statement = conn.prepare_cached(sql)?;
    let stored = |row: &rusqlite::Row<'_>| {
        Ok(Stored {
            message_id: MessageId(message_id),
            sender_id: UserId(row.get(0)?),
            recipient_id: row.get::<_, Option<i64>>(1)?.map(UserId),
            group_id: row.get::<_, Option<i64>>(2)?.map(GroupId),
            sent_at_ms: row.get(3)?,
            content: row.get(4)?,
            nonce: row.get(5)?,
        })
    };
    statement.query_row([message_id], stored).optional()
}

/// Who sent a message; `None` where it is deleted.
pub(super) fn find_sender(conn: &Connection, message_id: i64) -> rusqlite::Result<Option<UserId>> {
    let mut statement = conn.prepare_cached("select sender_id from messages where message_id = ?")?;
    statement.query_row([message_id], |row| row.get(0).map(UserId)).optional()
}
