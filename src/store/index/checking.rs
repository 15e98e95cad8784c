//! Whether the index says what the log says.

use rusqlite::{Connection, OptionalExtension};

use super::postings::decode;

/// What is wrong with an index; a sound one has nothing of either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store) struct Unsound {
    /// Messages in the stretches that it covers of which it knows nothing.
    pub(in crate::store) missing: i64,
    /// Messages in it that are not in the log, or belong to another conversation.
    pub(in crate::store) dangling: i64,
}

/// Compares all segments that are whole with the log, as of one moment.
pub(in crate::store) fn check(conn: &Connection) -> rusqlite::Result<Unsound> {
    let moment = conn.unchecked_transaction()?;
    let covered =
        "select count(*) from messages where message_id <= (select max(upto_id) from segments where is_whole)";
    let covered: i64 = moment.query_row(covered, [], |row| row.get(0))?;
    let mut of = moment.prepare("select conversation from message_conversations where message_id = ?")?;
    let postings =
        "select conversation, first_id, further_ids from postings join segments using (segment_id) where is_whole";
    let mut postings = moment.prepare(postings)?;
    let mut rows = postings.query([])?;
    let (mut found, mut dangling) = (0, 0);
    while let Some(row) = rows.next()? {
        let conversation: i64 = row.get(0)?;
        for id in decode(row.get(1)?, row.get_ref(2)?.as_blob()?) {
            let is_there = of.query_row([id], |row| row.get(0)).optional()? == Some(conversation);
            if is_there { found += 1 } else { dangling += 1 }
        }
    }
    Ok(Unsound { missing: covered - found, dangling })
}
