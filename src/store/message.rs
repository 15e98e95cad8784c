//! The table `messages`: the log.

use sqlx::SqliteConnection;

use super::incoming::{Incoming, Rows, Value};
use crate::domain::{Content, GroupId, MessageId, Nonce, UserId};

/// The kinds of rows, as stored.
const WHISPER: i64 = 1;
const GROUP_MESSAGE: i64 = 2;

/// Rows of one page. A read that took longer would keep the WAL from being checkpointed.
const PAGE_ROWS: i64 = 500;

/// Ids that are searched at once for what somebody is owed, and how this grows while nothing is found.
const FIRST_WINDOW: i64 = 4096;
const WINDOW_GROWTH: i64 = 8;

/// What an update takes besides its content, names and nonce: heads of strings, keys, an id and a time, and its place in the
/// queue. Units: bytes.
const OVERHEAD_BYTES: i64 = 208;

/// To whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    User(UserId),
    Group(GroupId),
}

impl Target {
    /// The conversation that this is with `user_id`, as the table has it.
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
    pub(super) content: String,
}

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
    pub sender: String,
    /// The recipient's name, where this is a whisper of one's own.
    pub to: Option<String>,
    /// The nonce, where this is a message of one's own.
    pub nonce: Option<String>,
    /// The group's name as created; `None` for a whisper.
    pub group_name: Option<String>,
    /// What it says.
    pub content: String,
}

/// Appends `rows` to the log, the first with the id `first`, in one statement.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    incoming: &Incoming,
    first: MessageId,
    rows: &[Row<'_>],
    now_ms: i64,
) -> Result<(), sqlx::Error> {
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
    let sql = "insert into messages (message_id, kind, sender_id, recipient_id, group_id, sent_at_ms, content, nonce)
        select a, b, c, d, e, f, g, h from incoming";
    incoming.insert(conn, sql, messages).await
}

/// The newest id that was ever given out.
pub(super) async fn find_head(conn: &mut SqliteConnection) -> Result<MessageId, sqlx::Error> {
    let head = sqlx::query_scalar!(
        r#"select max(head, coalesce((select max(message_id) from messages), 0)) as "head!: i64" from meta"#
    )
    .fetch_one(conn)
    .await?;
    Ok(MessageId(head))
}

/// Which of these senders' nonces were used, and for what.
pub(super) async fn list_by_nonces(
    conn: &mut SqliteConnection,
    nonces: &[(UserId, &Nonce)],
) -> Result<Vec<((UserId, Nonce), Earlier)>, sqlx::Error> {
    let mut texts = Vec::new();
    let mut numbers = Vec::with_capacity(nonces.len());
    for (sender_id, nonce) in nonces {
        numbers.push((sender_id.0, texts.len() + 1, nonce.as_str().len()));
        texts.extend_from_slice(nonce.as_str().as_bytes());
    }
    let numbers = serde_json::to_string(&numbers).expect("tuples of numbers always encode");
    let rows = sqlx::query!(
        r#"select sender_id, nonce as "nonce!: String", message_id as "message_id!: i64", sent_at_ms, recipient_id, group_id, content
        from json_each(?1) as asked
        join messages on sender_id = asked.value ->> 0
            and nonce = cast(substr(?2, asked.value ->> 1, asked.value ->> 2) as text)"#,
        numbers,
        texts
    )
    .fetch_all(conn)
    .await?;
    let earlier = rows.into_iter().filter_map(|row| {
        let target = match (row.recipient_id, row.group_id) {
            (Some(user_id), _) => Target::User(UserId(user_id)),
            (None, group_id) => Target::Group(GroupId(group_id?)),
        };
        let key = (UserId(row.sender_id), Nonce::parse(&row.nonce).ok()?);
        let (message_id, sent_at_ms) = (MessageId(row.message_id), row.sent_at_ms);
        Some((key, Earlier { message_id, sent_at_ms, target, content: row.content }))
    });
    Ok(earlier.collect())
}

/// The next messages that `user_id` is owed in `place`: what was whispered to them and what their groups said while they were
/// members, and within [`Scope::Conversations`] what they whispered themselves.
///
/// The log is searched window by window, so that a page costs no more for a long backlog; windows without a message grow.
pub(super) async fn list_owed(
    conn: &mut SqliteConnection,
    user_id: UserId,
    scope: Scope,
    mut place: Place,
) -> Result<Page, sqlx::Error> {
    let mut window = FIRST_WINDOW;
    loop {
        let upto = MessageId(place.upto.0.min(place.after.0.saturating_add(window)));
        let page = list_owed_in_window(conn, user_id, scope, Place { upto, ..place }).await?;
        if !page.messages.is_empty() || page.reached >= place.upto {
            return Ok(page);
        }
        place.after = page.reached;
        window = window.saturating_mul(WINDOW_GROWTH);
    }
}

async fn list_owed_in_window(
    conn: &mut SqliteConnection,
    user_id: UserId,
    scope: Scope,
    place: Place,
) -> Result<Page, sqlx::Error> {
    let rows = select_owed(conn, user_id, scope, place).await?;
    let found = rows.first().map_or(0, |row| row.found);
    let is_whole = found < PAGE_ROWS && usize::try_from(found) == Ok(rows.len());
    let newest = rows.last().map_or(place.upto, |row| MessageId(row.message_id));
    let reached = if is_whole { place.upto } else { newest };
    Ok(Page { messages: rows.into_iter().map(OwedRow::into_owed).collect(), reached, pruned_upto: MessageId(0) })
}

/// A message that is owed, and how many were found in the window.
struct OwedRow {
    message_id: i64,
    sent_at_ms: i64,
    sender: String,
    to: Option<String>,
    nonce: Option<String>,
    group_name: Option<String>,
    content: String,
    found: i64,
}

impl OwedRow {
    fn into_owed(self) -> Owed {
        let Self { message_id, sent_at_ms, sender, to, nonce, group_name, content, .. } = self;
        Owed { message_id: MessageId(message_id), sent_at_ms, sender, to, nonce, group_name, content }
    }
}

/// Each conversation gives its next ids from its index, and of all those the first are taken. The running total of bytes
/// ends the page before it would take more memory than the reader has room for.
async fn select_owed(
    conn: &mut SqliteConnection,
    user_id: UserId,
    scope: Scope,
    place: Place,
) -> Result<Vec<OwedRow>, sqlx::Error> {
    let has_own = scope == Scope::Conversations;
    let room_bytes = i64::try_from(place.room_bytes).unwrap_or(i64::MAX);
    sqlx::query_as!(
        OwedRow,
        r#"with conversations (conversation, first, last) as (
            select (low_id << 31) | high_id, ?2, ?3 from whisper_pairs where low_id = ?1
            union all
            select (low_id << 31) | high_id, ?2, ?3 from whisper_pairs where high_id = ?1 and low_id <> ?1
            union all
            select -group_id, max(?2, joined_id), min(?3, coalesce(left_id, ?3)) from group_members where user_id = ?1
        ),
        owed (message_id) as (
            select ids.value from conversations, json_each((
                select json_group_array(message_id) from (
                    select message_id from messages
                    where messages.conversation = conversations.conversation
                        and message_id > first and message_id <= last
                        and (messages.conversation < 0 or ?7 or recipient_id = ?1)
                    order by message_id limit ?4
                )
            )) as ids
        ),
        named as (
            select message_id, sender.username as sender, iif(sender_id = ?1, recipient.username, null) as own_to, group_name,
                octet_length(content) + coalesce(octet_length(group_name), 0) + coalesce(octet_length(nonce), 0) + ?5
                    + octet_length(sender.username) + coalesce(octet_length(recipient.username), 0) as bytes
            from messages
            join users as sender on sender.user_id = sender_id
            left join users as recipient on recipient.user_id = recipient_id
            left join groups using (group_id)
            where message_id in (select message_id from owed order by message_id limit ?4)
        ),
        sized as materialized (
            select *, row_number() over (order by message_id) as place, sum(bytes) over (order by message_id) as total
            from named
        )
        select message_id as "message_id!: i64", sent_at_ms as "sent_at_ms!: i64", sender as "sender!: String",
            own_to as "to?: String", group_name as "group_name?: String", content as "content!: String",
            iif(sender_id = ?1, nonce, null) as "nonce?: String", (select count(*) from sized) as "found!: i64"
        from sized join messages using (message_id)
        where place = 1 or total <= ?6
        order by message_id"#,
        user_id.0,
        place.after.0,
        place.upto.0,
        PAGE_ROWS,
        OVERHEAD_BYTES,
        room_bytes,
        has_own
    )
    .fetch_all(conn)
    .await
}
