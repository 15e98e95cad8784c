//! Requests: what a client asks.

use std::borrow::Cow;

use super::frame::{Frame, MAX_OBJECTS, encode, encode_with_map};
use super::object::{Object, Plain};
use super::options::{Key, Options, Words};
use super::{Action, CodecError, Framing};
use crate::domain::Secret;

/// A request with its arguments, none of them checked but for being UTF-8. What is read borrows them from the bytes that it came in;
/// only what is rare, in lists, is its own.
///
/// Shape: `[action, argument..]`, each a string, in the order of the fields; in version 2 the optional fields are in a map at
/// the end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the arguments by their names in docs/PROTOCOL.md")]
pub enum Request<'a> {
    /// Creates a user.
    Register { username: Cow<'a, str>, password: Secret<'a> },
    /// Logs this connection in.
    LogIn { username: Cow<'a, str>, password: Secret<'a> },
    /// Ends this connection's login and its token.
    LogOut { username: Cow<'a, str> },
    /// Adds a user to one's contacts.
    AddContact { username: Cow<'a, str>, token: Secret<'a>, contact: Cow<'a, str> },
    /// Says something to one user. Only version 2 has a nonce.
    Whisper {
        username: Cow<'a, str>,
        token: Secret<'a>,
        recipient: Cow<'a, str>,
        content: Cow<'a, str>,
        nonce: Option<Cow<'a, str>>,
    },
    /// Creates a group and joins it.
    CreateGroup { username: Cow<'a, str>, token: Secret<'a>, group_name: Cow<'a, str> },
    /// Joins a group.
    JoinGroup { username: Cow<'a, str>, token: Secret<'a>, group_name: Cow<'a, str> },
    /// Says something to a group. Only version 2 has a nonce.
    MessageGroup {
        username: Cow<'a, str>,
        token: Secret<'a>,
        group_name: Cow<'a, str>,
        content: Cow<'a, str>,
        nonce: Option<Cow<'a, str>>,
    },
    /// Turns version 2 on, as the first request of a connection. `version` is the highest that the client speaks.
    Hello { version: i64, client: Option<Cow<'a, str>> },
    /// Logs this connection in with a token.
    Resume { username: Cow<'a, str>, token: Secret<'a> },
    /// Asks for everything behind the message `after`, and then for what is new.
    Sync { username: Cow<'a, str>, token: Secret<'a>, after: Option<Cow<'a, str>> },
    /// Asks for messages of one conversation.
    History { username: Cow<'a, str>, token: Secret<'a>, of: Conversation, range: Range },
    /// Asks for one's contacts.
    Contacts { username: Cow<'a, str>, token: Secret<'a>, page: Page },
    /// Takes a user off one's contacts.
    RemoveContact { username: Cow<'a, str>, token: Secret<'a>, contact: Cow<'a, str> },
    /// Asks for the groups that one is a member of.
    Groups { username: Cow<'a, str>, token: Secret<'a>, page: Page },
    /// Asks for a group's members.
    Members { username: Cow<'a, str>, token: Secret<'a>, group_name: Cow<'a, str>, page: Page },
    /// Asks for groups whose name begins so.
    FindGroups { username: Cow<'a, str>, token: Secret<'a>, prefix: Cow<'a, str>, page: Page },
    /// Ends one's membership.
    LeaveGroup { username: Cow<'a, str>, token: Secret<'a>, group_name: Cow<'a, str> },
    /// Says up to where one has read a conversation.
    MarkRead { username: Cow<'a, str>, token: Secret<'a>, of: Conversation, id: Cow<'a, str> },
    /// Asks for one's sessions.
    Sessions { username: Cow<'a, str>, token: Secret<'a> },
    /// Ends one of one's sessions.
    EndSession { username: Cow<'a, str>, token: Secret<'a>, session: Cow<'a, str> },
    /// Ends all of one's sessions but this.
    EndOtherSessions { username: Cow<'a, str>, token: Secret<'a> },
    /// Changes one's password, and ends all of one's sessions but this.
    ChangePassword { username: Cow<'a, str>, token: Secret<'a>, password: Secret<'a>, new_password: Secret<'a> },
    /// Ends one's account.
    DeleteAccount { username: Cow<'a, str>, token: Secret<'a>, password: Secret<'a> },
}

/// A conversation, by the name of who or what is on its other side.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Conversation {
    /// Whispers with a user. Option: `with`.
    With(String),
    /// What is said in a group. Option: `group`.
    Group(String),
}

impl Conversation {
    /// The one that options name; `None` where that is none, or two.
    pub(super) fn read(options: &Options<'_>) -> Result<Option<Self>, CodecError> {
        Ok(match (options.text(Key::With)?, options.text(Key::Group)?) {
            (Some(username), None) => Some(Self::With(username.to_owned())),
            (None, Some(group_name)) => Some(Self::Group(group_name.to_owned())),
            _ => None,
        })
    }
}

/// Where in a conversation, and how much of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Older than this message, the newest first.
    pub before: Option<String>,
    /// Newer than this message, the oldest first.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<i64>,
}

/// A part of a list that is ordered by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Behind this name.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<i64>,
}

impl<'a> Request<'a> {
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
            Self::History { .. } => Action::History,
            Self::Contacts { .. } => Action::Contacts,
            Self::RemoveContact { .. } => Action::RemoveContact,
            Self::Groups { .. } => Action::Groups,
            Self::Members { .. } => Action::Members,
            Self::FindGroups { .. } => Action::FindGroups,
            Self::LeaveGroup { .. } => Action::LeaveGroup,
            Self::MarkRead { .. } => Action::MarkRead,
            Self::Sessions { .. } => Action::Sessions,
            Self::EndSession { .. } => Action::EndSession,
            Self::EndOtherSessions { .. } => Action::EndOtherSessions,
            Self::ChangePassword { .. } => Action::ChangePassword,
            Self::DeleteAccount { .. } => Action::DeleteAccount,
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
            Self::AddContact { username, token, contact: third }
            | Self::RemoveContact { username, token, contact: third }
            | Self::CreateGroup { username, token, group_name: third }
            | Self::JoinGroup { username, token, group_name: third }
            | Self::LeaveGroup { username, token, group_name: third }
            | Self::Members { username, token, group_name: third, .. }
            | Self::FindGroups { username, token, prefix: third, .. }
            | Self::EndSession { username, token, session: third } => [username, token.expose(), third, ""],
            Self::Whisper { username, token, recipient, content, .. } => [username, token.expose(), recipient, content],
            Self::MessageGroup { username, token, group_name, content, .. } => {
                [username, token.expose(), group_name, content]
            }
            Self::Hello { .. } => [""; 4],
            Self::Resume { username, token }
            | Self::Sync { username, token, .. }
            | Self::History { username, token, .. }
            | Self::Contacts { username, token, .. }
            | Self::Groups { username, token, .. }
            | Self::MarkRead { username, token, .. }
            | Self::Sessions { username, token }
            | Self::EndOtherSessions { username, token } => [username, token.expose(), "", ""],
            Self::ChangePassword { username, token, password, new_password } => {
                [username, token.expose(), password.expose(), new_password.expose()]
            }
            Self::DeleteAccount { username, token, password } => [username, token.expose(), password.expose(), ""],
        }
    }

    fn options(&self) -> Option<Words<'_>> {
        match self {
            Self::Whisper { nonce: Some(nonce), .. } | Self::MessageGroup { nonce: Some(nonce), .. } => {
                Some(Words { nonce: Some(nonce), ..Words::default() })
            }
            Self::Hello { version, client } => {
                Some(Words { version: Some(*version), client: client.as_deref(), ..Words::default() })
            }
            Self::Sync { after: Some(after), .. } => Some(Words { after: Some(after), ..Words::default() }),
            Self::History { of, range: Range { before, after, limit }, .. } => {
                Some(Words { before: before.as_deref(), after: after.as_deref(), limit: *limit, ..Words::of(of) })
            }
            Self::MarkRead { of, id, .. } => Some(Words { id: Some(id), ..Words::of(of) }),
            Self::Contacts { page, .. }
            | Self::Groups { page, .. }
            | Self::Members { page, .. }
            | Self::FindGroups { page, .. }
                if *page != Page::default() =>
            {
                Some(Words { after: page.after.as_deref(), limit: page.limit, ..Words::default() })
            }
            _ => None,
        }
    }

    pub(super) fn from_frame(action: Action, frame: &Frame<'a>, options: &Options<'a>) -> Result<Self, CodecError> {
        if frame.count() != 1 + action.arity() {
            return Err(CodecError::WrongCount);
        }
        let mut arguments = Arguments(frame.objects()[1..].iter());
        match action {
            Action::Register => Ok(Self::Register { username: arguments.text()?, password: arguments.secret()? }),
            Action::LogIn => Ok(Self::LogIn { username: arguments.text()?, password: arguments.secret()? }),
            Action::LogOut => Ok(Self::LogOut { username: arguments.text()? }),
            Action::Hello => Ok(Self::Hello {
                version: options.integer(Key::Version)?.ok_or(CodecError::WrongOption)?,
                client: options.text(Key::Client)?.map(Cow::Borrowed),
            }),
            _ => {
                let (username, token) = (arguments.text()?, arguments.secret()?);
                Self::with_token(action, username, token, arguments, options)
            }
        }
    }

    /// A request with a token, read from what is behind that.
    fn with_token(
        action: Action,
        username: Cow<'a, str>,
        token: Secret<'a>,
        mut arguments: Arguments<'_, 'a>,
        options: &Options<'a>,
    ) -> Result<Self, CodecError> {
        let owned = |key| Ok(options.text(key)?.map(str::to_owned));
        let borrowed = |key| Ok(options.text(key)?.map(Cow::Borrowed));
        let nonce = || borrowed(Key::Nonce);
        let page = || Ok(Page { after: owned(Key::After)?, limit: options.integer(Key::Limit)? });
        let of = || Conversation::read(options)?.ok_or(CodecError::WrongOption);
        let range = || {
            Ok(Range { before: owned(Key::Before)?, after: owned(Key::After)?, limit: options.integer(Key::Limit)? })
        };
        let mut text = || arguments.text();
        Ok(match action {
            Action::AddContact => Self::AddContact { username, token, contact: text()? },
            Action::RemoveContact => Self::RemoveContact { username, token, contact: text()? },
            Action::Whisper => Self::Whisper { username, token, recipient: text()?, content: text()?, nonce: nonce()? },
            Action::CreateGroup => Self::CreateGroup { username, token, group_name: text()? },
            Action::JoinGroup => Self::JoinGroup { username, token, group_name: text()? },
            Action::LeaveGroup => Self::LeaveGroup { username, token, group_name: text()? },
            Action::MessageGroup => {
                Self::MessageGroup { username, token, group_name: text()?, content: text()?, nonce: nonce()? }
            }
            Action::Resume => Self::Resume { username, token },
            Action::Sync => Self::Sync { username, token, after: borrowed(Key::After)? },
            Action::History => Self::History { username, token, of: of()?, range: range()? },
            Action::Contacts => Self::Contacts { username, token, page: page()? },
            Action::Groups => Self::Groups { username, token, page: page()? },
            Action::Members => Self::Members { username, token, group_name: text()?, page: page()? },
            Action::FindGroups => Self::FindGroups { username, token, prefix: text()?, page: page()? },
            Action::MarkRead => {
                let id = borrowed(Key::Id)?.ok_or(CodecError::WrongOption)?;
                Self::MarkRead { username, token, of: of()?, id }
            }
            Action::Sessions => Self::Sessions { username, token },
            Action::EndSession => Self::EndSession { username, token, session: text()? },
            Action::EndOtherSessions => Self::EndOtherSessions { username, token },
            Action::ChangePassword => {
                let (password, new_password) = (Secret::new(text()?), Secret::new(text()?));
                Self::ChangePassword { username, token, password, new_password }
            }
            Action::DeleteAccount => Self::DeleteAccount { username, token, password: Secret::new(text()?) },
            Action::Register | Action::LogIn | Action::LogOut | Action::Hello => {
                unreachable!("these take no token")
            }
        })
    }
}

/// The arguments of a frame, one after the other; the first that is wrong decides what the client is told.
struct Arguments<'f, 'a>(std::slice::Iter<'f, Object<'a>>);

impl<'a> Arguments<'_, 'a> {
    fn text(&mut self) -> Result<Cow<'a, str>, CodecError> {
        match self.0.next() {
            Some(&Object::Text(text)) => Ok(text.into()),
            Some(Object::NotUtf8) => Err(CodecError::NotUtf8),
            Some(_) => Err(CodecError::WrongType),
            None => Err(CodecError::WrongCount),
        }
    }

    fn secret(&mut self) -> Result<Secret<'a>, CodecError> {
        self.text().map(Secret::new)
    }
}
