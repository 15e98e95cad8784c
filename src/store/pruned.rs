//! Deleting messages, and the tables `pruned_whispers` and `pruned_group_messages`: up to where that was done, for those who have
//! missed some.

use rusqlite::Connection;
use sqlx::SqliteConnection;

use super::incoming::Incoming;
use super::index::{self, Removed};
use super::meta;
use crate::domain::{MessageId, UserId};

/// Deletes `messages`. To be called in a transaction: their ids stay used up, and who misses them can tell. Once it is committed
/// the index in memory has to forget what is returned.
pub(super) async fn delete(
    conn: &mut SqliteConnection,
    incoming: &Incoming,
    messages: &[MessageId],
) -> Result<Removed, sqlx::Error> {
    let Some(&newest) = messages.iter().max() else { return Ok(Removed::default()) };
    let ids: Vec<i64> = messages.iter().map(|message_id| message_id.0).collect();
    let ids = serde_json::to_string(&ids).expect("numbers always encode");
    meta::raise_head(conn, newest).await?;
    note_whispers(conn, &ids).await?;
    note_group_messages(conn, &ids).await?;
    let removed = index::remove(conn, incoming, &ids).await?;
    sqlx::query!("delete from messages where message_id in (select value from json_each(?))", ids)
        .execute(conn)
        .await?;
    Ok(removed)
}

async fn note_whispers(conn: &mut SqliteConnection, ids: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with whispers (message_id, sender_id, recipient_id) as (
            select message_id, sender_id, recipient_id from messages
            where message_id in (select value from json_each(?)) and recipient_id is not null
        )
        insert into pruned_whispers (user_id, message_id)
        select user_id, max(message_id) from (
            select sender_id as user_id, message_id from whispers
            union all
            select recipient_id, message_id from whispers
        ) group by user_id
        on conflict (user_id) do update set message_id = max(message_id, excluded.message_id)",
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn note_group_messages(conn: &mut SqliteConnection, ids: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into pruned_group_messages (group_id, message_id)
        select group_id, max(message_id) from messages
        where message_id in (select value from json_each(?)) and group_id is not null
        group by group_id
        on conflict (group_id) do update set message_id = max(message_id, excluded.message_id)",
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The newest message of `user_id`'s conversations that was deleted; 0 where none was.
///
/// Of a group that they have left, it may be one that was never theirs: then it counts up to where they left.
pub(super) fn find_newest(conn: &Connection, user_id: UserId) -> rusqlite::Result<MessageId> {
    let sql = "select coalesce(max(upto), 0) from (
            select message_id as upto from pruned_whispers where user_id = ?1
            union all
            select min(message_id, coalesce(left_id, message_id)) as upto
            from group_members join pruned_group_messages using (group_id)
            where user_id = ?1 and message_id > joined_id
        )";
    conn.prepare_cached(sql)?.query_row([user_id.0], |row| row.get(0).map(MessageId))
}
