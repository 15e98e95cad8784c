//! Responses and updates: what a server says.

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Object, Plain, Splitter, encode, encode_with_map};
use super::options::{Key, Options};
use super::scanner::at_most;
use super::{
    Action, CodecError, ContactsPage, Conversation, FoundPage, Framing, GroupsPage, HistoryPage, MembersPage,
    SessionList,
};
use crate::domain::Secret;

/// The one answer to a request.
///
/// Shape: `["response", true, ..]` or `["response", false, why]`; in version 2 with a map behind it where there is more to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Done, and nothing more to say.
    Done,
    /// Logged in. Shape: `["response", true, username, token]`, and in version 2 `{"head"}`.
    LoggedIn {
        /// As registered, whatever case the client used.
        username: String,
        /// Authenticates requests on any connection.
        token: Secret,
        /// The newest message, for a client that starts from now. Only version 2 has it.
        head: Option<String>,
    },
    /// A message was accepted, in version 2. Shape: `["response", true, {"id", "at"}]`.
    Accepted {
        /// The message's id.
        id: String,
        /// When. Units: milliseconds since 1970 (UTC).
        at_ms: i64,
    },
    /// Version 2 is on. Shape: `["response", true, {"server", "version", "limits": {..}}]`.
    Welcome(Welcome),
    /// A part of a conversation.
    History(HistoryPage),
    /// One's contacts.
    Contacts(ContactsPage),
    /// One's groups.
    Groups(GroupsPage),
    /// A group's members.
    Members(MembersPage),
    /// Groups that there are.
    FoundGroups(FoundPage),
    /// One's sessions.
    Sessions(SessionList),
    /// Nothing was done.
    Refused(Refused),
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Its name and version.
    pub server: String,
    /// The version that is spoken from now on.
    pub version: i64,
    /// What a client may take.
    pub limits: WireLimits,
}

/// What a client may take, as a server tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireLimits {
    /// Units: bytes of a message's content.
    pub content_bytes: u64,
    /// Units: bytes of a request.
    pub request_bytes: u64,
    /// Requests that may wait for their response.
    pub in_flight: u64,
}

/// Why nothing was done. Shape: `["response", false, why]`, and in version 2 `{"code", "retry_ms"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// A sentence that a person can act on.
    pub why: String,
    /// A word that a program can act on. Only version 2 has it.
    pub code: Option<String>,
    /// When trying again may help. Units: milliseconds from now.
    pub retry_ms: Option<i64>,
}

impl Refused {
    /// A refusal as version 1 has it.
    pub fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), code: None, retry_ms: None }
    }
}

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
    /// Other changes than messages may have been left out, for there was no room: what was listed is to be listed anew. Shape:
    /// `["update", "refresh"]`.
    Refresh,
    /// The connection's login has ended, and the connection with it. Shape: `["update", "session_ended", {"code"}]`.
    SessionEnded {
        /// Why: `logged_out`, `expired`, `revoked`.
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

impl Stamp {
    fn borrowed(&self) -> StampRef<'_> {
        let Self { id, at_ms, to, nonce } = self;
        StampRef { id, at_ms: *at_ms, to: to.as_deref(), nonce: nonce.as_deref() }
    }
}

/// A map of an id, a code, or a time to try again.
#[derive(Serialize, Default)]
struct Words<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    with: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn of(conversation: &'a Conversation) -> Self {
        match conversation {
            Conversation::With(username) => Self { with: Some(username), ..Self::default() },
            Conversation::Group(group_name) => Self { group: Some(group_name), ..Self::default() },
        }
    }
}

/// Anything a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// The answer to the oldest request that has none yet.
    Response(Response),
    /// Not an answer.
    Update(Update),
}

impl Response {
    /// The bytes of this response.
    pub fn encode(&self, framing: Framing) -> Vec<u8> {
        let (response, done) = (Plain::Text("response"), Plain::Bool(true));
        match self {
            Self::Done => encode(framing, &[response, done]),
            Self::LoggedIn { username, token, head } => {
                let objects = [response, done, Plain::Text(username), Plain::Text(token.expose())];
                match head {
                    None => encode(framing, &objects),
                    Some(head) => encode_with_map(&objects, &Words { head: Some(head), ..Words::default() }),
                }
            }
            Self::Accepted { id, at_ms } => {
                encode_with_map(&[response, done], &StampRef { id, at_ms: *at_ms, to: None, nonce: None })
            }
            Self::Welcome(welcome) => encode_with_map(&[response, done], welcome),
            Self::History(page) => encode_with_map(&[response, done], page),
            Self::Contacts(page) => encode_with_map(&[response, done], page),
            Self::Groups(page) => encode_with_map(&[response, done], page),
            Self::Members(page) => encode_with_map(&[response, done], page),
            Self::FoundGroups(page) => encode_with_map(&[response, done], page),
            Self::Sessions(list) => encode_with_map(&[response, done], list),
            Self::Refused(Refused { why, code, retry_ms }) => {
                let objects = [response, Plain::Bool(false), Plain::Text(why)];
                match code {
                    None => encode(framing, &objects),
                    Some(code) => {
                        let words = Words { code: Some(code), retry_ms: *retry_ms, ..Words::default() };
                        encode_with_map(&objects, &words)
                    }
                }
            }
        }
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

    /// The bytes of a whisper, from borrowed parts.
    pub fn encode_whisper(framing: Framing, sender: &str, content: &str, stamp: Option<StampRef<'_>>) -> Vec<u8> {
        let [sender, content] = [sender, content].map(Plain::Text);
        encode_stamped(framing, &[Plain::Text("update"), Plain::Text("whisper"), sender, content], stamp)
    }

    /// The bytes of a group message, from borrowed parts.
    pub fn encode_group_message(
        framing: Framing,
        group_name: &str,
        sender: &str,
        content: &str,
        stamp: Option<StampRef<'_>>,
    ) -> Vec<u8> {
        let [group_name, sender, content] = [group_name, sender, content].map(Plain::Text);
        encode_stamped(framing, &[Plain::Text("update"), Plain::Text("msg_group"), group_name, sender, content], stamp)
    }

    /// The bytes of this update.
    pub fn encode(&self, framing: Framing) -> Vec<u8> {
        let encode_words = |action, words| encode_with_map(&[Plain::Text("update"), Plain::Text(action)], &words);
        match self {
            Self::Whisper { sender, content, stamp } => {
                Self::encode_whisper(framing, sender, content, stamp.as_ref().map(Stamp::borrowed))
            }
            Self::GroupMessage { group_name, sender, content, stamp } => {
                let stamp = stamp.as_ref().map(Stamp::borrowed);
                Self::encode_group_message(framing, group_name, sender, content, stamp)
            }
            Self::Synced { id } => encode_words("synced", Words { id: Some(id), ..Words::default() }),
            Self::Gap { id } => encode_words("gap", Words { id: Some(id), ..Words::default() }),
            Self::Joined { group_name, username } => encode_change("joined", &[group_name, username]),
            Self::Left { group_name, username } => encode_change("left", &[group_name, username]),
            Self::ContactAdded { username } => encode_change("contact_added", &[username]),
            Self::ContactRemoved { username } => encode_change("contact_removed", &[username]),
            Self::Read { of, id } => encode_words("read", Words { id: Some(id), ..Words::of(of) }),
            Self::Refresh => encode_change("refresh", &[]),
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

fn encode_stamped(framing: Framing, objects: &[Plain<'_>], stamp: Option<StampRef<'_>>) -> Vec<u8> {
    match stamp {
        None => encode(framing, objects),
        Some(stamp) => encode_with_map(objects, &stamp),
    }
}

/// Turns the bytes of a server into responses and updates.
#[derive(Debug)]
pub struct ReplyDecoder {
    splitter: Splitter,
    max_bytes: usize,
}

impl ReplyDecoder {
    /// A decoder for one connection. Units of `max_bytes`: bytes of one response or update.
    pub fn new(framing: Framing, max_bytes: usize) -> Self {
        Self { splitter: Splitter::new(framing), max_bytes }
    }

    /// The next response or update and how many bytes it took; `None` when more bytes are needed.
    ///
    /// `awaited` is the action of the oldest unanswered request: in bare framing only a login's success carries more.
    ///
    /// # Errors
    /// [`CodecError`] when the server does not speak this wire; nothing can be read after it.
    pub fn decode(&mut self, bytes: &[u8], awaited: Option<Action>) -> Result<Option<(FromServer, usize)>, CodecError> {
        let logging_in = matches!(awaited, Some(Action::LogIn | Action::Resume));
        let needed = |frame: &Frame<'_>| objects_of_reply(frame, logging_in);
        let fits = |claimed, _: &[u8]| at_most(self.max_bytes, claimed);
        let Some((mut frame, length)) = self.splitter.split(bytes, needed, fits)? else {
            return Ok(None);
        };
        let options = frame.take_options();
        if frame.count() != objects_of_reply(&frame, logging_in)? {
            return Err(CodecError::NotAReply);
        }
        if let Some(action) = awaited.filter(|_| is_success(&frame))
            && let Some(response) = read_list(action, &bytes[..length])?
        {
            return Ok(Some((FromServer::Response(response), length)));
        }
        let read = read(&frame, &options).map_err(|_| CodecError::NotAReply)?;
        Ok(Some((read, length)))
    }
}

/// How many objects a response or an update has, a map at its end apart, by its first ones.
fn objects_of_reply(frame: &Frame<'_>, logging_in: bool) -> Result<usize, CodecError> {
    match frame.objects() {
        [] => Ok(1),
        [Object::Text("response" | "update")] => Ok(2),
        [Object::Text("response"), Object::Bool(true), ..] => Ok(if logging_in { 4 } else { 2 }),
        [Object::Text("response"), Object::Bool(false), ..] => Ok(3),
        [Object::Text("update"), Object::Text("synced" | "gap" | "read" | "refresh" | "session_ended"), ..] => Ok(2),
        [Object::Text("update"), Object::Text("contact_added" | "contact_removed"), ..] => Ok(3),
        [Object::Text("update"), Object::Text("whisper" | "joined" | "left"), ..] => Ok(4),
        [Object::Text("update"), Object::Text("msg_group"), ..] => Ok(5),
        _ => Err(CodecError::NotAReply),
    }
}

fn is_success(frame: &Frame<'_>) -> bool {
    matches!(frame.objects(), [Object::Text("response"), Object::Bool(true), ..])
}

/// A successful response to an action that asks for more than a line; `None` where it does not.
fn read_list(action: Action, bytes: &[u8]) -> Result<Option<Response>, CodecError> {
    Ok(Some(match action {
        Action::Hello => Response::Welcome(read_map(bytes)?),
        Action::History => Response::History(read_map(bytes)?),
        Action::Contacts => Response::Contacts(read_map(bytes)?),
        Action::Groups => Response::Groups(read_map(bytes)?),
        Action::Members => Response::Members(read_map(bytes)?),
        Action::FindGroups => Response::FoundGroups(read_map(bytes)?),
        Action::Sessions => Response::Sessions(read_map(bytes)?),
        _ => return Ok(None),
    }))
}

/// The map of a successful response that has nothing else.
fn read_map<'a, M: Deserialize<'a>>(bytes: &'a [u8]) -> Result<M, CodecError> {
    let read: Result<(&str, bool, M), _> = rmp_serde::from_slice(bytes);
    read.map(|(_, _, map)| map).map_err(|_| CodecError::NotAReply)
}

fn read(frame: &Frame<'_>, options: &Options<'_>) -> Result<FromServer, CodecError> {
    use Object::{Bool, Text};
    Ok(match *frame.objects() {
        [Text("response"), Bool(true)] => FromServer::Response(match read_stamp(options)? {
            None => Response::Done,
            Some(Stamp { id, at_ms, .. }) => Response::Accepted { id, at_ms },
        }),
        [Text("response"), Bool(true), Text(username), Text(token)] => FromServer::Response(Response::LoggedIn {
            username: username.to_owned(),
            token: Secret::new(token),
            head: owned(options, Key::Head)?,
        }),
        [Text("response"), Bool(false), Text(why)] => FromServer::Response(Response::Refused(Refused {
            why: why.to_owned(),
            code: owned(options, Key::Code)?,
            retry_ms: options.integer(Key::RetryMs)?,
        })),
        [Text("update"), Text("whisper"), Text(sender), Text(content)] => FromServer::Update(Update::Whisper {
            sender: sender.to_owned(),
            content: content.to_owned(),
            stamp: read_stamp(options)?,
        }),
        [Text("update"), Text("msg_group"), Text(group_name), Text(sender), Text(content)] => {
            FromServer::Update(Update::GroupMessage {
                group_name: group_name.to_owned(),
                sender: sender.to_owned(),
                content: content.to_owned(),
                stamp: read_stamp(options)?,
            })
        }
        [Text("update"), Text("synced")] => FromServer::Update(Update::Synced { id: needed(options, Key::Id)? }),
        [Text("update"), Text("gap")] => FromServer::Update(Update::Gap { id: needed(options, Key::Id)? }),
        [Text("update"), Text("joined"), Text(group_name), Text(username)] => {
            FromServer::Update(Update::Joined { group_name: group_name.to_owned(), username: username.to_owned() })
        }
        [Text("update"), Text("left"), Text(group_name), Text(username)] => {
            FromServer::Update(Update::Left { group_name: group_name.to_owned(), username: username.to_owned() })
        }
        [Text("update"), Text("contact_added"), Text(username)] => {
            FromServer::Update(Update::ContactAdded { username: username.to_owned() })
        }
        [Text("update"), Text("contact_removed"), Text(username)] => {
            FromServer::Update(Update::ContactRemoved { username: username.to_owned() })
        }
        [Text("update"), Text("read")] => FromServer::Update(Update::Read {
            of: Conversation::read(options)?.ok_or(CodecError::NotAReply)?,
            id: needed(options, Key::Id)?,
        }),
        [Text("update"), Text("refresh")] => FromServer::Update(Update::Refresh),
        [Text("update"), Text("session_ended")] => {
            FromServer::Update(Update::SessionEnded { code: needed(options, Key::Code)? })
        }
        _ => return Err(CodecError::NotAReply),
    })
}

fn read_stamp(options: &Options<'_>) -> Result<Option<Stamp>, CodecError> {
    let Some(id) = owned(options, Key::Id)? else { return Ok(None) };
    let at_ms = options.integer(Key::At)?.ok_or(CodecError::NotAReply)?;
    Ok(Some(Stamp { id, at_ms, to: owned(options, Key::To)?, nonce: owned(options, Key::Nonce)? }))
}

fn owned(options: &Options<'_>, key: Key) -> Result<Option<String>, CodecError> {
    Ok(options.text(key)?.map(str::to_owned))
}

fn needed(options: &Options<'_>, key: Key) -> Result<String, CodecError> {
    owned(options, key)?.ok_or(CodecError::NotAReply)
}
