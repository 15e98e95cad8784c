//! The table `read_marks`: up to where users have read their conversations, as they say.

use sqlx::SqliteConnection;

use crate::domain::{MessageId, UserId};

/// Moves a mark on, never back.
pub(super) async fn update(
    conn: &mut SqliteConnection,
    user_id: UserId,
    conversation: i64,
    message_id: MessageId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into read_marks (user_id, conversation, message_id) values (?, ?, ?)
        on conflict do update set message_id = max(message_id, excluded.message_id)",
        user_id.0,
        conversation,
        message_id.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn delete_all(conn: &mut SqliteConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from read_marks where user_id = ?", user_id.0).execute(conn).await?;
    Ok(())
}
