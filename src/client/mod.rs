//! The other end of the wire, for programs, bots and tests.
//!
//! A [`Client`] is one connection: requests, responses and updates, in either version and framing.

mod connection;
mod dial;
mod error;

pub use connection::{Client, Login};
pub use error::ClientError;
