//! The tables `segments` and `postings`: the messages of each conversation, stretch by stretch of the log.
//!
//! Shape: a row has the first message in its key, and the distances of further ones as LEB128 in a blob.

use rusqlite::{Connection, params};
use sqlx::SqliteConnection;

use super::tail::Span;
use crate::store::incoming::{Incoming, Rows, Value};

/// Messages in a row: some hundred bytes, so that little is read for a page of history.
pub(super) const ROW_MESSAGES: usize = 256;

/// Puts rows in.
pub(super) const INSERT: &str = "insert or replace into postings (segment_id, conversation, first_id, further_ids)
    select a, b, c, d from incoming";

/// A stretch of the log whose messages are in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) segment_id: i64,
    /// Exclusive.
    pub(super) after: i64,
    /// Inclusive.
    pub(super) upto: i64,
}

impl Segment {
    /// Whether any of a span's messages can be in it.
    pub(super) fn meets(&self, span: Span) -> bool {
        self.after < span.upto && span.after < self.upto
    }
}

/// The distances of all but the first of some messages in ascending order.
pub(super) fn encode(ids: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ids.len() * 2);
    for pair in ids.windows(2) {
        let mut distance = pair[1] - pair[0];
        while distance >= 0x80 {
            bytes.push((distance & 0x7f) as u8 | 0x80);
            distance >>= 7;
        }
        bytes.push(distance as u8);
    }
    bytes
}

/// The messages of a row. What is cut off or too long in a damaged one is left out: its messages are not there either.
pub(super) fn decode(first_id: i64, bytes: &[u8]) -> Vec<i64> {
    let mut ids = Vec::with_capacity(bytes.len() + 1);
    ids.push(first_id);
    let (mut id, mut distance, mut shift) = (first_id, 0_i64, 0);
    for byte in bytes {
        distance |= i64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte & 0x80 == 0 {
            id = id.saturating_add(distance);
            ids.push(id);
            (distance, shift) = (0, 0);
        }
    }
    ids
}

/// The segments that are whole, the oldest first.
pub(super) fn list_segments(conn: &Connection) -> rusqlite::Result<Vec<Segment>> {
    let sql = "select segment_id, after_id, upto_id from segments where is_whole order by upto_id";
    let mut statement = conn.prepare(sql)?;
    let segment =
        |row: &rusqlite::Row<'_>| Ok(Segment { segment_id: row.get(0)?, after: row.get(1)?, upto: row.get(2)? });
    statement.query_map([], segment)?.collect()
}

/// Adds the oldest of a span's messages within a segment to `ids`, until there are `limit`, in ascending order.
pub(super) fn extend_after(
    conn: &Connection,
    segment: Segment,
    span: Span,
    limit: usize,
    ids: &mut Vec<i64>,
) -> rusqlite::Result<()> {
    let sql = "select first_id, further_ids from postings
        where segment_id = ?1 and conversation = ?2 and first_id <= ?4 and first_id >= iif(?3 <= ?5, 0, coalesce((
            select max(first_id) from postings where segment_id = ?1 and conversation = ?2 and first_id <= ?3
        ), 0))
        order by first_id";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows =
        statement.query(params![segment.segment_id, span.conversation, span.after, span.upto, segment.after])?;
    while let Some(row) = rows.next()? {
        let row = decode(row.get(0)?, row.get_ref(1)?.as_blob()?);
        ids.extend(row.into_iter().filter(|&id| id > span.after && id <= span.upto).take(limit - ids.len()));
        if ids.len() >= limit {
            break;
        }
    }
    Ok(())
}

/// Adds the newest of a span's messages within a segment to `ids`, until there are `limit`, in descending order.
pub(super) fn extend_before(
    conn: &Connection,
    segment: Segment,
    span: Span,
    limit: usize,
    ids: &mut Vec<i64>,
) -> rusqlite::Result<()> {
    let sql = "select first_id, further_ids from postings
        where segment_id = ?1 and conversation = ?2 and first_id <= ?3 order by first_id desc";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![segment.segment_id, span.conversation, span.upto])?;
    while let Some(row) = rows.next()? {
        let first_id = row.get(0)?;
        let row = decode(first_id, row.get_ref(1)?.as_blob()?);
        let wanted = row.into_iter().rev().filter(|&id| id > span.after && id <= span.upto);
        ids.extend(wanted.take(limit - ids.len()));
        if ids.len() >= limit || first_id <= span.after {
            break;
        }
    }
    Ok(())
}

/// A row that holds messages which are being deleted.
pub(super) struct Row {
    segment_id: i64,
    conversation: i64,
    first_id: i64,
    further_ids: Vec<u8>,
}

/// The rows that hold these messages, which are a list in JSON.
pub(super) async fn list_rows_of(conn: &mut SqliteConnection, ids: &str) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        "with old (message_id, conversation, segment_id) as (
            select message_id, conversation, segment_id from message_conversations
            join segments on upto_id = (select min(upto_id) from segments where upto_id >= message_id)
            where message_id in (select value from json_each(?))
        )
        select distinct postings.segment_id, postings.conversation, first_id, further_ids from old
        join postings on postings.segment_id = old.segment_id and postings.conversation = old.conversation
            and first_id = (
                select max(first_id) from postings
                where segment_id = old.segment_id and conversation = old.conversation and first_id <= message_id
            )",
        ids
    )
    .fetch_all(conn)
    .await
}

/// Writes `rows` again without the messages that `is_removed`.
pub(super) async fn rewrite(
    conn: &mut SqliteConnection,
    incoming: &Incoming,
    rows: &[Row],
    is_removed: impl Fn(i64) -> bool,
) -> Result<(), sqlx::Error> {
    let (mut keys, mut kept) = (Rows::new(3, rows.len()), Rows::new(4, rows.len()));
    for row in rows {
        let key = [row.segment_id, row.conversation, row.first_id].map(Value::Integer);
        keys.push(key);
        let mut ids = decode(row.first_id, &row.further_ids);
        ids.retain(|id| !is_removed(*id));
        if let Some(first_id) = ids.first() {
            kept.push([key[0], key[1], Value::Integer(*first_id), Value::Blob(&encode(&ids))]);
        }
    }
    let delete = "delete from postings where (segment_id, conversation, first_id) in (select a, b, c from incoming)";
    incoming.run(conn, delete, keys).await?;
    incoming.run(conn, INSERT, kept).await
}

/// Deletes the segments of these rows of which nothing is left, but for the newest, which says how far the index goes.
pub(super) async fn delete_empty(conn: &mut SqliteConnection, rows: &[Row]) -> Result<Vec<i64>, sqlx::Error> {
    let segments: Vec<i64> = rows.iter().map(|row| row.segment_id).collect();
    let segments = serde_json::to_string(&segments).expect("numbers always encode");
    sqlx::query_scalar!(
        r#"delete from segments
        where segment_id in (select value from json_each(?)) and upto_id < (select max(upto_id) from segments)
            and not exists (select 1 from postings where postings.segment_id = segments.segment_id)
        returning segment_id as "segment_id!""#,
        segments
    )
    .fetch_all(conn)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(first in 1_i64..1 << 40, distances in prop::collection::vec(1_i64..1 << 35, 0..300)) {
            let mut ids = vec![first];
            ids.extend(distances.iter().scan(first, |id, distance| { *id += distance; Some(*id) }));

            prop_assert_eq!(decode(first, &encode(&ids)), ids);
        }

        #[test]
        fn no_bytes_are_too_bad_to_be_decoded(first: i64, bytes: Vec<u8>) {
            decode(first, &bytes);
        }
    }

    #[test]
    fn a_neighbour_takes_a_byte() {
        assert_eq!(encode(&[7, 8, 9, 136, 264]), [1, 1, 127, 0x80, 1]);
    }
}
