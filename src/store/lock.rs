//! The file beside the database that one server holds locked as long as it runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::OpenError;

/// Files that hold what people said are their server's alone. `SQLite` gives its WAL the mode of the database.
pub(super) const PRIVATE: u32 = 0o600;

/// Held by the server that owns the database; the system lets go of it however the process ends.
///
/// `SQLite`'s own locks would let two servers take turns, and each would miss what the other delivers.
#[derive(Debug)]
pub(super) struct DatabaseLock(#[expect(dead_code, reason = "holding it open is what it is for")] File);

impl DatabaseLock {
    /// Locks the database at `path`, a canonical path, so that two names of one file are one database.
    ///
    /// # Errors
    /// [`OpenError::InUse`], [`OpenError::File`].
    pub(super) fn acquire(path: &Path) -> Result<Self, OpenError> {
        let lock_path = with_suffix(path, ".lock");
        let failed = |source| OpenError::File { path: lock_path.clone(), source };
        if lock_path.exists() && !lock_path.is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "this is not a file")));
        }
        let file = open_private(&lock_path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// Opens `path` for writing, creating it for this user alone; what is in it stays.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE).open(path)
}

/// Creates `path` for this user alone.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path)
}

/// `path` with `suffix` behind its file name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
