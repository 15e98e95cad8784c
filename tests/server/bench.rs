//! The benchmark: it measures what it says, and sees what a server does wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use chinwag::bench::{self, BenchError, Load, Options, Scenario, Verdict};
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use crate::conformance::{Spoil, is_update, spoiled, twice};
use crate::helpers::{TestServer, within_time};
use crate::program::{command, scratch};

/// Far more than a run of a test takes.
const DEADLINE: Duration = Duration::from_secs(120);

/// One short round of little.
fn little(address: SocketAddr, scenario: Scenario) -> Options {
    let load = Load {
        version: 1,
        rounds: 1,
        measured: Duration::from_millis(300),
        warm_up: Duration::from_millis(50),
        patience: Duration::from_secs(1),
        pairs: 2,
        window: 4,
        members: 5,
        groups: 2,
        connections: Some(8),
        messages: 300,
        conversations: None,
        content_bytes: 50,
        preload: None,
        rate: None,
    };
    let directory = PathBuf::new();
    Options {
        scenarios: vec![scenario],
        address: Some(address.to_string()),
        directory,
        has_floors: true,
        load,
        json: true,
    }
}

async fn run(options: &Options) -> Result<(Verdict, Value), BenchError> {
    let mut out = Vec::new();
    let running = LocalSet::new().run_until(bench::run(options, &mut out)).await?;
    Ok((running, serde_json::from_slice(&out).unwrap()))
}

/// One number of the only scenario.
fn number(report: &Value, path: &str) -> f64 {
    let found = report["scenarios"][0].pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("{path} is no number in {report:#}"))
}

fn account(report: &Value, name: &str) -> f64 {
    number(report, &format!("/account/{name}"))
}

#[tokio::test]
async fn every_message_is_received_in_either_version_and_at_either_pace() {
    let server = TestServer::start().await;

    for scenario in [Scenario::Whisper, Scenario::PingPong, Scenario::Group] {
        for (version, rate) in [(1, None), (2, None), (1, Some(200.0)), (2, Some(200.0))] {
            let mut options = little(server.address, scenario);
            (options.load.version, options.load.rate) = (version, rate);

            let (verdict, report) = within_time(DEADLINE, "a run", run(&options)).await.unwrap();

            let sent = account(&report, "sent");
            assert!(verdict == Verdict::Right && sent > 0.0, "{report:#}");
            assert_eq!(account(&report, "answered"), sent);
            // In version 2 a whisper comes back to its sender, too.
            let deliveries = if scenario == Scenario::Group { 5.0 } else { f64::from(version) };
            assert_eq!(account(&report, "received"), sent * deliveries);
            assert!(number(&report, "/figures/receipt_p50_ns/median") > 0.0);
            assert!(report["scenarios"][0]["figures"]["server_cpu_ns_per_message"].is_null(), "{report:#}");
        }
    }
}

/// Whispers of each sender to each receiver.
fn whispers(database: &Path) -> BTreeMap<i64, Vec<i64>> {
    let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let counts = "select sender_id, count(*) from messages group by sender_id, recipient_id";
    let mut counts = conn.prepare(counts).unwrap();
    let mut of_senders = BTreeMap::<i64, Vec<i64>>::new();
    for row in counts.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap() {
        let (sender, count) = row.unwrap();
        of_senders.entry(sender).or_default().push(count);
    }
    of_senders
}

#[tokio::test]
async fn whispers_of_many_conversations_are_spread_evenly_and_all_accounted_for() {
    for (version, rate) in [(1, None), (2, Some(400.0))] {
        let server = TestServer::start().await;
        let mut options = little(server.address, Scenario::Whisper);
        (options.load.version, options.load.rate, options.load.conversations) = (version, rate, Some(10));

        let (verdict, report) = within_time(DEADLINE, "a run", run(&options)).await.unwrap();

        let sent = account(&report, "sent");
        assert!(verdict == Verdict::Right && sent > 20.0, "{report:#}");
        assert_eq!(account(&report, "received"), sent * f64::from(version));
        let of_senders = whispers(&server.database());
        assert_eq!(of_senders.values().map(Vec::len).collect::<Vec<_>>(), [2; 5]);
        assert!(of_senders.values().all(|counts| counts[0].abs_diff(counts[1]) <= 1), "{of_senders:?}");
    }
}

#[tokio::test]
async fn everything_else_that_users_do_is_measured_too() {
    let server = TestServer::start().await;

    for (scenario, figure) in [
        (Scenario::Groups, "deliveries_per_s"),
        (Scenario::Mixed, "deliveries_per_s"),
        (Scenario::Login, "logins_per_s"),
        (Scenario::Storm, "logins_per_s"),
        (Scenario::Storm, "receipt_p99_ns"),
        (Scenario::Idle, "connections_per_s"),
        (Scenario::Sync, "deliveries_per_s"),
        (Scenario::History, "pages_per_s"),
    ] {
        let (verdict, report) = within_time(DEADLINE, "a run", run(&little(server.address, scenario))).await.unwrap();

        assert_eq!(verdict, Verdict::Right, "{report:#}");
        assert!(number(&report, &format!("/figures/{figure}/median")) > 0.0, "{report:#}");
        // What a hash costs there is not known.
        assert!(report["scenarios"][0]["figures"].get("logins_x_hashing").is_none(), "{report:#}");
    }
}

#[tokio::test]
async fn a_server_that_loses_doubles_or_reorders_messages_is_seen() {
    let server = TestServer::start().await;
    let lose: Spoil = |mut messages| {
        if messages.len() > 2 && is_update(&messages[1]) {
            messages.remove(1);
        }
        messages
    };
    let reverse: Spoil = |mut messages| {
        messages.reverse();
        messages
    };
    let forge: Spoil = |messages| {
        let forge = |mut message: Vec<u8>| {
            if is_update(&message)
                && let Some(last) = message.last_mut()
            {
                *last = b'!';
            }
            message
        };
        messages.into_iter().map(forge).collect()
    };

    for (name, spoil) in [
        ("lost", lose),
        ("doubled", |messages| twice(messages, is_update)),
        ("out_of_order", reverse),
        ("unknown", forge),
    ] {
        let options = little(spoiled(server.address, spoil).await, Scenario::Whisper);

        let (verdict, report) = within_time(DEADLINE, "a run", run(&options)).await.unwrap();

        assert_eq!(verdict, Verdict::Wrong, "{name}: {report:#}");
        assert!(account(&report, name) > 0.0, "{name}: {report:#}");
    }
}

#[tokio::test]
async fn a_server_that_closes_every_connection_cannot_be_measured() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });

    let ran = within_time(DEADLINE, "a run", run(&little(address, Scenario::Group))).await;

    assert!(matches!(ran, Err(BenchError::Closed | BenchError::Io(_))), "{ran:?}");
}

#[tokio::test]
async fn others_whisper_alone_and_beside_what_is_measured() {
    let server = TestServer::start().await;

    for (scenario, figure) in [(Scenario::Sync, "synced_p50_ns"), (Scenario::History, "answer_p99_ns")] {
        let mut options = little(server.address, scenario);
        options.load.rate = Some(100.0);
        let (verdict, report) = within_time(DEADLINE, "a run", run(&options)).await.unwrap();

        assert_eq!(verdict, Verdict::Right, "{report:#}");
        let [measured, meanwhile, alone, ratio, messages] =
            [figure, "receipt_p99_ns", "alone_receipt_p99_ns", "receipt_p99_x_alone", "messages_per_s"]
                .map(|name| number(&report, &format!("/figures/{name}/median")));
        assert!(measured > 0.0 && messages > 0.0 && is_about(ratio, meanwhile / alone), "{report:#}");
        // Both times, before and while they are measured.
        assert!(account(&report, "sent") > 50.0, "{report:#}");
    }
}

/// Whether a number is another but for how it was written down.
fn is_about(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * other.abs()
}

/// Runs the program; returns its exit code and what it says on stdout and stderr.
fn program(arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = scratch();
    let output = command(directory.path(), &[&["bench"], arguments].concat()).output().unwrap();
    let left: Vec<_> = directory.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), stdout, stderr)
}

const SHORT: [&str; 10] = ["--rounds", "2", "--seconds", "0.3", "--warm-up", "0.1", "--pairs", "2", "--members", "3"];

#[test]
fn the_program_measures_a_server_of_its_own_and_leaves_nothing_behind() {
    for scenarios in [&["whisper", "group"][..], &["whisper", "--conversations", "10"]] {
        let (code, said, complaint) = program(&[scenarios, &["--json"], &SHORT[..]].concat());

        assert_eq!((code, &*complaint), (Some(0), ""), "{said}");
        let report: Value = serde_json::from_str(&said).unwrap();
        for scenario in report["scenarios"].as_array().unwrap() {
            assert_eq!(scenario["rounds"].as_array().unwrap().len(), 2);
            let figures = scenario["figures"].as_object().unwrap();
            assert!(figures.len() > 15, "{report:#}");
            if cfg!(target_os = "linux") {
                assert!(figures.values().all(Value::is_object), "{report:#}");
            }
        }
    }
}

#[test]
fn logins_in_a_storm_are_held_against_what_the_same_threads_hash() {
    let arguments = ["storm", "--connections", "4", "--rate", "50", "--json"];
    let (code, said, complaint) = program(&[&arguments[..], &SHORT[..]].concat());

    assert_eq!((code, &*complaint), (Some(0), ""), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    for round in report["scenarios"][0]["rounds"].as_array().unwrap() {
        let [logins, hashes, ratio] =
            ["logins_per_s", "hashes_per_s", "logins_x_hashing"].map(|name| round[name].as_f64().unwrap());
        assert!(hashes > 0.0 && is_about(ratio, logins / hashes), "{report:#}");
    }
}

/// Whether somebody is registered in a database below `directory`.
fn has_users(directory: &Path) -> bool {
    let mut entries = directory.read_dir().unwrap().map_while(Result::ok);
    entries.any(|entry| {
        let conn = Connection::open_with_flags(entry.path().join("bench.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
        let count = conn.and_then(|conn| conn.query_row("select count(*) from users", [], |row| row.get(0)));
        count.is_ok_and(|count: i64| count > 0)
    })
}

/// Starts the program and waits until its load has begun to register users.
fn started(directory: &Path) -> Child {
    let arguments = ["bench", "whisper", "--pairs", "1", "--seconds", "60"];
    let program = command(directory, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while !has_users(directory) {
        assert!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} for a user");
        std::thread::sleep(Duration::from_millis(5));
    }
    program
}

/// The processes that this one has started.
fn children(program: &Child) -> Vec<Pid> {
    let id = program.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    children.split_whitespace().map(|id| Pid::from_raw(id.parse().unwrap()).unwrap()).collect()
}

#[test]
fn an_interrupted_run_takes_its_server_and_its_files_with_it() {
    let directory = scratch();
    let program = started(directory.path());
    let servers = children(&program);
    assert_eq!(servers.len(), 1);

    kill_process(Pid::from_child(&program), Signal::INT).unwrap();
    let output = program.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    assert!(test_kill_process(servers[0]).is_err());
}

#[test]
fn a_server_that_ends_by_itself_is_said_to_have() {
    let directory = scratch();
    let program = started(directory.path());

    kill_process(children(&program)[0], Signal::KILL).unwrap();
    let output = program.wait_with_output().unwrap();

    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.starts_with("chinwag: the server has ended by itself: "), "{complaint}");
    assert!(complaint.contains("signal: 9"), "{complaint}");
}

#[test]
fn people_read_a_table() {
    let (code, said, complaint) = program(&[&["ping-pong", "--preload", "2000,20"], &SHORT[..]].concat());

    assert_eq!((code, &*complaint), (Some(0), ""), "{said}");
    let heading =
        "ping-pong: one under way, 100 bytes, version 1; 2 rounds of 0.3 s; 2,000 messages of 20 users before\n";
    assert!(said.starts_with(heading), "{said}");
    assert!(said.contains("received, each once and in order\n"), "{said}");
    // Nobody can tell the one file from the other by so few messages.
    assert!(said.contains("\n  messages a second / empty file"), "{said}");
}

#[test]
fn everybody_comes_back_after_a_restart() {
    let arguments = ["reconnect", "--connections", "30", "--preload", "500,20", "--json"];
    let (code, said, complaint) = program(&[&arguments[..], &SHORT[..]].concat());

    assert_eq!((code, &*complaint), (Some(0), ""), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    assert!(number(&report, "/figures/connections_per_s/median") > 0.0, "{report:#}");
    assert!(number(&report, "/figures/start_ns/median") > 0.0, "{report:#}");
    // Contents alone are 500 times 100 bytes.
    assert!(report["load"]["preloaded_file_bytes"].as_u64().unwrap() > 50_000, "{report:#}");
    if cfg!(target_os = "linux") {
        assert!(number(&report, "/figures/resident_bytes/median") > 1_000_000.0, "{report:#}");
    }
}

#[test]
fn a_program_compared_with_itself_is_about_as_good() {
    let binary = env!("CARGO_BIN_EXE_chinwag");
    let compare = |arguments: &[&str]| program(&[&["compare", binary], arguments, &SHORT[..]].concat());

    let (code, said, complaint) = compare(&["--scenario", "whisper", "--scenario", "ping-pong"]);
    assert_eq!((code, &*complaint), (Some(0), ""), "{said}");
    assert_eq!(said.matches("new/old   95 % confidence\n").count(), 2, "{said}");

    let (code, said, complaint) = compare(&[binary, "--scenario", "ping-pong", "--json"]);
    assert_eq!((code, &*complaint), (Some(0), ""), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    let messages = &report["scenarios"][0]["figures"]["messages_per_s"];
    let [low, ratio, high] = ["low", "ratio", "high"].map(|name| messages[name].as_f64().unwrap());
    assert!(low <= ratio && ratio <= high, "{report:#}");

    let (code, said, complaint) = program(&["compare", "nowhere/chinwag"]);
    assert_eq!((code, &*said), (Some(1), ""));
    assert!(complaint.starts_with("chinwag: cannot start nowhere/chinwag: "), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_a_server_that_doubles_messages_from_one_that_cannot_be_measured() {
    let server = TestServer::start().await;
    let address = spoiled(server.address, |messages| twice(messages, is_update)).await.to_string();

    let running = tokio::task::spawn_blocking(move || program(&[&["whisper", &*address], &SHORT[..]].concat()));
    let (code, said, complaint) = within_time(DEADLINE, "a run", running).await.unwrap();

    assert_eq!((code, &*complaint), (Some(3), ""), "{said}");
    assert!(said.contains("FAILED: 0 lost, "), "{said}");
}

#[test]
fn wrong_usage_is_refused_with_a_sentence() {
    for (arguments, why) in [
        (&["shouting"][..], "no scenario is called so; there are whisper, ping-pong, group, groups, mixed"),
        (&["whisper", "whisper"], "a scenario is named twice"),
        (&["127.0.0.1:1", "127.0.0.1:2"], "there can be one server only"),
        (&["127.0.0.1:x"], "a host and a port are needed"),
        (&["127.0.0.1:1", "--dir", "."], "--dir is for the files of a server that is started"),
        (&["--size", "31"], "31 is not in 32..=16384"),
        (&["--rate", "0"], "a number from 0.1 to 10000000 is needed"),
        (&["127.0.0.1:1", "--preload", "5,5"], "--preload fills the file of a server that is started"),
        (&["--preload", "5,1"], "a number of messages and one of users"),
        (&["login", "--rate", "5"], "--rate is one of messages"),
        (&["compare", "old", "--scenario", "idle", "--rate", "5"], "--rate is one of messages"),
        (&["reconnect", "127.0.0.1:1"], "reconnect stops and starts the server"),
        (&["--seconds", "0"], "a number of seconds from 0.01 to 86400 is needed"),
    ] {
        let (code, said, complaint) = program(arguments);

        assert_eq!((code, &*said), (Some(2), ""), "{arguments:?}");
        assert!(complaint.contains(why), "{arguments:?}: {complaint}");
    }
}

#[test]
fn where_nothing_can_be_measured_stderr_says_why() {
    for (arguments, why) in [
        (["whisper", "127.0.0.1:1"], "chinwag: a connection of the load broke: "),
        (["--dir", "nowhere"], "chinwag: nowhere/chinwag-bench-"),
    ]
    .map(|(arguments, why)| (arguments.to_vec(), why))
    {
        let (code, said, complaint) = program(&arguments);

        assert_eq!((code, &*said), (Some(1), ""), "{arguments:?}");
        assert!(complaint.starts_with(why), "{arguments:?}: {complaint}");
    }
}
