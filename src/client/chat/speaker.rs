//! What a chat's user says.

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::{Ended, Standing};
use crate::domain::Secret;
use crate::protocol::{Conversation, Refused, Request};

/// Says things for a [`Chat`](super::Chat)'s user. Clones say things in one order, that of their calls.
#[derive(Debug, Clone)]
pub struct Speaker {
    queue: mpsc::Sender<Saying>,
    standing: watch::Receiver<Standing>,
}

/// A message to be sent, and where its answer goes.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) message: Outgoing,
    pub(super) answer: oneshot::Sender<Result<Accepted, SendError>>,
}

/// Something to say. It is one message, however often it is said, and by however many chats of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// By what the server knows it again.
    pub nonce: String,
    /// Where it is said.
    pub conversation: Conversation,
    /// What is said.
    pub content: String,
}

/// What the server says of a message that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The message's id.
    pub id: String,
    /// When it was accepted. Units: milliseconds since 1970 (UTC).
    pub at_ms: i64,
}

/// Why a message is not known to be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server has refused it, and nothing was stored.
    #[error("{}", .0.why)]
    Refused(Refused),
    /// The chat has ended before there was an answer; the message may be stored or not. Saying the same [`Outgoing`] again in
    /// another chat of the same user tells, and stores it once.
    #[error("the chat ended before the message was answered")]
    Unanswered(#[source] Ended),
}

impl Outgoing {
    /// A message with a nonce of its own.
    pub fn new(conversation: Conversation, content: impl Into<String>) -> Self {
        Self { nonce: Uuid::new_v4().to_string(), conversation, content: content.into() }
    }

    pub(super) fn request<'a>(&'a self, username: &'a str, token: &Secret<'a>) -> Request<'a> {
        let (username, token) = (username.into(), token.clone());
        let (content, nonce) = (self.content.as_str().into(), Some(self.nonce.as_str().into()));
        match &self.conversation {
            Conversation::With(recipient) => {
                Request::Whisper { username, token, recipient: recipient.into(), content, nonce }
            }
            Conversation::Group(group_name) => {
                Request::MessageGroup { username, token, group_name: group_name.into(), content, nonce }
            }
        }
    }
}

impl Speaker {
    pub(super) fn new(queue: mpsc::Sender<Saying>, standing: watch::Receiver<Standing>) -> Self {
        Self { queue, standing }
    }

    /// Says something to one user. When this returns it is stored.
    ///
    /// # Errors
    /// As [`Speaker::say`].
    pub async fn whisper(&self, recipient: &str, content: &str) -> Result<Accepted, SendError> {
        self.say(Outgoing::new(Conversation::With(recipient.to_owned()), content)).await
    }

    /// Says something to all members of a group. When this returns it is stored.
    ///
    /// # Errors
    /// As [`Speaker::say`].
    pub async fn message_group(&self, group_name: &str, content: &str) -> Result<Accepted, SendError> {
        self.say(Outgoing::new(Conversation::Group(group_name.to_owned()), content)).await
    }

    /// Says something, over as many connections as it takes. When this returns it is stored. A server that is busy, or finds
    /// this too much too fast, is asked again when it says that it may be; what is said meanwhile waits behind this.
    ///
    /// Cancel safety: dropped before there was room, nothing is said; dropped later, the message is sent all the same.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn say(&self, message: Outgoing) -> Result<Accepted, SendError> {
        let (answer, answered) = oneshot::channel();
        if self.queue.send(Saying { message, answer }).await.is_err() {
            return Err(self.unanswered());
        }
        answered.await.unwrap_or_else(|_| Err(self.unanswered()))
    }

    fn unanswered(&self) -> SendError {
        match &*self.standing.borrow() {
            Standing::Ended(ended) => SendError::Unanswered(ended.clone()),
            Standing::Unknown | Standing::LoggedIn(_) => SendError::Unanswered(Ended::Dropped),
        }
    }
}
