//! Moving the WAL into the database, on a connection of its own, so that no commit waits for it.
//!
//! SQLite would do so in the commit that makes the WAL long, for some 20 ms. What is in the WAL is durable, so a checkpoint that
//! fails loses nothing: it is logged and tried again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::OpenError;
use super::connect::{Checkpointed, checkpoint, connect_checkpointer};

/// How much commits put into the WAL between two checkpoints. A commit waits for the disk while a checkpoint does, so many small ones
/// make nobody wait for long; SQLite itself takes 1,000. Units: pages.
const EVERY_PAGES: u64 = 250;

/// A WAL that is longer makes the writer wait for a checkpoint, after which it begins at the front again. While commits follow one
/// another it never gets to that by itself, for each checkpoint beside it finds the WAL longer when it ends. Units: pages, 64 MiB
/// of them.
const LONG_PAGES: u64 = 16_384;

/// How long after a checkpoint that failed the next is tried.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the writer and the checkpointer know of the WAL.
#[derive(Debug)]
struct Wal {
    /// What was put in since the last checkpoint, about. Units: pages.
    grown_pages: AtomicU64,
    /// As of the last checkpoint, and what was put in since it began. Units: pages.
    length_pages: AtomicU64,
    /// From where on it is too long. Units: pages.
    long_pages: AtomicU64,
    is_over: AtomicBool,
    /// Tells the checkpointer that there is something to do.
    due: Notify,
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wal: Arc<Wal>,
    running: JoinHandle<()>,
}

impl Checkpointer {
    /// Opens the connection and starts the task.
    pub(super) async fn start(path: &Path) -> Result<Self, OpenError> {
        let conn = connect_checkpointer(path).await?;
        let wal = Arc::new(Wal::default());
        let running = tokio::spawn(run(Arc::clone(&wal), conn));
        Ok(Self { wal, running })
    }

    /// Notes that a commit has put about so much into the WAL.
    pub(super) fn grew(&self, pages: u64) {
        self.wal.length_pages.fetch_add(pages, Ordering::Relaxed);
        if self.wal.grown_pages.fetch_add(pages, Ordering::Relaxed) + pages >= EVERY_PAGES {
            self.wal.due.notify_one();
        }
    }

    /// Makes a checkpoint on the writer's own connection where the WAL is long, unless one is being made, behind which there will be
    /// less to move. To be called between two commits.
    pub(super) async fn keep_short(&self, writer: &mut SqliteConnection) {
        if self.wal.is_long()
            && let Ok(Some(checkpointed)) = self.wal.checkpoint(writer).await
        {
            self.wal.note_between_commits(checkpointed);
        }
    }

    /// Ends the task and closes its connection.
    pub(super) async fn stop(self) {
        self.wal.is_over.store(true, Ordering::Relaxed);
        self.wal.due.notify_one();
        if let Err(err) = self.running.await {
            tracing::warn!(error = %err, "the checkpointer has ended");
        }
    }
}

impl Default for Wal {
    fn default() -> Self {
        Self {
            grown_pages: AtomicU64::new(0),
            length_pages: AtomicU64::new(0),
            long_pages: AtomicU64::new(LONG_PAGES),
            is_over: AtomicBool::new(false),
            due: Notify::new(),
        }
    }
}

impl Wal {
    fn is_long(&self) -> bool {
        self.length_pages.load(Ordering::Relaxed) >= self.long_pages.load(Ordering::Relaxed)
    }

    /// Makes a checkpoint. Where that fails, it is logged, and tried again when as much has been put in once more.
    async fn checkpoint(&self, conn: &mut SqliteConnection) -> Result<Option<Checkpointed>, sqlx::Error> {
        checkpoint(conn).await.inspect_err(|err| {
            tracing::warn!(error = %err, "the write-ahead log was not moved into the database; it grows meanwhile");
            self.length_pages.store(0, Ordering::Relaxed);
        })
    }

    /// Notes what a checkpoint has found and moved beside the writer, who may be in the middle of a commit that nobody has told of.
    /// So it cannot be said that all is moved.
    fn note_beside_commits(&self, checkpointed: Checkpointed) {
        let grown_pages = self.grown_pages.load(Ordering::Relaxed);
        self.note(checkpointed, checkpointed.length_pages + grown_pages);
    }

    /// Notes what the writer has found and moved. Where that is all, its next commit begins at the front.
    fn note_between_commits(&self, checkpointed: Checkpointed) {
        self.grown_pages.store(0, Ordering::Relaxed);
        self.note(checkpointed, if checkpointed.is_all() { 0 } else { checkpointed.length_pages });
    }

    fn note(&self, checkpointed: Checkpointed, length_pages: u64) {
        // Who reads an older state keeps the rest from being moved, perhaps for long; not every commit need try.
        let tried_upto = if checkpointed.is_all() { 0 } else { checkpointed.length_pages };
        self.long_pages.store(LONG_PAGES.max(tried_upto + EVERY_PAGES), Ordering::Relaxed);
        self.length_pages.store(length_pages, Ordering::Relaxed);
    }
}

async fn run(wal: Arc<Wal>, mut conn: SqliteConnection) {
    loop {
        wal.due.notified().await;
        if wal.is_over.load(Ordering::Relaxed) {
            break;
        }
        // A long one is left to the writer, for whom there would always be another under way.
        if wal.is_long() {
            continue;
        }
        wal.grown_pages.store(0, Ordering::Relaxed);
        match wal.checkpoint(&mut conn).await {
            Ok(checkpointed) => checkpointed.into_iter().for_each(|checkpointed| wal.note_beside_commits(checkpointed)),
            Err(_) => sleep(RETRY_AFTER).await,
        }
    }
    // What is left, the writer moves.
    if let Err(err) = conn.close().await {
        tracing::warn!(error = %err, "closing the checkpointer's connection");
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::connect::{Writing, connect_writer};
    use crate::store::lock::create_private;
    use crate::store::migrate::{self, MIGRATOR};

    /// A database with a change in its WAL that is not moved by itself, and the length of the file without it.
    async fn grown() -> (tempfile::TempDir, PathBuf, Writing, u64) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        create_private(&path).unwrap();
        migrate::migrate(&path, 0, &MIGRATOR).await.unwrap();
        let mut writing = connect_writer(&path).await.unwrap();
        let length = length(&path);
        sqlx::query!(
            "insert into users (user_id, username, username_key, password_hash, registered_at_ms)
            select value, 'u' || value, 'u' || value, printf('$argon2id$%.*c', 100000, 'x'), 0 from json_each('[1, 2, 3]')"
        )
        .execute(&mut writing.conn)
        .await
        .unwrap();
        (directory, path, writing, length)
    }

    fn length(path: &Path) -> u64 {
        path.metadata().unwrap().len()
    }

    #[tokio::test]
    async fn a_checkpoint_is_made_beside_the_writer_once_it_has_written_enough() {
        let (_directory, path, _writing, before) = grown().await;
        let checkpointer = Checkpointer::start(&path).await.unwrap();

        checkpointer.grew(EVERY_PAGES - 1);
        assert_eq!(length(&path), before);
        checkpointer.grew(1);

        let moved = async {
            while length(&path) == before {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), moved).await.expect("a checkpoint within ten seconds");
        checkpointer.stop().await;
    }

    #[tokio::test]
    async fn the_writer_moves_a_wal_that_has_become_long() {
        let (_directory, path, mut writing, before) = grown().await;
        let wal = Arc::new(Wal::default());
        let checkpointer = Checkpointer { wal: Arc::clone(&wal), running: tokio::spawn(async {}) };

        checkpointer.grew(LONG_PAGES - 1);
        checkpointer.keep_short(&mut writing.conn).await;
        assert_eq!(length(&path), before);
        checkpointer.grew(1);
        checkpointer.keep_short(&mut writing.conn).await;

        assert!(length(&path) > before);
        assert_eq!(wal.length_pages.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_wal_stays_short_while_commits_follow_one_another() {
        /// Of each commit: three rows.
        const PAGES: u64 = 75;
        let (_directory, path, mut writing, _) = grown().await;
        let checkpointer = Checkpointer::start(&path).await.unwrap();
        let wal = PathBuf::from(format!("{}-wal", path.display()));
        let appender = rusqlite::Connection::open(&path).unwrap();
        appender.execute_batch("pragma wal_autocheckpoint = 0").unwrap();

        for commit in 0..3 * LONG_PAGES / PAGES {
            checkpointer.keep_short(&mut writing.conn).await;
            let sql = "update users set password_hash = printf('$argon2id$%.*c', 100000, char(97 + ?))";
            appender.execute(sql, [(commit % 26).cast_signed()]).unwrap();
            checkpointer.grew(PAGES);
        }

        // Commits come while a checkpoint beside them is made, however long that takes.
        assert!(length(&wal) < 2 * LONG_PAGES * 4096, "{} bytes", length(&wal));
        checkpointer.stop().await;
    }

    #[test]
    fn only_between_two_commits_can_a_wal_be_said_to_begin_at_the_front() {
        let (wal, all) = (Wal::default(), |pages| Checkpointed { length_pages: pages, moved_pages: pages });
        let length = |wal: &Wal| wal.length_pages.load(Ordering::Relaxed);

        wal.note_beside_commits(all(300));
        assert_eq!(length(&wal), 300);
        wal.grown_pages.store(300, Ordering::Relaxed);
        wal.note_beside_commits(all(LONG_PAGES - 300));
        assert_eq!((length(&wal), wal.is_long()), (LONG_PAGES, true));
        wal.note_between_commits(all(LONG_PAGES));
        assert_eq!((length(&wal), wal.is_long()), (0, false));
    }

    #[tokio::test]
    async fn a_long_wal_stays_long_while_another_moves_it() {
        let (_directory, path, mut writing, _) = grown().await;
        let wal = Arc::new(Wal::default());
        let checkpointer = Checkpointer { wal: Arc::clone(&wal), running: tokio::spawn(async {}) };
        checkpointer.grew(LONG_PAGES);
        let [reader, other] = [&path, &path].map(|path| rusqlite::Connection::open(path).unwrap());
        reader.execute_batch("begin; select count(*) from users").unwrap();
        other.busy_timeout(Duration::from_secs(60)).unwrap();
        // A checkpoint of this kind waits for readers, and is under way meanwhile.
        let is_busy =
            move || other.query_row("pragma wal_checkpoint(restart)", [], |row| row.get::<_, bool>(0)).unwrap();
        let moving = std::thread::spawn(move || while is_busy() {});

        let is_refused = async {
            while checkpoint(&mut writing.conn).await.unwrap().is_some() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), is_refused).await.expect("another checkpoint within ten seconds");
        checkpointer.keep_short(&mut writing.conn).await;

        assert_eq!(wal.length_pages.load(Ordering::Relaxed), LONG_PAGES);
        drop(reader);
        moving.join().unwrap();
        checkpointer.keep_short(&mut writing.conn).await;
        assert!(!wal.is_long());
    }

    #[tokio::test]
    async fn while_somebody_reads_an_older_state_the_writer_tries_from_time_to_time() {
        let (_directory, path, mut writing, before) = grown().await;
        let wal = Arc::new(Wal::default());
        let checkpointer = Checkpointer { wal: Arc::clone(&wal), running: tokio::spawn(async {}) };
        let [reader, other] = [&path, &path].map(|path| rusqlite::Connection::open(path).unwrap());
        reader.execute_batch("begin; select count(*) from users").unwrap();
        other.execute_batch("update meta set head = 1").unwrap();
        checkpointer.grew(LONG_PAGES);

        checkpointer.keep_short(&mut writing.conn).await;
        let moved = length(&path);
        assert!(moved > before && wal.length_pages.load(Ordering::Relaxed) > 0);
        wal.note_between_commits(Checkpointed { length_pages: LONG_PAGES + 1, moved_pages: LONG_PAGES });
        assert!(!wal.is_long());
        checkpointer.grew(EVERY_PAGES);
        assert!(wal.is_long());

        drop(reader);
        checkpointer.keep_short(&mut writing.conn).await;
        assert_eq!(wal.length_pages.load(Ordering::Relaxed), 0);
    }
}
