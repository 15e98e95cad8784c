//! The connections that read the log. Its rows are many, and through SQLite's own interface a page of them costs a fifth.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::StoreError;
use super::connect::connect_log_reader;

/// Pages that are read at once.
const CONNECTIONS: usize = 4;

/// A few connections, each used by one thread at a time.
#[derive(Debug, Clone)]
pub(super) struct LogReaders {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    /// How long a read waits for a connection.
    acquire_timeout: Duration,
}

impl LogReaders {
    /// Opens the connections.
    pub(super) async fn open(path: &Path, acquire_timeout: Duration) -> Result<Self, rusqlite::Error> {
        let path = PathBuf::from(path);
        let opened =
            spawn_blocking(move || (0..CONNECTIONS).map(|_| connect_log_reader(&path)).collect::<Result<Vec<_>, _>>());
        let idle = opened.await.expect("opening does not panic")?;
        let permits = Arc::new(Semaphore::new(idle.len()));
        Ok(Self { idle: Arc::new(Mutex::new(idle)), permits, acquire_timeout })
    }

    /// Runs `work` with a connection, on a thread that may wait for the disk.
    ///
    /// Cancel safety: dropped, `work` still runs to its end.
    pub(super) async fn read<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, StoreError> {
        let lent = self.lend().await?;
        let read = spawn_blocking(move || {
            let read = lent.conn.as_ref().map(work).expect("there are as many as permits");
            drop(lent);
            read
        });
        Ok(read.await.map_err(|_| StoreError::ReaderPanicked)??)
    }

    async fn lend(&self) -> Result<Lent, StoreError> {
        let permit = timeout(self.acquire_timeout, Arc::clone(&self.permits).acquire_owned());
        let Ok(Ok(permit)) = permit.await else { return Err(StoreError::Busy) };
        Ok(Lent { conn: self.lock().pop(), idle: Arc::clone(&self.idle), _permit: permit })
    }

    /// Closes all, once they are back; nothing is read any more.
    pub(super) async fn close(&self) {
        let all = u32::try_from(CONNECTIONS).expect("they are few");
        if let Ok(permits) = self.permits.acquire_many(all).await {
            self.lock().clear();
            self.permits.close();
            drop(permits);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use; goes back however that ends.
struct Lent {
    conn: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.conn.take());
    }
}
