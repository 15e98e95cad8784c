//! Appending messages to the log: the statement that nearly every commit consists of, on a connection of its own.
//!
//! Through `sqlx` it costs steps between threads, and looking up nonces more of everything. What is here waits for the disk on the
//! thread that calls it.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::OpenError;
use super::connect::connect_appender;
use super::incoming::{Incoming, Rows};
use super::index::{Index, NonceKey};
use super::message::{self, Earlier};
use crate::domain::{Nonce, UserId};

/// The connection.
#[derive(Debug)]
pub(super) struct Appender {
    conn: Connection,
    incoming: Incoming,
}

impl Appender {
    /// Opens it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let conn = connect_appender(path)?;
        let incoming = Incoming::default();
        incoming.register_with(&conn)?;
        Ok(Self { conn, incoming })
    }

    /// Commits what [`message::rows`] has made.
    pub(super) fn append(&mut self, rows: Rows) -> rusqlite::Result<()> {
        self.incoming.put(Some(Arc::new(rows)));
        let appended = self.conn.prepare_cached(message::INSERT).and_then(|mut insert| insert.execute([]));
        self.incoming.put(None);
        appended.map(drop)
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
