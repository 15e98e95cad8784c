//! Taking deleted messages out of the index.

use std::collections::HashSet;

use sqlx::SqliteConnection;

use super::{Index, nonces, postings};
use crate::domain::Nonce;
use crate::store::incoming::{Incoming, Rows, Value};

/// What a deletion takes out of the index.
#[derive(Debug, Default)]
pub(in crate::store) struct Removed {
    messages: Vec<Message>,
    /// Segments of which nothing is left.
    segments: Vec<i64>,
}

#[derive(Debug)]
struct Message {
    message_id: i64,
    conversation: i64,
    sender_id: i64,
    nonce: Option<String>,
}

/// Takes messages, a list in JSON, out of the tables of the index. To be called before they are deleted, in the same transaction;
/// once it is committed, [`Index::forget`] takes them out of memory.
pub(in crate::store) async fn remove(
    conn: &mut SqliteConnection,
    incoming: &Incoming,
    ids: &str,
) -> Result<Removed, sqlx::Error> {
    let messages = list(conn, ids).await?;
    let removed: HashSet<i64> = messages.iter().map(|message| message.message_id).collect();
    let rows = postings::list_rows_of(conn, ids).await?;
    postings::rewrite(conn, incoming, &rows, |id| removed.contains(&id)).await?;
    let segments = postings::delete_empty(conn, &rows).await?;
    let mut with_nonce = Rows::new(3, messages.len());
    for Message { message_id, sender_id, nonce, .. } in &messages {
        if let Some(nonce) = nonce {
            with_nonce.push([*sender_id, i64::from(Nonce::fingerprint_of(nonce)), *message_id].map(Value::Integer));
        }
    }
    nonces::delete(conn, incoming, with_nonce).await?;
    Ok(Removed { messages, segments })
}

async fn list(conn: &mut SqliteConnection, ids: &str) -> Result<Vec<Message>, sqlx::Error> {
    sqlx::query_as!(
        Message,
        r#"select message_id, conversation as "conversation!: i64", sender_id, nonce from message_conversations
        where message_id in (select value from json_each(?))"#,
        ids
    )
    .fetch_all(conn)
    .await
}

impl Index {
    /// Takes out of memory what is deleted from the database.
    pub(in crate::store) fn forget(&self, removed: &Removed) {
        let mut state = self.write();
        state.segments.retain(|segment| !removed.segments.contains(&segment.segment_id));
        for &Message { conversation, message_id, .. } in &removed.messages {
            state.filling.remove(conversation, message_id);
            state.tail.remove(conversation, message_id);
        }
    }
}
