//! The table `nonces`: which messages may have a nonce.

use rusqlite::Connection;
use sqlx::SqliteConnection;

use super::tail::NonceKey;
use crate::store::incoming::{Incoming, Rows};

/// The messages in segments that may have one of these nonces.
pub(super) fn list(conn: &Connection, keys: &[NonceKey]) -> rusqlite::Result<Vec<i64>> {
    let mut select = conn.prepare_cached("select message_id from nonces where sender_id = ? and nonce_hash = ?")?;
    let mut ids = Vec::new();
    for (sender_id, fingerprint) in keys {
        for message_id in select.query_map((sender_id, fingerprint), |row| row.get(0))? {
            ids.push(message_id?);
        }
    }
    Ok(ids)
}

/// Deletes rows. `rows` have a sender, a hash and a message each.
pub(super) async fn delete(conn: &mut SqliteConnection, incoming: &Incoming, rows: Rows) -> Result<(), sqlx::Error> {
    let sql = "delete from nonces where (sender_id, nonce_hash, message_id) in (select a, b, c from incoming)";
    incoming.run(conn, sql, rows).await
}
