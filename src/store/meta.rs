//! The table `meta`: which database this is, and which ids it has used up.

use sqlx::SqliteConnection;

use crate::domain::{Epoch, MessageId};

pub(super) async fn find_epoch(conn: &mut SqliteConnection) -> Result<Epoch, sqlx::Error> {
    let epoch = sqlx::query_scalar!("select epoch from meta").fetch_one(conn).await?;
    Ok(Epoch::new(&epoch))
}

/// Makes it another database than the one that was backed up. From here on the two give the same ids to different messages, so
/// that a client's cursor into the one says nothing about the other, and the epoch is how a server tells.
pub(super) async fn renew_epoch(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("update meta set epoch = randomblob(16)").execute(conn).await?;
    Ok(())
}

/// Notes that ids up to `message_id` are used up, whether their messages are there or not.
pub(super) async fn raise_head(conn: &mut SqliteConnection, message_id: MessageId) -> Result<(), sqlx::Error> {
    sqlx::query!("update meta set head = max(head, ?)", message_id.0).execute(conn).await?;
    Ok(())
}
