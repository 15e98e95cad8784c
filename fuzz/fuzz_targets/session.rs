//! Any bytes on a connection to a whole server in this process, over a socket of the loopback.
//!
//! The connection's loop is bound to a socket, and the service below it to a database, so they are tried as they are: what a
//! memory database or a stub would save is little beside what it would leave out. The database is on a file system in
//! memory where there is one, for a commit waits for the disk.

#![no_main]

#[path = "../oracle/session.rs"]
mod session;

use std::sync::LazyLock;

use session::Scene;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));

static SCENE: LazyLock<Scene> = LazyLock::new(|| RUNTIME.block_on(Scene::start()));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| RUNTIME.block_on(SCENE.try_bytes(bytes)));
