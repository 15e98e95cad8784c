//! The real server, with its own database file, on a port of its own, talked to through real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod account;
mod admin;
mod authorization;
mod chance;
mod chat;
mod contact;
mod corpus;
mod crash;
mod database;
mod disk;
mod disk_model;
mod fault;
mod group;
mod hello;
mod helpers;
mod history;
mod hostile;
mod lagging;
mod limits;
mod lists;
mod membership;
mod migration;
mod missed;
mod model;
mod nonce;
mod pipelining;
mod power;
mod process;
mod program;
mod proxy;
mod prune;
mod rates;
mod reconnect;
mod retention;
mod secrets;
mod sessions;
mod start;
mod strace;
mod sync;
mod tls;
mod told;
mod trace;
mod transcript;
mod whisper;
