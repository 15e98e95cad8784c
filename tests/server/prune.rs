//! Deleting old messages by the program itself, and asking it beforehand what would go.

use tempfile::TempDir;

use crate::admin::{assert_done, assert_refused, database_in, meddle, run, state, stopped};
use crate::database;
use crate::program::Process;

const FLAGS: [&str; 4] = ["--retention", "30", "--group-retention", "Tea=forever"];

/// The hundred messages of [`stopped`], of which 1 to 10 are old whispers, 11 to 15 were said in the group `club` longer ago, and
/// 16 to 20 as long ago in the group `tea`; no server runs on it.
async fn aged() -> TempDir {
    let directory = stopped().await;
    let age = "insert into groups values (2, 'club', 'club', 1, 0);
        update messages set sent_at_ms = 1000 * message_id where message_id <= 20;
        update messages set kind = 2, recipient_id = null, group_id = 2 where message_id between 11 and 15;
        update messages set kind = 2, recipient_id = null, group_id = 1 where message_id between 16 and 20";
    meddle(&directory, age).await;
    // Indexed anew: some of it belongs to other conversations now.
    meddle(&directory, "delete from postings; delete from segments").await;
    Process::start(directory.path()).stop().await;
    directory
}

/// What is said of the messages in [`aged`] that go by [`FLAGS`].
const PARTS: &str = "whispers: messages 10, from 1970-01-01 00:00:01 to 1970-01-01 00:00:10 (UTC), 11 bytes\n\
    group 'club': messages 5, from 1970-01-01 00:00:11 to 1970-01-01 00:00:15 (UTC), 10 bytes\n";

fn prune(directory: &TempDir, flags: &[&str]) -> crate::admin::Said {
    run(directory, &[&["prune"], flags].concat())
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_deleted_and_leaves_a_live_database_untouched() {
    let directory = aged().await;
    let process = Process::start(directory.path());
    let mut eve = process.register("eve").await;
    eve.whisper("eve", "in the WAL").await.unwrap();
    let files = ["chinwag.db", "chinwag.db-wal"].map(|name| directory.path().join(name));
    let before = files.each_ref().map(|path| state(path));

    let said = prune(&directory, &[&["--dry-run"], &FLAGS[..]].concat());

    assert_done(&said, &format!("{PARTS}would be deleted from "));
    assert!(said.stdout.ends_with("/chinwag.db: messages 15, 21 bytes of content\n"), "{}", said.stdout);
    assert!(files.each_ref().map(|path| state(path)) == before);
    eve.whisper("eve", "undisturbed").await.unwrap();
    process.stop().await;
}

#[tokio::test]
async fn what_a_dry_run_has_said_is_what_is_deleted() {
    let directory = aged().await;

    let said = prune(&directory, &FLAGS);

    assert_done(&said, &format!("{PARTS}deleted from "));
    assert!(said.stdout.contains("/chinwag.db: messages 15, 21 bytes of content; "), "{}", said.stdout);
    assert!(!directory.path().join("chinwag.db-wal").exists());
    let left = "select group_concat(message_id, ' ') from (select * from messages order by message_id limit 6)";
    assert_eq!(database::texts(&database_in(&directory), left).await, ["16 17 18 19 20 21"]);
    assert_done(&run(&directory, &["check"]), "is sound: schema version 6, users 2, groups 2, messages 85\n");
    for flags in [&["--dry-run"][..], &[]] {
        assert_done(&prune(&directory, &[flags, &FLAGS].concat()), "/chinwag.db: messages 0, 0 bytes of content");
    }
}

#[tokio::test]
async fn room_that_was_made_is_said_to_be_free() {
    let directory = aged().await;
    meddle(&directory, "update messages set sent_at_ms = 0, content = printf('%.*c', 10000, 'x')").await;

    let said = prune(&directory, &["--retention", "1"]);

    let words: Vec<&str> = said.stdout.split(' ').collect();
    let of = words.iter().rposition(|word| *word == "of").unwrap();
    let (free, size): (u64, u64) = (words[of - 1].parse().unwrap(), words[of + 2].parse().unwrap());
    assert!(free > 900_000, "{}", said.stdout);
    assert_eq!(size, database_in(&directory).metadata().unwrap().len());
}

#[tokio::test]
async fn nothing_is_deleted_beside_a_running_server() {
    let directory = aged().await;
    let process = Process::start(directory.path());
    let before = state(&database_in(&directory));

    assert_refused(&prune(&directory, &FLAGS), "another chinwag is running on");

    assert!(state(&database_in(&directory)) == before);
    process.stop().await;
}

#[tokio::test]
async fn nothing_is_deleted_by_flags_that_may_be_wrong_or_from_what_is_no_database_of_this_version() {
    let directory = aged().await;
    std::fs::write(directory.path().join("text.db"), "mine\n".repeat(1000)).unwrap();
    std::fs::copy(database_in(&directory), directory.path().join("older.db")).unwrap();
    drop(database::meddle(&directory.path().join("older.db"), "pragma user_version = 2").await);
    let before = state(&database_in(&directory));

    for (flags, expected) in [
        (&["--retention", "30", "--group-retention", "tee=forever"][..], "there is no group \"tee\""),
        (&["--retention", "30", "--database-url", "sqlite://missing.db"], "there is no database missing.db"),
        (&["--retention", "30", "--database-url", "sqlite://text.db"], "is not a chinwag database"),
        (
            &["--retention", "30", "--database-url", "sqlite://older.db"],
            "has schema version 2, and this needs version 6",
        ),
    ] {
        assert_refused(&prune(&directory, flags), expected);
        assert_refused(&prune(&directory, &[&["--dry-run"], flags].concat()), expected);
    }
    for flags in [&[][..], &["--retention", "off"], &["--group-retention", "tea=forever"], &["--retention", "soon"]] {
        assert_eq!(prune(&directory, flags).code, Some(2), "{flags:?}");
    }
    assert!(state(&database_in(&directory)) == before);
}
