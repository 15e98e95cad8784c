//! Connections to the file, with the settings that durability rests on.

use std::path::Path;
use std::time::Duration;

use rusqlite::OpenFlags;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};

use super::OpenError;
use super::incoming::Incoming;

/// How long a statement waits for a lock. The writer is alone, so only a foreign program can make it wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Units: bytes to which a WAL that grew is cut again.
const WAL_LIMIT_BYTES: &str = "67108864";

/// Connections that read. Each is a thread with a page cache, and reads are short.
const READERS: u32 = 4;

/// What each of them keeps of the file. The system keeps far more, and one that reads a long backlog reads each page once.
/// Units: KiB, negative as `SQLite` has it.
const READER_CACHE: &str = "-256";

/// What every connection of a server sets.
const SETTINGS: [(&str, &str); 3] = [
    ("trusted_schema", "off"),
    ("cell_size_check", "on"),
    // A temporary file would put what people said outside the database's directory, on a disk that may be full.
    ("temp_store", "memory"),
];

/// What those set besides that write. Another connection makes the checkpoints.
const WRITER_SETTINGS: [(&str, &str); 1] = [("wal_autocheckpoint", "0")];

/// What the one sets besides that appends to the log; `sqlx` sets the same for the others.
const APPENDER_SETTINGS: [(&str, &str); 4] = [
    WRITER_SETTINGS[0],
    ("journal_size_limit", WAL_LIMIT_BYTES),
    // What it appends looks up by itself what it refers to.
    ("foreign_keys", "off"),
    // NORMAL would lose acknowledged messages in a power cut.
    ("synchronous", "full"),
];

/// What those set besides that read.
const READER_SETTINGS: [(&str, &str); 2] = [("query_only", "on"), ("cache_size", READER_CACHE)];

fn options(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", WAL_LIMIT_BYTES);
    set(options, &SETTINGS)
}

fn set(options: SqliteConnectOptions, settings: &[(&'static str, &'static str)]) -> SqliteConnectOptions {
    settings.iter().fold(options, |options, &(setting, value)| options.pragma(setting, value))
}

fn writing_options(path: &Path) -> SqliteConnectOptions {
    // sqlx sets neither by itself. NORMAL would lose acknowledged messages in a power cut.
    options(path).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
}

/// Opens a connection that only looks, and that leaves a file as it found it, be it ours or not.
pub(super) async fn connect_reader(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    // Reading a whole file takes its time; sqlx would warn of it as of a slow query.
    SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging().connect().await
}

/// Undoes what a transaction has left behind that was cut off; only a connection that may write can.
pub(super) async fn roll_back(path: &Path) -> Result<(), sqlx::Error> {
    let mut conn = SqliteConnectOptions::new().filename(path).connect().await?;
    pragma(&mut conn, "pragma schema_version").await?;
    conn.close().await
}

/// Opens the pool of connections that read; `acquire_timeout` is how long a read waits for one.
pub(super) async fn connect_readers(path: &Path, acquire_timeout: Duration) -> Result<SqlitePool, sqlx::Error> {
    // All of them stay open: were the last one reaped, the next could fail for want of a descriptor.
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .min_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(acquire_timeout)
        .connect_with(set(options(path).read_only(true), &READER_SETTINGS))
        .await
}

/// Opens a connection that reads the log.
pub(super) fn connect_log_reader(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    connect_log(path, OpenFlags::SQLITE_OPEN_READ_ONLY, &READER_SETTINGS)
}

/// Opens the connection that appends to the log, and checks that a commit on it is durable.
pub(super) fn connect_appender(path: &Path) -> Result<rusqlite::Connection, OpenError> {
    let conn = connect_log(path, OpenFlags::SQLITE_OPEN_READ_WRITE, &APPENDER_SETTINGS)?;
    let journal_mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let synchronous: i64 = conn.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    require_durable(journal_mode == "wal", synchronous)?;
    Ok(conn)
}

fn connect_log(
    path: &Path,
    access: OpenFlags,
    settings: &[(&'static str, &'static str)],
) -> rusqlite::Result<rusqlite::Connection> {
    let conn = rusqlite::Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    for &(setting, value) in SETTINGS.iter().chain(settings) {
        conn.pragma_update(None, setting, value)?;
    }
    Ok(conn)
}

/// A connection that writes.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) conn: SqliteConnection,
    /// Where it finds many rows at once.
    pub(super) incoming: Incoming,
}

/// Opens a connection that writes, and checks that a commit on it is durable.
pub(super) async fn connect_writer(path: &Path) -> Result<Writing, OpenError> {
    let mut conn = set(writing_options(path), &WRITER_SETTINGS).connect().await?;
    check_durable(&mut conn).await?;
    let incoming = Incoming::register(&mut conn).await?;
    Ok(Writing { conn, incoming })
}

/// Opens the connection that moves the WAL into the database.
pub(super) async fn connect_checkpointer(path: &Path) -> Result<SqliteConnection, OpenError> {
    let mut conn = writing_options(path).connect().await?;
    check_durable(&mut conn).await?;
    Ok(conn)
}

/// What a checkpoint has found in the WAL, and how much of that is in the database now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpointed {
    pub(super) length_pages: u64,
    pub(super) moved_pages: u64,
}

impl Checkpointed {
    /// Whether nothing is left of what was found.
    pub(super) fn is_all(self) -> bool {
        self.moved_pages == self.length_pages
    }
}

/// Moves the WAL into the database as far as nobody reads or writes it. `None` where another checkpoint is being made: nothing is
/// moved then.
///
/// Source: sqlite.org/pragma.html, "`wal_checkpoint`".
#[expect(clippy::disallowed_methods, reason = "pragmas have no schema to be checked against")]
pub(super) async fn checkpoint(conn: &mut SqliteConnection) -> Result<Option<Checkpointed>, sqlx::Error> {
    let checkpoint = sqlx::query_as("pragma wal_checkpoint(passive)");
    let (is_busy, length, moved): (bool, i64, i64) = checkpoint.fetch_one(conn).await?;
    // Both are -1 where there is no WAL yet.
    let pages = |pages: i64| u64::try_from(pages).unwrap_or(0);
    Ok((!is_busy).then(|| Checkpointed { length_pages: pages(length), moved_pages: pages(moved) }))
}

/// Opens the connection that migrates. Rebuilding a parent table with foreign keys on would delete its children.
pub(super) async fn connect_migrator(path: &Path) -> Result<SqliteConnection, OpenError> {
    let mut conn = writing_options(path).foreign_keys(false).connect().await?;
    check_durable(&mut conn).await?;
    Ok(conn)
}

/// Opens a connection that writes to a copy nobody else has. It stays what VACUUM INTO makes, one file without a WAL.
pub(super) async fn connect_copy(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    options(path).synchronous(SqliteSynchronous::Full).connect().await
}

async fn check_durable(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    let is_wal = pragma(conn, "select journal_mode = 'wal' from pragma_journal_mode").await? == 1;
    require_durable(is_wal, pragma(conn, "pragma synchronous").await?)
}

fn require_durable(is_wal: bool, synchronous: i64) -> Result<(), OpenError> {
    const FULL: i64 = 2;
    if !is_wal {
        return Err(OpenError::Setting { setting: "journal_mode = wal" });
    }
    if synchronous != FULL {
        return Err(OpenError::Setting { setting: "synchronous = full" });
    }
    Ok(())
}

/// Runs a statement about the file itself, which yields one number.
#[expect(clippy::disallowed_methods, reason = "pragmas have no schema to be checked against")]
pub(super) async fn pragma(conn: &mut SqliteConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(sql).fetch_one(conn).await
}

/// Runs one of SQLite's own checks of the file, which yields lines.
#[expect(clippy::disallowed_methods, reason = "pragmas have no schema to be checked against")]
pub(super) async fn pragma_lines(conn: &mut SqliteConnection, sql: &'static str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(sql).fetch_all(conn).await
}

/// Moves the WAL into the database and closes the writing connection; the readers must be closed by then. Should it not
/// work, nothing is lost: the next start does it.
pub(super) async fn close(mut writing: Writing) {
    let checkpointed = pragma(&mut writing.conn, "pragma wal_checkpoint(truncate)").await;
    if let Err(err) = checkpointed.and(writing.conn.close().await) {
        tracing::warn!(error = %err, "the write-ahead log could not be moved into the database; keep it beside it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_settings(conn: &rusqlite::Connection, expected: &[(&str, i64)]) {
        for (setting, expected) in expected {
            let value = conn.pragma_query_value(None, setting, |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(value, *expected, "{setting}");
        }
    }

    #[test]
    fn who_reads_the_log_has_the_settings_of_a_reader() {
        let file = tempfile::NamedTempFile::new().unwrap();

        let conn = connect_log_reader(file.path()).unwrap();

        assert_settings(&conn, &[("query_only", 1), ("cache_size", -256), ("temp_store", 2)]);
        assert_settings(&conn, &[("trusted_schema", 0), ("cell_size_check", 1), ("busy_timeout", 5000)]);
    }

    #[tokio::test]
    async fn who_appends_to_the_log_has_the_settings_of_the_writer() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let _writing = connect_writer(file.path()).await.unwrap();

        let conn = connect_appender(file.path()).unwrap();

        assert_settings(&conn, &[("synchronous", 2), ("foreign_keys", 0), ("wal_autocheckpoint", 0)]);
        assert_settings(&conn, &[("journal_size_limit", 64 * 1024 * 1024), ("temp_store", 2)]);
        assert_settings(&conn, &[("trusted_schema", 0), ("cell_size_check", 1), ("busy_timeout", 5000)]);
    }

    #[test]
    fn who_appends_refuses_a_file_without_a_write_ahead_log() {
        let file = tempfile::NamedTempFile::new().unwrap();

        assert!(matches!(connect_appender(file.path()), Err(OpenError::Setting { .. })));
    }
}
