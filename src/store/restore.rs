//! Going back to a backup. What is replaced is kept, and a database that a server holds is left alone.

use std::io;
use std::path::{Path, PathBuf};

use sqlx::Connection;

use super::check::{Contents, Report, check_file};
use super::connect::{connect_copy, connect_reader};
use super::copy::{PartialCopy, sync_directory};
use super::error::{CopyError, OpenError, RestoreError};
use super::lock::{DatabaseLock, with_suffix};
use super::meta;
use super::open::{examine, is_marked_ours, place};

/// A database that was restored.
#[derive(Debug)]
pub struct Restored {
    /// The database's canonical path.
    pub database: PathBuf,
    /// What is in it; `None` where it is older than this binary's queries.
    pub contents: Option<Contents>,
    /// Where the database is that was there before.
    pub replaced: Option<PathBuf>,
}

/// Puts a copy of `backup` where `url` says. A database that is there is kept beside it, under another name.
///
/// The copy is verified and on the disk before anything is moved; then it takes its place in one step, so that at any moment a
/// whole database is there. A WAL of the former one that a crash leaves beside it is refused by a server that starts, since the
/// copy is not in WAL mode.
///
/// Cancel safety: dropped, nothing was changed.
///
/// # Errors
/// [`RestoreError`].
pub async fn restore(url: &str, backup: &Path) -> Result<Restored, RestoreError> {
    let backup = backup.canonicalize().map_err(|_| OpenError::Missing { path: backup.to_owned() })?;
    let database = place(url)?;
    if backup == database {
        return Err(RestoreError::Itself { path: database });
    }
    let _lock = DatabaseLock::acquire(&database)?;
    refuse_unrelated(&database).await?;
    refuse_journal(&database)?;
    let Report { contents, .. } = check_sound(&backup).await?;
    let partial = PartialCopy::create_anew(with_suffix(&database, ".restoring"))?;
    fill(&partial, &backup).await?;
    let replaced = replace(&database, partial)?;
    Ok(Restored { database, contents, replaced })
}

/// Only a database of ours is moved aside; a damaged or newer one is, too.
async fn refuse_unrelated(path: &Path) -> Result<(), RestoreError> {
    let marked = is_marked_ours(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    if !path.exists() || marked {
        return Ok(());
    }
    // A server that was killed right after it made the file has left all of it in the WAL.
    examine(path).await.map(drop).map_err(|_| RestoreError::Unrelated { path: path.to_owned() })
}

/// `SQLite` would roll an unfinished change of another file back in the restored one. A database of ours has such a journal only
/// for the moment in which a server makes it one with a WAL.
fn refuse_journal(path: &Path) -> Result<(), RestoreError> {
    let journal = with_suffix(path, "-journal");
    if journal.exists() { Err(RestoreError::Journal { path: path.to_owned(), journal }) } else { Ok(()) }
}

async fn check_sound(backup: &Path) -> Result<Report, RestoreError> {
    let report = check_file(backup).await?;
    match report.problems.first() {
        Some(problem) => Err(RestoreError::Unsound { path: backup.to_owned(), problem: problem.to_string() }),
        None => Ok(report),
    }
}

async fn fill(partial: &PartialCopy, backup: &Path) -> Result<(), CopyError> {
    let mut conn = connect_reader(backup).await?;
    partial.fill(&mut conn).await?;
    conn.close().await?;
    let mut conn = connect_copy(partial.path()).await?;
    meta::renew_epoch(&mut conn).await?;
    conn.close().await?;
    partial.verify().await
}

/// Puts `partial` in the place of `database`; returns where that is now.
fn replace(database: &Path, partial: PartialCopy) -> Result<Option<PathBuf>, RestoreError> {
    let aside = unused(database);
    let failed = |source| RestoreError::Keep { path: aside.clone(), source };
    let was_there = link_aside(database, &aside, "").map_err(failed)?;
    link_aside(database, &aside, "-wal").map_err(failed)?;
    sync_directory(database).map_err(failed)?;
    partial.finish(database)?;
    remove_stale(database, &aside).map_err(|source| RestoreError::Stale { path: database.to_owned(), source })?;
    Ok(was_there.then_some(aside))
}

fn unused(database: &Path) -> PathBuf {
    let name = |n: u32| with_suffix(database, &format!(".before-restore-{n}"));
    let is_unused = |aside: &PathBuf| ["", "-wal", "-shm"].iter().all(|end| !with_suffix(aside, end).exists());
    (1..).map(name).find(is_unused).expect("a directory does not hold so many copies")
}

/// Gives a file a second name, so that the former database is whole under the new one before anything is taken from the old.
fn link_aside(database: &Path, aside: &Path, suffix: &str) -> io::Result<bool> {
    match std::fs::hard_link(with_suffix(database, suffix), with_suffix(aside, suffix)) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        linked => linked.map(|()| true),
    }
}

/// Takes away what `SQLite` would take for the restored file's own: the former WAL, which has its second name, and the index of it.
fn remove_stale(database: &Path, aside: &Path) -> io::Result<()> {
    if_there(std::fs::remove_file(with_suffix(database, "-wal")))?;
    if_there(std::fs::rename(with_suffix(database, "-shm"), with_suffix(aside, "-shm")))?;
    sync_directory(database)
}

fn if_there(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
