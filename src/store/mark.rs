//! The table `delivery_marks`.

use rusqlite::Connection;
use sqlx::SqliteConnection;

use crate::domain::{MessageId, UserId};

pub(super) async fn insert(
    conn: &mut SqliteConnection,
    user_id: UserId,
    message_id: MessageId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into delivery_marks (user_id, message_id) values (?, ?)", user_id.0, message_id.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Moves many marks at once, none of them back.
pub(super) async fn update(conn: &mut SqliteConnection, marks: &[(UserId, MessageId)]) -> Result<(), sqlx::Error> {
    let marks: Vec<(i64, i64)> = marks.iter().map(|(user_id, message_id)| (user_id.0, message_id.0)).collect();
    let marks = serde_json::to_string(&marks).expect("pairs of numbers always encode");
    sqlx::query!(
        "update delivery_marks set message_id = moved.value ->> 1 from json_each(?) as moved
        where user_id = moved.value ->> 0 and message_id < moved.value ->> 1",
        marks
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) fn list(conn: &Connection) -> rusqlite::Result<Vec<(UserId, MessageId)>> {
    let mut select = conn.prepare("select user_id, message_id from delivery_marks")?;
    select.query_map([], |row| Ok((UserId(row.get(0)?), MessageId(row.get(1)?))))?.collect()
}
