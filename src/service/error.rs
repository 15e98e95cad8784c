//! Why a request is refused, and the sentence that its client is told.

use std::time::Duration;

use crate::config::whole_ms;
use crate::domain::{InvalidContent, InvalidGroupName, InvalidNonce, InvalidPassword, InvalidUsername};
use crate::protocol::{CodecError, Refused};
use crate::store::{OpenError, Refusal, StoreError};

/// One variant for each answer.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The bytes are no request.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A name that nobody may have.
    #[error(transparent)]
    Username(#[from] InvalidUsername),
    /// A name that no group may have.
    #[error(transparent)]
    GroupName(#[from] InvalidGroupName),
    /// A password that nobody may have.
    #[error(transparent)]
    Password(#[from] InvalidPassword),
    /// Nothing, or too much, was said.
    #[error(transparent)]
    Content(#[from] InvalidContent),
    /// What nobody can know a message by.
    #[error(transparent)]
    Nonce(#[from] InvalidNonce),
    /// A version older than the one that begins with `hello`.
    #[error("with hello, a client speaks version 2 or newer")]
    Version,
    /// A stretch of history has one direction.
    #[error("history goes before a message or after one, not both")]
    BothDirections,
    /// A page has an entry at least.
    #[error("a limit is 1 or more")]
    Limit,
    /// A connection follows the log once.
    #[error("this connection is synced already")]
    SyncedAlready,
    /// A started request did not arrive whole in time.
    #[error("the request took too long to arrive")]
    TooSlow,
    /// Nobody has logged in, and no token was accepted, in time.
    #[error("nobody has logged in on this connection in time")]
    Stranger,
    /// More connections than one address may have, or than the server can, with nobody logged in.
    #[error("too many connections; try again in a minute")]
    TooManyConnections,
    /// Unknown user or wrong password: one answer, so that nobody learns which names exist.
    #[error("wrong username or password")]
    WrongPassword,
    /// Too many registrations from this address.
    #[error("too many registrations from your address; try again in a minute")]
    TooManyRegistrations {
        /// How long it takes until one more is due.
        wait: Duration,
    },
    /// Too many wrong passwords for this name from this address.
    #[error("too many failed logins for this username from your address; try again in a minute")]
    TooManyTries {
        /// How long it takes until one more is due.
        wait: Duration,
    },
    /// This connection has a login.
    #[error("this connection is logged in already; log out first")]
    LoggedInAlready,
    /// This connection is not logged in as the one who wants to log out.
    #[error("this connection is not logged in as that user")]
    NotLoggedIn,
    /// The store decided so.
    #[error("{}", sentence(*.0))]
    Refused(Refusal),
    /// The store failed. Logged where it is answered.
    #[error("internal error")]
    Store(#[source] StoreError),
    /// Hashing failed. Logged where it is answered.
    #[error("internal error")]
    Hashing(#[source] HashingError),
}

/// A password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// What is stored is no PHC string, or the parameters are impossible.
    #[error("hashing the password failed: {0}")]
    Hash(argon2::password_hash::Error),
    /// The hashing thread panicked.
    #[error("hashing the password panicked")]
    Panicked,
}

/// The service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Argon2 takes no such cost.
    #[error("the password cost is not possible")]
    PasswordCost(#[source] HashingError),
    /// The system gives no more threads.
    #[error("cannot start the threads that hash passwords")]
    Thread(#[source] std::io::Error),
}

impl From<Refusal> for ServiceError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for ServiceError {
    fn from(err: StoreError) -> Self {
        match err {
            StoreError::Busy => Self::Refused(Refusal::Busy),
            err => Self::Store(err),
        }
    }
}

impl ServiceError {
    /// What the client is told; of this, version 1 says the sentence alone. What is the server's own fault is logged here, once,
    /// and not told.
    pub fn answer(&self) -> Refused {
        if let Self::Store(_) | Self::Hashing(_) = self {
            tracing::error!(error = self as &dyn std::error::Error, "a request failed");
        }
        Refused {
            why: self.to_string(),
            code: Some(self.code().to_owned()),
            retry_ms: self.retry_after().map(whole_ms),
        }
    }

    /// The word by which a program knows it. Once given it never changes; docs/PROTOCOL.md lists them.
    fn code(&self) -> &'static str {
        match self {
            Self::Codec(CodecError::UnknownAction) => "unknown_action",
            Self::Codec(_) | Self::BothDirections | Self::Limit => "bad_request",
            Self::Username(_) => "invalid_username",
            Self::GroupName(_) => "invalid_group_name",
            Self::Password(_) => "invalid_password",
            Self::Content(_) => "invalid_content",
            Self::Nonce(_) => "invalid_nonce",
            Self::Version => "unsupported_version",
            Self::SyncedAlready => "synced_already",
            Self::TooSlow | Self::Stranger => "too_slow",
            Self::TooManyConnections => "too_many_connections",
            Self::TooManyRegistrations { .. } | Self::TooManyTries { .. } => "rate_limited",
            Self::WrongPassword => "wrong_credentials",
            Self::LoggedInAlready => "logged_in_already",
            Self::NotLoggedIn => "not_logged_in",
            Self::Refused(refusal) => code(*refusal),
            Self::Store(_) | Self::Hashing(_) => "internal",
        }
    }

    /// When trying again may help.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRegistrations { wait } | Self::TooManyTries { wait } => Some(*wait),
            Self::Refused(Refusal::RateLimited { wait }) => Some(*wait),
            Self::Refused(Refusal::Busy) => Some(BUSY_RETRY),
            _ => None,
        }
    }
}

/// When somebody whose request was refused as busy may try again: a stalled disk takes about as long.
const BUSY_RETRY: Duration = Duration::from_secs(2);

fn code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotAuthenticated => "not_authenticated",
        Refusal::UsernameTaken => "username_taken",
        Refusal::UnknownUser => "unknown_user",
        Refusal::OwnContact => "own_contact",
        Refusal::GroupNameTaken => "group_name_taken",
        Refusal::UnknownGroup => "unknown_group",
        Refusal::AlreadyMember => "already_a_member",
        Refusal::OwnSession => "own_session",
        Refusal::UnknownSession => "unknown_session",
        Refusal::UnknownMessage => "unknown_message",
        Refusal::NotAMember => "not_a_member",
        Refusal::Conflict => "conflict",
        Refusal::RateLimited { .. } => "rate_limited",
        Refusal::Busy => "busy",
        Refusal::Failed => "internal",
    }
}

fn sentence(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotAuthenticated => "this username and token are not valid together; log in again",
        Refusal::UsernameTaken => "this username is taken",
        Refusal::UnknownUser => "there is no such user",
        Refusal::OwnContact => "you cannot be your own contact",
        Refusal::GroupNameTaken => "this group name is taken",
        Refusal::UnknownGroup => "there is no such group",
        Refusal::AlreadyMember => "you are a member of this group already",
        Refusal::OwnSession => "this is the session that asks; log out to end it",
        Refusal::UnknownSession => "there is no such session",
        Refusal::UnknownMessage => "there is no such message",
        Refusal::NotAMember => "there is no such group, or you are not a member of it",
        Refusal::Conflict => "this nonce was used for another message",
        Refusal::RateLimited { .. } => "you are sending too much too fast; try again in a few seconds",
        Refusal::Busy => "the server is busy and has done nothing; try again in a few seconds",
        Refusal::Failed => "internal error",
    }
}
