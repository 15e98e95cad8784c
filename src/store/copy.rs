//! A copy of a database as it stands: whole and verified, or not there at all.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};

use super::CopyError;
use super::connect::{connect_reader, pragma};
use super::lock::{create_private, with_suffix};

/// How often copying a large file says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// A copy that is not finished; dropped as such, it is deleted.
///
/// The file stays open until the end: closing it earlier would drop the locks that `SQLite` has on it.
#[derive(Debug)]
pub(super) struct PartialCopy {
    path: PathBuf,
    file: File,
    is_finished: bool,
}

impl PartialCopy {
    /// Begins a copy in a file of its own, for this user alone.
    ///
    /// # Errors
    /// [`CopyError::UnderWay`] when the file is there already.
    pub(super) fn create(path: PathBuf) -> Result<Self, CopyError> {
        if path.to_str().is_none() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8");
            return Err(CopyError::File { path, source });
        }
        match create_private(&path) {
            Ok(file) => Ok(Self { path, file, is_finished: false }),
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Err(CopyError::UnderWay { path }),
            Err(source) => Err(CopyError::File { path, source }),
        }
    }

    /// Like [`PartialCopy::create`], in place of what a process that was killed has left. Whoever calls this holds a lock that
    /// keeps others from doing so.
    pub(super) fn create_anew(path: PathBuf) -> Result<Self, CopyError> {
        match remove(&path) {
            Err(source) => Err(CopyError::File { path, source }),
            Ok(()) => Self::create(path),
        }
    }

    /// Where it is until it is finished.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies the database of `conn` as of one moment, with what is in its WAL, and says how far it is where that takes long.
    pub(super) async fn fill(&self, conn: &mut SqliteConnection) -> Result<(), CopyError> {
        let copying = vacuum_into(conn, &self.path);
        tokio::pin!(copying);
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        ticks.tick().await;
        loop {
            tokio::select! {
                copied = &mut copying => return copied.map_err(CopyError::Sqlite),
                _ = ticks.tick() => {
                    let copied_bytes = self.file.metadata().map_or(0, |metadata| metadata.len());
                    tracing::info!(copied_bytes, "still copying");
                }
            }
        }
    }

    /// Reads the whole copy, as far as `SQLite` can tell what is damaged.
    pub(super) async fn verify(&self) -> Result<(), CopyError> {
        let mut conn = connect_reader(&self.path).await?;
        let sound = pragma(&mut conn, "select integrity_check = 'ok' from pragma_integrity_check limit 1").await?;
        conn.close().await?;
        if sound != 1 {
            return Err(CopyError::Damaged { path: self.path.clone() });
        }
        Ok(())
    }

    /// Gives the copy its name, once it is on the disk; returns how large it is. Units: bytes.
    pub(super) fn finish(mut self, target: &Path) -> Result<u64, CopyError> {
        let failed = |source| CopyError::File { path: target.to_owned(), source };
        let size_bytes = self.file.metadata().map_err(failed)?.len();
        self.file.sync_all().map_err(failed)?;
        std::fs::rename(&self.path, target).map_err(failed)?;
        self.is_finished = true;
        sync_directory(target).map_err(failed)?;
        Ok(size_bytes)
    }
}

impl Drop for PartialCopy {
    fn drop(&mut self) {
        if !self.is_finished
            && let Err(err) = remove(&self.path)
        {
            tracing::warn!(error = %err, copy = %self.path.display(), "an unfinished copy is left behind; delete it");
        }
    }
}

/// Removes an unfinished copy, where there is one, and the journal that SQLite has beside it meanwhile.
fn remove(path: &Path) -> io::Result<()> {
    for path in [path, &with_suffix(path, "-journal")] {
        match std::fs::remove_file(path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
    }
    Ok(())
}

/// Makes it last that `path` has been created, renamed or removed.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// VACUUM INTO writes into an empty file that is there, and keeps its mode.
async fn vacuum_into(conn: &mut SqliteConnection, target: &Path) -> Result<(), sqlx::Error> {
    let target = target.to_string_lossy();
    sqlx::query!("vacuum into ?", target).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_copy_that_is_dropped_unfinished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy.partial");

        let partial = PartialCopy::create(path.clone()).unwrap();
        std::fs::write(with_suffix(&path, "-journal"), "SQLite's").unwrap();
        assert!(matches!(PartialCopy::create(path.clone()), Err(CopyError::UnderWay { .. })));
        assert!(path.exists());
        drop(partial);

        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_has_left_is_replaced_under_a_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy.partial");
        std::fs::write(&path, "half a copy").unwrap();
        std::fs::write(with_suffix(&path, "-journal"), "SQLite's").unwrap();

        let partial = PartialCopy::create_anew(path.clone()).unwrap();
        let size_bytes = partial.finish(&directory.path().join("copy")).unwrap();

        assert_eq!(size_bytes, 0);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }
}
