//! Reading on: what somebody is owed, page by page, in the order of the log.

use std::sync::Arc;

use rusqlite::Connection;

use super::index::{Index, Span};
use super::message::{self, Stored};
use super::names::Names;
use super::pruned;
use crate::domain::{MessageId, UserId};

/// Messages of one page. A read that took longer would keep the WAL from being checkpointed.
const PAGE_MESSAGES: usize = 500;

/// What an update takes at most besides its content, names and nonce: heads of strings, keys, an id and a time, and a place in the
/// queue, which several may share. Units: bytes.
const OVERHEAD_BYTES: usize = 208;

/// Which part of the log somebody is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What was said to them: version 1.
    Received,
    /// All of their conversations, what they have said included: version 2.
    Conversations,
}

/// A part of the log: what comes behind `after`, up to and with `upto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Exclusive.
    pub after: MessageId,
    /// Inclusive.
    pub upto: MessageId,
    /// Units: bytes that the page may take as updates in an outbox; a page has one message even where that takes more.
    pub room_bytes: usize,
}

/// Messages in order, and how far they go.
#[derive(Debug)]
pub struct Page {
    /// In the order of their ids.
    pub messages: Vec<Owed>,
    /// Up to here these are all that is owed.
    pub reached: MessageId,
    /// The newest message that was owed and is deleted, wherever it was; 0 where there is none, and within [`Scope::Received`].
    pub pruned_upto: MessageId,
}

/// A message as one who is owed it is told of it.
#[derive(Debug)]
pub struct Owed {
    /// Its place in the log.
    pub message_id: MessageId,
    /// When it was accepted. Units: milliseconds since 1970.
    pub sent_at_ms: i64,
    /// The sender's name, as registered.
    pub sender: Arc<str>,
    /// The recipient's name, where this is a whisper of one's own.
    pub to: Option<Arc<str>>,
    /// The nonce, where this is a message of one's own.
    pub nonce: Option<String>,
    /// The group's name as created; `None` for a whisper.
    pub group_name: Option<Arc<str>>,
    /// What it says.
    pub content: String,
}

impl Owed {
    fn size_bytes(&self) -> usize {
        let length = |name: &Option<Arc<str>>| name.as_ref().map_or(0, |name| name.len());
        let texts = self.sender.len() + self.content.len() + self.nonce.as_ref().map_or(0, String::len);
        OVERHEAD_BYTES + texts + length(&self.to) + length(&self.group_name)
    }
}

/// The next messages that `user_id` is owed in `place`: what was whispered to them and what their groups said while they were
/// members, and within [`Scope::Conversations`] what they whispered themselves.
pub(super) fn list(
    conn: &Connection,
    index: &Index,
    user_id: UserId,
    scope: Scope,
    place: Place,
) -> rusqlite::Result<Page> {
    let spans = list_spans(conn, user_id, place)?;
    let (ids, mut reached) = index.list_of_all(conn, &spans, place.upto.0, PAGE_MESSAGES)?;
    // Begun after the messages were found, so that it shows them.
    let _moment = conn.unchecked_transaction()?;
    let (mut messages, mut names, mut size_bytes) = (Vec::with_capacity(ids.len()), Names::new(conn), 0);
    let mut passed = place.after.0;
    for id in ids {
        let owed = message::find(conn, id)?.filter(|stored| is_owed(stored, user_id, scope));
        if let Some(owed) = owed.map(|stored| tell(stored, user_id, &mut names)).transpose()? {
            size_bytes += owed.size_bytes();
            if size_bytes > place.room_bytes && !messages.is_empty() {
                reached = passed;
                break;
            }
            messages.push(owed);
        }
        passed = id;
    }
    let pruned_upto = match scope {
        Scope::Received => MessageId(0),
        // As of the moment of the messages: what is deleted after that is told of with the next page.
        Scope::Conversations => pruned::find_newest(conn, user_id)?,
    };
    Ok(Page { messages, reached: MessageId(reached), pruned_upto })
}

/// What of the log is `user_id`'s to read, within `place`.
fn list_spans(conn: &Connection, user_id: UserId, place: Place) -> rusqlite::Result<Vec<Span>> {
    let sql = "select (low_id << 31) | high_id, ?2, ?3 from whisper_pairs where low_id = ?1
        union all
        select (low_id << 31) | high_id, ?2, ?3 from whisper_pairs where high_id = ?1 and low_id <> ?1
        union all
        select -group_id, max(?2, joined_id), min(?3, coalesce(left_id, ?3)) from group_members where user_id = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let span = |row: &rusqlite::Row<'_>| Ok(Span { conversation: row.get(0)?, after: row.get(1)?, upto: row.get(2)? });
    let spans = statement.query_map([user_id.0, place.after.0, place.upto.0], span)?;
    spans.filter(|span| span.as_ref().is_ok_and(|span| span.after < span.upto) || span.is_err()).collect()
}

fn is_owed(stored: &Stored, user_id: UserId, scope: Scope) -> bool {
    scope == Scope::Conversations || stored.recipient_id.is_none_or(|recipient_id| recipient_id == user_id)
}

fn tell(stored: Stored, user_id: UserId, names: &mut Names<'_>) -> rusqlite::Result<Owed> {
    let is_own = stored.sender_id == user_id;
    Ok(Owed {
        message_id: stored.message_id,
        sent_at_ms: stored.sent_at_ms,
        sender: names.user(stored.sender_id)?,
        to: stored.recipient_id.filter(|_| is_own).map(|recipient_id| names.user(recipient_id)).transpose()?,
        nonce: stored.nonce.filter(|_| is_own),
        group_name: stored.group_id.map(|group_id| names.group(group_id)).transpose()?,
        content: stored.content,
    })
}
