//! Responses, and how a client reads what a server says.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Splitter, encode, encode_with_map};
use super::object::{Object, Plain};
use super::options::{Key, Options, Words};
use super::scanner::at_most;
use super::update::{Stamp, StampRef, Update};
use super::{Action, CodecError, ContactsPage, FoundPage, Framing, GroupsPage, HistoryPage, MembersPage, SessionList};
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
        token: Secret<'static>,
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
            Self::Accepted { id, at_ms } => Self::encode_accepted(id, *at_ms),
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

    /// The bytes of [`Response::Done`], which are the same ones each time.
    pub fn done(framing: Framing) -> &'static [u8] {
        static BARE: LazyLock<Vec<u8>> = LazyLock::new(|| Response::Done.encode(Framing::Bare));
        static ARRAY: LazyLock<Vec<u8>> = LazyLock::new(|| Response::Done.encode(Framing::Array));
        match framing {
            Framing::Bare => &BARE,
            Framing::Array => &ARRAY,
        }
    }

    /// The bytes of [`Response::Accepted`], from borrowed parts.
    pub fn encode_accepted(id: &str, at_ms: i64) -> Vec<u8> {
        let stamp = StampRef { id, at_ms, to: None, nonce: None };
        encode_with_map(&[Plain::Text("response"), Plain::Bool(true)], &stamp)
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
        let needed = |frame: &Frame<'_>| objects_of_reply(frame, logging_in).ok_or(CodecError::NotAReply);
        let fits = |claimed, _: &[u8]| at_most(self.max_bytes, claimed);
        let Some((mut frame, length)) = self.splitter.split(bytes, needed, fits)? else {
            return Ok(None);
        };
        let options = frame.take_options();
        match (objects_of_reply(&frame, logging_in), frame.objects()) {
            (Some(count), _) if count == frame.count() => {}
            // Only an array says where what is not known ends.
            (None, &[Object::Text("update"), Object::Text(action), ..]) => {
                let unknown = Update::Unknown { action: action.to_owned() };
                return Ok(Some((FromServer::Update(unknown), length)));
            }
            _ => return Err(CodecError::NotAReply),
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

/// How many objects a response or an update has, a map at its end apart, by its first ones; `None` where they are not known.
fn objects_of_reply(frame: &Frame<'_>, logging_in: bool) -> Option<usize> {
    match frame.objects() {
        [] => Some(1),
        [Object::Text("response" | "update")] => Some(2),
        [Object::Text("response"), Object::Bool(true), ..] => Some(if logging_in { 4 } else { 2 }),
        [Object::Text("response"), Object::Bool(false), ..] => Some(3),
        [Object::Text("update"), Object::Text("synced" | "gap" | "read" | "refresh" | "session_ended"), ..] => Some(2),
        [Object::Text("update"), Object::Text("contact_added" | "contact_removed"), ..] => Some(3),
        [Object::Text("update"), Object::Text("whisper" | "joined" | "left"), ..] => Some(4),
        [Object::Text("update"), Object::Text("msg_group"), ..] => Some(5),
        _ => None,
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
        [Text("response"), Bool(true)] => FromServer::Response(match Stamp::read(options)? {
            None => Response::Done,
            Some(Stamp { id, at_ms, .. }) => Response::Accepted { id, at_ms },
        }),
        [Text("response"), Bool(true), Text(username), Text(token)] => FromServer::Response(Response::LoggedIn {
            username: username.to_owned(),
            token: Secret::new(token.to_owned()),
            head: options.owned(Key::Head)?,
        }),
        [Text("response"), Bool(false), Text(why)] => FromServer::Response(Response::Refused(Refused {
            why: why.to_owned(),
            code: options.owned(Key::Code)?,
            retry_ms: options.integer(Key::RetryMs)?,
        })),
        [Text("update"), ..] => FromServer::Update(Update::read(frame.objects(), options)?),
        _ => return Err(CodecError::NotAReply),
    })
}
