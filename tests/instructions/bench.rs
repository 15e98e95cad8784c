//! How many instructions the hot paths take: callgrind counts them, the same on every run and however busy the machine is.
//!
//! `counts.txt` records the counts and `counts.py` holds a build against them. Each scenario says by its name how much of what it
//! does. Those of the store and the service count on all threads and go through what is public, be the inside as it may.
//!
//! Counts are those of a machine: another compiler, valgrind or libc counts otherwise, and so does another kind of processor. Among
//! x86-64 processors that have AVX2 there is no difference, for valgrind shows all of them as one and the same.

#![expect(clippy::unwrap_used, reason = "a scenario that cannot go on should say where")]

mod chat;
mod counting;
mod database;
mod receivers;
mod wire;

use chat::service;
use database::store;
use gungraun::main;
use receivers::{outbox, registry};
use wire::codec;

main!(config = counting::config(), library_benchmark_groups = [codec, outbox, registry, store, service]);
