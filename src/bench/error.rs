//! What keeps a benchmark from running.

use std::io;
use std::path::PathBuf;

use crate::client::ClientError;
use crate::protocol::CodecError;
use crate::store::{OpenError, StoreError};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The server under test cannot be started, or has ended by itself.
    #[error("{what} {}: {said}", .binary.display())]
    Server {
        /// What failed.
        what: &'static str,
        /// Which program.
        binary: PathBuf,
        /// What it said last, or the system about it.
        said: String,
    },
    /// A file or a directory of the benchmark's own.
    #[error("{}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// A user of the load could not be set up.
    #[error("a user of the load")]
    Client(#[from] ClientError),
    /// A connection of the load broke.
    #[error("a connection of the load broke")]
    Io(#[from] io::Error),
    /// The server has ended a connection of the load.
    #[error("the server has ended a connection of the load")]
    Closed,
    /// What came is not of this protocol.
    #[error("the server sent what is not of this protocol")]
    Codec(#[from] CodecError),
    /// The server answered otherwise than it should.
    #[error("the server answered to a {action}: {said}")]
    Answer {
        /// The request's action.
        action: &'static str,
        /// What came instead of success.
        said: String,
    },
    /// The server does not answer at all.
    #[error("waited {seconds} s for {what}")]
    Silent {
        /// What was awaited.
        what: &'static str,
        /// How long.
        seconds: u64,
    },
    /// A file to be filled before the server starts cannot be opened.
    #[error("the file that is filled")]
    Open(#[from] OpenError),
    /// A file to be filled before the server starts takes nothing.
    #[error("the file that is filled")]
    Store(#[from] StoreError),
    /// The system has no thread left to fill a file.
    #[error("the thread that fills a file")]
    Thread(#[source] io::Error),
    /// `SQLite` as a floor.
    #[error("the floor in SQLite")]
    Sqlite(#[from] rusqlite::Error),
    /// What was asked for cannot be done.
    #[error("{0}")]
    Impossible(&'static str),
}
