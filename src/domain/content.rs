//! What a message says.

use std::fmt;
use std::sync::Arc;

/// The text of a message: UTF-8 of 1 byte up to the configured limit, kept byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(Arc<str>);

/// Why a text cannot be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContent {
    /// Nothing is in it.
    #[error("content is empty")]
    Empty,
    /// It is longer than the limit. Units: bytes.
    #[error("content is over {max_bytes} bytes")]
    TooLong {
        /// The limit.
        max_bytes: usize,
    },
}

impl Content {
    /// Keeps `text` as it is.
    ///
    /// # Errors
    /// [`InvalidContent`] when it is empty or over `max_bytes`.
    pub fn parse(text: &str, max_bytes: usize) -> Result<Self, InvalidContent> {
        if text.is_empty() {
            return Err(InvalidContent::Empty);
        }
        if text.len() > max_bytes {
            return Err(InvalidContent::TooLong { max_bytes });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, for who keeps it.
    pub fn share(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// Shows the length alone: what people say to each other does not belong into logs.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.0.len())
    }
}
