//! A directory for the files of a run, which goes with it.

use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::error::BenchError;

/// A new directory; removed with all that is in it when this is dropped.
#[derive(Debug)]
pub(super) struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    /// Makes one in `parent`.
    pub(super) fn new(parent: &Path) -> Result<Self, BenchError> {
        let path = parent.join(format!("chinwag-bench-{}", Uuid::new_v4().simple()));
        fs::create_dir(&path).map_err(|err| BenchError::File(path.clone(), err))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
