//! Opening the database: whose file it is, and that nobody else has it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::connect::{Writing, connect_log_reader, connect_reader, connect_readers, connect_writer, pragma, roll_back};
use super::error::error_code;
use super::index::{self, Index};
use super::lock::{DatabaseLock, open_private, with_suffix};
use super::log_readers::LogReaders;
use super::migrate::{self, MIGRATOR};
use super::{OpenError, SqliteError};
use crate::config::Config;

/// 'chwn': what our files carry as `application_id`. The first migration sets it.
const APPLICATION_ID: i64 = 0x6368_776e;

/// Versions 3.7.0 to 3.51.2 can corrupt a WAL database when two connections commit and checkpoint at the same moment.
///
/// Source: sqlite.org/wal.html, "The WAL-reset bug".
const OLDEST_SAFE_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Units: bytes of the shortest file that SQLite has written.
const SHORTEST_BYTES: u64 = 512;

/// Units: bytes of a page, unless a file says otherwise.
const FIRST_PAGE_BYTES: u64 = 4096;

/// An open database, and what is needed to open its connections again.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) writer: Writing,
    pub(super) readers: SqlitePool,
    pub(super) log_readers: LogReaders,
    pub(super) index: Arc<Index>,
    pub(super) lock: DatabaseLock,
    /// Whether the last server on it did not end in order, be it for a crash or for a WAL that could not be moved.
    pub(super) was_left_unclean: bool,
}

/// Opens the database, or creates it; migrates it where it is older than this binary.
pub(super) async fn open(config: &Config) -> Result<Database, OpenError> {
    // How long a read waits for a connection.
    let acquire_timeout = config.limits.busy_after;
    let path = path_of(&config.database_url)?;
    if !path.exists() {
        refuse_stray_wal(&path)?;
    }
    let path = create_if_missing(&path)?;
    let lock = DatabaseLock::acquire(&path)?;
    refuse_stray_wal(&path)?;
    // The first connection that closes moves the WAL.
    let was_left_unclean = has_wal(&path);
    let damaged = |err| damaged(&path, err);
    let version = examine(&path).await.map_err(damaged)?;
    migrate::migrate(&path, version, &MIGRATOR).await.map_err(damaged)?;
    let mut writer = connect_writer(&path).await?;
    let readers = connect_readers(&path, acquire_timeout).await?;
    let log_readers = LogReaders::open(&path, acquire_timeout).await?;
    let index = load_index(&mut writer, &path, config.segment_messages).await.map_err(damaged)?;
    Ok(Database { path, writer, readers, log_readers, index: Arc::new(index), lock, was_left_unclean })
}

/// Reads the index, and writes what it lacks where that is much.
async fn load_index(writer: &mut Writing, path: &Path, segment_messages: usize) -> Result<Index, OpenError> {
    let index = Index::load(&connect_log_reader(path)?, segment_messages)?;
    index::catch_up(writer, &index, || connect_log_reader(path)).await?;
    Ok(index)
}

/// Says what to do where SQLite finds pages that it did not write so.
fn damaged(path: &Path, err: OpenError) -> OpenError {
    let cause = match &err {
        OpenError::Sqlite(err) => err.code(),
        OpenError::Migration(MigrateError::Execute(err) | MigrateError::ExecuteMigration(err, _)) => error_code(err),
        _ => None,
    };
    if cause == Some(libsqlite3_sys::SQLITE_CORRUPT) {
        return OpenError::Damaged { path: path.to_owned(), source: Box::new(err) };
    }
    err
}

fn path_of(url: &str) -> Result<PathBuf, OpenError> {
    let no_file = || OpenError::Url { url: url.to_owned() };
    let path = SqliteConnectOptions::from_str(url).map_err(|_| no_file())?.get_filename().to_owned();
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    if !url.starts_with("sqlite:") || in_memory || path.as_os_str().is_empty() {
        return Err(no_file());
    }
    Ok(path)
}

/// The canonical path of the database of `url`, which is there.
pub(super) fn find(url: &str) -> Result<PathBuf, OpenError> {
    let path = path_of(url)?;
    match path.canonicalize() {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Err(OpenError::Missing { path }),
        Err(source) => Err(OpenError::File { path, source }),
        Ok(path) => Ok(path),
    }
}

/// The canonical path that the database of `url` has or would have.
pub(super) fn place(url: &str) -> Result<PathBuf, OpenError> {
    let path = path_of(url)?;
    let failed = |source| OpenError::File { path: path.clone(), source };
    // A link that leads nowhere is not replaced: what it leads to may only be away for a while.
    let Some(name) = path.file_name().filter(|_| path.symlink_metadata().is_err()) else {
        return path.canonicalize().map_err(failed);
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(directory.unwrap_or(Path::new(".")).canonicalize().map_err(failed)?.join(name))
}

/// Whether the header of the file at `path` carries our `application_id`, be the rest readable or not. Like
/// [`refuse_stray_wal`], to be asked before this process has a connection to the file.
pub(super) fn is_marked_ours(path: &Path) -> io::Result<bool> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let header = read_file_header(path)?;
    let id = header.get(68..72).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    Ok(header.starts_with(MAGIC) && id.map(i64::from) == Some(APPLICATION_ID))
}

/// The first 100 bytes, or fewer where there are not so many, or none.
///
/// Source: sqlite.org/fileformat2.html, "The Database Header".
fn read_file_header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::new();
    match File::open(path).and_then(|file| file.take(100).read_to_end(&mut header)) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(header),
    }
}

/// The canonical path of the file, which is made if it is not there: `SQLite` would let the whole system read it.
fn create_if_missing(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    // Closing the file again would drop SQLite's locks on it, were any held: the lock beside it comes after this.
    if !path.exists() {
        open_private(path).map_err(failed)?;
    }
    let path = path.canonicalize().map_err(failed)?;
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "this is not a file")));
    }
    if path.to_str().is_none() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8")));
    }
    let mode = path.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(database = %path.display(), "other users of this machine may read the database: chmod 600 it");
    }
    Ok(path)
}

/// Refuses a write-ahead log that cannot be the file's own: `SQLite` would write another database's pages into the file, or
/// delete the log where the file is empty.
///
/// A file that has a log says in its header that it is in WAL mode; a copy made by VACUUM INTO, or none, does not. To be called
/// before this process has a connection to the file: reading it otherwise than through `SQLite` drops the connection's locks.
pub(super) fn refuse_stray_wal(path: &Path) -> Result<(), OpenError> {
    /// Where the header says 2 for WAL.
    const READ_VERSION: usize = 19;
    if !has_wal(path) {
        return Ok(());
    }
    let header = read_file_header(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    if header.get(READ_VERSION) == Some(&2) {
        return Ok(());
    }
    Err(OpenError::StrayWal { path: path.to_owned(), wal: with_suffix(path, "-wal") })
}

/// Whether something is in the WAL beside the file. An end in order leaves no WAL, and a program that only reads an empty one.
fn has_wal(path: &Path) -> bool {
    with_suffix(path, "-wal").metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// The schema version of the file, 0 when it is new; looks without changing anything.
pub(super) async fn examine(path: &Path) -> Result<i64, OpenError> {
    let foreign = || OpenError::Foreign { path: path.to_owned() };
    let header = match read_header(path).await {
        Err(OpenError::Sqlite(err)) if is_half_created(path, &err) => {
            roll_back(path).await?;
            read_header(path).await?
        }
        Err(OpenError::Sqlite(err)) if err.code() == Some(libsqlite3_sys::SQLITE_NOTADB) => return Err(foreign()),
        header => header?,
    };
    // SQLite takes a file that is shorter than its own header for a new one.
    if header.tables == 0 && (1..SHORTEST_BYTES).contains(&std::fs::metadata(path).map_or(0, |metadata| metadata.len()))
    {
        return Err(foreign());
    }
    if header.application_id == 0 && header.tables == 0 {
        return Ok(0);
    }
    if header.application_id != APPLICATION_ID {
        return Err(foreign());
    }
    let (found, known) = (header.version, migrate::newest(&MIGRATOR));
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// Whether `err` says that a transaction waits to be rolled back in a file that holds nothing yet: creating it was cut off
/// before it was in WAL mode, in which there is nothing to roll back. A table would be a second page.
fn is_half_created(path: &Path, err: &SqliteError) -> bool {
    err.extended_code() == Some(libsqlite3_sys::SQLITE_READONLY_ROLLBACK)
        && path.metadata().is_ok_and(|metadata| metadata.len() <= FIRST_PAGE_BYTES)
}

/// What a file says of itself.
struct Header {
    application_id: i64,
    version: i64,
    /// Besides the table that sqlx keeps, which its command line makes before it runs the first migration.
    tables: i64,
}

async fn read_header(path: &Path) -> Result<Header, OpenError> {
    let mut conn = connect_reader(path).await?;
    check_library(&mut conn).await?;
    let header = Header {
        application_id: pragma(&mut conn, "pragma application_id").await?,
        version: pragma(&mut conn, "pragma user_version").await?,
        tables: pragma(&mut conn, "select count(*) from sqlite_schema where tbl_name <> '_sqlx_migrations'").await?,
    };
    conn.close().await?;
    Ok(header)
}

async fn check_library(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    let version = sqlx::query_scalar!(r#"select sqlite_version() as "version!: String""#).fetch_one(conn).await?;
    if !is_safe(&version) {
        return Err(OpenError::UnsafeSqlite { version });
    }
    Ok(())
}

fn is_safe(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) >= OLDEST_SAFE_SQLITE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_can_corrupt_a_database_are_not_safe() {
        for version in ["3.51.2", "3.50.7", "3.7.0", "3.9.0", "2.99.99", "nonsense", ""] {
            assert!(!is_safe(version), "{version:?}");
        }
        for version in ["3.51.3", "3.52.0", "3.100.0", "4.0.0"] {
            assert!(is_safe(version), "{version:?}");
        }
    }

    #[test]
    fn only_urls_of_files_are_taken() {
        for url in ["sqlite::memory:", "sqlite://:memory:", "postgres://host/db", "chinwag.db", "", "sqlite://"] {
            assert!(path_of(url).is_err(), "{url:?}");
        }
        assert_eq!(path_of("sqlite://a/b.db").unwrap(), Path::new("a/b.db"));
        assert_eq!(path_of("sqlite:///a/b%20c.db").unwrap(), Path::new("/a/b c.db"));
    }
}
