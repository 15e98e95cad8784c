//! Reading a conversation, in both directions.

use std::sync::Arc;

use rusqlite::Connection;

use super::index::{Index, Span};
use super::message::{self, Stored, Target};
use super::names::Names;
use crate::domain::{MessageId, UserId};

/// Units: bytes of the names, ids and keys of one message in a page.
const OVERHEAD_BYTES: i64 = 256;

/// Which part of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    /// The newest messages that are older than this, the newest first.
    Before(MessageId),
    /// The oldest messages that are newer than this, the oldest first.
    After(MessageId),
}

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    /// At most so many messages.
    pub messages: i64,
    /// Units: bytes that they may take; a page has one message even where that takes more.
    pub bytes: i64,
}

/// A message of a conversation.
#[derive(Debug)]
pub struct Said {
    /// Its place in the log.
    pub message_id: i64,
    /// When it was accepted. Units: milliseconds since 1970.
    pub sent_at_ms: i64,
    /// The sender's name, as registered.
    pub sender: Arc<str>,
    /// What it says.
    pub content: String,
    /// The nonce, where this is a message of one's own.
    pub nonce: Option<String>,
}

/// Messages of a conversation, and whether there are none beyond them.
#[derive(Debug)]
pub struct History {
    /// In the order of the stretch.
    pub messages: Vec<Said>,
    /// Whether this is all there is in that direction.
    pub is_end: bool,
}

/// A part of the conversation that `user_id` has with `target`; of a group what was said while they were a member.
pub(super) fn list(
    conn: &Connection,
    index: &Index,
    user_id: UserId,
    target: Target,
    stretch: Stretch,
    amount: Amount,
) -> rusqlite::Result<History> {
    // One more than is asked for tells whether there is more.
    let most = usize::try_from(amount.messages).unwrap_or(0) + 1;
    let ids = list_ids(conn, index, &list_spans(conn, user_id, target)?, stretch, most)?;
    // Begun after the messages were found, so that it shows them; a lock for each statement would cost as much again.
    let _moment = conn.unchecked_transaction()?;
    let (mut messages, mut names, mut size_bytes) = (Vec::with_capacity(ids.len()), Names::new(conn), 0);
    for &id in ids.iter().take(most - 1) {
        let Some(stored) = message::find(conn, id)? else { continue };
        size_bytes += i64::try_from(stored.content.len()).unwrap_or(i64::MAX) + OVERHEAD_BYTES;
        if size_bytes > amount.bytes && !messages.is_empty() {
            return Ok(History { messages, is_end: false });
        }
        messages.push(tell(stored, user_id, &mut names)?);
    }
    Ok(History { messages, is_end: ids.len() < most })
}

/// What of a conversation is `user_id`'s to read, the oldest stretch first.
fn list_spans(conn: &Connection, user_id: UserId, target: Target) -> rusqlite::Result<Vec<Span>> {
    let conversation = target.conversation_with(user_id);
    let Target::Group(group_id) = target else {
        return Ok(vec![Span { conversation, after: 0, upto: i64::MAX }]);
    };
    let sql = "select joined_id, left_id from group_members where user_id = ? and group_id = ? order by joined_id";
    let mut statement = conn.prepare_cached(sql)?;
    let span = |row: &rusqlite::Row<'_>| {
        Ok(Span { conversation, after: row.get(0)?, upto: row.get::<_, Option<i64>>(1)?.unwrap_or(i64::MAX) })
    };
    statement.query_map([user_id.0, group_id.0], span)?.collect()
}

/// Each span gives its next ids from the index, so that what lies between two of them costs nothing.
fn list_ids(
    conn: &Connection,
    index: &Index,
    spans: &[Span],
    stretch: Stretch,
    most: usize,
) -> rusqlite::Result<Vec<i64>> {
    let mut ids = Vec::new();
    match stretch {
        Stretch::Before(before) => {
            for span in spans.iter().rev() {
                let span = Span { upto: span.upto.min(before.0.saturating_sub(1)), ..*span };
                ids.extend(index.list_before(conn, span, most - ids.len())?);
            }
        }
        Stretch::After(after) => {
            for span in spans {
                let span = Span { after: span.after.max(after.0), ..*span };
                ids.extend(index.list_after(conn, span, most - ids.len())?);
            }
        }
    }
    Ok(ids)
}

fn tell(stored: Stored, user_id: UserId, names: &mut Names<'_>) -> rusqlite::Result<Said> {
    let Stored { message_id, sender_id, sent_at_ms, content, nonce, .. } = stored;
    let sender = names.user(sender_id)?;
    Ok(Said { message_id: message_id.0, sent_at_ms, sender, content, nonce: nonce.filter(|_| sender_id == user_id) })
}
