//! Whether a database is sound. Only looks, by one connection that reads: a server may run on it meanwhile.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sqlx::migrate::{Migrate, MigrateError};
use sqlx::{Connection, SqliteConnection};

use super::connect::{connect_log_reader, connect_reader, pragma_lines};
use super::error::error_code;
use super::index::{self, Unsound};
use super::lock::with_suffix;
use super::migrate::{MIGRATOR, newest};
use super::open::{examine, find, refuse_stray_wal};
use super::{OpenError, SqliteError};

/// SQLite's own check, up to the tenth finding: the first says what is wrong, the hundredth nothing new.
const INTEGRITY_CHECK: &str = "pragma integrity_check(10)";

/// What a look at a database has found.
#[derive(Debug)]
pub struct Report {
    /// The file's canonical path.
    pub path: PathBuf,
    /// Its schema version.
    pub version: i64,
    /// The schema version that this binary migrates to.
    pub newest: i64,
    /// What is in it; `None` where it is older than this binary's queries, or too damaged.
    pub contents: Option<Contents>,
    /// What is wrong. A sound database has none.
    pub problems: Vec<Problem>,
}

/// How much is in a database, as of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Registered users.
    pub users: i64,
    /// Groups.
    pub groups: i64,
    /// Messages.
    pub messages: i64,
}

/// Something wrong with a database, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// `SQLite` finds the file inconsistent, or cannot read it.
    #[error("the file is damaged ({what}): stop the server, keep the file, and restore a backup; then check the disk")]
    Damaged {
        /// In SQLite's words.
        what: String,
    },
    /// Rows refer to rows that are not there.
    #[error(
        "{rows} rows of {child} refer to {parent} that are not there: something else than chinwag has written to the file; \
         restore a backup, or put the rows right while the server is stopped"
    )]
    Dangling {
        /// The table with these rows.
        child: String,
        /// The table in which they have nothing.
        parent: String,
        /// How many.
        rows: i64,
    },
    /// Messages are missing from the log.
    #[error(
        "{missing} messages are missing between {first} and {newest}: something else than chinwag has deleted them; \
         restore a backup if they matter"
    )]
    Gaps {
        /// How many.
        missing: i64,
        /// The id of the first.
        first: i64,
        /// The newest message's.
        newest: i64,
    },
    /// Users count as having received messages that do not exist yet.
    #[error(
        "{users} users have a mark beyond the newest message, {newest}, and would miss what comes up to it: restore a backup, \
         or stop the server and set their message_id in delivery_marks to {newest}"
    )]
    MarksAhead {
        /// How many.
        users: i64,
        /// The log's head.
        newest: i64,
    },
    /// Members joined or left at messages that do not exist yet.
    #[error(
        "{memberships} memberships begin or end beyond the newest message, {newest}: restore a backup, or stop the server and \
         set their joined_id and left_id in group_members to {newest}"
    )]
    MembershipsAhead {
        /// How many.
        memberships: i64,
        /// The log's head.
        newest: i64,
    },
    /// Users who whispered are not noted as having done so.
    #[error(
        "{pairs} pairs of users are missing from whisper_pairs, and would not be shown what they whispered: something else than \
         chinwag has written to the file; restore a backup"
    )]
    PairsMissing {
        /// How many.
        pairs: i64,
    },
    /// The index does not say what the log says.
    #[error(
        "the index of conversations lacks {missing} messages and has {dangling} that are not in the log: something else than \
         chinwag has written to the file; stop the server and delete all rows of postings, nonces and segments, which the next \
         start makes anew"
    )]
    Index {
        /// Messages of which it knows nothing.
        missing: i64,
        /// Messages that are not there, or belong to another conversation.
        dangling: i64,
    },
    /// The row that says which database this is.
    #[error("the table meta has no row, so no server can start on it: restore a backup")]
    NoMeta,
    /// A migration was run that is not this binary's.
    #[error(
        "migration {version} was run in another form than this chinwag knows, which will not start on it: run the chinwag \
         that made the database"
    )]
    OtherMigration {
        /// Its number.
        version: i64,
    },
    /// The record of migrations does not go as far as the version that the file claims.
    #[error("the file says schema version {version}, but the record of its migrations does not: restore a backup")]
    Unrecorded {
        /// The file's.
        version: i64,
    },
    /// Others may read or write a file.
    #[error("other users of this machine may open {} (mode {mode:o}): chmod 600 it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Looks for all that can be wrong with the database of `url`. An older one that is sound is so: the server migrates it.
///
/// # Errors
/// [`OpenError`] when there is no such file, it is not ours, or it is newer than this binary.
pub async fn check(url: &str) -> Result<Report, OpenError> {
    let path = find(url)?;
    let mut problems = check_modes(&path)?;
    let mut report = check_file(&path).await?;
    report.problems.append(&mut problems);
    Ok(report)
}

/// Like [`check`], for a file by its path, and without minding who may open it.
pub(super) async fn check_file(path: &Path) -> Result<Report, OpenError> {
    let mut report =
        Report { path: path.to_owned(), version: 0, newest: newest(&MIGRATOR), contents: None, problems: Vec::new() };
    match look(path, &mut report).await {
        Err(OpenError::Sqlite(err)) => report.problems.push(as_damage(err)?),
        looked => looked?,
    }
    Ok(report)
}

async fn look(path: &Path, report: &mut Report) -> Result<(), OpenError> {
    refuse_stray_wal(path)?;
    report.version = examine(path).await?;
    if report.version == 0 {
        return Err(OpenError::Empty { path: path.to_owned() });
    }
    let mut conn = connect_reader(path).await?;
    report.problems.extend(check_integrity(&mut conn, INTEGRITY_CHECK).await?);
    check_references(&mut conn, report).await?;
    check_migrations(&mut conn, report).await?;
    if report.version == report.newest {
        check_log(&mut conn, report).await?;
        check_index(path, report)?;
        report.contents = Some(find_contents(&mut conn).await?);
    }
    conn.close().await?;
    Ok(())
}

/// Permissions of the file and of those that `SQLite` keeps beside it.
fn check_modes(path: &Path) -> Result<Vec<Problem>, OpenError> {
    let mut problems = Vec::new();
    for path in ["", "-wal", "-shm"].map(|suffix| with_suffix(path, suffix)) {
        let mode = match path.metadata() {
            Ok(metadata) => metadata.permissions().mode() & 0o777,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(OpenError::File { path, source }),
        };
        if mode & 0o077 != 0 {
            problems.push(Problem::Open { path, mode });
        }
    }
    Ok(problems)
}

/// What `sql`, one of SQLite's own checks, finds wrong.
pub(super) async fn check_integrity(
    conn: &mut SqliteConnection,
    sql: &'static str,
) -> Result<Vec<Problem>, sqlx::Error> {
    let lines = pragma_lines(conn, sql).await?;
    // SQLite puts several findings into one line's text.
    let damaged = |line: String| Problem::Damaged { what: line.replace('\n', "; ") };
    Ok(lines.into_iter().filter(|line| line != "ok").map(damaged).collect())
}

/// The `|| ''` makes expressions of columns that sqlx would look for in the schema.
async fn check_references(conn: &mut SqliteConnection, report: &mut Report) -> Result<(), sqlx::Error> {
    let dangling = sqlx::query_as!(
        Dangling,
        r#"select "table" || '' as "child!: String", parent || '' as "parent!: String", count(*) as "rows!: i64"
        from pragma_foreign_key_check group by 1, 2"#
    )
    .fetch_all(conn)
    .await?;
    let problem = |Dangling { child, parent, rows }| Problem::Dangling { child, parent, rows };
    report.problems.extend(dangling.into_iter().map(problem));
    Ok(())
}

struct Dangling {
    child: String,
    parent: String,
    rows: i64,
}

/// Compares what was run with what this binary would have run, as the server does before it starts.
async fn check_migrations(conn: &mut SqliteConnection, report: &mut Report) -> Result<(), OpenError> {
    let applied = match conn.list_applied_migrations(&MIGRATOR.table_name).await {
        Err(MigrateError::Execute(err)) if is_missing_table(&err) => Vec::new(),
        applied => applied?,
    };
    for known in MIGRATOR.iter() {
        if applied.iter().any(|one| one.version == known.version && one.checksum != known.checksum) {
            report.problems.push(Problem::OtherMigration { version: known.version });
        }
    }
    if applied.last().map_or(0, |one| one.version) != report.version {
        report.problems.push(Problem::Unrecorded { version: report.version });
    }
    Ok(())
}

async fn check_log(conn: &mut SqliteConnection, report: &mut Report) -> Result<(), sqlx::Error> {
    let Some(log) = find_log(conn).await? else {
        report.problems.push(Problem::NoMeta);
        return Ok(());
    };
    let newest = log.newest.max(log.head);
    let missing = newest - log.head - log.behind_head;
    if missing > 0 {
        let first = find_first_missing(conn).await?;
        report.problems.push(Problem::Gaps { missing, first, newest });
    }
    if log.marks_ahead > 0 {
        report.problems.push(Problem::MarksAhead { users: log.marks_ahead, newest });
    }
    if log.memberships_ahead > 0 {
        report.problems.push(Problem::MembershipsAhead { memberships: log.memberships_ahead, newest });
    }
    if log.pairs_missing > 0 {
        report.problems.push(Problem::PairsMissing { pairs: log.pairs_missing });
    }
    Ok(())
}

fn check_index(path: &Path, report: &mut Report) -> Result<(), OpenError> {
    let Unsound { missing, dangling } = index::check(&connect_log_reader(path)?)?;
    if missing != 0 || dangling != 0 {
        report.problems.push(Problem::Index { missing, dangling });
    }
    Ok(())
}

/// The log in numbers.
struct Log {
    /// Ids up to here need not be there.
    head: i64,
    newest: i64,
    behind_head: i64,
    marks_ahead: i64,
    memberships_ahead: i64,
    pairs_missing: i64,
}

/// One statement, so that all is as of one moment even while a server writes.
async fn find_log(conn: &mut SqliteConnection) -> Result<Option<Log>, sqlx::Error> {
    sqlx::query_as!(
        Log,
        r#"with log (head, newest) as (
            select head, coalesce((select max(message_id) from messages), 0) from meta
        )
        select head as "head!: i64", newest as "newest!: i64",
            (select count(*) from messages where message_id > head) as "behind_head!: i64",
            (select count(*) from delivery_marks where message_id > max(head, newest)) as "marks_ahead!: i64",
            (select count(*) from group_members where max(joined_id, coalesce(left_id, 0)) > max(head, newest))
                as "memberships_ahead!: i64",
            (select count(distinct conversation) from message_conversations where conversation >= 0 and conversation not in (
                select (low_id << 31) | high_id from whisper_pairs
            )) as "pairs_missing!: i64"
        from log"#
    )
    .fetch_optional(conn)
    .await
}

async fn find_first_missing(conn: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select min(id) + 1 as "first!: i64"
        from (select head as id from meta union all select message_id from messages, meta where message_id > head)
        where not exists (select 1 from messages where message_id = id + 1)"#
    )
    .fetch_one(conn)
    .await
}

/// How much is in the database of `conn`.
pub(super) async fn find_contents(conn: &mut SqliteConnection) -> Result<Contents, sqlx::Error> {
    sqlx::query_as!(
        Contents,
        r#"select (select count(*) from users) as "users!: i64", (select count(*) from groups) as "groups!: i64",
            (select count(*) from messages) as "messages!: i64""#
    )
    .fetch_one(conn)
    .await
}

/// The damage that `err` tells of, or `err` where it tells of none.
///
/// Source: sqlite.org/rescode.html. A read that comes up short is how a truncated file fails, where `SQLite` did not notice
/// before.
pub(super) fn as_damage(err: SqliteError) -> Result<Problem, SqliteError> {
    use libsqlite3_sys::{SQLITE_CORRUPT, SQLITE_IOERR};
    match err.code() {
        Some(SQLITE_CORRUPT | SQLITE_IOERR) => Ok(Problem::Damaged { what: err.message() }),
        _ => Err(err),
    }
}

fn is_missing_table(err: &sqlx::Error) -> bool {
    error_code(err) == Some(libsqlite3_sys::SQLITE_ERROR)
}
