//! Nonces: by what a message that is sent again is known.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// 1 to 64 bytes that a sender has chosen, and uses for one message alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nonce {
    text: Arc<str>,
    fingerprint: u32,
}

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
        if !(1..=MAX_BYTES).contains(&text.len()) {
            return Err(InvalidNonce);
        }
        Ok(Self { text: text.into(), fingerprint: Self::fingerprint_of(text) })
    }

    /// The text as it was chosen.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the index finds it by; another nonce may have the same.
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// The fingerprint of the nonce `text`. Databases keep it, so it stays what it is.
    pub fn fingerprint_of(text: &str) -> u32 {
        let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(text).into();
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_beginning_of_the_sha_256() {
        assert_eq!(Nonce::parse("abc").unwrap().fingerprint(), 0xba78_16bf);
    }

    #[test]
    fn one_to_64_bytes_are_a_nonce() {
        assert!(["1", &"x".repeat(64), "\0", "ü"].into_iter().all(|text| Nonce::parse(text).is_ok()));
        assert!(["", &"x".repeat(65), &"ü".repeat(33)].into_iter().all(|text| Nonce::parse(text).is_err()));
    }
}
