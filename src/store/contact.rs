//! The table `contacts`.

use sqlx::SqliteConnection;

use crate::domain::UserId;

/// Adds a contact; one who is there stays as they are.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    user_id: UserId,
    contact_id: UserId,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into contacts (user_id, contact_id, added_at_ms) values (?, ?, ?)
        on conflict (user_id, contact_id) do nothing",
        user_id.0,
        contact_id.0,
        now_ms
    )
    .execute(conn)
    .await?;
    Ok(())
}
