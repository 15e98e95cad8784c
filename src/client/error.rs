//! What can go wrong on a connection.

use std::io;

use crate::protocol::{CodecError, Refused};

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection could be made.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// No server can have this name.
    #[error("{0:?} is not the name of a server")]
    Name(String),
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The server has ended the connection.
    #[error("the server has ended the connection")]
    Closed,
    /// The server does not speak this wire.
    #[error("the server sent what is not of this protocol")]
    Codec(#[from] CodecError),
    /// The server refused, and says why.
    #[error("{}", .0.why)]
    Refused(Refused),
    /// A request that needs a token before there is one.
    #[error("not logged in")]
    NotLoggedIn,
    /// A response came that nothing was asked for.
    #[error("a response without a request")]
    Unasked,
    /// Over 16 MiB of updates wait for [`Client::next_update`](super::Client::next_update); nothing more is read before they
    /// are taken.
    #[error("too many updates wait to be taken")]
    TooManyUpdates,
}
