//! The map in which a message of version 2 may end.

use serde::Serialize;

use super::object::{Object, Objects};
use super::{CodecError, Conversation};

/// The keys that are known; others are passed over, so that either end may be the newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Version,
    Client,
    Nonce,
    After,
    Before,
    Limit,
    With,
    Group,
    Id,
    At,
    To,
    Head,
    Code,
    RetryMs,
}

const KEYS: [(&str, Key); 14] = [
    ("version", Key::Version),
    ("client", Key::Client),
    ("nonce", Key::Nonce),
    ("after", Key::After),
    ("before", Key::Before),
    ("limit", Key::Limit),
    ("with", Key::With),
    ("group", Key::Group),
    ("id", Key::Id),
    ("at", Key::At),
    ("to", Key::To),
    ("head", Key::Head),
    ("code", Key::Code),
    ("retry_ms", Key::RetryMs),
];

/// The values of the known keys. One that is not there, and nil, is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Options<'a>([Option<Object<'a>>; KEYS.len()]);

impl<'a> Options<'a> {
    fn get(&self, key: Key) -> Option<Object<'a>> {
        self.0[key as usize].filter(|object| *object != Object::Nil)
    }

    /// A string.
    ///
    /// # Errors
    /// [`CodecError::WrongOption`], [`CodecError::NotUtf8`].
    pub(super) fn text(&self, key: Key) -> Result<Option<&'a str>, CodecError> {
        match self.get(key) {
            None => Ok(None),
            Some(Object::Text(text)) => Ok(Some(text)),
            Some(Object::NotUtf8) => Err(CodecError::NotUtf8),
            Some(_) => Err(CodecError::WrongOption),
        }
    }

    /// A string that a server sends, if it is there.
    ///
    /// # Errors
    /// As [`Options::text`].
    pub(super) fn owned(&self, key: Key) -> Result<Option<String>, CodecError> {
        Ok(self.text(key)?.map(str::to_owned))
    }

    /// A string without which this is no message of a server's.
    ///
    /// # Errors
    /// As [`Options::text`], and [`CodecError::NotAReply`].
    pub(super) fn needed(&self, key: Key) -> Result<String, CodecError> {
        self.owned(key)?.ok_or(CodecError::NotAReply)
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`CodecError::WrongOption`].
    pub(super) fn integer(&self, key: Key) -> Result<Option<i64>, CodecError> {
        match self.get(key) {
            None => Ok(None),
            Some(Object::Integer(number)) => Ok(Some(number)),
            Some(_) => Err(CodecError::WrongOption),
        }
    }

    /// What the map that `bytes` are says.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let mut options = Self::default();
        let mut inside = Objects::inside(bytes);
        while let (Some(key), Some(value)) = (inside.next(), inside.next()) {
            if let Some(&(_, key)) = KEYS.iter().find(|(name, _)| key == Object::Text(name)) {
                options.0[key as usize] = Some(value);
            }
        }
        options
    }
}

/// The map as it is written: what is none is left out. Its keys are those of [`Key`].
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Words<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) with: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) head: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_ms: Option<i64>,
}

impl<'a> Words<'a> {
    pub(super) fn of(conversation: &'a Conversation) -> Self {
        match conversation {
            Conversation::With(username) => Self { with: Some(username), ..Self::default() },
            Conversation::Group(group_name) => Self { group: Some(group_name), ..Self::default() },
        }
    }
}
