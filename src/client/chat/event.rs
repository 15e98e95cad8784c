//! What a chat hands to its user.

use std::time::Duration;

use crate::client::{ClientError, Login};
use crate::protocol::{CodecError, Conversation, Refused, Stamp, Update};

/// Something that a [`Chat`](super::Chat) tells its user.
#[derive(Debug)]
pub enum Event {
    /// Somebody has said something in one of the user's conversations.
    Message(Message),
    /// Everything that was in the log when the connection was made has been handed out.
    Synced {
        /// May be kept as the last one.
        id: String,
    },
    /// Some of what was asked for is not there any more: the server has deleted it, or was set back to a backup, and then
    /// messages may come again, with ids that are new. This is for people to know, and not to be kept.
    Gap {
        /// That of the oldest message that is kept, which is still to come.
        id: String,
    },
    /// Something else has changed: who is in a group, who is a contact, what was read on another device. A hint, and not to be
    /// kept: what is shown of lists is asked for anew after each [`Event::Synced`], and after [`Update::Refresh`].
    Changed(Update),
    /// There is a connection. The login is good for other connections, and for the program's next run.
    Connected(Login),
    /// There is none, and after `wait` another is tried. Left out while events wait to be taken.
    Reconnecting {
        /// How long this takes.
        wait: Duration,
        /// What ended the connection, or kept it from being made.
        why: ClientError,
    },
    /// The last event: no other connection would help.
    Ended(Ended),
}

/// A message, as everyone who may read it receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Opaque, and unique.
    pub id: String,
    /// When the server accepted it. Units: milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// Where it was said. Whispers are with the other user, or with oneself.
    pub conversation: Conversation,
    /// Who said it.
    pub sender: String,
    /// What was said.
    pub content: String,
    /// That of one's own message, if it had one.
    pub nonce: Option<String>,
    /// Whether the user has said this, on whichever device.
    pub is_own: bool,
}

/// Why a chat does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The session was ended, on this user's wish or the server's.
    #[error("the session has ended: {code}")]
    Session {
        /// Why: `logged_out`, `revoked`, `account_deleted`.
        code: String,
    },
    /// The server refuses the user.
    #[error("{}", .0.why)]
    Refused(Refused),
    /// The [`Chat`](super::Chat) was dropped.
    #[error("the chat was dropped")]
    Dropped,
}

impl Event {
    /// What is to be kept together with what the event did: the place to [start after](super::Start::After) next time.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Message(Message { id, .. }) | Self::Synced { id } => Some(id),
            Self::Gap { .. } | Self::Changed(_) | Self::Connected(_) | Self::Reconnecting { .. } | Self::Ended(_) => {
                None
            }
        }
    }

    /// What `username`, as registered, is told by an update.
    pub(super) fn of(update: Update, username: &str) -> Result<Self, ClientError> {
        match update {
            Update::Whisper { sender, content, stamp } => {
                let mut stamp = stamp.ok_or(CodecError::NotAReply)?;
                let other = stamp.to.take().unwrap_or_else(|| sender.clone());
                Ok(message(Conversation::With(other), sender, content, stamp, username))
            }
            Update::GroupMessage { group_name, sender, content, stamp } => {
                let stamp = stamp.ok_or(CodecError::NotAReply)?;
                Ok(message(Conversation::Group(group_name), sender, content, stamp, username))
            }
            Update::Synced { id } => Ok(Self::Synced { id }),
            Update::Gap { id } => Ok(Self::Gap { id }),
            Update::SessionEnded { code } => Ok(Self::Ended(Ended::Session { code })),
            change => Ok(Self::Changed(change)),
        }
    }
}

fn message(conversation: Conversation, sender: String, content: String, stamp: Stamp, username: &str) -> Event {
    let Stamp { id, at_ms, nonce, .. } = stamp;
    let is_own = sender == username;
    Event::Message(Message { id, at_ms, conversation, sender, content, nonce, is_own })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whisper(sender: &str, to: Option<&str>) -> Message {
        let stamp = Stamp { id: "1".to_owned(), at_ms: 7, to: to.map(str::to_owned), nonce: None };
        let update = Update::Whisper { sender: sender.to_owned(), content: "hi".to_owned(), stamp: Some(stamp) };
        match Event::of(update, "Ada") {
            Ok(Event::Message(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_conversation_is_named_after_the_other_whoever_has_spoken() {
        let (heard, said, noted) = (whisper("Bob", None), whisper("Ada", Some("Bob")), whisper("Ada", Some("Ada")));

        assert_eq!((&heard.conversation, heard.is_own), (&Conversation::With("Bob".to_owned()), false));
        assert_eq!((&said.conversation, said.is_own), (&Conversation::With("Bob".to_owned()), true));
        assert_eq!((&noted.conversation, noted.is_own), (&Conversation::With("Ada".to_owned()), true));
    }

    #[test]
    fn a_message_without_its_id_is_none() {
        let update = Update::Whisper { sender: "Bob".to_owned(), content: "hi".to_owned(), stamp: None };
        assert!(matches!(Event::of(update, "Ada"), Err(ClientError::Codec(_))));
    }

    #[test]
    fn what_is_kept_is_the_id_of_a_message_or_of_synced_alone() {
        let [synced, gap] = [Event::Synced { id: "3".to_owned() }, Event::Gap { id: "1".to_owned() }];
        assert_eq!((Event::Message(whisper("Bob", None)).id(), synced.id(), gap.id()), (Some("1"), Some("3"), None));
    }
}
