//! Migrations that are killed: afterwards a file has the old schema or the new one, never one between.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chinwag::protocol::{Conversation, Range, Request, Response, Update};
use sqlx::Connection;

use crate::crash::check_sound;
use crate::database;
use crate::helpers::{TestServer, content, with_nonce};
use crate::program::{Process, scratch};
use crate::strace::{SYNC, can_trace, serve_with_fault};

/// What `sqlite_schema` and the header say, and what sqlx has noted.
type Schema = Vec<String>;

/// Makes a database as the migrations up to `version` leave it; none for 0.
async fn make(path: &Path, version: i64) {
    if version == 0 {
        return;
    }
    // As a server would, which leaves nobody else a look at it.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    let mut conn = database::connect(path, false).await;
    database::run(&mut conn, "pragma journal_mode = wal").await;
    sqlx::migrate!().run_to(version, &mut conn).await.unwrap();
    conn.close().await.unwrap();
}

/// The schema of a copy, which is recovered instead of the file itself.
async fn schema(path: &Path) -> Schema {
    let directory = scratch();
    let copy = directory.path().join("chinwag.db");
    for suffix in ["", "-wal", "-journal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        if Path::new(&name(path)).exists() {
            std::fs::copy(name(path), name(&copy)).unwrap();
        }
    }
    if !copy.exists() {
        return Vec::new();
    }
    let mut conn = database::connect(&copy, false).await;
    let mut schema = database::list(&mut conn, "select coalesce(sql, name) from sqlite_schema order by name").await;
    schema.extend(database::list(&mut conn, "select integrity_check from pragma_integrity_check").await);
    schema.extend(database::list(&mut conn, "select cast(user_version as text) from pragma_user_version").await);
    if schema.iter().any(|sql| sql.contains("_sqlx_migrations")) {
        let noted = "select cast(version as text) || success from _sqlx_migrations order by version";
        schema.extend(database::list(&mut conn, noted).await);
    }
    conn.close().await.unwrap();
    schema
}

/// Starts a server on a database of `version` that is killed at the `n`th sync; whether it came to that.
async fn is_killed_at(n: usize, version: i64) -> bool {
    let directory = scratch();
    let path = directory.path().join("chinwag.db");
    make(&path, version).await;
    let old = match version {
        0 => [Vec::new(), ["ok", "0"].map(str::to_owned).to_vec()],
        _ => [schema(&path).await, schema(&path).await],
    };
    let fault = format!("{SYNC}:signal=KILL:when={n}");
    let mut process = Process::launch(serve_with_fault(directory.path(), &fault), directory.path());
    if process.listens() {
        process.stop().await;
        return false;
    }
    process.ended().await;

    let left = schema(&path).await;
    let process = Process::start(directory.path());
    process.register("ada").await;
    process.stop().await;

    let new = schema(&path).await;
    assert!(left == new || old.contains(&left), "at sync {n}, from version {version}: {left:?}");
    true
}

#[tokio::test]
async fn every_migration_killed_at_any_sync_leaves_the_old_schema_or_the_new_one() {
    if !can_trace() {
        return;
    }
    let newest = sqlx::migrate!().iter().map(|migration| migration.version).max().unwrap();
    for version in 0..newest {
        let mut n = 1;
        while is_killed_at(n, version).await {
            n += 1;
        }
        assert!(n > 5, "only {n} syncs from version {version}");
    }
}

/// What a server of schema version 1 has left: Ada and Bob, whose password is that of all tests, have whispered and share a
/// group, and Bob has a note of his own.
const LEFT_BY_VERSION_1: &str = "
    insert into users (user_id, username, username_key, password_hash, registered_at_ms)
    select column1, column2, column2, '$argon2id$v=19$m=8,t=1,p=1$fp3DRrZrgQf/2Kol2vzJrA$gzEFglE+ns/sRqIx/3C7dTP+zod/vYXnlWYQnXci/lk', 0
    from (values (1, 'ada'), (2, 'bob'));
    insert into groups values (1, 'tea', 'tea', 1, 0);
    insert into group_members (group_id, user_id, joined_id, joined_at_ms) values (1, 1, 0, 0), (1, 2, 2, 0);
    insert into messages (message_id, kind, sender_id, recipient_id, group_id, sent_at_ms, content) values
        (1, 1, 1, 2, null, 10, 'to Bob'), (2, 2, 1, null, 1, 20, 'before Bob'), (3, 2, 2, null, 1, 30, 'to all'),
        (4, 1, 2, 2, null, 40, 'a note'), (5, 1, 2, 1, null, 50, 'to Ada');
    insert into delivery_marks values (1, 0), (2, 3);";

/// A server on a database of `version` that has these rows.
async fn start_on(version: i64, rows: &[&'static str]) -> TestServer {
    let stopped = TestServer::start().await.stop().await;
    std::fs::remove_file(stopped.database()).unwrap();
    make(&stopped.database(), version).await;
    for rows in rows {
        database::meddle(&stopped.database(), rows).await.close().await.unwrap();
    }
    stopped.start().await
}

#[tokio::test]
async fn what_was_said_before_version_2_is_in_everybodys_conversations() {
    let server = start_on(1, &[LEFT_BY_VERSION_1]).await;
    let contents = |updates: Vec<Update>| updates.into_iter().map(content).collect::<Vec<_>>();

    let mut conversations = Vec::new();
    for name in ["ada", "bob"] {
        let mut client = server.hello().await;
        client.log_in(name).await;
        client.sync(None).await.unwrap();
        conversations.push(contents(client.updates_until_synced().await));
    }

    assert_eq!(contents(server.log_in("bob").await.updates_so_far().await), ["a note"]);
    assert_eq!(conversations[0], ["to Bob", "before Bob", "to all", "to Ada"]);
    assert_eq!(conversations[1], ["to Bob", "to all", "a note", "to Ada"]);
}

/// What a server of schema version 5 has besides: three of those messages in its index, the first with the nonce `abc`.
const INDEXED_BY_VERSION_5: &str = "
    insert into whisper_pairs values (1, 2), (2, 2);
    update messages set nonce = 'abc' where message_id = 1;
    insert into segments values (1, 0, 3, 1);
    insert into postings values (1, (1 << 31) | 2, 1, x''), (1, -1, 2, x'01');
    insert into nonces values (1, 0xba7816bf, 1);";

#[tokio::test]
async fn what_version_5_has_indexed_is_found_and_sound() {
    let server = start_on(5, &[LEFT_BY_VERSION_1, INDEXED_BY_VERSION_5]).await;
    let mut ada = server.hello().await;
    ada.log_in("ada").await;
    let history = ada.ask_as(|username, token| Request::History {
        username,
        token,
        of: Conversation::With("bob".to_owned()),
        range: Range::default(),
    });
    let Ok(Response::History(page)) = history.await else { panic!("Ada has whispered with Bob") };
    let again = ada.accepted(&with_nonce(ada.whisper_request("bob", "to Bob"), "abc")).await;

    let said: Vec<&str> = page.messages.iter().map(|said| &*said.content).collect();
    assert_eq!(said, ["to Ada", "to Bob"]);
    assert_eq!(again, page.messages[1].id);
    let stopped = server.stop().await;
    check_sound(&stopped.database()).await;
}
