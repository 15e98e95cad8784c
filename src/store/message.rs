//! The table `messages`: the log.

use sqlx::SqliteConnection;

use crate::domain::{Content, GroupId, MessageId, UserId};

/// The kinds of rows, as stored.
const WHISPER: i64 = 1;
const GROUP_MESSAGE: i64 = 2;

/// Rows of one page. A read that took longer would keep the WAL from being checkpointed.
const PAGE_ROWS: i64 = 500;

/// Ids that are searched at once for what somebody is owed, and how this grows while nothing is found.
const FIRST_WINDOW: i64 = 4096;
const WINDOW_GROWTH: i64 = 8;

/// What an update may take besides its content: names of 32 and 4 x 64 bytes, and what frames and queues it. Units: bytes.
const OVERHEAD_BYTES: i64 = 416;

/// To whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    User(UserId),
    Group(GroupId),
}

/// A message to be inserted; its id follows from its place in the batch.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) sender_id: UserId,
    pub(super) target: Target,
    pub(super) content: &'a Content,
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
}

/// A message as one who is owed it is told of it.
#[derive(Debug)]
pub struct Owed {
    /// Its place in the log.
    pub message_id: MessageId,
    /// The sender's name, as registered.
    pub sender: String,
    /// The group's name as created; `None` for a whisper.
    pub group_name: Option<String>,
    /// What it says.
    pub content: String,
}

/// Appends `rows` to the log, the first with the id `first`, in one statement.
///
/// Numbers travel as JSON and contents as one blob, cut up by `substr`: JSON cannot carry every text unchanged.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    first: MessageId,
    rows: &[Row<'_>],
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let mut contents = Vec::with_capacity(rows.iter().map(|row| row.content.as_str().len()).sum());
    let mut numbers = Vec::with_capacity(rows.len());
    for Row { sender_id, target, content } in rows {
        let content = content.as_str().as_bytes();
        let (kind, recipient_id, group_id) = match target {
            Target::User(user_id) => (WHISPER, Some(user_id.0), None),
            Target::Group(group_id) => (GROUP_MESSAGE, None, Some(group_id.0)),
        };
        numbers.push((kind, sender_id.0, recipient_id, group_id, contents.len() + 1, content.len()));
        contents.extend_from_slice(content);
    }
    let numbers = serde_json::to_string(&numbers).expect("tuples of numbers always encode");
    sqlx::query!(
        "insert into messages (message_id, kind, sender_id, recipient_id, group_id, sent_at_ms, content)
        select ?1 + key, value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?2,
            cast(substr(?3, value ->> 4, value ->> 5) as text)
        from json_each(?4)",
        first.0,
        now_ms,
        contents,
        numbers
    )
    .execute(conn)
    .await?;
    Ok(())
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

/// The next messages that `user_id` is owed in `place`: whispers to them and what their groups said while they were members.
///
/// The log is searched window by window, so that a page costs no more for a long backlog; windows without a message grow.
pub(super) async fn list_owed(
    conn: &mut SqliteConnection,
    user_id: UserId,
    mut place: Place,
) -> Result<Page, sqlx::Error> {
    let mut window = FIRST_WINDOW;
    loop {
        let upto = MessageId(place.upto.0.min(place.after.0.saturating_add(window)));
        let page = list_owed_in_window(conn, user_id, Place { upto, ..place }).await?;
        if !page.messages.is_empty() || page.reached >= place.upto {
            return Ok(page);
        }
        place.after = page.reached;
        window = window.saturating_mul(WINDOW_GROWTH);
    }
}

/// Each conversation gives its next ids from its index, and of all those the first are taken. The running total of bytes
/// ends the page before it would take more memory than the reader has room for.
async fn list_owed_in_window(conn: &mut SqliteConnection, user_id: UserId, place: Place) -> Result<Page, sqlx::Error> {
    let room_bytes = i64::try_from(place.room_bytes).unwrap_or(i64::MAX);
    let rows = sqlx::query!(
        r#"with owed (message_id) as (
            select message_id from (
                select message_id from messages
                where recipient_id = ?1 and message_id > ?2 and message_id <= ?3
                order by message_id limit ?4
            )
            union all
            select ids.value from group_members, json_each((
                select json_group_array(message_id) from (
                    select message_id from messages
                    where messages.group_id = group_members.group_id
                        and message_id > max(?2, joined_id) and message_id <= min(?3, coalesce(left_id, ?3))
                    order by message_id limit ?4
                )
            )) as ids
            where group_members.user_id = ?1
        ),
        sized as materialized (
            select message_id, row_number() over (order by message_id) as place,
                sum(octet_length(content) + ?5) over (order by message_id) as bytes
            from messages where message_id in (select message_id from owed order by message_id limit ?4)
        )
        select message_id as "message_id!: i64", username as "sender!: String", group_name as "group_name?: String",
            content as "content!: String", (select count(*) from sized) as "found!: i64"
        from sized
        join messages using (message_id)
        join users on user_id = sender_id
        left join groups using (group_id)
        where place = 1 or bytes <= ?6
        order by message_id"#,
        user_id.0,
        place.after.0,
        place.upto.0,
        PAGE_ROWS,
        OVERHEAD_BYTES,
        room_bytes
    )
    .fetch_all(conn)
    .await?;
    let found = rows.first().map_or(0, |row| row.found);
    let is_whole = found < PAGE_ROWS && usize::try_from(found) == Ok(rows.len());
    let newest = rows.last().map_or(place.upto, |row| MessageId(row.message_id));
    let owed = rows.into_iter().map(|row| Owed {
        message_id: MessageId(row.message_id),
        sender: row.sender,
        group_name: row.group_name,
        content: row.content,
    });
    Ok(Page { messages: owed.collect(), reached: if is_whole { place.upto } else { newest } })
}
