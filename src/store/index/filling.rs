//! Writing a segment: in slices between two commits, so that nobody waits for all of it.

use rusqlite::Connection;
use sqlx::{Connection as _, SqliteConnection};

use super::Index;
use super::postings::{INSERT, ROW_MESSAGES, Segment, encode};
use super::tail::{NonceKey, Span, Tail};
use crate::store::OpenError;
use crate::store::connect::Writing;
use crate::store::incoming::{Incoming, Rows, Value};

/// A segment that is being written.
#[derive(Debug)]
pub(in crate::store) struct Filling {
    segment: Segment,
    /// In the order of the table.
    conversations: Vec<i64>,
    nonces: Vec<(NonceKey, i64)>,
    /// How far they are written.
    written: Written,
}

#[derive(Debug, Clone, Copy, Default)]
struct Written {
    is_begun: bool,
    conversations: usize,
    nonces: usize,
}

impl Filling {
    /// Begins a segment with what the index has in memory, if that is enough.
    pub(in crate::store) fn begin(index: &Index) -> Option<Self> {
        if !index.is_due() {
            return None;
        }
        let mut state = index.write();
        let segment_id = state.segments.last().map_or(0, |segment| segment.segment_id) + 1;
        let (after, upto) = state.tail.stretch();
        state.filling = std::mem::replace(&mut state.tail, Tail::behind(upto));
        let (conversations, nonces) = (state.filling.conversations(), state.filling.nonces());
        drop(state);
        let segment = Segment { segment_id, after, upto };
        Some(Self { segment, conversations, nonces, written: Written::default() })
    }

    /// Writes about so many messages, or nonces, in a transaction of its own; whether that was all.
    pub(in crate::store) async fn write_slice(
        &mut self,
        writing: &mut Writing,
        index: &Index,
        messages: usize,
    ) -> Result<bool, sqlx::Error> {
        let Writing { conn, incoming } = writing;
        let mut written = self.written;
        let mut tx = conn.begin_with("begin immediate").await?;
        if !written.is_begun {
            begin(&mut tx, self.segment).await?;
            written.is_begun = true;
        }
        if written.conversations < self.conversations.len() {
            let (rows, conversations) = self.postings(index, messages);
            written.conversations += conversations;
            incoming.run(&mut tx, INSERT, rows).await?;
        } else {
            written.nonces += self.write_nonces(&mut tx, incoming, messages).await?;
        }
        let is_whole = written.conversations == self.conversations.len() && written.nonces == self.nonces.len();
        if is_whole {
            finish(&mut tx, self.segment).await?;
        }
        tx.commit().await?;
        self.written = written;
        if is_whole {
            index.put_segment(self.segment);
        }
        Ok(is_whole)
    }

    /// The rows of the next conversations, and how many conversations these are.
    fn postings(&self, index: &Index, messages: usize) -> (Rows, usize) {
        let Segment { segment_id, after, upto } = self.segment;
        let state = index.read();
        let mut rows = Rows::new(4, messages);
        let (mut conversations, mut left) = (0, messages);
        for &conversation in &self.conversations[self.written.conversations..] {
            if left == 0 {
                break;
            }
            let ids = state.filling.ids(Span { conversation, after, upto });
            for ids in ids.chunks(ROW_MESSAGES) {
                let further_ids = encode(ids);
                rows.push([
                    Value::Integer(segment_id),
                    Value::Integer(conversation),
                    Value::Integer(ids[0]),
                    Value::Blob(&further_ids),
                ]);
            }
            conversations += 1;
            left = left.saturating_sub(ids.len().max(1));
        }
        drop(state);
        (rows, conversations)
    }

    async fn write_nonces(
        &self,
        conn: &mut SqliteConnection,
        incoming: &Incoming,
        nonces: usize,
    ) -> Result<usize, sqlx::Error> {
        let next = &self.nonces[self.written.nonces..];
        let next = &next[..nonces.min(next.len())];
        let mut rows = Rows::new(3, next.len());
        for ((sender_id, nonce_hash), message_id) in next {
            rows.push([*sender_id, i64::from(*nonce_hash), *message_id].map(Value::Integer));
        }
        // What a crash has left of an earlier attempt may be there.
        let sql = "insert or ignore into nonces (sender_id, nonce_hash, message_id) select a, b, c from incoming";
        incoming.run(conn, sql, rows).await?;
        Ok(next.len())
    }
}

impl Index {
    fn put_segment(&self, segment: Segment) {
        let mut state = self.write();
        state.segments.push(segment);
        let written = std::mem::replace(&mut state.filling, Tail::behind(segment.upto));
        drop(state);
        // Takes its time, in which others may read.
        drop(written);
    }
}

/// Notes a segment that is not whole, in place of one that a server which was killed has left so.
async fn begin(conn: &mut SqliteConnection, segment: Segment) -> Result<(), sqlx::Error> {
    let Segment { segment_id, after, upto } = segment;
    sqlx::query!("delete from postings where segment_id in (select segment_id from segments where not is_whole)")
        .execute(&mut *conn)
        .await?;
    sqlx::query!("delete from segments where not is_whole").execute(&mut *conn).await?;
    sqlx::query!(
        "insert into segments (segment_id, after_id, upto_id, is_whole) values (?, ?, ?, 0)",
        segment_id,
        after,
        upto
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn finish(conn: &mut SqliteConnection, segment: Segment) -> Result<(), sqlx::Error> {
    sqlx::query!("update segments set is_whole = 1 where segment_id = ?", segment.segment_id).execute(conn).await?;
    Ok(())
}

/// Writes segments while there is enough for one: after a migration, or where servers were killed at bad moments. `open` gives a
/// connection that reads the log.
pub(in crate::store) async fn catch_up(
    writing: &mut Writing,
    index: &Index,
    open: impl Fn() -> rusqlite::Result<Connection>,
) -> Result<(), OpenError> {
    while let Some(mut filling) = Filling::begin(index) {
        tracing::info!(upto = filling.segment.upto, "indexing messages");
        while !filling.write_slice(writing, index, index.segment_messages).await? {}
        index.read_on(&open()?)?;
    }
    Ok(())
}
