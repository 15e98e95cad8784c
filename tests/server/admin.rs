//! Checking, backing up and restoring a database, by the program itself.

use std::collections::HashSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::database;
use crate::helpers::{PASSWORD, within};
use crate::program::{Process, command, scratch, serve};

/// What a command that ended has said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program in `directory`, on `chinwag.db` unless told otherwise.
pub(crate) fn run(directory: &TempDir, arguments: &[&str]) -> Said {
    let output = command(directory.path(), arguments).stdin(Stdio::null()).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    Said { code: output.status.code(), stdout, stderr }
}

#[track_caller]
pub(crate) fn assert_done(said: &Said, expected: &str) {
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{}", said.stdout);
    assert!(said.stdout.contains(expected), "{}", said.stdout);
}

/// The command has found fault with a database, on stdout.
#[track_caller]
fn assert_unsound(said: &Said, expected: &str) {
    assert_eq!((said.code, said.stderr.as_str()), (Some(1), ""), "{}", said.stdout);
    assert!(said.stdout.contains(expected), "{}", said.stdout);
    assert!(said.stdout.contains("chinwag.db is not sound"), "{}", said.stdout);
}

/// The command could not do what it was asked, and says why on stderr.
#[track_caller]
pub(crate) fn assert_refused(said: &Said, expected: &str) {
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{}", said.stderr);
    assert!(said.stderr.starts_with("chinwag: ") && said.stderr.contains(expected), "{}", said.stderr);
}

pub(crate) fn database_in(directory: &TempDir) -> PathBuf {
    directory.path().join("chinwag.db")
}

/// A database with Ada and Bob, a group of Ada's, and the messages `1` to `100` from her to Bob; no server runs on it.
pub(crate) async fn stopped() -> TempDir {
    let directory = scratch();
    let process = Process::start(directory.path());
    process.register("bob").await;
    let mut ada = process.register("ada").await;
    ada.create_group("tea").await.unwrap();
    for n in 1..=100 {
        ada.whisper("bob", &n.to_string()).await.unwrap();
    }
    process.stop().await;
    directory
}

/// Runs statements against the stopped database, as who repairs or spoils it by hand would.
pub(crate) async fn meddle(directory: &TempDir, sql: &'static str) {
    use sqlx::Connection;
    database::meddle(&database_in(directory), sql).await.close().await.unwrap();
}

/// What is in a file, and when it was last written to.
pub(crate) fn state(path: &Path) -> (Vec<u8>, std::time::SystemTime) {
    (std::fs::read(path).unwrap(), path.metadata().unwrap().modified().unwrap())
}

/// Spoils the heads of all pages but the first four.
fn flip_bytes(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    for page in bytes.chunks_mut(4096).skip(4) {
        page[..64].iter_mut().for_each(|byte| *byte ^= 0xff);
    }
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_sound_database_is_said_to_be_so() {
    let directory = stopped().await;

    let said = run(&directory, &["check"]);

    assert_done(&said, "chinwag.db is sound: schema version 6, users 2, groups 1, messages 100\n");
    let by_url = run(&directory, &["check", "--database-url", "sqlite://./chinwag.db"]);
    assert_eq!(by_url.stdout, said.stdout);
}

#[tokio::test]
async fn an_index_that_is_wrong_is_found_and_made_anew_as_the_check_says() {
    let directory = stopped().await;
    meddle(&directory, "delete from postings where first_id = (select min(first_id) from postings)").await;

    assert_unsound(
        &run(&directory, &["check"]),
        "the index of conversations lacks 50 messages and has 0 that are not in",
    );
    meddle(&directory, "update postings set first_id = first_id + 1").await;
    assert_unsound(
        &run(&directory, &["check"]),
        "the index of conversations lacks 51 messages and has 1 that are not in",
    );
    meddle(&directory, "delete from postings; delete from nonces; delete from segments").await;
    assert_done(&run(&directory, &["check"]), "messages 100\n");
    Process::start(directory.path()).stop().await;
    assert_eq!(database::number(&database_in(&directory), "select max(upto_id) from segments").await, 100);
    assert_done(&run(&directory, &["check"]), "messages 100\n");
}

#[tokio::test]
async fn a_check_leaves_a_live_database_untouched() {
    let directory = scratch();
    let process = Process::start(directory.path());
    let mut ada = process.register("ada").await;
    ada.whisper("ada", "in the WAL").await.unwrap();
    let files = ["chinwag.db", "chinwag.db-wal"].map(|name| directory.path().join(name));
    let before = files.each_ref().map(|path| state(path));

    let said = run(&directory, &["check"]);

    assert_done(&said, "users 1, groups 0, messages 1\n");
    assert!(files.each_ref().map(|path| state(path)) == before);
    ada.whisper("ada", "undisturbed").await.unwrap();
    process.stop().await;
}

#[tokio::test]
async fn a_check_reads_what_a_killed_server_has_left_in_its_wal_and_leaves_it_there() {
    let directory = scratch();
    let process = Process::start(directory.path());
    process.register("ada").await.whisper("ada", "in the WAL").await.unwrap();
    process.kill().await;
    let files = ["chinwag.db", "chinwag.db-wal"].map(|name| directory.path().join(name));
    let before = files.each_ref().map(|path| state(path));

    assert_done(&run(&directory, &["check"]), "messages 1\n");
    assert!(files.each_ref().map(|path| state(path)) == before);
}

#[tokio::test]
async fn flipped_bytes_are_found() {
    let directory = stopped().await;
    flip_bytes(&database_in(&directory));

    let said = run(&directory, &["check"]);

    assert_unsound(&said, "wrong: the file is damaged (");
    assert!(said.stdout.contains("restore a backup"), "{}", said.stdout);
}

#[tokio::test]
async fn a_truncated_file_is_found() {
    let directory = stopped().await;
    let file = std::fs::File::options().write(true).open(database_in(&directory)).unwrap();
    for length in [file.metadata().unwrap().len() / 2, 4096, 1000] {
        file.set_len(length).unwrap();

        assert_eq!(run(&directory, &["check"]).code, Some(1), "{length}");
    }
}

#[tokio::test]
async fn what_was_written_by_other_hands_is_found() {
    let directory = stopped().await;
    let sound = std::fs::read(database_in(&directory)).unwrap();
    for (sql, expected) in [
        ("delete from messages where message_id in (17, 18, 90)", "3 messages are missing between 17 and 100"),
        (
            "update delivery_marks set message_id = 101 where user_id = 1",
            "1 users have a mark beyond the newest message, 100",
        ),
        ("update group_members set joined_id = 2000", "1 memberships begin or end beyond the newest message, 100"),
        ("pragma foreign_keys = off; delete from users where user_id = 1", "100 rows of messages refer to users"),
        ("delete from whisper_pairs", "1 pairs of users are missing from whisper_pairs"),
        ("delete from meta", "the table meta has no row"),
        ("update _sqlx_migrations set checksum = x'00'", "migration 1 was run in another form"),
        ("delete from _sqlx_migrations", "the record of its migrations does not"),
        ("drop table _sqlx_migrations", "the record of its migrations does not"),
    ] {
        std::fs::write(database_in(&directory), &sound).unwrap();
        meddle(&directory, sql).await;

        assert_unsound(&run(&directory, &["check"]), expected);
    }
}

#[tokio::test]
async fn messages_that_were_deleted_up_to_the_head_that_is_kept_are_no_gap() {
    let directory = stopped().await;
    meddle(&directory, "delete from messages where message_id <= 40; update meta set head = 50; delete from postings; delete from segments").await;

    assert_done(&run(&directory, &["check"]), "messages 60\n");
}

#[tokio::test]
async fn files_that_others_may_open_are_found() {
    let directory = stopped().await;
    std::fs::set_permissions(database_in(&directory), PermissionsExt::from_mode(0o644)).unwrap();

    assert_unsound(&run(&directory, &["check"]), "chinwag.db (mode 644): chmod 600 it");
}

#[tokio::test]
async fn what_is_not_a_database_of_this_version_is_not_checked() {
    let directory = stopped().await;
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("text.db"), "not a database at all, and longer than a header\n".repeat(100)).unwrap();
    std::fs::write(path("empty.db"), "").unwrap();
    std::fs::copy(path("chinwag.db"), path("newer.db")).unwrap();
    drop(database::meddle(&path("newer.db"), "pragma user_version = 999").await);

    for (name, expected) in [
        ("missing.db", "there is no database missing.db"),
        ("text.db", "is not a chinwag database"),
        ("empty.db", "is empty"),
        ("newer.db", "has schema version 999, and this chinwag knows versions up to 6"),
    ] {
        let said = run(&directory, &["check", "--database-url", &format!("sqlite://{name}")]);
        assert_refused(&said, expected);
    }
    assert!(!path("missing.db").exists());
    assert_eq!(run(&directory, &["check", "--fast"]).code, Some(2));
}

#[tokio::test]
async fn a_wal_that_is_another_databases_is_found() {
    let directory = stopped().await;
    drop(database::meddle(&database_in(&directory), "pragma journal_mode = delete").await);
    std::fs::write(directory.path().join("chinwag.db-wal"), "left over").unwrap();

    assert_refused(&run(&directory, &["check"]), "chinwag.db-wal is not of the");
}

/// Registers, then whispers to oneself until it `is_over`; notes what was acknowledged.
async fn work(process: &Process, name: &str, is_over: &AtomicBool, acknowledged: &Mutex<Vec<String>>) {
    let mut client = process.register(name).await;
    for n in 0.. {
        let content = format!("{name} {n}");
        client.whisper(name, &content).await.unwrap();
        acknowledged.lock().unwrap().push(content);
        if is_over.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Backs up to `backup.db` while four clients write; returns what was acknowledged before the backup began.
async fn back_up_under_load(directory: &TempDir, process: &Process) -> Vec<String> {
    let (is_over, acknowledged) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let writing = async {
        let workers = ["ada", "bob", "eve", "mallory"].map(|name| work(process, name, &is_over, &acknowledged));
        let [ada, bob, eve, mallory] = workers;
        tokio::join!(ada, bob, eve, mallory);
    };
    let backing_up = async {
        while acknowledged.lock().unwrap().len() < 400 {
            tokio::task::yield_now().await;
        }
        let before = acknowledged.lock().unwrap().clone();
        let mut command = command(directory.path(), &["backup", "backup.db"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        is_over.store(true, Ordering::Relaxed);
        assert!(output.status.success(), "{output:?}");
        before
    };
    let ((), before) = within("a backup under load", async { tokio::join!(writing, backing_up) }).await;
    assert!(acknowledged.lock().unwrap().len() > before.len(), "nobody wrote during the backup");
    before
}

async fn assert_has(database: &Path, contents: &[String]) {
    let stored: HashSet<String> = database::texts(database, "select content from messages").await.into_iter().collect();
    let lost: Vec<_> = contents.iter().filter(|content| !stored.contains(*content)).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), contents.len());
}

#[tokio::test]
async fn a_backup_under_load_has_all_that_was_acknowledged_before_and_is_one_private_file() {
    let directory = scratch();
    let process = Process::start(directory.path());

    let before = back_up_under_load(&directory, &process).await;

    let backup = directory.path().join("backup.db");
    assert_has(&backup, &before).await;
    assert_eq!(backup.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_done(&run(&directory, &["check", "--database-url", "sqlite://backup.db"]), "backup.db is sound");
    for beside in ["backup.db.partial", "backup.db-wal", "backup.db-shm"] {
        assert!(!directory.path().join(beside).exists(), "{beside}");
    }
    process.stop().await;
}

#[tokio::test]
async fn a_backup_says_what_is_in_it() {
    let directory = stopped().await;

    let said = run(&directory, &["backup", "backup.db"]);

    let size = directory.path().join("backup.db").metadata().unwrap().len();
    assert_done(&said, &format!("/backup.db: users 2, groups 1, messages 100, {size} bytes\n"));
}

#[tokio::test]
async fn a_backup_has_what_a_killed_server_has_left_in_its_wal() {
    let directory = scratch();
    let process = Process::start(directory.path());
    process.register("ada").await.whisper("ada", "in the WAL").await.unwrap();
    process.kill().await;

    assert_done(&run(&directory, &["backup", "backup.db"]), "messages 1, ");
    assert_has(&directory.path().join("backup.db"), &["in the WAL".to_owned()]).await;
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_makes_none_of_what_is_not_a_database() {
    let directory = stopped().await;
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("mine.txt"), "mine").unwrap();
    std::fs::write(path("other.db.partial"), "another's").unwrap();
    symlink("nowhere", path("link.db")).unwrap();

    for (arguments, expected) in [
        (&["backup", "mine.txt"][..], "mine.txt is there already"),
        (&["backup", "link.db"], "link.db is there already"),
        (&["backup", "chinwag.db"], "chinwag.db is there already"),
        (&["backup", "other.db"], "other.db.partial is there"),
        (&["backup", "missing/backup.db"], "check that its directory exists"),
        (&["backup", "new.db", "--database-url", "sqlite://missing.db"], "there is no database missing.db"),
        (&["backup", "new.db", "--database-url", "sqlite://mine.txt"], "is not a chinwag database"),
    ] {
        assert_refused(&run(&directory, arguments), expected);
    }
    assert_eq!(std::fs::read(path("mine.txt")).unwrap(), b"mine");
    assert_eq!(std::fs::read(path("other.db.partial")).unwrap(), b"another's");
    assert!(!path("new.db").exists() && !path("new.db.partial").exists());
    assert_eq!(run(&directory, &["backup"]).code, Some(2));
}

#[tokio::test]
async fn no_backup_is_made_of_a_damaged_database() {
    let directory = stopped().await;
    flip_bytes(&database_in(&directory));

    assert_refused(&run(&directory, &["backup", "backup.db"]), "`chinwag check` says whether it is damaged");
    assert!(!directory.path().join("backup.db").exists());
    assert!(!directory.path().join("backup.db.partial").exists());
}

/// A server on the database of `url`.
fn serve_on(directory: &TempDir, url: &str) -> Process {
    Process::spawn(serve(directory.path(), &["--database-url", url]), directory.path())
}

#[tokio::test]
async fn a_backup_taken_under_load_is_restored_with_all_that_was_acknowledged_and_serves_logins() {
    let directory = scratch();
    let process = Process::start(directory.path());
    let before = back_up_under_load(&directory, &process).await;
    process.stop().await;

    let restored = ["--database-url", "sqlite://restored.db"];
    let said = run(&directory, &[&["restore", "backup.db"], &restored[..]].concat());

    assert_done(&said, "/restored.db from backup.db: users 4, groups 0, messages ");
    assert_done(&run(&directory, &[&["check"], &restored[..]].concat()), "restored.db is sound");
    assert_has(&directory.path().join("restored.db"), &before).await;
    let mode = directory.path().join("restored.db").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let process = serve_on(&directory, "sqlite://restored.db");
    for name in ["ada", "bob", "eve", "mallory"] {
        let mut client = process.connect().await;
        client.log_in(name, PASSWORD).await.unwrap();
        client.whisper(name, "after the restore").await.unwrap();
    }
    process.stop().await;
    assert_done(&run(&directory, &[&["check"], &restored[..]].concat()), "restored.db is sound");
}

#[tokio::test]
async fn a_restore_keeps_the_former_database_whole_and_none_of_its_wal_reaches_the_restored_one() {
    let directory = stopped().await;
    assert_done(&run(&directory, &["backup", "backup.db"]), "messages 100, ");
    let process = Process::start(directory.path());
    process.register("eve").await.whisper("eve", "in the WAL").await.unwrap();
    process.kill().await;
    let path = |name: &str| directory.path().join(name);
    let former = ["chinwag.db", "chinwag.db-wal"].map(|name| state(&path(name)));
    let backup = state(&path("backup.db"));

    let said = run(&directory, &["restore", "backup.db"]);

    assert_done(&said, "chinwag.db from backup.db: users 2, groups 1, messages 100\n");
    assert_done(&said, "/chinwag.db.before-restore-1\n");
    assert!(
        ["chinwag.db.before-restore-1", "chinwag.db.before-restore-1-wal"].map(|name| state(&path(name))) == former
    );
    for stale in ["chinwag.db-wal", "chinwag.db-shm", "chinwag.db.restoring"] {
        assert!(!path(stale).exists(), "{stale}");
    }
    assert_done(&run(&directory, &["check"]), "users 2, groups 1, messages 100\n");
    assert!(state(&path("backup.db")) == backup);
    let former = "sqlite://chinwag.db.before-restore-1";
    assert_done(&run(&directory, &["check", "--database-url", former]), "users 3, groups 1, messages 101\n");
    assert_done(&run(&directory, &["restore", "backup.db"]), "/chinwag.db.before-restore-2\n");
}

#[tokio::test]
async fn a_restored_database_is_another_than_the_one_that_was_backed_up() {
    let directory = stopped().await;
    assert_done(&run(&directory, &["backup", "backup.db"]), "");
    for name in ["once.db", "twice.db"] {
        assert_done(&run(&directory, &["restore", "backup.db", "--database-url", &format!("sqlite://{name}")]), name);
    }

    let mut epochs = HashSet::new();
    for name in ["chinwag.db", "once.db", "twice.db"] {
        epochs.extend(database::texts(&directory.path().join(name), "select hex(epoch) from meta").await);
    }
    let backed_up = database::texts(&directory.path().join("backup.db"), "select hex(epoch) from meta").await;

    assert_eq!(epochs.len(), 3);
    assert!(epochs.contains(&backed_up[0]));
}

#[tokio::test]
async fn a_damaged_or_newer_database_can_be_replaced() {
    let directory = stopped().await;
    assert_done(&run(&directory, &["backup", "backup.db"]), "");
    flip_bytes(&database_in(&directory));
    assert_done(&run(&directory, &["restore", "backup.db"]), "/chinwag.db.before-restore-1\n");
    std::fs::File::options().write(true).open(database_in(&directory)).unwrap().set_len(5000).unwrap();
    assert_done(&run(&directory, &["restore", "backup.db"]), "/chinwag.db.before-restore-2\n");
    meddle(&directory, "pragma user_version = 999").await;
    assert_done(&run(&directory, &["restore", "backup.db"]), "/chinwag.db.before-restore-3\n");

    assert_done(&run(&directory, &["check"]), "messages 100\n");
}

#[tokio::test]
async fn a_restore_never_touches_a_live_database_or_an_unrelated_file() {
    let directory = stopped().await;
    let path = |name: &str| directory.path().join(name);
    assert_done(&run(&directory, &["backup", "backup.db"]), "");
    std::fs::write(path("text.db"), "mine\n".repeat(1000)).unwrap();
    std::fs::write(path("foreign.db"), "").unwrap();
    drop(database::meddle(&path("foreign.db"), "create table notes (note text) strict").await);
    std::fs::write(path("new.db-journal"), "an unfinished change").unwrap();
    symlink("nowhere", path("link.db")).unwrap();
    let process = Process::start(directory.path());
    let before = ["chinwag.db", "text.db", "foreign.db"].map(|name| state(&path(name)));

    for (name, expected) in [
        ("chinwag.db", "another chinwag is running on"),
        ("text.db", "is not a chinwag database or too damaged to tell"),
        ("foreign.db", "is not a chinwag database or too damaged to tell"),
        ("backup.db", "is the database itself"),
        ("new.db", "new.db-journal holds an unfinished change"),
        ("link.db", "cannot open link.db"),
        ("missing/new.db", "cannot open missing/new.db"),
    ] {
        let said = run(&directory, &["restore", "backup.db", "--database-url", &format!("sqlite://{name}")]);
        assert_refused(&said, expected);
    }

    assert!(["chinwag.db", "text.db", "foreign.db"].map(|name| state(&path(name))) == before);
    process.stop().await;
}

#[tokio::test]
async fn what_is_not_a_sound_backup_is_not_restored() {
    let directory = stopped().await;
    let path = |name: &str| directory.path().join(name);
    for name in ["flipped.db", "truncated.db", "newer.db", "gaps.db"] {
        assert_done(&run(&directory, &["backup", name]), "");
    }
    flip_bytes(&path("flipped.db"));
    std::fs::File::options().write(true).open(path("truncated.db")).unwrap().set_len(20_000).unwrap();
    drop(database::meddle(&path("newer.db"), "pragma user_version = 999").await);
    drop(database::meddle(&path("gaps.db"), "delete from messages where message_id = 5").await);
    std::fs::write(path("text.db"), "mine\n".repeat(1000)).unwrap();
    let before = state(&database_in(&directory));

    for (name, expected) in [
        ("flipped.db", "is not sound, so nothing was restored"),
        ("truncated.db", "is not sound, so nothing was restored"),
        ("newer.db", "has schema version 999"),
        ("gaps.db", "1 messages are missing between 5 and 100"),
        ("text.db", "is not a chinwag database"),
        ("missing.db", "there is no database missing.db"),
    ] {
        assert_refused(&run(&directory, &["restore", name]), expected);
    }

    assert!(state(&database_in(&directory)) == before);
    assert!(!path("chinwag.db.before-restore-1").exists() && !path("chinwag.db.restoring").exists());
    assert_eq!(run(&directory, &["restore"]).code, Some(2));
}
