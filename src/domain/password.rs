//! Passwords, as people choose them.

use std::fmt;

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::Profile;

use super::{Secret, Username};

/// A password in the form that is hashed: RFC 8265 `OpaqueString`, at most 1,024 bytes.
///
/// Source: RFC 8265, section 4.2: other spaces become U+0020, the rest is NFC, so that "é" logs in however it was typed.
#[derive(Clone)]
pub struct Password(String);

/// Why a text cannot become a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Under 8 characters.
    #[error("a password has at least 8 characters")]
    TooShort,
    /// Over 1,024 bytes, or with control characters.
    #[error("a password has at most 1024 bytes, no control characters and none newer than Unicode 6.3")]
    NotAllowed,
    /// It is the username.
    #[error("a password may not be the username")]
    IsUsername,
    /// It is on the list of common passwords, in this or another case.
    #[error("this password is among the most common ones")]
    TooCommon,
}

/// Units: characters. Source: NIST SP 800-63B-4 asks for 8 where it is not the only factor; clients of version 1 have no other.
const MIN_CHARS: usize = 8;

/// Units: bytes. Long enough for any passphrase, short enough to normalize and hash without a thought.
const MAX_BYTES: usize = 1024;

/// The passwords of 8 and more characters among the 49,233 most common ones, lower case, sorted by their bytes, a line each.
///
/// Source: the password list of zxcvbn-ts (`@zxcvbn-ts/language-common` 4.1.3, MIT).
const COMMON: &str = include_str!("common_passwords.txt");

impl Password {
    /// Normalizes a password that somebody logs in with; whether it may be chosen does not matter then.
    ///
    /// # Errors
    /// [`InvalidPassword::NotAllowed`] when it cannot be anybody's password.
    pub fn parse(text: &Secret<'_>) -> Result<Self, InvalidPassword> {
        let text = text.expose();
        if text.len() > MAX_BYTES {
            return Err(InvalidPassword::NotAllowed);
        }
        if text.is_empty() {
            return Err(InvalidPassword::TooShort);
        }
        let normal = OpaqueString::new().enforce(text).map_err(|_| InvalidPassword::NotAllowed)?;
        if normal.len() > MAX_BYTES {
            return Err(InvalidPassword::NotAllowed);
        }
        Ok(Self(normal.into_owned()))
    }

    /// Checks a password that `username` chooses.
    ///
    /// # Errors
    /// [`InvalidPassword`] says which rule it breaks.
    pub fn choose(text: &Secret<'_>, username: &Username) -> Result<Self, InvalidPassword> {
        let password = Self::parse(text)?;
        if password.0.chars().count() < MIN_CHARS {
            return Err(InvalidPassword::TooShort);
        }
        if password.0.eq_ignore_ascii_case(username.as_str()) {
            return Err(InvalidPassword::IsUsername);
        }
        if is_common(&password.0.to_lowercase()) {
            return Err(InvalidPassword::TooCommon);
        }
        Ok(password)
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Bisects the list where it lies, so that it needs no memory of its own.
fn is_common(password: &str) -> bool {
    let (mut low, mut high) = (0, COMMON.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = COMMON[..middle].rfind('\n').map_or(0, |newline| newline + 1);
        let end = COMMON[start..].find('\n').map_or(COMMON.len(), |newline| start + newline);
        match COMMON[start..end].cmp(password) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(text: &str) -> Result<Password, InvalidPassword> {
        Password::choose(&Secret::new(text), &Username::parse("ada.lovelace").unwrap())
    }

    #[test]
    fn eight_characters_to_1024_bytes_are_taken() {
        for text in ["correct-horse", "ünïcödé!", "p4 ss ph", &"x1".repeat(512)] {
            assert!(choose(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        assert_eq!(choose("").unwrap_err(), InvalidPassword::TooShort);
        assert_eq!(choose("sevench").unwrap_err(), InvalidPassword::TooShort);
        assert_eq!(choose(&"x".repeat(1025)).unwrap_err(), InvalidPassword::NotAllowed);
        assert_eq!(choose("tab\there it is").unwrap_err(), InvalidPassword::NotAllowed);
        assert_eq!(choose("Ada.Lovelace").unwrap_err(), InvalidPassword::IsUsername);
        assert_eq!(choose("Password123").unwrap_err(), InvalidPassword::TooCommon);
    }

    #[test]
    fn every_common_password_is_found_and_no_other() {
        assert!(COMMON.lines().count() > 10_000);
        assert!(COMMON.lines().all(is_common));
        for rare in ["", "0", "zzzzzzzzzzzzzzzzzzzzz", "correct-horse", "passwor", "password123\n"] {
            assert!(!is_common(rare), "{rare:?}");
        }
    }

    #[test]
    fn two_ways_to_type_a_letter_are_one_password() {
        let composed = choose("caf\u{e9} au lait").unwrap();
        let decomposed = choose("cafe\u{301} au lait").unwrap();
        assert_eq!(composed.as_bytes(), decomposed.as_bytes());
    }
}
