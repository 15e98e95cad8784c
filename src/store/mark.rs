//! The table `delivery_marks`.

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

pub(super) async fn list(conn: &mut SqliteConnection) -> Result<Vec<(UserId, MessageId)>, sqlx::Error> {
    let rows = sqlx::query!("select user_id, message_id from delivery_marks").fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (UserId(row.user_id), MessageId(row.message_id))).collect())
}
