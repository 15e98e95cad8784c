//! Sockets: accepting connections, reading requests from them, writing what their outboxes hold.
//!
//! Nothing here knows what a request means.

mod acknowledged;
mod connection;
mod listener;
mod unacknowledged;

pub use listener::Listener;
