//! Deleting old messages while no server runs on the database, and finding out what that would delete.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};

use super::connect::{self, Writing, connect_log_reader, connect_reader, connect_writer, pragma};
use super::error::{OpenError, PruneError};
use super::index::{Index, Removed};
use super::lock::DatabaseLock;
use super::migrate::{MIGRATOR, newest};
use super::open::{examine, find, refuse_stray_wal};
use super::pruned;
use super::sweep::{self, Aged, Sweeps};
use crate::config::Retention;
use crate::domain::{GroupId, MessageId};

/// How often deleting much says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Messages that are older than they are to be kept.
#[derive(Debug)]
pub struct Prunable {
    /// The database's canonical path.
    pub database: PathBuf,
    /// Whispers first, then each group; those alone of which something is too old.
    pub parts: Vec<PrunablePart>,
}

/// Those that are whispers, or were said in one group.
#[derive(Debug, PartialEq, Eq)]
pub struct PrunablePart {
    /// The group's name as created; `None` for whispers.
    pub group_name: Option<String>,
    /// How many there are.
    pub messages: i64,
    /// Units: bytes of their contents.
    pub size_bytes: i64,
    /// When the first of them was sent. Shape: as in the `readable_*` views, UTC.
    pub first_at: String,
    /// When the last of them was sent.
    pub last_at: String,
}

/// Messages that were deleted, and what that has made of the file.
#[derive(Debug)]
pub struct Pruned {
    /// The messages.
    pub deleted: Prunable,
    /// Units: bytes of the file that new messages can take.
    pub free_bytes: i64,
    /// Units: bytes of the file.
    pub size_bytes: i64,
}

/// Deletes from the database of `url` what is older than `retention` keeps as of `now_ms`.
///
/// Cancel safety: dropped, what was deleted by then stays so, and the database is sound.
///
/// # Errors
/// [`PruneError`]; but for [`PruneError::Sqlite`], nothing was changed.
pub async fn prune(url: &str, retention: &Retention, now_ms: i64) -> Result<Pruned, PruneError> {
    let database = find(url)?;
    let _lock = DatabaseLock::acquire(&database)?;
    refuse_unsuitable(&database).await?;
    let mut writing = connect_writer(&database).await?;
    let log = Log::open(&database)?;
    let mut tally = Tally::default();
    let mut said_at = Instant::now();
    for mut sweep in sweeps(&mut writing.conn, retention).await? {
        while let Some(old) = sweep.next(&log.conn, &log.index, now_ms)? {
            log.index.forget(&delete(&mut writing, &old).await?);
            tally.add(&old);
            if said_at.elapsed() >= PROGRESS_EVERY {
                tracing::info!(messages = tally.messages(), "still deleting");
                said_at = Instant::now();
            }
        }
    }
    // A connection that reads keeps the WAL from being moved into the database.
    drop(log);
    let conn = &mut writing.conn;
    let parts = tally.name(conn).await?;
    let page_bytes = pragma(conn, "pragma page_size").await?;
    let free_bytes = page_bytes * pragma(conn, "pragma freelist_count").await?;
    let size_bytes = page_bytes * pragma(conn, "pragma page_count").await?;
    connect::close(writing).await;
    Ok(Pruned { deleted: Prunable { database, parts }, free_bytes, size_bytes })
}

/// Finds what [`prune`] would delete. Only reads, slice by slice: a server may run on the database meanwhile.
///
/// # Errors
/// [`PruneError`].
pub async fn list_prunable(url: &str, retention: &Retention, now_ms: i64) -> Result<Prunable, PruneError> {
    let database = find(url)?;
    refuse_unsuitable(&database).await?;
    let mut conn = connect_reader(&database).await?;
    let log = Log::open(&database)?;
    let mut tally = Tally::default();
    for mut sweep in sweeps(&mut conn, retention).await? {
        while let Some(old) = sweep.next(&log.conn, &log.index, now_ms)? {
            tally.add(&old);
        }
    }
    let parts = tally.name(&mut conn).await?;
    conn.close().await?;
    Ok(Prunable { database, parts })
}

/// Only the schema that this binary's queries are for will do.
async fn refuse_unsuitable(path: &Path) -> Result<(), PruneError> {
    refuse_stray_wal(path)?;
    let (found, needed) = (examine(path).await?, newest(&MIGRATOR));
    match found {
        0 => Err(OpenError::Empty { path: path.to_owned() }.into()),
        _ if found < needed => Err(PruneError::Older { path: path.to_owned(), found, needed }),
        _ => Ok(()),
    }
}

/// A misspelt name would leave its group to the general rule, and here nobody looks at a warning before it is too late.
async fn sweeps(conn: &mut SqliteConnection, retention: &Retention) -> Result<Vec<sweep::Sweep>, PruneError> {
    let Sweeps { sweeps, unknown } = sweep::list(conn, retention, MessageId(0)).await?;
    match unknown.into_iter().next() {
        Some(group_name) => Err(PruneError::UnknownGroup { group_name: group_name.as_str().to_owned() }),
        None => Ok(sweeps),
    }
}

/// The log of a database that no server of this process has.
struct Log {
    conn: rusqlite::Connection,
    index: Index,
}

impl Log {
    fn open(path: &Path) -> rusqlite::Result<Self> {
        let conn = connect_log_reader(path)?;
        let index = Index::load(&conn, usize::MAX)?;
        Ok(Self { conn, index })
    }
}

async fn delete(writing: &mut Writing, messages: &[Aged]) -> Result<Removed, sqlx::Error> {
    let ids: Vec<MessageId> = messages.iter().map(|message| message.message_id).collect();
    let mut tx = writing.conn.begin_with("begin immediate").await?;
    let removed = pruned::delete(&mut tx, &writing.incoming, &ids).await?;
    tx.commit().await?;
    Ok(removed)
}

/// What is counted of messages, whispers under `None`.
#[derive(Default)]
struct Tally(BTreeMap<Option<GroupId>, Count>);

struct Count {
    messages: i64,
    size_bytes: i64,
    first_at_ms: i64,
    last_at_ms: i64,
}

impl Tally {
    fn add(&mut self, messages: &[Aged]) {
        for &Aged { group_id, sent_at_ms, size_bytes, .. } in messages {
            let nothing = Count { messages: 0, size_bytes: 0, first_at_ms: sent_at_ms, last_at_ms: sent_at_ms };
            let count = self.0.entry(group_id).or_insert(nothing);
            count.messages += 1;
            count.size_bytes += size_bytes;
            count.first_at_ms = count.first_at_ms.min(sent_at_ms);
            count.last_at_ms = count.last_at_ms.max(sent_at_ms);
        }
    }

    fn messages(&self) -> i64 {
        self.0.values().map(|count| count.messages).sum()
    }

    async fn name(self, conn: &mut SqliteConnection) -> Result<Vec<PrunablePart>, sqlx::Error> {
        let mut parts = Vec::with_capacity(self.0.len());
        for (group_id, Count { messages, size_bytes, first_at_ms, last_at_ms }) in self.0 {
            let group_id = group_id.map(|group_id| group_id.0);
            let words = sqlx::query!(
                r#"select (select group_name from groups where group_id = ?1) as group_name,
                    strftime('%Y-%m-%d %H:%M:%S', ?2 / 1000.0, 'unixepoch') as "first_at!: String",
                    strftime('%Y-%m-%d %H:%M:%S', ?3 / 1000.0, 'unixepoch') as "last_at!: String""#,
                group_id,
                first_at_ms,
                last_at_ms
            )
            .fetch_one(&mut *conn)
            .await?;
            let (group_name, first_at, last_at) = (words.group_name, words.first_at, words.last_at);
            parts.push(PrunablePart { group_name, messages, size_bytes, first_at, last_at });
        }
        Ok(parts)
    }
}
