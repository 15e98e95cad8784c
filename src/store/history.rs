//! Reading a conversation, in both directions.

use sqlx::SqliteConnection;

use super::message::Target;
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
    pub sender: String,
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

/// A row, and how many rows there would have been.
struct Row {
    message_id: i64,
    sent_at_ms: i64,
    sender: String,
    content: String,
    nonce: Option<String>,
    found: i64,
}

/// A part of the conversation that `user_id` has with `target`; of a group what was said while they were a member.
pub(super) async fn list(
    conn: &mut SqliteConnection,
    user_id: UserId,
    target: Target,
    stretch: Stretch,
    amount: Amount,
) -> Result<History, sqlx::Error> {
    let conversation = target.conversation_with(user_id);
    let rows = match stretch {
        Stretch::Before(before) => list_before(conn, user_id, conversation, before, amount).await?,
        Stretch::After(after) => list_after(conn, user_id, conversation, after, amount).await?,
    };
    let found = rows.first().map_or(0, |row| row.found);
    let is_end = usize::try_from(found) == Ok(rows.len());
    Ok(History { messages: rows.into_iter().map(Row::into_said).collect(), is_end })
}

impl Row {
    fn into_said(self) -> Said {
        let Self { message_id, sent_at_ms, sender, content, nonce, .. } = self;
        Said { message_id, sent_at_ms, sender, content, nonce }
    }
}

/// Each membership gives its next ids from the index, so that what lies between two of them costs nothing. One more than is
/// asked for is looked for, which tells whether there is more.
async fn list_before(
    conn: &mut SqliteConnection,
    user_id: UserId,
    conversation: i64,
    before: MessageId,
    amount: Amount,
) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"with spans (first, last) as (
            select 0, ?3 - 1 where ?2 >= 0
            union all
            select joined_id, min(?3 - 1, coalesce(left_id, ?3 - 1)) from group_members
            where ?2 < 0 and group_id = -?2 and user_id = ?1
        ),
        found (message_id) as (
            select ids.value from spans, json_each((
                select json_group_array(message_id) from (
                    select message_id from messages
                    where conversation = ?2 and message_id > first and message_id <= last
                    order by message_id desc limit ?4 + 1
                )
            )) as ids
            order by 1 desc limit ?4 + 1
        ),
        sized as materialized (
            select message_id, row_number() over (order by message_id desc) as place,
                sum(octet_length(content) + ?6) over (order by message_id desc) as bytes
            from messages where message_id in (select message_id from found)
        )
        select message_id as "message_id!: i64", sent_at_ms as "sent_at_ms!: i64", username as "sender!: String",
            content as "content!: String", iif(sender_id = ?1, nonce, null) as "nonce?: String",
            (select count(*) from sized) as "found!: i64"
        from sized join messages using (message_id) join users on user_id = sender_id
        where place <= ?4 and (place = 1 or bytes <= ?5)
        order by message_id desc"#,
        user_id.0,
        conversation,
        before.0,
        amount.messages,
        amount.bytes,
        OVERHEAD_BYTES
    )
    .fetch_all(conn)
    .await
}

/// The same in the other direction.
async fn list_after(
    conn: &mut SqliteConnection,
    user_id: UserId,
    conversation: i64,
    after: MessageId,
    amount: Amount,
) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"with spans (first, last) as (
            select ?3, 0x7fffffffffffffff where ?2 >= 0
            union all
            select max(?3, joined_id), coalesce(left_id, 0x7fffffffffffffff) from group_members
            where ?2 < 0 and group_id = -?2 and user_id = ?1
        ),
        found (message_id) as (
            select ids.value from spans, json_each((
                select json_group_array(message_id) from (
                    select message_id from messages
                    where conversation = ?2 and message_id > first and message_id <= last
                    order by message_id limit ?4 + 1
                )
            )) as ids
            order by 1 limit ?4 + 1
        ),
        sized as materialized (
            select message_id, row_number() over (order by message_id) as place,
                sum(octet_length(content) + ?6) over (order by message_id) as bytes
            from messages where message_id in (select message_id from found)
        )
        select message_id as "message_id!: i64", sent_at_ms as "sent_at_ms!: i64", username as "sender!: String",
            content as "content!: String", iif(sender_id = ?1, nonce, null) as "nonce?: String",
            (select count(*) from sized) as "found!: i64"
        from sized join messages using (message_id) join users on user_id = sender_id
        where place <= ?4 and (place = 1 or bytes <= ?5)
        order by message_id"#,
        user_id.0,
        conversation,
        after.0,
        amount.messages,
        amount.bytes,
        OVERHEAD_BYTES
    )
    .fetch_all(conn)
    .await
}
