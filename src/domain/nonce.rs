//! Nonces: by what a message that is sent again is known.

use std::fmt;
use std::sync::Arc;

/// 1 to 64 bytes that a sender has chosen, and uses for one message alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nonce(Arc<str>);

/// The text is empty or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a nonce has 1 to 64 bytes")]
pub struct InvalidNonce;

/// Units: bytes. A UUID has 36 as text.
const MAX_BYTES: usize = 64;

impl Nonce {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`InvalidNonce`].
    pub fn parse(text: &str) -> Result<Self, InvalidNonce> {
        if (1..=MAX_BYTES).contains(&text.len()) { Ok(Self(text.into())) } else { Err(InvalidNonce) }
    }

    /// The text as it was chosen.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_64_bytes_are_a_nonce() {
        assert!(["1", &"x".repeat(64), "\0", "ü"].into_iter().all(|text| Nonce::parse(text).is_ok()));
        assert!(["", &"x".repeat(65), &"ü".repeat(33)].into_iter().all(|text| Nonce::parse(text).is_err()));
    }
}
