//! The program itself: its command line, its signals and its files.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use chinwag::client::Client;
use chinwag::protocol::Framing;
use rustix::process::{Resource, Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::database;
use crate::helpers::{PASSWORD, within};
use crate::program::{Process, command, scratch};

/// Runs a server that should not start; returns its exit code and what it says.
fn refused(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(directory, arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn one_line_says_where_it_listens_which_database_it_uses_and_which_version_it_is() {
    let directory = scratch();
    let process = Process::start(directory.path());

    let address = process.addresses()[0];
    assert_ne!(address.port(), 0);
    let database = directory.path().canonicalize().unwrap().join("chinwag.db");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(process.line, format!("chinwag {version} listening on {address}, database {}\n", database.display()));
    process.register("ada").await;
    process.stop().await;
}

#[tokio::test]
async fn it_listens_on_every_address_it_is_given() {
    let directory = scratch();
    let listen = ["serve", "--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--database-url", "sqlite://other.db"];
    let process = Process::spawn(command(directory.path(), &listen), directory.path());

    let addresses = process.addresses();
    assert_eq!(addresses.len(), 2, "{}", process.line);
    for (address, name) in addresses.into_iter().zip(["ada", "bob"]) {
        let mut client = Client::connect(address, Framing::Bare).await.unwrap();
        client.register(name, PASSWORD).await.unwrap();
    }
    assert!(directory.path().join("other.db").exists());
    process.stop().await;
}

#[tokio::test]
async fn the_environment_sets_what_flags_do_not() {
    let directory = scratch();
    let mut by_environment = command(directory.path(), &["serve"]);
    by_environment.env("CHINWAG_LISTEN", "127.0.0.1:0").env("DATABASE_URL", "sqlite://environment.db");
    Process::spawn(by_environment, directory.path()).stop().await;
    let mut by_flag = command(directory.path(), &["serve", "--database-url", "sqlite://flag.db"]);
    by_flag.env("CHINWAG_LISTEN", "127.0.0.1:0").env("DATABASE_URL", "sqlite://missing/directory.db");
    Process::spawn(by_flag, directory.path()).stop().await;

    assert!(directory.path().join("environment.db").exists());
    assert!(directory.path().join("flag.db").exists());
}

#[tokio::test]
async fn logs_are_json_when_asked() {
    let directory = scratch();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--log-format", "json"];
    let process = Process::spawn(command(directory.path(), &arguments), directory.path());
    let stderr = process.stderr.clone();

    process.stop().await;

    let logged = std::fs::read_to_string(stderr).unwrap();
    assert!(logged.lines().count() >= 2, "{logged}");
    for line in logged.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(entry["fields"]["message"].is_string(), "{line}");
    }
}

#[test]
fn help_and_version_are_there_and_wrong_flags_are_refused() {
    let directory = scratch();
    let run = |arguments: &[&str]| command(directory.path(), arguments).output().unwrap();
    for (arguments, expected) in [
        (&["--help"][..], "serve"),
        (&["serve", "--help"], "--database-url <sqlite://PATH>"),
        (&["--version"], concat!("chinwag ", env!("CARGO_PKG_VERSION"))),
    ] {
        let output = run(arguments);
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains(expected), "{arguments:?}");
    }
    let plain = ["serve", "--listen", "0.0.0.0:0"];
    let contradiction = ["serve", "--max-content", "65536"];
    for arguments in [&["serve", "--listen", "nowhere"][..], &plain, &contradiction, &["dance"], &[]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn its_files_are_its_users_alone() {
    let directory = scratch();
    let process = Process::start(directory.path());
    process.register("ada").await;

    for name in ["chinwag.db", "chinwag.db-wal", "chinwag.db-shm", "chinwag.db.lock"] {
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_second_server_on_one_database_ends_at_once_by_whatever_name() {
    let directory = scratch();
    let process = Process::start(directory.path());
    symlink("chinwag.db", directory.path().join("link.db")).unwrap();

    for url in ["sqlite://chinwag.db", "sqlite://link.db", "sqlite://./chinwag.db"] {
        let (code, said) = refused(directory.path(), &["serve", "--listen", "127.0.0.1:0", "--database-url", url]);
        assert_eq!(code, Some(1));
        assert!(said.contains("another chinwag is running on"), "{said}");
    }
    process.register("ada").await;
    process.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_refused_with_a_sentence() {
    let directory = scratch();
    let process = Process::start(directory.path());
    let address = process.addresses()[0].to_string();

    let arguments = ["serve", "--listen", &address, "--database-url", "sqlite://second.db"];
    let (code, said) = refused(directory.path(), &arguments);

    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
}

#[tokio::test]
async fn files_that_are_not_its_own_are_refused_and_left_as_they_are() {
    let directory = scratch();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("text.db"), "not a database at all, and longer than a header\n".repeat(100)).unwrap();
    std::fs::File::create(path("foreign.db")).unwrap();
    drop(
        database::meddle(&path("foreign.db"), "create table notes (note text); insert into notes values ('mine')")
            .await,
    );
    Process::start(directory.path()).stop().await;
    std::fs::copy(path("chinwag.db"), path("newer.db")).unwrap();
    drop(database::meddle(&path("newer.db"), "pragma user_version = 999").await);

    for (name, expected) in [
        ("text.db", "is not a chinwag database"),
        ("foreign.db", "is not a chinwag database"),
        ("newer.db", "has schema version 999"),
    ] {
        let before = std::fs::read(path(name)).unwrap();
        let url = format!("sqlite://{name}");
        let (code, said) = refused(directory.path(), &["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
        assert_eq!(code, Some(1));
        assert!(said.contains(expected), "{said}");
        assert_eq!(std::fs::read(path(name)).unwrap(), before, "{name}");
    }
}

#[tokio::test]
async fn what_is_no_file_or_is_damaged_is_refused_with_what_to_do() {
    let directory = scratch();
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("directory.db")).unwrap();
    std::fs::write(path("short.db"), "x").unwrap();
    let process = Process::start(directory.path());
    process.register("ada").await;
    process.stop().await;
    let mut damaged = std::fs::read(path("chinwag.db")).unwrap();
    damaged[4096..8192].fill(0xff);
    std::fs::write(path("damaged.db"), &damaged).unwrap();

    for (name, expected) in [
        ("directory.db", "this is not a file"),
        ("short.db", "is not a chinwag database"),
        ("damaged.db", "is damaged: keep it as it is"),
    ] {
        let url = format!("sqlite://{name}");
        let (code, said) = refused(directory.path(), &["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
        assert_eq!(code, Some(1));
        assert!(said.contains(expected), "{name}: {said}");
    }
    assert_eq!(std::fs::read(path("short.db")).unwrap(), b"x");
}

#[tokio::test]
async fn it_goes_on_where_nobody_takes_its_log_and_when_its_terminal_is_closed() {
    let directory = scratch();
    let mut command = command(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    command.env("RUST_LOG", "debug");
    let mut process = Process::launch_logging(command, directory.path(), std::fs::File::create("/dev/full").unwrap());
    let mut ada = process.register("ada").await;

    process.signal(Signal::HUP);
    ada.whisper("ada", "still here").await.unwrap();
    process.signal(Signal::TERM);

    assert_eq!(process.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_wal_that_is_another_databases_is_neither_written_into_one_nor_deleted() {
    let directory = scratch();
    let [database, copy, wal] = ["", ".copy", "-wal"].map(|end| directory.path().join(format!("chinwag.db{end}")));
    Process::start(directory.path()).stop().await;
    std::fs::copy(&database, &copy).unwrap();
    drop(database::meddle(&copy, "pragma journal_mode = delete").await);
    let process = Process::start(directory.path());
    process.register("ada").await;
    process.kill().await;
    let left = std::fs::read(&wal).unwrap();

    // What a person does who copies a backup over the database, or moves the database alone.
    std::fs::rename(&copy, &database).unwrap();
    let (code, said) = refused(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(code == Some(1) && said.contains("chinwag.db-wal is not of the"), "{said}");
    std::fs::remove_file(&database).unwrap();
    let (code, said) = refused(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(code == Some(1) && said.contains("chinwag.db-wal is not of the"), "{said}");

    assert_eq!(std::fs::read(&wal).unwrap(), left);
    assert!(!database.exists());
}

#[tokio::test]
async fn a_file_in_which_sqlx_has_only_begun_is_new() {
    let directory = scratch();
    let path = directory.path().join("chinwag.db");
    std::fs::File::create(&path).unwrap();
    let begun = "create table _sqlx_migrations (version bigint primary key, description text not null,
        installed_on timestamp not null default current_timestamp, success boolean not null, checksum blob not null,
        execution_time bigint not null)";
    drop(database::meddle(&path, begun).await);

    let process = Process::start(directory.path());
    process.register("ada").await;
    assert!(process.logged().contains("chmod 600"), "{}", process.logged());
    process.stop().await;
}

#[tokio::test]
async fn a_server_killed_as_soon_as_it_listens_starts_again() {
    let directory = scratch();
    for _ in 0..5 {
        Process::start(directory.path()).kill().await;
    }
    let process = Process::start(directory.path());
    process.register("ada").await;
    process.stop().await;
}

#[tokio::test]
async fn a_signal_ends_it_in_order_with_a_thousand_connections_open() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit }).unwrap();
    let directory = scratch();
    let mut process = Process::start(directory.path());
    let mut ada = process.register("ada").await;
    let mut idle = Vec::new();
    for n in 0..1000 {
        let mut stream = within("a connection", TcpStream::connect(process.addresses()[0])).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"\xa6logout").await.unwrap();
        }
        idle.push(stream);
    }
    ada.whisper("ada", "stored").await.unwrap();
    // Accepted after all of those.
    process.register("bob").await;

    let started = Instant::now();
    process.signal(Signal::INT);
    let status = process.ended().await;

    assert_eq!(status.code(), Some(0), "{}", process.logged());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    for mut stream in idle {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
    assert!(!directory.path().join("chinwag.db-wal").exists());
    let database = directory.path().join("chinwag.db");
    assert_eq!(database::number(&database, "select count(*) from messages").await, 1);
}

/// A server with a connection whose reader has stopped, so that its outbox cannot be flushed.
async fn with_a_stuck_connection(directory: &Path) -> (Process, Client) {
    let process = Process::start(directory);
    let mut ada = process.register("ada").await;
    let stuck = process.register("bob").await;
    let text = "x".repeat(16 * 1024);
    for _ in 0..1000 {
        ada.whisper("bob", &text).await.unwrap();
    }
    (process, stuck)
}

#[tokio::test]
async fn a_connection_that_does_not_read_cannot_keep_it_from_ending() {
    let directory = scratch();
    let (mut process, _stuck) = with_a_stuck_connection(directory.path()).await;

    let started = Instant::now();
    process.signal(Signal::TERM);
    let status = process.ended().await;

    assert_eq!(status.code(), Some(0), "{}", process.logged());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let directory = scratch();
    let (mut process, _stuck) = with_a_stuck_connection(directory.path()).await;
    process.signal(Signal::TERM);
    process.has_logged("stopping").await;

    let started = Instant::now();
    process.signal(Signal::TERM);
    let status = process.ended().await;

    assert_eq!(status.code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn claims_of_gigabytes_and_half_requests_cost_next_to_nothing() {
    let directory = scratch();
    let process = Process::start(directory.path());
    let mut ada = process.register("ada").await;
    ada.whisper("ada", "warm").await.unwrap();
    let before = process.resident_kib();

    let mut hostile = Vec::new();
    for n in 0..200 {
        let mut stream = within("a connection", TcpStream::connect(process.addresses()[0])).await.unwrap();
        let claim: &[u8] = match n % 4 {
            0 => &[0xdb, 0xff, 0xff, 0xff, 0xff],
            1 => &[0xdd, 0xff, 0xff, 0xff, 0xff],
            2 => &[0x95, 0xa8, b'r', b'e'],
            _ => &[0xa8, b'r', b'e'],
        };
        stream.write_all(claim).await.unwrap();
        hostile.push(stream);
    }
    ada.whisper("ada", "undisturbed").await.unwrap();

    // A connection that has begun a request holds its read buffer.
    let grown_kib = process.resident_kib().saturating_sub(before);
    assert!(grown_kib < 8 * 1024, "{grown_kib} KiB for 200 connections");
}
