//! Names of people.

use std::fmt;

use arrayvec::ArrayString;

/// A username: 1-32 of `a-z 0-9 . _ -` in either case. Compared by its key, shown as it was registered.
///
/// Source: a subset of RFC 8265 `UsernameCaseMapped` on which Unicode versions and lookalikes have no say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Username(ArrayString<MAX_CHARS>);

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
        match ArrayString::from(text) {
            Ok(name) if !name.is_empty() && name.bytes().all(allowed) => Ok(Self(name)),
            _ => Err(InvalidUsername),
        }
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which names are compared: two names with one key are one name.
    pub fn key(mut self) -> Self {
        self.0.make_ascii_lowercase();
        self
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
        for (what, name) in [
            ("nothing", ""),
            ("one character too many", &*"a".repeat(33)),
            ("few characters, many bytes", &"ä".repeat(17)),
            ("one character that grows to 18 where it is normalized", "\u{fdfa}"),
            ("a space", " "),
            ("a space inside", "a b"),
            ("a space at the end", "ada "),
            ("a no-break space", "a\u{a0}b"),
            ("NUL", "a\0b"),
            ("a line feed", "ada\n"),
            ("a tab", "\tada"),
            ("an escape", "\u{1b}[2Jada"),
            ("delete", "ada\u{7f}"),
            ("another sign", "a/b"),
            ("a sign in front", "@ada"),
            ("a zero-width space", "ad\u{200b}a"),
            ("a zero-width joiner", "ad\u{200d}a"),
            ("a soft hyphen", "ad\u{ad}a"),
            ("a byte order mark", "\u{feff}ada"),
            ("a right-to-left override", "\u{202e}ada"),
            ("a right-to-left letter", "ada\u{5d0}"),
            ("a letter with a mark", "\u{e4}nne"),
            ("a letter and a mark", "a\u{308}nne"),
            ("a ligature", "\u{fb01}nn"),
            ("full width", "\u{ff41}\u{ff44}\u{ff41}"),
            ("Cyrillic for paypal", "раураl"),
            ("Cyrillic for admin", "аdmin"),
            ("Greek for alpha", "αlpha"),
            ("a mathematical letter", "\u{1d41a}da"),
            ("the Kelvin sign, whose lower case is k", "\u{212a}ate"),
            ("a long s, whose upper case is S", "\u{17f}am"),
            ("a dotless i, whose upper case is I", "\u{131}da"),
            ("a Turkish capital i, whose lower case begins with i", "\u{130}da"),
            ("a sharp s", "stra\u{df}e"),
            ("an Arabic digit", "ada\u{661}"),
            ("a superscript digit", "ada\u{b2}"),
            ("another full stop", "ada\u{2024}b"),
            ("another hyphen", "ada\u{2010}b"),
            ("an emoji", "ada\u{1f600}"),
        ] {
            assert_eq!(Username::parse(name), Err(InvalidUsername), "{what}: {name:?}");
        }
    }

    #[test]
    fn case_is_all_that_is_folded_and_lookalikes_among_the_allowed_characters_are_others() {
        let key = |name| Username::parse(name).unwrap().key();

        for (one, other) in [("Ada", "ADA"), ("IDA", "ida"), ("Kate", "kate"), ("X.Y_Z-9", "x.y_z-9")] {
            assert_eq!(key(one), key(other), "{one:?} {other:?}");
        }
        for (one, other) in [
            ("paypal", "paypa1"),
            ("bob", "b0b"),
            ("moon", "rnoon"),
            ("will", "vvill"),
            ("a.b", "ab"),
            ("a.b", "a_b"),
            ("a_b", "a-b"),
            ("ada", "ada."),
        ] {
            assert_ne!(key(one), key(other), "{one:?} {other:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "[a-zA-Z0-9._-]{1,32}") {
            let key = Username::parse(&text).unwrap().key();
            prop_assert_eq!(Username::parse(key.as_str()).unwrap().key(), key);
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
