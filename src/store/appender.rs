//! Appending messages to the log: the statement that nearly every commit consists of, on a connection of its own.
//!
//! A small batch is committed on the thread that has just read it, for nothing wakes an idle processor as slowly as another
//! thread does: there and back takes longer than the commit. Until it is done, that thread serves nobody, which is why a
//! [`Lookout`](super::lookout::Lookout) has another one serve them where it takes long. What is large is committed on another
//! thread, so that requests are read meanwhile, and so is everything while the disk is slow.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::OpenError;
use super::connect::connect_appender;
use super::incoming::{Incoming, Rows};
use super::index::{Index, NonceKey};
use super::message::{self, Earlier};
use crate::domain::{Nonce, UserId};

/// More messages than this are committed on another thread.
const FEW_ROWS: usize = 16;

/// A commit that took longer has the next one made on another thread.
const QUICK: Duration = Duration::from_millis(1);

/// The connection.
#[derive(Debug)]
pub(super) struct Appender {
    /// Not there while another thread has it.
    conn: Option<Connection>,
    incoming: Incoming,
    /// Whether the thread that serves may commit.
    has_spare_thread: bool,
    /// How long the last commit took.
    took: Duration,
}

impl Appender {
    /// Opens it.
    pub(super) fn open(path: &Path, has_spare_thread: bool) -> Result<Self, OpenError> {
        let conn = connect_appender(path)?;
        let incoming = Incoming::default();
        incoming.register_with(&conn)?;
        Ok(Self { conn: Some(conn), incoming, has_spare_thread, took: Duration::ZERO })
    }

    /// Commits what [`message::rows`] has made.
    pub(super) async fn append(&mut self, rows: Rows) -> rusqlite::Result<()> {
        let messages = rows.len();
        self.incoming.put(Some(Arc::new(rows)));
        let appended = self.run(messages, |conn| conn.prepare_cached(message::INSERT)?.execute([])).await;
        self.incoming.put(None);
        appended.map(drop)
    }

    /// What was sent before with one of these nonces, and perhaps others.
    pub(super) async fn list_with_nonces(
        &mut self,
        index: &Arc<Index>,
        keys: Vec<NonceKey>,
    ) -> rusqlite::Result<Vec<((UserId, Nonce), Earlier)>> {
        let (index, nonces) = (Arc::clone(index), keys.len());
        let look_up = move |conn: &Connection| message::list_with_nonce(conn, &index.list_with_nonces(conn, &keys)?);
        self.run(nonces, look_up).await
    }

    /// Runs `work`, which is about so many rows, on this thread or another one.
    async fn run<R: Send + 'static>(
        &mut self,
        rows: usize,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> rusqlite::Result<R> {
        let is_quick = self.has_spare_thread && rows <= FEW_ROWS && self.took < QUICK;
        let conn = self.conn.take().expect("it is always given back");
        let work = move || {
            let begun = Instant::now();
            let done = work(&conn);
            (conn, done, begun.elapsed())
        };
        let (conn, done, took) =
            if is_quick { work() } else { spawn_blocking(work).await.expect("SQLite does not panic") };
        self.conn = Some(conn);
        self.took = took;
        done
    }
}
