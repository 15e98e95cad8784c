//! Requests: what a client asks.

use super::frame::{Frame, MAX_OBJECTS, Object, Plain, Splitter, encode, first_object};
use super::scanner::at_most;
use super::{CodecError, Framing};
use crate::domain::Secret;

/// What a request is about; its name is the first object on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `register`
    Register,
    /// `login`
    LogIn,
    /// `logout`
    LogOut,
    /// `add_contact`
    AddContact,
    /// `whisper`
    Whisper,
    /// `create_group`
    CreateGroup,
    /// `join_group`
    JoinGroup,
    /// `msg_group`
    MessageGroup,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Register,
        Self::LogIn,
        Self::LogOut,
        Self::AddContact,
        Self::Whisper,
        Self::CreateGroup,
        Self::JoinGroup,
        Self::MessageGroup,
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::LogIn => "login",
            Self::LogOut => "logout",
            Self::AddContact => "add_contact",
            Self::Whisper => "whisper",
            Self::CreateGroup => "create_group",
            Self::JoinGroup => "join_group",
            Self::MessageGroup => "msg_group",
        }
    }

    /// How many arguments follow the action.
    pub fn arity(self) -> usize {
        match self {
            Self::LogOut => 1,
            Self::Register | Self::LogIn => 2,
            Self::AddContact | Self::CreateGroup | Self::JoinGroup => 3,
            Self::Whisper | Self::MessageGroup => 4,
        }
    }

    /// Whether a token authenticates its requests.
    pub fn takes_token(self) -> bool {
        match self {
            Self::Register | Self::LogIn | Self::LogOut => false,
            Self::AddContact | Self::Whisper | Self::CreateGroup | Self::JoinGroup | Self::MessageGroup => true,
        }
    }

    fn of(object: &Object<'_>) -> Result<Self, CodecError> {
        let name = match object {
            Object::Text(name) => name,
            Object::NotUtf8 => return Err(CodecError::NotUtf8),
            Object::Bool(_) | Object::Other => return Err(CodecError::ActionNotString),
        };
        Self::ALL.into_iter().find(|action| action.name() == *name).ok_or(CodecError::UnknownAction)
    }
}

/// A request with its arguments, none of them checked but for being UTF-8.
///
/// Shape: `[action, argument..]`, each a string, in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the arguments by their names in docs/PROTOCOL.md")]
pub enum Request {
    /// Creates a user.
    Register { username: String, password: Secret },
    /// Logs this connection in.
    LogIn { username: String, password: Secret },
    /// Ends this connection's login and its token.
    LogOut { username: String },
    /// Adds a user to one's contacts.
    AddContact { username: String, token: Secret, contact: String },
    /// Says something to one user.
    Whisper { username: String, token: Secret, recipient: String, content: String },
    /// Creates a group and joins it.
    CreateGroup { username: String, token: Secret, group_name: String },
    /// Joins a group.
    JoinGroup { username: String, token: Secret, group_name: String },
    /// Says something to a group.
    MessageGroup { username: String, token: Secret, group_name: String, content: String },
}

impl Request {
    /// What it is about.
    pub fn action(&self) -> Action {
        match self {
            Self::Register { .. } => Action::Register,
            Self::LogIn { .. } => Action::LogIn,
            Self::LogOut { .. } => Action::LogOut,
            Self::AddContact { .. } => Action::AddContact,
            Self::Whisper { .. } => Action::Whisper,
            Self::CreateGroup { .. } => Action::CreateGroup,
            Self::JoinGroup { .. } => Action::JoinGroup,
            Self::MessageGroup { .. } => Action::MessageGroup,
        }
    }

    /// The bytes of this request.
    pub fn encode(&self, framing: Framing) -> Vec<u8> {
        let mut objects = [Plain::Bool(false); MAX_OBJECTS];
        objects[0] = Plain::Text(self.action().name());
        let arguments = self.arguments();
        for (object, argument) in objects[1..].iter_mut().zip(arguments) {
            *object = Plain::Text(argument);
        }
        encode(framing, &objects[..=self.action().arity()])
    }

    /// The arguments in the order of the wire, empty strings behind them.
    fn arguments(&self) -> [&str; MAX_OBJECTS - 1] {
        match self {
            Self::Register { username, password } | Self::LogIn { username, password } => {
                [username, password.expose(), "", ""]
            }
            Self::LogOut { username } => [username, "", "", ""],
            Self::AddContact { username, token, contact } => [username, token.expose(), contact, ""],
            Self::Whisper { username, token, recipient, content } => [username, token.expose(), recipient, content],
            Self::CreateGroup { username, token, group_name } | Self::JoinGroup { username, token, group_name } => {
                [username, token.expose(), group_name, ""]
            }
            Self::MessageGroup { username, token, group_name, content } => {
                [username, token.expose(), group_name, content]
            }
        }
    }

    fn from_frame(frame: &Frame<'_>) -> Result<Self, CodecError> {
        let action = Action::of(frame.objects().first().unwrap_or(&Object::Other))?;
        if frame.count() != 1 + action.arity() {
            return Err(CodecError::WrongCount);
        }
        let mut arguments = Arguments(frame.objects()[1..].iter());
        let username = arguments.text()?;
        Ok(match action {
            Action::Register => Self::Register { username, password: arguments.secret()? },
            Action::LogIn => Self::LogIn { username, password: arguments.secret()? },
            Action::LogOut => Self::LogOut { username },
            Action::AddContact => Self::AddContact { username, token: arguments.secret()?, contact: arguments.text()? },
            Action::Whisper => Self::Whisper {
                username,
                token: arguments.secret()?,
                recipient: arguments.text()?,
                content: arguments.text()?,
            },
            Action::CreateGroup => {
                Self::CreateGroup { username, token: arguments.secret()?, group_name: arguments.text()? }
            }
            Action::JoinGroup => {
                Self::JoinGroup { username, token: arguments.secret()?, group_name: arguments.text()? }
            }
            Action::MessageGroup => Self::MessageGroup {
                username,
                token: arguments.secret()?,
                group_name: arguments.text()?,
                content: arguments.text()?,
            },
        })
    }
}

/// The arguments of a frame, one after the other; the first that is wrong decides what the client is told.
struct Arguments<'f, 'a>(std::slice::Iter<'f, Object<'a>>);

impl Arguments<'_, '_> {
    fn text(&mut self) -> Result<String, CodecError> {
        match self.0.next() {
            Some(Object::Text(text)) => Ok((*text).to_owned()),
            Some(Object::NotUtf8) => Err(CodecError::NotUtf8),
            Some(Object::Bool(_) | Object::Other) => Err(CodecError::WrongType),
            None => Err(CodecError::WrongCount),
        }
    }

    fn secret(&mut self) -> Result<Secret, CodecError> {
        self.text().map(Secret::new)
    }
}

/// How many bytes one request may have, headers included.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// On a connection that has shown who it is, or with a token.
    pub max_bytes: usize,
    /// Without either: of what a stranger sends, the server takes in no more than a name and a password need.
    pub stranger_max_bytes: usize,
}

/// Turns the bytes of a connection into requests.
#[derive(Debug)]
pub struct RequestDecoder {
    framing: Framing,
    limits: RequestLimits,
    splitter: Splitter,
}

impl RequestDecoder {
    /// A decoder for one connection.
    pub fn new(framing: Framing, limits: RequestLimits) -> Self {
        Self { framing, limits, splitter: Splitter::new(framing) }
    }

    /// The next request (or why there is none) and how many bytes it took; `None` when more bytes are needed.
    ///
    /// `bytes` begins at a request. The caller drops what was taken; after `None` it passes the same bytes again with more
    /// behind them. After an error that [ends the connection](CodecError::ends_connection) there is no next request.
    /// `is_known` when the connection has shown who it is.
    pub fn decode(&mut self, bytes: &[u8], is_known: bool) -> Option<(Result<Request, CodecError>, usize)> {
        let (framing, limits) = (self.framing, self.limits);
        let fits = |claimed, before: &[u8]| limits.allow(claimed, || is_known || takes_token(framing, before));
        match self.splitter.split(bytes, objects_of_request, fits) {
            Ok(None) => None,
            Ok(Some((frame, length))) => Some((Request::from_frame(&frame), length)),
            Err(err) => Some((Err(err), bytes.len())),
        }
    }
}

impl RequestLimits {
    fn allow(self, claimed: u64, is_more_allowed: impl Fn() -> bool) -> Result<(), CodecError> {
        at_most(self.stranger_max_bytes.min(self.max_bytes), claimed)
            .or_else(|err| if is_more_allowed() { at_most(self.max_bytes, claimed) } else { Err(err) })
    }
}

/// Whether these first bytes of a request hold an action that a token authenticates.
fn takes_token(framing: Framing, bytes: &[u8]) -> bool {
    first_object(framing, bytes).and_then(|object| Action::of(&object).ok()).is_some_and(Action::takes_token)
}

/// How many objects a bare request has, by its action.
fn objects_of_request(frame: &Frame<'_>) -> Result<usize, CodecError> {
    match frame.objects() {
        [action, ..] => Ok(1 + Action::of(action)?.arity()),
        [] => Ok(1),
    }
}
