//! A floor: bytes that are written to a file one behind the other, and synced.

use std::fs::File;
use std::io::{Seek, Write};

use super::batches::{Stored, Written};
use crate::bench::error::BenchError;

/// What a log has besides the content: an id, who, to whom and when, and how long it is. Units: bytes.
const OVERHEAD_BYTES: usize = 40;

/// The file has its length before, and is written from the beginning again at its end, for a file that grows costs another write
/// at each sync: that of its length. Units: bytes.
const FILE_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn run(stored: &Stored, is_over: &dyn Fn() -> bool) -> Result<Written, BenchError> {
    let path = stored.directory.join("floor.log");
    let failed = |err| BenchError::File(path.clone(), err);
    let mut file = File::create(&path).map_err(failed)?;
    file.write_all(&vec![b'.'; FILE_BYTES]).and_then(|()| file.sync_all()).map_err(failed)?;
    let (mut at, mut bytes) = (FILE_BYTES, Vec::new());
    let written = stored.write(is_over, |messages| {
        bytes.resize(messages * (stored.content_bytes + OVERHEAD_BYTES), b'-');
        if at + bytes.len() > FILE_BYTES {
            file.rewind().map_err(failed)?;
            at = 0;
        }
        at += bytes.len();
        file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(failed)
    });
    std::fs::remove_file(&path).map_err(failed)?;
    written
}
