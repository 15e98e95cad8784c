//! How soon a server serves, and what it says of a database that was left unclean.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chinwag::client::Client;
use rustix::process::Signal;
use sqlx::Connection;
use tempfile::TempDir;

use crate::database;
use crate::helpers::PASSWORD;
use crate::program::{Process, scratch, serve_with_long_segments};

/// From starting the program to the answer to a login.
const PROMISED: Duration = Duration::from_secs(2);

/// What every word on checking after an unclean end has in it.
const UNCLEAN: &str = "unclean";

fn database_in(directory: &TempDir) -> PathBuf {
    directory.path().join("chinwag.db")
}

/// Units: bytes in the WAL, 0 when there is none.
fn wal_length(directory: &TempDir) -> u64 {
    directory.path().join("chinwag.db-wal").metadata().map_or(0, |metadata| metadata.len())
}

/// A database in which Ada and Bob have received a million messages, whispers to Bob and what was said in a group of Ada's; no
/// server runs on it.
async fn million_messages() -> TempDir {
    let directory = scratch();
    let process = Process::start(directory.path());
    process.register("bob").await;
    process.register("ada").await.create_group("tea").await.unwrap();
    process.stop().await;
    let say = "pragma foreign_keys = off;
        with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 1000000)
        insert into messages (message_id, kind, sender_id, recipient_id, group_id, sent_at_ms, content)
        select n, 1 + n % 2, 2, iif(n % 2 = 0, 1, null), iif(n % 2 = 1, 1, null), n, 'message ' || n from numbers;
        insert into whisper_pairs values (1, 2);
        insert or replace into delivery_marks select user_id, 1000000 from users";
    database::meddle(&database_in(&directory), say).await.close().await.unwrap();
    // Indexes what the statement wrote, as a server does while it receives messages.
    start_process(&directory).stop().await;
    directory
}

fn start_process(directory: &TempDir) -> Process {
    Process::spawn(serve_with_long_segments(directory.path()), directory.path())
}

/// A server, and Ada, who is logged in.
async fn start(directory: &TempDir) -> (Process, Client) {
    let process = start_process(directory);
    let mut ada = process.connect().await;
    ada.log_in("ada", PASSWORD).await.unwrap();
    (process, ada)
}

/// Like [`start`], and it may not take longer than is promised.
async fn start_in_time(directory: &TempDir) -> (Process, Client) {
    let started = Instant::now();
    let (process, ada) = start(directory).await;
    let took = started.elapsed();
    assert!(took < PROMISED, "{took:?}: {}", process.logged());
    (process, ada)
}

/// Leaves a message in the WAL.
async fn whisper_and_kill(process: Process, mut ada: Client) {
    ada.whisper("ada", "in the WAL").await.unwrap();
    process.kill().await;
}

/// Flips the head of a page, which no server may have open.
fn spoil_page(path: &Path, page: i64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let offset = (u64::try_from(page).unwrap() - 1) * 4096;
    let mut head = [0; 64];
    file.read_exact_at(&mut head, offset).unwrap();
    file.write_all_at(&head.map(|byte| byte ^ 0xff), offset).unwrap();
}

#[tokio::test]
async fn a_million_messages_are_served_within_two_seconds_also_after_a_kill_and_then_checked_meanwhile() {
    let directory = million_messages().await;

    let (process, ada) = start_in_time(&directory).await;
    whisper_and_kill(process, ada).await;
    assert!(wal_length(&directory) > 0);
    let (process, mut ada) = start_in_time(&directory).await;

    process.has_logged("checked the database after an unclean end: it is sound").await;
    ada.whisper("ada", "after the check").await.unwrap();
    process.stop().await;
}

#[tokio::test]
async fn a_check_of_a_million_messages_does_not_keep_the_server_from_ending_in_order() {
    let directory = million_messages().await;
    let (process, ada) = start(&directory).await;
    whisper_and_kill(process, ada).await;
    let mut process = start_process(&directory);
    process.has_logged("checking the database").await;

    let told = Instant::now();
    process.signal(Signal::TERM);
    let status = process.ended().await;

    assert_eq!(status.code(), Some(0), "{}", process.logged());
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    assert!(process.logged().contains("the check after an unclean end was cut short"), "{}", process.logged());
    assert_eq!(wal_length(&directory), 0);
}

#[tokio::test]
async fn a_damaged_database_is_served_after_an_unclean_end_and_the_log_says_what_is_wrong_and_what_to_do() {
    let directory = scratch();
    let process = Process::start(directory.path());
    process.register("ada").await;
    process.stop().await;
    let root = "select rootpage from sqlite_schema where name = 'sqlite_autoindex_groups_1'";
    let page = database::number(&database_in(&directory), root).await;
    let (process, ada) = start(&directory).await;
    whisper_and_kill(process, ada).await;
    spoil_page(&database_in(&directory), page);

    let (process, mut ada) = start(&directory).await;

    process.has_logged("checked the database after an unclean end: the file is damaged (").await;
    let logged = process.logged();
    assert!(logged.contains(&format!("page {page}")) && logged.contains("restore a backup"), "{logged}");
    ada.whisper("ada", "still here").await.unwrap();
    process.stop().await;
}

#[tokio::test]
async fn after_an_end_in_order_nothing_is_checked() {
    let directory = scratch();
    for _ in 0..2 {
        let process = Process::start(directory.path());
        process.connect().await.register("ada", PASSWORD).await.ok();
        process.stop().await;

        let logged = std::fs::read_to_string(directory.path().join("stderr")).unwrap();
        assert!(logged.contains("stopped") && !logged.contains(UNCLEAN), "{logged}");
    }
}
