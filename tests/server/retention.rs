//! Messages that are kept for a certain time: which ones go, who is told, and that nobody is held up.

use std::path::Path;
use std::time::{Duration, Instant};

use chinwag::config::{Keep, Retention};
use chinwag::domain::GroupName;
use chinwag::protocol::Update;

use sqlx::Connection;

use crate::database;
use crate::helpers::{PASSWORD, TestClient, TestServer, stamp, with_nonce, within};
use crate::program::{Process, scratch, serve};

/// Units: as `Clock::advance` takes them.
fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

fn retention(general: Keep, groups: &[(&str, Keep)]) -> Retention {
    let groups = groups.iter().map(|&(name, keep)| (GroupName::parse(name).unwrap(), keep));
    Retention { general, groups: groups.collect() }
}

async fn start(general: Keep, groups: &[(&str, Keep)]) -> TestServer {
    TestServer::start_with(|config| config.retention = retention(general, groups)).await
}

async fn contents(database: &Path) -> Vec<String> {
    database::texts(database, "select content from messages order by message_id").await
}

/// Waits until these are all messages that are left, as deleting begins when a server has started.
async fn are_left(database: &Path, expected: &[&str]) {
    let left = async {
        while contents(database).await != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(&format!("only {expected:?} to be left"), left).await;
}

/// Lets time pass, and the server delete what is too old by then.
async fn pass(server: TestServer, time: Duration, left: &[&str]) -> TestServer {
    server.clock.advance(time);
    let server = server.restart().await;
    are_left(&server.database(), left).await;
    server
}

/// What a new connection of version 2 receives.
async fn synced(server: &TestServer, name: &str, after: Option<&str>) -> Vec<Update> {
    let mut client = server.hello().await;
    client.log_in(name).await;
    client.sync(after).await.unwrap();
    client.updates_until_synced().await
}

/// The ids that gaps and messages have.
fn ids(updates: &[Update]) -> Vec<&str> {
    updates.iter().map(id).collect()
}

fn id(update: &Update) -> &str {
    match update {
        Update::Gap { id } => id,
        message => &stamp(message).id,
    }
}

fn is_gap(update: &Update) -> bool {
    matches!(update, Update::Gap { .. })
}

async fn whisper(client: &mut TestClient, to: &str, content: &str) -> String {
    client.accepted(&client.whisper_request(to, content)).await
}

async fn message_group(client: &mut TestClient, group: &str, content: &str) -> String {
    client.accepted(&client.message_group_request(group, content)).await
}

#[tokio::test]
async fn what_is_older_is_deleted_and_is_no_longer_owed_and_what_is_younger_stays() {
    let server = start(Keep::Days(30), &[]).await;
    let mut ada = server.register("ada").await;
    server.register("bob").await.close().await;
    ada.create_group("tea").await.unwrap();
    ada.whisper("bob", "an old whisper").await;
    ada.message_group("tea", "an old group message").await;
    server.clock.advance(days(29));
    ada.whisper("bob", "young").await;

    let server = pass(server, days(1), &["an old whisper", "an old group message", "young"]).await;
    let server = pass(server, Duration::from_millis(1), &["young"]).await;

    assert_eq!(server.log_in("bob").await.contents_so_far().await, ["young"]);
}

#[tokio::test]
async fn without_a_retention_everything_is_kept() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    ada.whisper("ada", "old").await;
    server.clock.advance(days(36_500));

    let server = server.restart().await;
    server.log_in("ada").await.whisper("ada", "new").await;

    assert_eq!(contents(&server.database()).await, ["old", "new"]);
}

#[tokio::test]
async fn groups_may_keep_for_longer_or_shorter_or_for_ever_by_any_form_of_their_names() {
    let rules = [("TEA ", Keep::Days(1)), ("archive", Keep::Forever), ("club", Keep::Days(60))];
    let server = start(Keep::Days(30), &rules).await;
    let mut ada = server.register("ada").await;
    // Created after the server has started, when the rules named nobody.
    for group in ["tea", "Archive", "Club", "other"] {
        ada.create_group(group).await.unwrap();
        ada.message_group(group, group).await;
    }
    ada.whisper("ada", "note").await;

    let server = pass(server, days(2), &["Archive", "Club", "other", "note"]).await;
    let server = pass(server, days(30), &["Archive", "Club"]).await;
    let server = pass(server, days(30), &["Archive"]).await;

    assert_eq!(database::number(&server.database(), "select count(*) from groups").await, 4);
}

#[tokio::test]
async fn groups_may_have_rules_where_everything_else_is_kept() {
    let server = start(Keep::Forever, &[("tea", Keep::Days(1))]).await;
    let mut ada = server.register("ada").await;
    ada.create_group("tea").await.unwrap();
    ada.whisper("ada", "kept").await;
    ada.message_group("tea", "not kept").await;

    pass(server, days(2), &["kept"]).await;
}

#[tokio::test]
async fn a_gap_is_told_to_those_who_missed_something_and_nothing_comes_twice() {
    let server = start(Keep::Days(30), &[("tea", Keep::Days(1)), ("attic", Keep::Forever)]).await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    let mut eve = server.register_2("eve").await;
    for group in ["tea", "attic"] {
        ada.create_group(group).await.unwrap();
        bob.join_group(group).await.unwrap();
    }
    let before = message_group(&mut ada, "attic", "before").await;
    let to_bob = whisper(&mut ada, "bob", "to Bob").await;
    let tea = message_group(&mut ada, "tea", "tea").await;
    let note = whisper(&mut eve, "eve", "note").await;
    eve.join_group("tea").await.unwrap();
    let attic = message_group(&mut ada, "attic", "attic").await;

    let server = pass(server, days(2), &["before", "to Bob", "note", "attic"]).await;

    let missed = synced(&server, "bob", Some(&before)).await;
    assert!(is_gap(&missed[0]) && !missed[1..].iter().any(is_gap), "{missed:?}");
    assert_eq!(ids(&missed), [&to_bob, &to_bob, &attic]);
    let missed = synced(&server, "bob", Some(&to_bob)).await;
    assert!(is_gap(&missed[0]), "{missed:?}");
    assert_eq!(ids(&missed), [&attic, &attic]);
    assert_eq!(ids(&synced(&server, "bob", Some(&tea)).await), [&attic]);
    assert_eq!(ids(&synced(&server, "bob", None).await), [&before, &to_bob, &attic]);
    // She has joined when it had been said already.
    assert_eq!(ids(&synced(&server, "eve", Some(&before)).await), [&note]);

    let server = pass(server, days(30), &["before", "attic"]).await;

    assert_eq!(synced(&server, "bob", Some(&attic)).await, []);
    assert_eq!(synced(&server, "eve", Some(&note)).await, []);
    let missed = synced(&server, "eve", Some(&tea)).await;
    assert!(is_gap(&missed[0]), "{missed:?}");
    // Nothing of hers is left, so it has the id of the newest.
    assert_eq!(ids(&missed), [&attic]);
    let missed = synced(&server, "ada", Some(&before)).await;
    assert!(is_gap(&missed[0]), "{missed:?}");
    assert_eq!(ids(&missed), [&attic, &attic]);
}

#[tokio::test]
async fn what_was_deleted_after_a_user_had_left_is_no_gap_to_who_has_seen_everything_before() {
    let server = start(Keep::Days(1), &[]).await;
    let mut ada = server.register_2("ada").await;
    server.register_2("bob").await;
    ada.create_group("tea").await.unwrap();
    let with_bob = message_group(&mut ada, "tea", "with Bob").await;
    message_group(&mut ada, "tea", "without Bob").await;
    let stopped = server.stop().await;
    let membership =
        "insert into group_members (group_id, user_id, joined_id, left_id, joined_at_ms) values (1, 2, 0, 1, 0)";
    database::meddle(&stopped.database(), membership).await;

    let server = pass(stopped.start().await, days(2), &[]).await;

    assert_eq!(synced(&server, "bob", Some(&with_bob)).await, []);
    let (epoch, _) = with_bob.split_once('-').unwrap();
    assert!(is_gap(&synced(&server, "bob", Some(&format!("{epoch}-0"))).await[0]));
}

#[tokio::test]
async fn a_slow_reader_is_told_of_what_was_deleted_before_it_could_come() {
    const MESSAGES: usize = 1000;
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let first = whisper(&mut ada, "ada", "first").await;
    let request = ada.whisper_request("ada", "x".repeat(16_000));
    for n in 0..MESSAGES {
        ada.send(&request).await;
        if n % 50 == 49 {
            for _ in 0..50 {
                ada.next_response().await;
            }
        }
    }
    let mut slow = server.connect_with_small_buffer().await;
    slow.hello().await;
    slow.log_in("ada").await;
    slow.sync(Some(&first)).await.unwrap();
    slow.next_update().await;

    let deleted = "begin immediate; delete from messages where message_id between 900 and 990;
        insert into pruned_whispers values (1, 990); commit";
    database::meddle(&server.database(), deleted).await;

    let updates = slow.updates_until_synced().await;
    let gaps: Vec<usize> = (0..updates.len()).filter(|&place| is_gap(&updates[place])).collect();
    assert_eq!((gaps.len(), updates.len()), (1, 1 + MESSAGES - 1 - 91));
    assert!(gaps[0] > 0 && ids(&updates)[gaps[0]] == ids(&updates)[gaps[0] + 1], "{gaps:?}");
}

#[tokio::test]
async fn ids_are_not_given_out_again_when_everything_was_deleted() {
    let server = start(Keep::Days(30), &[]).await;
    let mut ada = server.register_2("ada").await;
    for n in 1..=3 {
        whisper(&mut ada, "ada", &n.to_string()).await;
    }

    let server = pass(server, days(31), &[]).await.restart().await.restart().await;
    let mut ada = server.hello().await;
    ada.log_in("ada").await;
    let id = whisper(&mut ada, "ada", "4").await;

    assert_eq!(id.split_once('-').unwrap().1, "4");
}

#[tokio::test]
async fn a_nonce_is_free_again_when_its_message_is_deleted() {
    let server = start(Keep::Days(30), &[]).await;
    let mut ada = server.register_2("ada").await;
    let first = ada.accepted(&with_nonce(ada.whisper_request("ada", "one"), "n")).await;
    let conflict = ada.ask(&with_nonce(ada.whisper_request("ada", "other"), "n")).await;
    assert!(conflict.is_err(), "{conflict:?}");

    let server = pass(server, days(31), &[]).await;
    let mut ada = server.hello().await;
    ada.log_in("ada").await;
    let again = ada.accepted(&with_nonce(ada.whisper_request("ada", "other"), "n")).await;

    assert_ne!(again, first);
}

/// Writes 20,000 old whispers from Ada to Bob into a database that no server runs on.
async fn age(database: &Path) {
    let say = "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 20000)
        insert into messages (kind, sender_id, recipient_id, sent_at_ms, content, nonce)
        select 1, 1, 2, 1, 'old ' || n || printf('%.*c', n % 500, 'x'), n from numbers;
        insert into whisper_pairs values (1, 2)";
    database::meddle(database, say).await.close().await.unwrap();
}

/// Leaves a new database of Ada and Bob in the directory, with the same whispers.
async fn age_new(directory: &Path) {
    let process = Process::start(directory);
    process.register("ada").await;
    process.register("bob").await;
    process.stop().await;
    age(&directory.join("chinwag.db")).await;
}

const OLD: &str = "select count(*) from messages where sent_at_ms = 1";

#[tokio::test]
async fn nobody_is_held_up_while_20_000_messages_are_deleted() {
    let server = start(Keep::Days(30), &[]).await;
    server.register("ada").await;
    server.register("bob").await;
    let stopped = server.stop().await;
    age(&stopped.database()).await;
    let server = stopped.start().await;
    let mut ada = server.log_in("ada").await;

    let mut waits = Vec::new();
    while database::number(&server.database(), OLD).await > 0 {
        let began = Instant::now();
        ada.whisper("bob", "meanwhile").await;
        waits.push(began.elapsed());
    }

    waits.sort_unstable();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    eprintln!("{} sends while deleting: median {median:?}, longest {longest:?}", waits.len());
    assert!(waits.len() >= 20 && longest < Duration::from_secs(1), "{} sends, longest {longest:?}", waits.len());
    let kept = database::number(&server.database(), "select count(*) from messages").await;
    assert_eq!(kept, i64::try_from(waits.len()).unwrap());
}

#[tokio::test]
async fn a_server_that_is_killed_while_it_deletes_goes_on_where_it_was_and_gives_no_id_twice() {
    let directory = scratch();
    let database = directory.path().join("chinwag.db");
    age_new(directory.path()).await;

    let (mut kills, mut left) = (0, 20_000);
    while left > 0 {
        let process = Process::spawn(serve(directory.path(), &["--retention", "30"]), directory.path());
        let some_are_deleted = async {
            let before = left;
            while left > 0 && left > before - 3000 {
                left = database::number(&database, OLD).await;
            }
        };
        within("messages to be deleted", some_are_deleted).await;
        process.kill().await;
        kills += 1;
        assert!(chinwag::admin::check(&format!("sqlite://{}", database.display())).await.unwrap());
    }
    assert!(kills > 3, "{kills} kills");
    let process = Process::start(directory.path());
    let mut ada = process.connect().await;
    ada.log_in("ada", PASSWORD).await.unwrap();
    ada.whisper("ada", "new").await.unwrap();
    process.stop().await;

    assert_eq!(database::number(&database, "select message_id from messages").await, 20_001);
}

#[tokio::test]
async fn a_server_that_deletes_ends_in_order_between_two_batches() {
    let directory = scratch();
    let database = directory.path().join("chinwag.db");
    age_new(directory.path()).await;

    let process = Process::spawn(serve(directory.path(), &["--retention", "30"]), directory.path());
    let told = Instant::now();
    process.stop().await;

    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    assert!(!directory.path().join("chinwag.db-wal").exists());
    assert!(database::number(&database, OLD).await > 0);
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_warned_of() {
    let directory = scratch();
    let process = Process::spawn(serve(directory.path(), &["--group-retention", "tee=1"]), directory.path());

    process.has_logged("--group-retention names a group that does not exist").await;

    assert!(process.logged().contains("tee"), "{}", process.logged());
    process.stop().await;
}
