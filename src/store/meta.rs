//! The table `meta`: which database this is.

use sqlx::SqliteConnection;

use crate::domain::Epoch;

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
