//! Appending messages to the log: the statement that nearly every commit consists of, on a connection of its own.
//!
//! Through `sqlx` it costs more steps between threads, and looking up nonces more of everything.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::OpenError;
use super::connect::connect_appender;
use super::incoming::{Incoming, Rows};
use super::index::{Index, NonceKey};
use super::message::{self, Earlier};
use crate::domain::{Nonce, UserId};

/// The connection.
#[derive(Debug)]
pub(super) struct Appender {
    /// Not there while another thread has it.
    conn: Option<Connection>,
    incoming: Incoming,
}

impl Appender {
    /// Opens it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let conn = connect_appender(path)?;
        let incoming = Incoming::default();
        incoming.register_with(&conn)?;
        Ok(Self { conn: Some(conn), incoming })
    }

    /// Commits what [`message::rows`] has made.
    pub(super) async fn append(&mut self, rows: Rows) -> rusqlite::Result<()> {
        self.incoming.put(Some(Arc::new(rows)));
        let appended = self.run(|conn| conn.prepare_cached(message::INSERT)?.execute([])).await;
        self.incoming.put(None);
        appended.map(drop)
    }

    /// What was sent before with one of these nonces, and perhaps others.
    pub(super) async fn list_with_nonces(
        &mut self,
        index: &Arc<Index>,
        keys: Vec<NonceKey>,
    ) -> rusqlite::Result<Vec<((UserId, Nonce), Earlier)>> {
        let index = Arc::clone(index);
        self.run(move |conn| message::list_with_nonce(conn, &index.list_with_nonces(conn, &keys)?)).await
    }

    /// Runs `work` on a thread that may wait for the disk.
    async fn run<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> rusqlite::Result<R> {
        let conn = self.conn.take().expect("it is always given back");
        let work = move || {
            let done = work(&conn);
            (conn, done)
        };
        let (conn, done) = spawn_blocking(work).await.expect("SQLite does not panic");
        self.conn = Some(conn);
        done
    }
}
