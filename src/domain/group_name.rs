//! Names of groups.

use std::fmt;

use precis_profiles::Nickname;
use precis_profiles::precis_core::profile::{Profile, Rules, stabilize};
use unicode_normalization::UnicodeNormalization;

/// A group's name: 1-64 characters by the Nickname profile. Compared by its key, shown as it was created.
///
/// Source: RFC 8266, section 2.3 (what is shown) and 2.4 (what is compared).
#[derive(Clone, PartialEq, Eq)]
pub struct GroupName {
    name: String,
    key: String,
}

/// The text is no nickname, or too long for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a group name is 1 to 64 characters, none of them a control character")]
pub struct InvalidGroupName;

/// Units: Unicode scalar values, after the profile was applied.
const MAX_CHARS: usize = 64;

/// No text with more bytes has few enough characters, even where the profile shortens it; kept from the profile's tables.
const MAX_INPUT_BYTES: usize = 1024;

impl GroupName {
    /// Applies the profile to `text`: spaces are trimmed and merged, compatibility characters replaced.
    ///
    /// # Errors
    /// [`InvalidGroupName`] when the profile forbids it, or nothing or over 64 characters are left.
    pub fn parse(text: &str) -> Result<Self, InvalidGroupName> {
        if text.len() > MAX_INPUT_BYTES || is_hopeless(text) {
            return Err(InvalidGroupName);
        }
        let (name, key) = if is_plain(text) {
            (text.to_owned(), text.to_ascii_lowercase())
        } else {
            let profile = Nickname::new();
            let name = profile.enforce(text).map_err(|_| InvalidGroupName)?.into_owned();
            let key = fold(profile, &name).ok_or(InvalidGroupName)?;
            (name, key)
        };
        if name.chars().count() > MAX_CHARS || key.is_empty() {
            return Err(InvalidGroupName);
        }
        Ok(Self { name, key })
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The form by which names are compared: two names with one key are one name.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Whether the profile's tables have nothing to say of `text`; most names are such, and sending to a group parses one.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether more characters than fit are left even without spaces. Stops at the first that is one too many: the profile would
/// work on all of a text that grows under it, and anybody may send one.
fn is_hopeless(text: &str) -> bool {
    text.nfkc().filter(|character| !character.is_whitespace()).nth(MAX_CHARS).is_some()
}

fn fold(profile: Nickname, name: &str) -> Option<String> {
    let key = stabilize(name, |s| {
        let s = profile.additional_mapping_rule(s)?;
        let s = profile.case_mapping_rule(s)?;
        profile.normalization_rule(s)
    });
    key.ok().map(|key| key.into_owned())
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(text: &str) -> String {
        GroupName::parse(text).unwrap().key
    }

    #[test]
    fn spaces_are_trimmed_and_merged() {
        assert_eq!(GroupName::parse("  rust\u{3000}  club ").unwrap().as_str(), "rust club");
    }

    #[test]
    fn names_a_person_would_take_for_the_same_share_a_key() {
        assert_eq!(key("Rust Club"), key("rust   CLUB"));
        assert_eq!(key("ＲＵＳＴ"), key("rust"));
        assert_eq!(key("caf\u{e9}"), key("cafe\u{301}"));
        assert_ne!(key("rust"), key("rusty"));
    }

    #[test]
    fn names_that_the_profile_forbids_are_refused() {
        for name in ["", "   ", "a\nb", "a\0b", "zero\u{200b}width", "\u{202e}right", &"x".repeat(65), &"ü".repeat(65)]
        {
            assert_eq!(GroupName::parse(name), Err(InvalidGroupName), "{name:?}");
        }
        assert!(GroupName::parse(&"ü".repeat(64)).is_ok());
        assert!(GroupName::parse(&"u\u{308}".repeat(64)).is_ok());
        assert_eq!(GroupName::parse(&"\u{fdfa}".repeat(4)), Err(InvalidGroupName));
    }

    proptest! {
        #[test]
        fn a_name_shown_and_sent_back_is_the_same_group(text in "\\PC{1,20}") {
            if let Ok(name) = GroupName::parse(&text) {
                let again = GroupName::parse(name.as_str()).unwrap();
                prop_assert_eq!(again.as_str(), name.as_str());
                prop_assert_eq!(again.key(), name.key());
            }
        }

        #[test]
        fn plain_names_are_what_the_profile_makes_of_them(text in "[!-~]{1,64}") {
            let profile = Nickname::new();
            let name = GroupName::parse(&text).unwrap();
            prop_assert_eq!(name.as_str(), profile.enforce(text.as_str()).unwrap());
            prop_assert_eq!(name.key().to_owned(), fold(profile, &text).unwrap());
        }

        #[test]
        fn no_text_makes_parsing_panic(text in any::<String>()) {
            let _ = GroupName::parse(&text);
        }
    }
}
