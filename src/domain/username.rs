//! Names of people.

use std::fmt;

/// A username: 1-32 of `a-z 0-9 . _ -` in either case. Compared by its key, shown as it was registered.
///
/// Source: a subset of RFC 8265 `UsernameCaseMapped` on which Unicode versions and lookalikes have no say.
#[derive(Clone, PartialEq, Eq)]
pub struct Username(String);

/// The text has a length or a character that usernames do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a username is 1 to 32 of a-z, 0-9, '.', '_' and '-'")]
pub struct InvalidUsername;

/// Units: characters, all of them ASCII.
const MAX_CHARS: usize = 32;

impl Username {
    /// Checks `text` and keeps its case.
    ///
    /// # Errors
    /// [`InvalidUsername`] when it is not 1-32 of the allowed characters.
    pub fn parse(text: &str) -> Result<Self, InvalidUsername> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if text.is_empty() || text.len() > MAX_CHARS || !text.bytes().all(allowed) {
            return Err(InvalidUsername);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which names are compared: two names with one key are one name.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_the_allowed_characters_are_taken() {
        for name in ["a", "Ada", "x.y_z-9", &"a".repeat(32)] {
            assert!(Username::parse(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", " ", "a b", "ada\n", "a\0b", "änne", "раураl", "a/b", "@ada", "\u{212a}", &"a".repeat(33)]
        {
            assert_eq!(Username::parse(name), Err(InvalidUsername), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "[a-zA-Z0-9._-]{1,32}") {
            let key = Username::parse(&text).unwrap().key();
            prop_assert_eq!(Username::parse(&key).unwrap().key(), key);
        }

        #[test]
        fn case_never_tells_two_names_apart(text in "[a-zA-Z0-9._-]{1,32}") {
            let upper = Username::parse(&text.to_ascii_uppercase()).unwrap();
            prop_assert_eq!(upper.key(), Username::parse(&text).unwrap().key());
        }

        #[test]
        fn no_text_makes_parsing_panic(text in any::<String>()) {
            let _ = Username::parse(&text);
        }
    }
}
