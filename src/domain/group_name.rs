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
#[error("a group name is 1 to 64 characters, none of them a control character or newer than Unicode 6.3")]
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
        for (what, one, other) in [
            ("case", "Rust Club", "rust CLUB"),
            ("more spaces", " rust   club ", "rust club"),
            ("other spaces", "rust\u{a0}\u{3000}club", "rust club"),
            ("full width", "ＲＵＳＴ", "rust"),
            ("half width", "\u{ff8c}\u{ff9f}", "プ"),
            ("a ligature", "o\u{fb03}ce", "office"),
            ("a letter and a mark", "cafe\u{301}", "caf\u{e9}"),
            ("marks in another order", "a\u{302}\u{323}", "\u{1ead}"),
            ("the Kelvin sign", "\u{212a}elvin", "kelvin"),
            ("the Angstrom sign", "\u{212b}", "\u{e5}"),
            ("a long s", "\u{17f}team", "steam"),
            ("a capital sharp s", "STRA\u{1e9e}E", "stra\u{df}e"),
            ("a Turkish capital i", "\u{130}zmir", "i\u{307}zmir"),
            ("a mathematical letter", "\u{1d400}da", "ada"),
            ("a letter of two", "\u{1c5}", "d\u{17e}"),
            ("a Roman numeral", "Henry \u{2167}", "henry viii"),
            ("a superscript", "x\u{b2}", "x2"),
            ("an ellipsis", "wait\u{2026}", "wait..."),
        ] {
            assert_eq!(key(one), key(other), "{what}: {one:?} {other:?}");
        }
    }

    /// The profile knows the ways to write a letter, not letters that look alike: `раураl` and `paypal` are two groups, and
    /// to tell them apart is left to who shows them. Nor has it a rule for names of both directions.
    #[test]
    fn names_that_only_look_alike_are_those_of_other_groups() {
        for (what, one, other) in [
            ("Cyrillic", "раураl", "paypal"),
            ("a Cyrillic letter", "аdmin", "admin"),
            ("a Greek letter", "\u{391}lpha", "Alpha"),
            ("letters like one", "rnoon", "moon"),
            ("a digit like a letter", "paypa1", "paypal"),
            ("another digit", "\u{661}", "1"),
            ("another hyphen", "a\u{2010}b", "a-b"),
            ("a dotless i", "\u{131}zmir", "izmir"),
            ("a Turkish capital i", "\u{130}zmir", "Izmir"),
            ("a sharp s", "stra\u{df}e", "strasse"),
            ("no mark", "cafe", "caf\u{e9}"),
            ("marks in another order at one place", "a\u{300}\u{301}", "a\u{301}\u{300}"),
            ("a mark without a letter", "\u{301}rust", "rust"),
            ("an emoji", "rust\u{1f600}", "rust"),
            ("no space", "rustclub", "rust club"),
            ("letters of both directions", "abc \u{5d0}\u{5d1}", "\u{5d0}\u{5d1} abc"),
        ] {
            assert_ne!(key(one), key(other), "{what}: {one:?} {other:?}");
        }
    }

    #[test]
    fn names_that_the_profile_forbids_are_refused() {
        for (what, name) in [
            ("nothing", ""),
            ("spaces alone", " \u{3000} "),
            ("NUL", "a\0b"),
            ("a line feed", "a\nb"),
            ("a tab", "a\tb"),
            ("an escape", "\u{1b}[2Jrust"),
            ("delete", "rust\u{7f}"),
            ("a next line", "a\u{85}b"),
            ("a line separator", "a\u{2028}b"),
            ("a zero-width space", "zero\u{200b}width"),
            ("a zero-width joiner", "a\u{200d}b"),
            ("a word joiner", "a\u{2060}b"),
            ("a soft hyphen", "a\u{ad}b"),
            ("a byte order mark", "\u{feff}rust"),
            ("a filler", "\u{3164}"),
            ("a tag", "rust\u{e0041}"),
            ("a right-to-left override", "\u{202e}right"),
            ("a right-to-left isolate", "\u{2067}right\u{2069}"),
            ("a right-to-left mark", "\u{200f}right"),
            ("a character for private use", "\u{e000}"),
            ("no character", "\u{ffff}"),
            ("parts of a Korean letter", "\u{1100}\u{1161}"),
            ("an emoji with a selector", "\u{2764}\u{fe0f}"),
            ("emoji that are joined", "\u{1f468}\u{200d}\u{1f469}"),
            // The registry on which the profile rests ends there.
            ("an emoji younger than Unicode 6.3", "\u{1f980}"),
        ] {
            assert_eq!(GroupName::parse(name), Err(InvalidGroupName), "{what}: {name:?}");
        }
    }

    #[test]
    fn sixty_four_characters_count_as_the_profile_leaves_them() {
        for (what, name, length) in [
            ("plain", "x".repeat(64), Some(64)),
            ("plain, too long", "x".repeat(65), None),
            ("of two bytes", "ü".repeat(64), Some(64)),
            ("of two bytes, too long", "ü".repeat(65), None),
            ("of four bytes", "\u{1f600}".repeat(64), Some(64)),
            ("shrinking", "u\u{308}".repeat(64), Some(64)),
            ("shrinking, too long", "u\u{308}".repeat(65), None),
            ("growing", "\u{fdfa}".repeat(3), Some(54)),
            ("growing, too long", "\u{fdfa}".repeat(4), None),
            ("growing from 1,023 bytes to 11,253", "\u{fdfa}".repeat(341), None),
            ("spaces that are dropped", " ".repeat(960) + &"x".repeat(64), Some(64)),
            ("spaces that are dropped, too long", " ".repeat(1024) + "x", None),
        ] {
            let parsed = GroupName::parse(&name).map(|name| name.as_str().chars().count());
            assert_eq!(parsed.ok(), length, "{what}: {name:?}");
        }
        // Only the key grows with the case.
        let dotted = GroupName::parse(&"\u{130}".repeat(64)).unwrap();
        assert_eq!((dotted.as_str().chars().count(), dotted.key().chars().count()), (64, 128));
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
        fn folding_twice_is_folding_once(text in "\\PC{1,20}") {
            if let Ok(name) = GroupName::parse(&text) {
                let again = fold(Nickname::new(), name.key());
                prop_assert_eq!(again.as_deref(), Some(name.key()));
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
