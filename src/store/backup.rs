//! A copy of the database for keeping, made while a server runs on it or not.

use std::path::{Path, PathBuf};

use sqlx::Connection;

use super::check::{Contents, find_contents};
use super::connect::connect_reader;
use super::copy::PartialCopy;
use super::error::{BackupError, CopyError, OpenError};
use super::lock::with_suffix;
use super::migrate::{MIGRATOR, newest};
use super::open::{examine, find, refuse_stray_wal};

/// A copy that was made.
#[derive(Debug)]
pub struct Backup {
    /// The database's canonical path.
    pub database: PathBuf,
    /// The copy.
    pub path: PathBuf,
    /// Units: bytes of the copy.
    pub size_bytes: u64,
    /// What is in the copy; `None` where it is older than this binary's queries.
    pub contents: Option<Contents>,
}

/// Copies the database of `url` as of one moment to `target`, which must not be there. What was acknowledged before is in it.
///
/// The copy is one file without a WAL, verified and on the disk before it gets its name. While it is made, a WAL that a server
/// writes only grows.
///
/// Cancel safety: dropped, nothing is left of the copy.
///
/// # Errors
/// [`BackupError`]; nothing was changed and no copy is there.
pub async fn back_up(url: &str, target: &Path) -> Result<Backup, BackupError> {
    let database = find(url)?;
    // A relative path could begin with "file:", which is a URI to SQLite.
    let path = std::path::absolute(target).map_err(|source| CopyError::File { path: target.to_owned(), source })?;
    refuse_existing(&path)?;
    refuse_stray_wal(&database)?;
    let version = examine(&database).await?;
    if version == 0 {
        return Err(OpenError::Empty { path: database }.into());
    }
    let partial = PartialCopy::create(with_suffix(&path, ".partial"))?;
    let contents = fill(&partial, &database, version).await?;
    refuse_existing(&path)?;
    let size_bytes = partial.finish(&path)?;
    Ok(Backup { database, path, size_bytes, contents })
}

async fn fill(partial: &PartialCopy, database: &Path, version: i64) -> Result<Option<Contents>, CopyError> {
    let mut conn = connect_reader(database).await?;
    partial.fill(&mut conn).await?;
    conn.close().await?;
    partial.verify().await?;
    if version != newest(&MIGRATOR) {
        return Ok(None);
    }
    let mut conn = connect_reader(partial.path()).await?;
    let contents = find_contents(&mut conn).await?;
    conn.close().await?;
    Ok(Some(contents))
}

/// A link that leads nowhere is something, too.
fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    if path.symlink_metadata().is_ok() { Err(BackupError::Exists { path: path.to_owned() }) } else { Ok(()) }
}
