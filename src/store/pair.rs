//! The table `whisper_pairs`: who has whispered with whom.

use rusqlite::Connection;
use sqlx::SqliteConnection;

use crate::domain::UserId;

pub(super) async fn insert(conn: &mut SqliteConnection, low_id: UserId, high_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into whisper_pairs (low_id, high_id) values (?, ?)", low_id.0, high_id.0)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) fn list(conn: &Connection) -> rusqlite::Result<Vec<(UserId, UserId)>> {
    let mut select = conn.prepare("select low_id, high_id from whisper_pairs")?;
    select.query_map([], |row| Ok((UserId(row.get(0)?), UserId(row.get(1)?))))?.collect()
}
