//! Sockets: accepting connections, reading requests from them, writing what their outboxes hold.
//!
//! Nothing here knows what a request means.

mod acknowledged;
mod admission;
mod connection;
mod deadline;
mod descriptors;
mod listener;
mod socket;
mod tls;
mod unacknowledged;

pub use admission::Admission;
pub use descriptors::raise_limit;
pub use listener::Listener;
pub use tls::{Tls, TlsError, TlsFiles};
