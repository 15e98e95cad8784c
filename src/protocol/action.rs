//! What a request can be about.

use super::object::Object;
use super::{CodecError, Framing};

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
    /// `history`, of version 2
    History,
    /// `contacts`, of version 2
    Contacts,
    /// `remove_contact`, of version 2
    RemoveContact,
    /// `groups`, of version 2
    Groups,
    /// `members`, of version 2
    Members,
    /// `find_groups`, of version 2
    FindGroups,
    /// `leave_group`, of version 2
    LeaveGroup,
    /// `mark_read`, of version 2
    MarkRead,
    /// `sessions`, of version 2
    Sessions,
    /// `end_session`, of version 2
    EndSession,
    /// `end_other_sessions`, of version 2
    EndOtherSessions,
    /// `change_password`, of version 2
    ChangePassword,
    /// `delete_account`, of version 2
    DeleteAccount,
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
    pub const VERSION_2: [Self; 16] = [
        Self::Hello,
        Self::Resume,
        Self::Sync,
        Self::History,
        Self::Contacts,
        Self::RemoveContact,
        Self::Groups,
        Self::Members,
        Self::FindGroups,
        Self::LeaveGroup,
        Self::MarkRead,
        Self::Sessions,
        Self::EndSession,
        Self::EndOtherSessions,
        Self::ChangePassword,
        Self::DeleteAccount,
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
            Self::Hello => "hello",
            Self::Resume => "resume",
            Self::Sync => "sync",
            Self::History => "history",
            Self::Contacts => "contacts",
            Self::RemoveContact => "remove_contact",
            Self::Groups => "groups",
            Self::Members => "members",
            Self::FindGroups => "find_groups",
            Self::LeaveGroup => "leave_group",
            Self::MarkRead => "mark_read",
            Self::Sessions => "sessions",
            Self::EndSession => "end_session",
            Self::EndOtherSessions => "end_other_sessions",
            Self::ChangePassword => "change_password",
            Self::DeleteAccount => "delete_account",
        }
    }

    /// How many arguments follow the action, options apart.
    pub fn arity(self) -> usize {
        match self {
            Self::Hello => 0,
            Self::LogOut => 1,
            Self::Register
            | Self::LogIn
            | Self::Resume
            | Self::Sync
            | Self::History
            | Self::Contacts
            | Self::Groups
            | Self::MarkRead
            | Self::Sessions
            | Self::EndOtherSessions => 2,
            Self::AddContact
            | Self::CreateGroup
            | Self::JoinGroup
            | Self::RemoveContact
            | Self::Members
            | Self::FindGroups
            | Self::LeaveGroup
            | Self::EndSession
            | Self::DeleteAccount => 3,
            Self::Whisper | Self::MessageGroup | Self::ChangePassword => 4,
        }
    }

    /// Whether a token authenticates its requests.
    pub fn takes_token(self) -> bool {
        !matches!(self, Self::Register | Self::LogIn | Self::LogOut | Self::Hello)
    }

    pub(super) fn of(object: &Object<'_>, framing: Framing) -> Result<Self, CodecError> {
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
