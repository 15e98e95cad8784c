//! Looking a database over that was left unclean, while a server runs on it already. It only looks, and logs what it finds.

use std::path::{Path, PathBuf};
use std::time::Instant;

use sqlx::{Connection, SqliteConnection};

use super::SqliteError;
use super::check::{Problem, as_damage, check_integrity};
use super::connect::connect_reader;
use crate::shutdown::Shutdown;

/// SQLite's own check, up to the tenth finding. Unlike `chinwag check` it does not compare indexes with their tables.
const QUICK_CHECK: &str = "pragma quick_check(10)";

/// Steps of SQLite between two looks at whether to stop. One may read a page, from a disk that is slow.
const STEPS: i32 = 100;

/// A check that is to run behind the server.
///
/// It reads as of one moment, and while anybody does, SQLite cannot begin the WAL anew: until the check has ended that grows with
/// all that is written, and it cannot be moved into the database.
#[derive(Debug)]
pub struct QuickCheck {
    path: PathBuf,
}

impl QuickCheck {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Checks the database on a connection of its own, and logs what is found. Once `stopped`, it is cut short within moments.
    pub async fn run(self, stopped: Shutdown) {
        tracing::info!("the last end was unclean; checking the database meanwhile");
        let started = Instant::now();
        let found = look(&self.path, stopped).await.or_else(|err| Ok(vec![as_damage(err.into())?]));
        log(found, started.elapsed().as_millis());
    }
}

async fn look(path: &Path, stopped: Shutdown) -> Result<Vec<Problem>, sqlx::Error> {
    let mut conn = connect_reader(path).await?;
    let found = look_until(&mut conn, stopped).await;
    // Closed in any case before this ends: the last connection to be closed is the writer's, which removes the WAL.
    conn.close().await?;
    found
}

async fn look_until(conn: &mut SqliteConnection, stopped: Shutdown) -> Result<Vec<Problem>, sqlx::Error> {
    conn.lock_handle().await?.set_progress_handler(STEPS, move || !stopped.is_triggered());
    check_integrity(conn, QUICK_CHECK).await
}

fn log(found: Result<Vec<Problem>, SqliteError>, duration_ms: u128) {
    match found {
        Ok(problems) if problems.is_empty() => {
            tracing::info!(duration_ms, "checked the database after an unclean end: it is sound");
        }
        Ok(problems) => {
            for problem in problems {
                tracing::error!(duration_ms, "checked the database after an unclean end: {problem}");
            }
        }
        // The next start will not make up for it, for the WAL is in the database by then.
        Err(err) if err.code() == Some(libsqlite3_sys::SQLITE_INTERRUPT) => {
            tracing::warn!(duration_ms, "the check after an unclean end was cut short; run `chinwag check`");
        }
        Err(err) => {
            tracing::warn!(error = %err, "the database could not be checked after an unclean end; run `chinwag check`");
        }
    }
}
