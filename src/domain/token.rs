//! Tokens: what a client shows instead of its password.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Secret;

/// A login's token: a random `UUIDv4`, 122 bits from the system's generator. Its holder is the user.
#[derive(Clone, Copy, Eq)]
pub struct Token(Uuid);

/// The SHA-256 of a token's 16 bytes: what is stored and looked up. A token has too many bits to need a slow hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl Token {
    /// A new token, unlike any other.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads a token as a client sends it; `None` when it is no UUID.
    pub fn parse(text: &Secret<'_>) -> Option<Self> {
        Uuid::try_parse(text.expose()).ok().map(Self)
    }

    /// The form that the client is given: 36 characters, lower case, hyphens.
    pub fn to_secret(self) -> Secret<'static> {
        Secret::new(self.0.hyphenated().to_string())
    }

    /// The form that is stored.
    pub fn hash(self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

/// Takes as long wherever two tokens differ.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_u128() ^ other.0.as_u128() == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
