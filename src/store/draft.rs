//! What can be asked of the writer, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Content, GroupId, GroupName, MessageId, Nonce, SessionId, TokenHash, UserId, Username};

/// Who asks, as they say. Whether it is true is decided when the writer takes the draft, for a token may end meanwhile.
#[derive(Debug, Clone)]
pub struct Author {
    /// In any case; `None` is a name that nobody can have.
    pub username: Option<Username>,
    /// Of the token that came with the request.
    pub token_hash: TokenHash,
    /// Whether this is the token of the asking connection's own login. Such a login is in use, so it cannot expire.
    pub is_own_login: bool,
}

/// A change that is not decided yet.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are named by their types")]
pub enum Draft {
    /// A new user.
    Register { username: Username, password_hash: String },
    /// A new session for a user whose password was right, and that password hashed anew where its cost was out of date.
    LogIn { user_id: UserId, token_hash: TokenHash, new_password_hash: Option<String>, origin: Origin },
    /// The end of a session.
    LogOut { token_hash: TokenHash },
    /// A user among one's contacts, by a name in any case. `None` is a name that nobody can have.
    AddContact { author: Author, contact: Option<Username> },
    /// A group, owned and joined by its author.
    CreateGroup { author: Author, group_name: GroupName },
    /// A membership. `None` is a name that no group can have.
    JoinGroup { author: Author, group_name: Option<GroupName> },
    /// Whose token it is.
    Identify { author: Author },
    /// A user not among one's contacts any more, named as above.
    RemoveContact { author: Author, contact: Option<Username> },
    /// The end of a membership.
    LeaveGroup { author: Author, group_name: Option<GroupName> },
    /// Up to where one has read a conversation.
    MarkRead { author: Author, of: Of, upto: After },
    /// The end of one of one's sessions.
    EndSession { author: Author, session_id: Option<SessionId> },
    /// The end of all of one's sessions but the one that asks.
    EndOtherSessions { author: Author },
    /// Another password, and the end of all sessions but the one that asks. The password of `user_id` was right.
    ChangePassword { author: Author, user_id: UserId, password_hash: String },
    /// The end of an account. The password of `user_id` was right.
    DeleteAccount { author: Author, user_id: UserId },
    /// A login by token.
    Resume { author: Author },
    /// The place in the log from which a connection follows it.
    Sync { author: Author, after: After },
    /// A message to one user, by a name in any case. `None` is a name that nobody can have.
    Whisper { author: Author, recipient: Option<Username>, content: Content, nonce: Option<Nonce> },
    /// A message to the members of a group.
    MessageGroup { author: Author, group_name: Option<GroupName>, content: Content, nonce: Option<Nonce> },
    /// How far users have received the log; none of these moves a mark back.
    SaveMarks { marks: Vec<(UserId, MessageId)> },
    /// The end of messages that are too old, few enough for nobody to wait for it long.
    Prune { messages: Vec<MessageId> },
    /// The sessions that somebody is logged in with right now. Stores what use was made of all sessions, ends unused ones.
    SaveUse { online: Vec<TokenHash> },
}

impl Draft {
    /// Units: bytes of a message's content.
    pub(super) fn content_bytes(&self) -> usize {
        match self {
            Self::Whisper { content, .. } | Self::MessageGroup { content, .. } => content.as_str().len(),
            _ => 0,
        }
    }

    /// Who sends with which nonce, if this is a message with one.
    pub(super) fn nonce(&self) -> Option<(&Author, &Nonce)> {
        match self {
            Self::Whisper { author, nonce, .. } | Self::MessageGroup { author, nonce, .. } => {
                Some((author, nonce.as_ref()?))
            }
            _ => None,
        }
    }
}

/// Where a session begins.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The client's address.
    pub address: String,
    /// The program, as it calls itself.
    pub client: Option<String>,
}

/// A conversation, by a name in any case.
#[derive(Debug, Clone)]
pub enum Of {
    /// Whispers with a user; `None` is a name that nobody can have.
    User(Option<Username>),
    /// What is said in a group; `None` is a name that no group can have.
    Group(Option<GroupName>),
}

/// Behind which message a connection wants to follow the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// From the oldest on.
    Nothing,
    /// Behind this one.
    Message(MessageId),
    /// Behind one that this database never had.
    Unknown,
}

/// What became of a draft.
#[derive(Debug)]
pub enum Outcome {
    /// Committed, with nothing to tell anyone.
    Done,
    /// Nothing was changed.
    Refused(Refusal),
    /// A user is logged in, by a session that has begun or by one that there was.
    LoggedIn(LoggedIn),
    /// A session has ended.
    LoggedOut {
        /// Whose it was; `None` where it had ended before.
        user_id: Option<UserId>,
        /// Its token's.
        token_hash: TokenHash,
    },
    /// A connection may follow the log.
    Synced(Synced),
    /// A user is a member from now on.
    Joined(Membership),
    /// A user is no member any more.
    Left(Membership),
    /// A user's contacts are others.
    ContactChanged {
        /// Whose.
        user_id: UserId,
        /// Who was added or removed: their name, as registered.
        contact: Arc<str>,
        /// Whether they are a contact now.
        is_added: bool,
    },
    /// A user has read a conversation further.
    Read {
        /// Who.
        user_id: UserId,
        /// Which.
        target: SentTo,
        /// Up to where.
        message_id: MessageId,
    },
    /// Whose token it is.
    Identified(UserId),
    /// Sessions of a user have ended, other than the one that asked.
    SessionsEnded {
        /// Whose.
        user_id: UserId,
        /// Their tokens'.
        ended: Vec<TokenHash>,
    },
    /// An account has ended, and all its sessions and memberships with it.
    AccountDeleted {
        /// Whose.
        user_id: UserId,
        /// The sessions' tokens'.
        ended: Vec<TokenHash>,
        /// The memberships.
        left: Vec<Membership>,
    },
    /// A message is in the log.
    Sent(Sent),
    /// A message that was sent again is in the log already.
    Repeated {
        /// Its place in the log.
        message_id: MessageId,
        /// When it was accepted. Units: milliseconds since 1970.
        sent_at_ms: i64,
    },
}

/// Who is, or was, a member of what.
#[derive(Debug, Clone)]
pub struct Membership {
    /// Who.
    pub user_id: UserId,
    /// Their name, as registered.
    pub username: Arc<str>,
    /// Of what.
    pub group_id: GroupId,
    /// Its name, as created.
    pub group_name: Arc<str>,
}

/// Where a connection follows the log from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synced {
    /// Who follows.
    pub user_id: UserId,
    /// Exclusive.
    pub after: MessageId,
    /// Deleted messages up to here are no news to who follows; `None` where it is news that they begin anew.
    pub told_upto: Option<MessageId>,
    /// The log's head as of now.
    pub head: MessageId,
}

/// A session as it begins.
#[derive(Debug)]
pub struct LoggedIn {
    /// Whose.
    pub user_id: UserId,
    /// Their name, as registered.
    pub username: Arc<str>,
    /// The log's head as of now.
    pub head: MessageId,
    /// How far this user's connections have acknowledged the log.
    pub mark: MessageId,
    /// The groups of which this user is a member.
    pub groups: Vec<GroupId>,
}

/// A committed message.
#[derive(Debug)]
pub struct Sent {
    /// Its place in the log.
    pub message_id: MessageId,
    /// When it was accepted. Units: milliseconds since 1970.
    pub sent_at_ms: i64,
    /// Who says it.
    pub sender_id: UserId,
    /// The sender's name, as registered.
    pub sender: Arc<str>,
    /// To whom.
    pub target: SentTo,
    /// What it says.
    pub content: Content,
    /// By what its sender knows it.
    pub nonce: Option<Nonce>,
    /// How long it takes until what the sender has said is within their rate again.
    pub overdrawn: Duration,
}

/// To whom a message was sent.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are named by their types")]
pub enum SentTo {
    /// A whisper, with the recipient's name as registered.
    User { user_id: UserId, username: Arc<str> },
    /// A group message, with the group's name as created.
    Group { group_id: GroupId, group_name: Arc<str> },
}

/// Why a draft changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Token and username do not belong together, or the token has ended.
    NotAuthenticated,
    /// A user has this name, perhaps in another case.
    UsernameTaken,
    /// Nobody has this name.
    UnknownUser,
    /// Nobody is their own contact.
    OwnContact,
    /// A group has this name, or one that reads like it.
    GroupNameTaken,
    /// No group has this name.
    UnknownGroup,
    /// A member joins once.
    AlreadyMember,
    /// One's own session ends by logging out.
    OwnSession,
    /// One has no such session.
    UnknownSession,
    /// There is no such message.
    UnknownMessage,
    /// No group has this name, or its messages are not for this user.
    NotAMember,
    /// Its author has used the nonce for another message.
    Conflict,
    /// Its author has said more than their rate allows.
    RateLimited {
        /// How long it takes until the next message is due.
        wait: Duration,
    },
    /// The writer could not take it, and has not.
    Busy,
    /// The database refused this draft alone.
    Failed,
}
