//! The table `nonces`: which messages may have a nonce.

use sha2::{Digest, Sha256};
use sqlx::SqliteConnection;

use crate::domain::{MessageId, Nonce, UserId};
use crate::store::incoming::{Incoming, Rows};

/// What the index keeps of a nonce.
pub(in crate::store) fn hash(nonce: &str) -> u32 {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(nonce).into();
    u32::from_be_bytes([a, b, c, d])
}

/// The messages in segments that may have one of these senders' nonces.
pub(in crate::store) async fn list(
    conn: &mut SqliteConnection,
    nonces: &[(UserId, &Nonce)],
) -> Result<Vec<MessageId>, sqlx::Error> {
    let keys: Vec<(i64, u32)> = nonces.iter().map(|(sender_id, nonce)| (sender_id.0, hash(nonce.as_str()))).collect();
    let keys = serde_json::to_string(&keys).expect("pairs of numbers always encode");
    let ids = sqlx::query_scalar!(
        r#"select message_id as "message_id!: i64" from json_each(?) as asked
        join nonces on sender_id = asked.value ->> 0 and nonce_hash = asked.value ->> 1"#,
        keys
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(MessageId).collect())
}

/// Deletes rows. `rows` have a sender, a hash and a message each.
pub(super) async fn delete(conn: &mut SqliteConnection, incoming: &Incoming, rows: Rows) -> Result<(), sqlx::Error> {
    let sql = "delete from nonces where (sender_id, nonce_hash, message_id) in (select a, b, c from incoming)";
    incoming.run(conn, sql, rows).await
}
