//! chinwag
pub mod cli;
pub mod client;
pub mod config;
pub mod domain;
pub mod net;
pub mod outbox;
pub mod protocol;
pub mod registry;
pub mod server;
pub mod service;
pub mod shutdown;
pub mod store;
pub mod telemetry;
