//! What both ends of the wire share: requests, responses and updates, and the codec between them and bytes.
//!
//! Pure functions over byte slices. Nothing here reads a socket, knows a user, or allocates for a length that a peer
//! merely claims. `docs/PROTOCOL.md` describes the same wire for people.

mod action;
mod decoder;
mod error;
mod frame;
mod list;
mod object;
mod options;
mod reply;
mod request;
mod scanner;
#[cfg(test)]
mod tests;
mod update;

pub use action::Action;
pub use decoder::{RequestDecoder, RequestLimits, VERSION};
pub use error::CodecError;
pub use frame::Framing;
pub use list::{
    Contact, ContactsPage, FoundGroup, FoundPage, GroupsPage, HistoryPage, MAX_UNREAD, Member, MembersPage, OwnGroup,
    Role, Said, SessionEntry, SessionList,
};
pub use reply::{FromServer, Refused, ReplyDecoder, Response, Welcome, WireLimits};
pub use request::{Conversation, Page, Range, Request};
pub use update::{MessageRef, Stamp, StampRef, Update};
