//! Requests: what a client asks.

use serde::Serialize;

use super::frame::{Frame, MAX_OBJECTS, Object, Plain, Splitter, encode, encode_with_map, first_object};
use super::options::{Key, Options};
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
    /// `hello`, which turns version 2 on
    Hello,
    /// `resume`, of version 2
    Resume,
    /// `sync`, of version 2
    Sync,
}

impl Action {
    /// Those of version 1, which both framings speak.
    pub const VERSION_1: [Self; 8] = [
        Self::Register,
        Self::LogIn,
        Self::LogOut,
        Self::AddContact,
        Self::Whisper,
        Self::CreateGroup,
        Self::JoinGroup,
        Self::MessageGroup,
    ];

    /// Those that array framing speaks besides, after `hello`.
    pub const VERSION_2: [Self; 3] = [Self::Hello, Self::Resume, Self::Sync];

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
            Self::Hello => "hello",
            Self::Resume => "resume",
            Self::Sync => "sync",
        }
    }

    /// How many arguments follow the action, options apart.
    pub fn arity(self) -> usize {
        match self {
            Self::Hello => 0,
            Self::LogOut => 1,
            Self::Register | Self::LogIn | Self::Resume | Self::Sync => 2,
            Self::AddContact | Self::CreateGroup | Self::JoinGroup => 3,
            Self::Whisper | Self::MessageGroup => 4,
        }
    }

    /// Whether a token authenticates its requests.
    pub fn takes_token(self) -> bool {
        match self {
            Self::Register | Self::LogIn | Self::LogOut | Self::Hello => false,
            Self::AddContact
            | Self::Whisper
            | Self::CreateGroup
            | Self::JoinGroup
            | Self::MessageGroup
            | Self::Resume
            | Self::Sync => true,
        }
    }

    fn of(object: &Object<'_>, framing: Framing) -> Result<Self, CodecError> {
        let name = match object {
            Object::Text(name) => name,
            Object::NotUtf8 => return Err(CodecError::NotUtf8),
            _ => return Err(CodecError::ActionNotString),
        };
        let later: &[Self] = match framing {
            Framing::Bare => &[],
            Framing::Array => &Self::VERSION_2,
        };
        let mut known = Self::VERSION_1.iter().chain(later);
        known.find(|action| action.name() == *name).copied().ok_or(CodecError::UnknownAction)
    }
}

/// A request with its arguments, none of them checked but for being UTF-8.
///
/// Shape: `[action, argument..]`, each a string, in the order of the fields; in version 2 the optional fields are in a map at
/// the end.
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
    /// Says something to one user. Only version 2 has a nonce.
    Whisper { username: String, token: Secret, recipient: String, content: String, nonce: Option<String> },
    /// Creates a group and joins it.
    CreateGroup { username: String, token: Secret, group_name: String },
    /// Joins a group.
    JoinGroup { username: String, token: Secret, group_name: String },
    /// Says something to a group. Only version 2 has a nonce.
    MessageGroup { username: String, token: Secret, group_name: String, content: String, nonce: Option<String> },
    /// Turns version 2 on, as the first request of a connection. `version` is the highest that the client speaks.
    Hello { version: i64, client: Option<String> },
    /// Logs this connection in with a token.
    Resume { username: String, token: Secret },
    /// Asks for everything behind the message `after`, and then for what is new.
    Sync { username: String, token: Secret, after: Option<String> },
}

/// The map of options, as it is sent.
#[derive(Serialize, Default)]
struct Map<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
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
            Self::Hello { .. } => Action::Hello,
            Self::Resume { .. } => Action::Resume,
            Self::Sync { .. } => Action::Sync,
        }
    }

    /// The bytes of this request. In bare framing, which has no version 2, what belongs to that is left out.
    pub fn encode(&self, framing: Framing) -> Vec<u8> {
        let mut objects = [Plain::Bool(false); MAX_OBJECTS];
        objects[0] = Plain::Text(self.action().name());
        let arguments = self.arguments();
        for (object, argument) in objects[1..].iter_mut().zip(arguments) {
            *object = Plain::Text(argument);
        }
        let objects = &objects[..=self.action().arity()];
        match self.options() {
            Some(map) if framing == Framing::Array => encode_with_map(objects, &map),
            _ => encode(framing, objects),
        }
    }

    /// The arguments in the order of the wire, empty strings behind them.
    fn arguments(&self) -> [&str; 4] {
        match self {
            Self::Register { username, password } | Self::LogIn { username, password } => {
                [username, password.expose(), "", ""]
            }
            Self::LogOut { username } => [username, "", "", ""],
            Self::AddContact { username, token, contact } => [username, token.expose(), contact, ""],
            Self::Whisper { username, token, recipient, content, .. } => [username, token.expose(), recipient, content],
            Self::CreateGroup { username, token, group_name } | Self::JoinGroup { username, token, group_name } => {
                [username, token.expose(), group_name, ""]
            }
            Self::MessageGroup { username, token, group_name, content, .. } => {
                [username, token.expose(), group_name, content]
            }
            Self::Hello { .. } => [""; 4],
            Self::Resume { username, token } | Self::Sync { username, token, .. } => [username, token.expose(), "", ""],
        }
    }

    fn options(&self) -> Option<Map<'_>> {
        match self {
            Self::Whisper { nonce: Some(nonce), .. } | Self::MessageGroup { nonce: Some(nonce), .. } => {
                Some(Map { nonce: Some(nonce), ..Map::default() })
            }
            Self::Hello { version, client } => {
                Some(Map { version: Some(*version), client: client.as_deref(), ..Map::default() })
            }
            Self::Sync { after: Some(after), .. } => Some(Map { after: Some(after), ..Map::default() }),
            _ => None,
        }
    }

    fn from_frame(action: Action, frame: &Frame<'_>, options: &Options<'_>) -> Result<Self, CodecError> {
        if frame.count() != 1 + action.arity() {
            return Err(CodecError::WrongCount);
        }
        let mut arguments = Arguments(frame.objects()[1..].iter());
        Ok(match action {
            Action::Register => Self::Register { username: arguments.text()?, password: arguments.secret()? },
            Action::LogIn => Self::LogIn { username: arguments.text()?, password: arguments.secret()? },
            Action::LogOut => Self::LogOut { username: arguments.text()? },
            Action::AddContact => {
                Self::AddContact { username: arguments.text()?, token: arguments.secret()?, contact: arguments.text()? }
            }
            Action::Whisper => Self::Whisper {
                username: arguments.text()?,
                token: arguments.secret()?,
                recipient: arguments.text()?,
                content: arguments.text()?,
                nonce: options.text(Key::Nonce)?.map(str::to_owned),
            },
            Action::CreateGroup => Self::CreateGroup {
                username: arguments.text()?,
                token: arguments.secret()?,
                group_name: arguments.text()?,
            },
            Action::JoinGroup => Self::JoinGroup {
                username: arguments.text()?,
                token: arguments.secret()?,
                group_name: arguments.text()?,
            },
            Action::MessageGroup => Self::MessageGroup {
                username: arguments.text()?,
                token: arguments.secret()?,
                group_name: arguments.text()?,
                content: arguments.text()?,
                nonce: options.text(Key::Nonce)?.map(str::to_owned),
            },
            Action::Hello => Self::Hello {
                version: options.integer(Key::Version)?.ok_or(CodecError::WrongOption)?,
                client: options.text(Key::Client)?.map(str::to_owned),
            },
            Action::Resume => Self::Resume { username: arguments.text()?, token: arguments.secret()? },
            Action::Sync => Self::Sync {
                username: arguments.text()?,
                token: arguments.secret()?,
                after: options.text(Key::After)?.map(str::to_owned),
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
            Some(_) => Err(CodecError::WrongType),
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
    stage: Stage,
}

/// What a connection speaks so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nothing: the next request is its first.
    First,
    Version1,
    Version2,
}

/// The version that begins with `hello`, and the newest there is.
pub const VERSION: i64 = 2;

impl RequestDecoder {
    /// A decoder for one connection.
    pub fn new(framing: Framing, limits: RequestLimits) -> Self {
        Self { framing, limits, splitter: Splitter::new(framing), stage: Stage::First }
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
            Ok(Some((frame, length))) => Some((self.read(frame), length)),
            Err(err) => Some((Err(err), bytes.len())),
        }
    }

    /// Reads a request by the version that is spoken, and turns version 2 on where it asks for that: what follows may be here
    /// already.
    fn read(&mut self, mut frame: Frame<'_>) -> Result<Request, CodecError> {
        let stage = self.stage;
        self.stage = stage.max(Stage::Version1);
        let action = Action::of(frame.objects().first().unwrap_or(&Object::Other), self.framing)?;
        let is_later = Action::VERSION_2.contains(&action);
        let options = match stage {
            Stage::First if action == Action::Hello => frame.take_options(),
            _ if action == Action::Hello => return Err(CodecError::LateHello),
            Stage::First | Stage::Version1 if is_later => return Err(CodecError::UnknownAction),
            Stage::First | Stage::Version1 => Options::default(),
            Stage::Version2 => frame.take_options(),
        };
        let request = Request::from_frame(action, &frame, &options)?;
        if matches!(request, Request::Hello { version, .. } if version >= VERSION) {
            self.stage = Stage::Version2;
        }
        Ok(request)
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
    first_object(framing, bytes).and_then(|object| Action::of(&object, framing).ok()).is_some_and(Action::takes_token)
}

/// How many objects a bare request has, by its action.
fn objects_of_request(frame: &Frame<'_>) -> Result<usize, CodecError> {
    match frame.objects() {
        [action, ..] => Ok(1 + Action::of(action, Framing::Bare)?.arity()),
        [] => Ok(1),
    }
}
