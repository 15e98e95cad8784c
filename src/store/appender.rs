//! Appending messages to the log: the statement that nearly every commit consists of, on a connection of its own.
//!
//! Through `sqlx` it costs steps between threads, and looking up nonces more of everything. What is here waits for the disk on the
//! thread that calls it.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, ffi};

use super::OpenError;
use super::connect::connect_appender;
use super::incoming::Incoming;
use super::index::{Index, NonceKey};
use super::message::{self, Earlier, Row};
use crate::domain::{MessageId, Nonce, UserId};

/// The connection.
#[derive(Debug)]
pub(super) struct Appender {
    conn: Connection,
    incoming: Incoming,
    referenced: Incoming,
    /// The statement that appends.
    append: String,
}

impl Appender {
    /// Opens it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let conn = connect_appender(path)?;
        let (incoming, referenced) = (Incoming::default(), Incoming::default());
        incoming.register_with(&conn, c"incoming")?;
        referenced.register_with(&conn, c"referenced")?;
        let append = format!("{} {}", message::INSERT, message::IF_ALL_ARE_THERE);
        Ok(Self { conn, incoming, referenced, append })
    }

    /// Commits messages, the first with the id `first`; all or none.
    ///
    /// What they refer to is looked up once for all of them. Foreign keys would look up two rows for each message, which is a tenth
    /// of what it costs.
    pub(super) fn append(&mut self, first: MessageId, messages: &[Row<'_>], now_ms: i64) -> rusqlite::Result<()> {
        self.incoming.put(Some(Arc::new(message::rows(first, messages, now_ms))));
        self.referenced.put(Some(Arc::new(message::references(messages))));
        let appended = self.conn.prepare_cached(&self.append).and_then(|mut append| append.execute([]));
        self.incoming.put(None);
        self.referenced.put(None);
        if appended? == 0 {
            let missing = "a user or a group that is referred to is missing".to_owned();
            return Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_CONSTRAINT_FOREIGNKEY),
                Some(missing),
            ));
        }
        Ok(())
    }

    /// What was sent before with one of these nonces, and perhaps others.
    pub(super) fn list_with_nonces(
        &mut self,
        index: &Index,
        keys: &[NonceKey],
    ) -> rusqlite::Result<Vec<((UserId, Nonce), Earlier)>> {
        message::list_with_nonce(&self.conn, &index.list_with_nonces(&self.conn, keys)?)
    }
}
