//! A floor: rows that are inserted by `SQLite`'s own interface.

use rusqlite::{Connection, params};

use super::batches::{Stored, Written};
use crate::bench::error::BenchError;

/// The columns of a message, and nothing that is searched by.
const SETUP: &str = "
pragma journal_mode = wal;
pragma synchronous = full;
create table messages (
  message_id integer primary key,
  kind integer not null,
  sender_id integer not null,
  recipient_id integer,
  group_id integer,
  sent_at_ms integer not null,
  content text not null,
  nonce text
) strict;
";

const INSERT: &str = "
insert into messages (kind, sender_id, recipient_id, sent_at_ms, content, nonce)
values (1, ?1, ?2, ?3, ?4, ?5)
";

pub(super) fn run(stored: &Stored, is_over: &dyn Fn() -> bool) -> Result<Written, BenchError> {
    let path = stored.directory.join("floor.db");
    let remove = || {
        ["floor.db", "floor.db-wal", "floor.db-shm"].map(|name| std::fs::remove_file(stored.directory.join(name)).ok())
    };
    remove();
    let conn = Connection::open(&path)?;
    conn.execute_batch(SETUP)?;
    let (content, nonce) = (".".repeat(stored.content_bytes), stored.has_nonces.then_some("0123456789abcdef"));
    let (mut begin, mut insert, mut commit) =
        (conn.prepare("begin immediate")?, conn.prepare(INSERT)?, conn.prepare("commit")?);
    let mut sender_id = 0i64;
    let written = stored.write(is_over, |messages| {
        begin.execute([])?;
        for _ in 0..messages {
            sender_id = (sender_id + 1) % 200;
            insert.execute(params![sender_id, sender_id + 1, 1_800_000_000_000_i64, content, nonce])?;
        }
        commit.execute([])?;
        Ok(())
    });
    drop((begin, insert, commit));
    drop(conn);
    remove();
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn rows_are_written_durably() {
        let directory = tempfile::tempdir().unwrap();
        let stored = Stored {
            directory: directory.path().to_owned(),
            messages_per_commit: 10.0,
            content_bytes: 100,
            has_nonces: true,
            warm_up: Duration::from_millis(5),
            measured: Duration::from_millis(20),
        };

        let written = run(&stored, &|| false).unwrap();

        assert!(written.messages_per_s > 0.0 && written.sync_p50_ns > 0.0);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        let conn = Connection::open(directory.path().join("other.db")).unwrap();
        conn.execute_batch(SETUP).unwrap();
        let pragma = |name| conn.query_row(name, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(pragma("pragma synchronous"), 2);
        let mode: String = conn.query_row("pragma journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}
