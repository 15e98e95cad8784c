//! What can be wrong with bytes.

use super::Framing;

/// Why bytes are no request (or, at the client, no response or update). The text is the sentence that the peer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// An argument is not a string.
    #[error("every argument of this action is a string")]
    WrongType,
    /// An array has too few or too many objects for its action.
    #[error("this action takes another number of arguments")]
    WrongCount,
    /// An option is of another type, or one that is needed is not there.
    #[error("an option of this action has the wrong type, or is missing")]
    WrongOption,
    /// `hello` is not the first request.
    #[error("hello is the first request of a connection")]
    LateHello,
    /// No action has this name.
    #[error("there is no such action")]
    UnknownAction,
    /// The first object is not a string.
    #[error("a request begins with its action, a string")]
    ActionNotString,
    /// An object of an array-framed connection is not an array.
    #[error("on this connection every request is an array, as the first one was")]
    NotAnArray,
    /// A string that is used is not UTF-8.
    #[error("strings are UTF-8")]
    NotUtf8,
    /// A byte that MessagePack does not define.
    #[error("this is not MessagePack")]
    NotMessagePack,
    /// More bytes, or a claim of more, than a request may have. Units: bytes.
    #[error("a request has at most {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// Arrays and maps within one another beyond the limit.
    #[error("objects are nested too deeply")]
    TooDeep,
    /// What came from a server is neither a response nor an update.
    #[error("this is neither a response nor an update")]
    NotAReply,
}

impl CodecError {
    /// Whether the connection must end, because what follows could not be told apart from the bad request.
    ///
    /// In bare framing an unknown action has an unknown number of arguments: going on would read a password as an action.
    pub fn ends_connection(self, framing: Framing) -> bool {
        match self {
            Self::WrongType | Self::WrongCount | Self::WrongOption | Self::LateHello => false,
            Self::UnknownAction | Self::ActionNotString => framing == Framing::Bare,
            Self::NotAnArray
            | Self::NotUtf8
            | Self::NotMessagePack
            | Self::TooLarge { .. }
            | Self::TooDeep
            | Self::NotAReply => true,
        }
    }
}
