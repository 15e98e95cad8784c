//! Responses and updates: what a server says.

use super::frame::{Frame, Object, Plain, Splitter, encode};
use super::scanner::at_most;
use super::{Action, CodecError, Framing};
use crate::domain::Secret;

/// The one answer to a request.
///
/// Shape: `["response", true, ..]` or `["response", false, why]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Done, and nothing more to say.
    Done,
    /// Logged in. Shape: `["response", true, username, token]`.
    LoggedIn {
        /// As registered, whatever case the client used.
        username: String,
        /// Authenticates requests on any connection.
        token: Secret,
    },
    /// Refused: a sentence that says why and what can be done.
    Refused(String),
}

/// Something that happened, told without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Shape: `["update", "whisper", sender, content]`.
    Whisper {
        /// Who said it.
        sender: String,
        /// What was said.
        content: String,
    },
    /// Shape: `["update", "msg_group", group_name, sender, content]`.
    GroupMessage {
        /// Where it was said.
        group_name: String,
        /// Who said it.
        sender: String,
        /// What was said.
        content: String,
    },
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
        match self {
            Self::Done => encode(framing, &[Plain::Text("response"), Plain::Bool(true)]),
            Self::LoggedIn { username, token } => encode(
                framing,
                &[Plain::Text("response"), Plain::Bool(true), Plain::Text(username), Plain::Text(token.expose())],
            ),
            Self::Refused(why) => encode(framing, &[Plain::Text("response"), Plain::Bool(false), Plain::Text(why)]),
        }
    }
}

impl Update {
    /// The bytes of a whisper, from borrowed parts: the server encodes it once for all who receive it.
    pub fn encode_whisper(framing: Framing, sender: &str, content: &str) -> Vec<u8> {
        encode(framing, &[Plain::Text("update"), Plain::Text("whisper"), Plain::Text(sender), Plain::Text(content)])
    }

    /// The bytes of a group message, likewise.
    pub fn encode_group_message(framing: Framing, group_name: &str, sender: &str, content: &str) -> Vec<u8> {
        let parts = [group_name, sender, content].map(Plain::Text);
        encode(framing, &[Plain::Text("update"), Plain::Text("msg_group"), parts[0], parts[1], parts[2]])
    }

    /// The bytes of this update.
    pub fn encode(&self, framing: Framing) -> Vec<u8> {
        match self {
            Self::Whisper { sender, content } => Self::encode_whisper(framing, sender, content),
            Self::GroupMessage { group_name, sender, content } => {
                Self::encode_group_message(framing, group_name, sender, content)
            }
        }
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
        let logging_in = awaited == Some(Action::LogIn);
        let needed = |frame: &Frame<'_>| objects_of_reply(frame, logging_in);
        let fits = |claimed, _: &[u8]| at_most(self.max_bytes, claimed);
        let Some((frame, length)) = self.splitter.split(bytes, needed, fits)? else {
            return Ok(None);
        };
        if frame.count() != objects_of_reply(&frame, logging_in)? {
            return Err(CodecError::NotAReply);
        }
        Ok(Some((read(&frame)?, length)))
    }
}

/// How many objects a response or an update has, by its first ones.
fn objects_of_reply(frame: &Frame<'_>, logging_in: bool) -> Result<usize, CodecError> {
    match frame.objects() {
        [] => Ok(1),
        [Object::Text("response" | "update")] => Ok(2),
        [Object::Text("response"), Object::Bool(true), ..] => Ok(if logging_in { 4 } else { 2 }),
        [Object::Text("response"), Object::Bool(false), ..] => Ok(3),
        [Object::Text("update"), Object::Text("whisper"), ..] => Ok(4),
        [Object::Text("update"), Object::Text("msg_group"), ..] => Ok(5),
        _ => Err(CodecError::NotAReply),
    }
}

fn read(frame: &Frame<'_>) -> Result<FromServer, CodecError> {
    use Object::{Bool, Text};
    Ok(match *frame.objects() {
        [Text("response"), Bool(true)] => FromServer::Response(Response::Done),
        [Text("response"), Bool(true), Text(username), Text(token)] => {
            FromServer::Response(Response::LoggedIn { username: username.to_owned(), token: Secret::new(token) })
        }
        [Text("response"), Bool(false), Text(why)] => FromServer::Response(Response::Refused(why.to_owned())),
        [Text("update"), Text("whisper"), Text(sender), Text(content)] => {
            FromServer::Update(Update::Whisper { sender: sender.to_owned(), content: content.to_owned() })
        }
        [Text("update"), Text("msg_group"), Text(group_name), Text(sender), Text(content)] => {
            FromServer::Update(Update::GroupMessage {
                group_name: group_name.to_owned(),
                sender: sender.to_owned(),
                content: content.to_owned(),
            })
        }
        _ => return Err(CodecError::NotAReply),
    })
}
