//! The table `whisper_pairs`: who has whispered with whom.

use sqlx::SqliteConnection;

use crate::domain::UserId;

pub(super) async fn insert(conn: &mut SqliteConnection, low_id: UserId, high_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into whisper_pairs (low_id, high_id) values (?, ?)", low_id.0, high_id.0)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn list(conn: &mut SqliteConnection) -> Result<Vec<(UserId, UserId)>, sqlx::Error> {
    let rows = sqlx::query!("select low_id, high_id from whisper_pairs").fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (UserId(row.low_id), UserId(row.high_id))).collect())
}
