//! What can go wrong with the database.

use std::io;
use std::path::PathBuf;

/// What SQLite says, by either of the libraries through which it is asked.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// By `sqlx`.
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    /// By `rusqlite`.
    #[error(transparent)]
    Rusqlite(#[from] rusqlite::Error),
}

impl SqliteError {
    /// The result code with its details, where the error is one of SQLite's own.
    pub(super) fn extended_code(&self) -> Option<i32> {
        match self {
            Self::Sqlx(err) => extended_code(err),
            Self::Rusqlite(err) => Some(err.sqlite_error()?.extended_code),
        }
    }

    /// The result code, where the error is one of SQLite's own.
    pub(super) fn code(&self) -> Option<i32> {
        self.extended_code().map(primary_code)
    }

    /// In SQLite's words, without those of the library.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Sqlx(sqlx::Error::Database(err)) => err.message().to_owned(),
            err => err.to_string(),
        }
    }
}

/// Like [`SqliteError::code`].
pub(super) fn error_code(err: &sqlx::Error) -> Option<i32> {
    extended_code(err).map(primary_code)
}

fn extended_code(err: &sqlx::Error) -> Option<i32> {
    err.as_database_error()?.code()?.parse().ok()
}

/// Source: sqlite.org/rescode.html: the low 8 bits of an extended code.
fn primary_code(extended: i32) -> i32 {
    extended & 0xff
}

/// The database failed under a running server.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A read failed; nothing was changed.
    #[error("the database could not be read")]
    Read(#[source] SqliteError),
    /// A thread that read the log panicked.
    #[error("a reader of the log has panicked")]
    ReaderPanicked,
    /// Every connection that reads was in use for as long as a request may wait.
    #[error("the database is busy")]
    Busy,
    /// A write failed in a way that leaves its outcome unknown; going on could tell a client what is not true.
    #[error("writing to the database failed, and whether the last messages are stored is unknown; restart to find out")]
    OutcomeUnknown(#[source] SqliteError),
    /// The file is not what it was.
    #[error("the database cannot be opened again for writing")]
    Reopen(#[source] OpenError),
    /// The writer's thread, which delivers too, panicked.
    #[error("the writer has panicked")]
    WriterPanicked,
}

impl From<sqlx::Error> for StoreError {
    fn from(err: sqlx::Error) -> Self {
        match err {
            sqlx::Error::PoolTimedOut => Self::Busy,
            err => Self::Read(err.into()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(err: rusqlite::Error) -> Self {
        Self::Read(err.into())
    }
}

/// The database cannot be opened. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is not one of a SQLite file.
    #[error("the database URL {url:?} is not of the form sqlite://PATH, such as sqlite://chinwag.db")]
    Url {
        /// As it was given.
        url: String,
    },
    /// The file cannot be created or opened.
    #[error("cannot open {}: check that its directory exists and that this user may write there", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such file.
    #[error("there is no database {}: check its path", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is there, and nothing is in it.
    #[error("{} is empty: no server has finished starting on it yet", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A write-ahead log lies beside a file that has none of its own.
    #[error(
        "{} is not of the {} beside it, so SQLite would spoil one with the other: put the database to which it belongs back,          or move it away",
        wal.display(),
        path.display()
    )]
    StrayWal {
        /// The database.
        path: PathBuf,
        /// The log.
        wal: PathBuf,
    },
    /// Another server has it open.
    #[error("another chinwag is running on {}: stop it first, or name another database", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The library is one of those that can corrupt a WAL database.
    #[error("this build uses SQLite {version}, which can corrupt a database; build with 3.51.3 or newer")]
    UnsafeSqlite {
        /// What `sqlite_version()` says.
        version: String,
    },
    /// Some other program's file.
    #[error("{} is not a chinwag database: nothing in it was changed; name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Pages are not as SQLite wrote them.
    #[error(
        "{} is damaged: keep it as it is, restore a backup, and see what sqlite3's .recover gets out of a copy of it",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: Box<Self>,
    },
    /// Made by a newer chinwag.
    #[error(
        "{} has schema version {found}, and this chinwag knows versions up to {known}: run the newer chinwag, or restore \
         the copy that it made before it migrated",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this binary knows.
        known: i64,
    },
    /// `SQLite` took another setting than the one that durability rests on.
    #[error("SQLite refused the setting {setting}: the file system may not support it; use a local disk")]
    Setting {
        /// The setting, as SQL.
        setting: &'static str,
    },
    /// There is no copy of what it was before, so it was not migrated.
    #[error("the database could not be copied before migrating it, so nothing was migrated")]
    Copy(#[from] CopyError),
    /// A migration failed, and was rolled back.
    #[error("migrating the database failed and was rolled back")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Rows would refer to rows that are not there.
    #[error(
        "migrating would leave {violations} rows that refer to missing ones, so nothing was changed: please report it"
    )]
    DanglingRows {
        /// How many.
        violations: usize,
    },
    /// `SQLite` said no.
    #[error("the database cannot be opened; `chinwag check` says whether it is damaged")]
    Sqlite(#[source] SqliteError),
}

impl<E: Into<SqliteError>> From<E> for OpenError {
    fn from(err: E) -> Self {
        Self::Sqlite(err.into())
    }
}

/// A copy was not made; nothing is left of it. Each text says what to do, or has a source that does.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The file of the unfinished copy is there already.
    #[error("{} is there: another copy is being made, or one was killed; in that case delete the file", path.display())]
    UnderWay {
        /// The file.
        path: PathBuf,
    },
    /// The copy cannot be created, or not kept.
    #[error("cannot write {}: check that its directory exists and that this user may write there", path.display())]
    File {
        /// The copy.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was written is not what can be read.
    #[error("the copy {} is damaged: check the disk", path.display())]
    Damaged {
        /// The copy.
        path: PathBuf,
    },
    /// `SQLite` could not read the database or not write the copy.
    #[error("copying the database failed; `chinwag check` says whether it is damaged")]
    Sqlite(#[from] sqlx::Error),
}

/// No backup was made, and nothing is left of it. Each text says what to do, or has a source that does.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is something where the backup should be.
    #[error("{} is there already, and a backup overwrites nothing: name another file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The copy failed.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// Nothing was deleted, unless [`PruneError::Sqlite`] says otherwise. Each text says what to do, or has a source that does.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The database cannot be opened, or a server holds it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database is older than this binary's queries.
    #[error(
        "{} has schema version {found}, and this needs version {needed}: start `chinwag serve` on it once, which migrates it",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The one that is needed.
        needed: i64,
    },
    /// A rule is for a group that is not there.
    #[error("there is no group {group_name:?}: check its name, or leave its --group-retention out")]
    UnknownGroup {
        /// As it was given.
        group_name: String,
    },
    /// The log cannot be read.
    #[error("cannot read the log of messages")]
    Log(#[from] rusqlite::Error),
    /// `SQLite` said no. What was deleted before stays so.
    #[error("reading or deleting failed, and what was deleted before is gone; `chinwag check` says what is wrong")]
    Sqlite(#[from] sqlx::Error),
}

/// A backup was not restored, and but for [`RestoreError::Stale`] the database is as it was. Each text says what to do, or has a source that does.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup or the database cannot be opened, or a server holds the database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The backup is the database.
    #[error("{} is the database itself: name a backup, or with --database-url another database", path.display())]
    Itself {
        /// The file.
        path: PathBuf,
    },
    /// What would be replaced is not ours, or too damaged to say so.
    #[error(
        "{} is there, and is not a chinwag database or too damaged to tell: move it and any -wal and -shm beside it away first",
        path.display()
    )]
    Unrelated {
        /// The file.
        path: PathBuf,
    },
    /// An unfinished change of what would be replaced.
    #[error("{} holds an unfinished change of {}: move both away first", journal.display(), path.display())]
    Journal {
        /// The database.
        path: PathBuf,
        /// The journal.
        journal: PathBuf,
    },
    /// The backup is not sound.
    #[error("{} is not sound, so nothing was restored: {problem}", path.display())]
    Unsound {
        /// The backup.
        path: PathBuf,
        /// The first of what is wrong with it.
        problem: String,
    },
    /// The copy of the backup failed.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The former database cannot be kept under another name.
    #[error("cannot keep the present database as {}, so nothing was restored", path.display())]
    Keep {
        /// That name.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database is restored, and the former one's WAL still lies beside it.
    #[error(
        "{} is restored, but the -wal and -shm of the former database could not be moved: do so before a server starts",
        path.display()
    )]
    Stale {
        /// The database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
