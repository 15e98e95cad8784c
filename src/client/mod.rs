//! The other end of the wire, for programs, bots and tests.
//!
//! - A [`Client`] is one connection: requests, responses and updates, in either version and framing.
//! - A [`Chat`] is a user who stays connected, over as many connections as it takes: each message is received once, and what is
//!   said is said once, whatever breaks. It speaks version 2.

mod chat;
mod connection;
mod dial;
mod error;

pub use chat::{
    Accepted, Chat, Credentials, Ended, Endpoint, Event, Message, Options, Outgoing, SendError, Speaker, Start,
};
pub use connection::{Client, Login};
pub use error::ClientError;
