//! Updates: what a server tells without being asked.

use serde::Serialize;

use super::frame::{encode, encode_with_map, write, write_with_map};
use super::object::{Object, Plain};
use super::options::{Key, Options, Words};
use super::{CodecError, Conversation, Framing};

/// Something that happened, told without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Shape: `["update", "whisper", sender, content]`, and in version 2 the stamp.
    Whisper {
        /// Who said it.
        sender: String,
        /// What was said.
        content: String,
        /// Only version 2 has it.
        stamp: Option<Stamp>,
    },
    /// Shape: `["update", "msg_group", group_name, sender, content]`, and in version 2 the stamp.
    GroupMessage {
        /// Where it was said.
        group_name: String,
        /// Who said it.
        sender: String,
        /// What was said.
        content: String,
        /// Only version 2 has it.
        stamp: Option<Stamp>,
    },
    /// Everything up to the newest message as of the `sync` has come. Shape: `["update", "synced", {"id"}]`.
    Synced {
        /// May be kept as the last one received.
        id: String,
    },
    /// What was asked for is not all there: it begins with this message. Shape: `["update", "gap", {"id"}]`.
    Gap {
        /// The oldest message that is kept.
        id: String,
    },
    /// Somebody has become a member. Shape: `["update", "joined", group_name, username]`.
    Joined {
        /// Of what.
        group_name: String,
        /// Who.
        username: String,
    },
    /// Somebody is no member any more. Shape: `["update", "left", group_name, username]`.
    Left {
        /// Of what.
        group_name: String,
        /// Who.
        username: String,
    },
    /// One has added a contact. Shape: `["update", "contact_added", username]`.
    ContactAdded {
        /// Whom.
        username: String,
    },
    /// One has removed a contact. Shape: `["update", "contact_removed", username]`.
    ContactRemoved {
        /// Whom.
        username: String,
    },
    /// One has read a conversation up to a message. Shape: `["update", "read", {"with" or "group", "id"}]`.
    Read {
        /// Which.
        of: Conversation,
        /// Up to where.
        id: String,
    },
    /// Something that this client does not know, for its server is newer. To be passed over.
    Unknown {
        /// What it is called.
        action: String,
    },
    /// Other changes than messages may have been left out, for there was no room: what was listed is to be listed anew. Shape:
    /// `["update", "refresh"]`.
    Refresh,
    /// The connection's login has ended, and the connection with it. Shape: `["update", "session_ended", {"code"}]`.
    SessionEnded {
        /// Why: `logged_out`, `revoked`, `account_deleted`.
        code: String,
    },
}

/// What version 2 says of a message. Shape: `{"id", "at", "to"?, "nonce"?}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The message's id.
    pub id: String,
    /// When it was accepted. Units: milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// The recipient's name, where one's own whisper comes back.
    pub to: Option<String>,
    /// That of one's own message, if it had one.
    pub nonce: Option<String>,
}

/// The same from borrowed parts: the server encodes an update once for all who receive it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StampRef<'a> {
    /// The message's id.
    pub id: &'a str,
    /// When it was accepted. Units: milliseconds since 1970 (UTC).
    #[serde(rename = "at")]
    pub at_ms: i64,
    /// The recipient's name, where one's own whisper comes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<&'a str>,
    /// That of one's own message, if it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
}

/// A message from borrowed parts: the server tells it without having an [`Update`] of its own.
#[derive(Debug, Clone, Copy)]
pub struct MessageRef<'a> {
    /// Where it was said; `None` for a whisper.
    pub group_name: Option<&'a str>,
    /// Who said it.
    pub sender: &'a str,
    /// What was said.
    pub content: &'a str,
    /// Only version 2 has it.
    pub stamp: Option<StampRef<'a>>,
}

impl MessageRef<'_> {
    /// Appends the update of this message to `bytes`.
    pub fn write(&self, framing: Framing, bytes: &mut Vec<u8>) {
        let (update, sender, content) = (Plain::Text("update"), Plain::Text(self.sender), Plain::Text(self.content));
        match self.group_name {
            None => self.write_objects(framing, &[update, Plain::Text("whisper"), sender, content], bytes),
            Some(group_name) => {
                let objects = [update, Plain::Text("msg_group"), Plain::Text(group_name), sender, content];
                self.write_objects(framing, &objects, bytes);
            }
        }
    }

    fn write_objects(&self, framing: Framing, objects: &[Plain<'_>], bytes: &mut Vec<u8>) {
        match &self.stamp {
            None => write(framing, objects, bytes),
            Some(stamp) => write_with_map(objects, stamp, bytes),
        }
    }

    fn encode(&self, framing: Framing) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(framing, &mut bytes);
        bytes
    }
}

impl Stamp {
    /// What the map at the end of a message says, if it says that.
    pub(super) fn read(options: &Options<'_>) -> Result<Option<Self>, CodecError> {
        let Some(id) = options.owned(Key::Id)? else { return Ok(None) };
        let at_ms = options.integer(Key::At)?.ok_or(CodecError::NotAReply)?;
        Ok(Some(Self { id, at_ms, to: options.owned(Key::To)?, nonce: options.owned(Key::Nonce)? }))
    }

    fn borrowed(&self) -> StampRef<'_> {
        let Self { id, at_ms, to, nonce } = self;
        StampRef { id, at_ms: *at_ms, to: to.as_deref(), nonce: nonce.as_deref() }
    }
}

impl Update {
    /// What was said, where this is a message.
    pub fn content(&self) -> Option<&str> {
        match self {
            Self::Whisper { content, .. } | Self::GroupMessage { content, .. } => Some(content),
            _ => None,
        }
    }

    /// Reads an update, of which `options` is the map at the end.
    pub(super) fn read(objects: &[Object<'_>], options: &Options<'_>) -> Result<Self, CodecError> {
        use Object::Text;
        Ok(match *objects {
            [Text("update"), Text("whisper"), Text(sender), Text(content)] => {
                Self::Whisper { sender: sender.to_owned(), content: content.to_owned(), stamp: Stamp::read(options)? }
            }
            [Text("update"), Text("msg_group"), Text(group_name), Text(sender), Text(content)] => Self::GroupMessage {
                group_name: group_name.to_owned(),
                sender: sender.to_owned(),
                content: content.to_owned(),
                stamp: Stamp::read(options)?,
            },
            [Text("update"), Text("synced")] => Self::Synced { id: options.needed(Key::Id)? },
            [Text("update"), Text("gap")] => Self::Gap { id: options.needed(Key::Id)? },
            [Text("update"), Text("joined"), Text(group_name), Text(username)] => {
                Self::Joined { group_name: group_name.to_owned(), username: username.to_owned() }
            }
            [Text("update"), Text("left"), Text(group_name), Text(username)] => {
                Self::Left { group_name: group_name.to_owned(), username: username.to_owned() }
            }
            [Text("update"), Text("contact_added"), Text(username)] => {
                Self::ContactAdded { username: username.to_owned() }
            }
            [Text("update"), Text("contact_removed"), Text(username)] => {
                Self::ContactRemoved { username: username.to_owned() }
            }
            [Text("update"), Text("read")] => Self::Read {
                of: Conversation::read(options)?.ok_or(CodecError::NotAReply)?,
                id: options.needed(Key::Id)?,
            },
            [Text("update"), Text("refresh")] => Self::Refresh,
            [Text("update"), Text("session_ended")] => Self::SessionEnded { code: options.needed(Key::Code)? },
            _ => return Err(CodecError::NotAReply),
        })
    }

    /// The bytes of this update.
    pub fn encode(&self, framing: Framing) -> Vec<u8> {
        let encode_words = |action, words| encode_with_map(&[Plain::Text("update"), Plain::Text(action)], &words);
        match self {
            Self::Whisper { sender, content, stamp } => {
                let stamp = stamp.as_ref().map(Stamp::borrowed);
                MessageRef { group_name: None, sender, content, stamp }.encode(framing)
            }
            Self::GroupMessage { group_name, sender, content, stamp } => {
                let stamp = stamp.as_ref().map(Stamp::borrowed);
                MessageRef { group_name: Some(group_name), sender, content, stamp }.encode(framing)
            }
            Self::Synced { id } => encode_words("synced", Words { id: Some(id), ..Words::default() }),
            Self::Gap { id } => encode_words("gap", Words { id: Some(id), ..Words::default() }),
            Self::Joined { group_name, username } => encode_change("joined", &[group_name, username]),
            Self::Left { group_name, username } => encode_change("left", &[group_name, username]),
            Self::ContactAdded { username } => encode_change("contact_added", &[username]),
            Self::ContactRemoved { username } => encode_change("contact_removed", &[username]),
            Self::Read { of, id } => encode_words("read", Words { id: Some(id), ..Words::of(of) }),
            Self::Refresh => encode_change("refresh", &[]),
            Self::Unknown { action } => encode_change(action, &[]),
            Self::SessionEnded { code } => {
                encode_words("session_ended", Words { code: Some(code), ..Words::default() })
            }
        }
    }
}

/// An update of version 2 without a map.
fn encode_change(action: &str, names: &[&String]) -> Vec<u8> {
    let objects = ["update", action].into_iter().chain(names.iter().map(|name| name.as_str())).map(Plain::Text);
    encode(Framing::Array, &objects.collect::<Vec<_>>())
}
