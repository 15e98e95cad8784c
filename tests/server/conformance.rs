//! The conformance suite: it passes on this server, and sees what a server does wrong.

use std::net::SocketAddr;
use std::time::Duration;

use chinwag::conformance::{self, Options, Summary};
use serde::de::{Deserialize, IgnoredAny};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::helpers::TestServer;
use crate::program::{Process, command, scratch};

/// Far more than all behaviours take together.
const DEADLINE: Duration = Duration::from_secs(300);

/// How long a behaviour may take of a server that does nothing wrong: long enough for the slowest machine.
const PATIENT: Duration = Duration::from_secs(60);

async fn run(address: SocketAddr, only: Option<&str>) -> (Summary, String) {
    run_within(PATIENT, address, only).await
}

async fn run_within(deadline: Duration, address: SocketAddr, only: Option<&str>) -> (Summary, String) {
    let options = Options { address: address.to_string(), version: None, only: only.map(str::to_owned), deadline };
    let mut out = Vec::new();
    let ran = timeout(DEADLINE, conformance::run(&options, &mut out)).await.expect("the suite has an end");
    (ran.unwrap(), String::from_utf8(out).unwrap())
}

/// The sums as the last line has them.
fn sums(Summary { passed, failed, skipped }: Summary) -> String {
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    format!("\n{passed} passed, {failed} failed{skipped}\n")
}

#[tokio::test]
async fn this_server_does_all_that_the_document_says() {
    let server = TestServer::start().await;

    let (summary, said) = run(server.address, None).await;

    assert_eq!(summary.failed, 0, "{said}");
    assert!(summary.passed > 200 && said.ends_with(&sums(summary)), "{said}");
}

#[tokio::test]
async fn other_limits_are_kept_to_and_what_is_counted_by_address_is_not_used_up() {
    let server = TestServer::start_with(|config| {
        config.limits.content_bytes = 1000;
        config.limits.request_bytes = 20_000;
        config.limits.in_flight = 8;
        config.limits.exempts_loopback = false;
        config.limits.message_rate = Some(chinwag::config::Limits::message_rate(50.0));
    })
    .await;

    let (summary, said) = run(server.address, None).await;

    let limited = said.lines().filter(|line| line.contains("the server says"));
    assert_eq!((summary.failed, limited.collect::<Vec<_>>()), (0, Vec::<&str>::new()), "{said}");
}

#[tokio::test]
async fn where_too_many_have_registered_it_says_so_and_does_not_fail() {
    let server = TestServer::start_with(|config| {
        config.limits.registration_rate = Some(chinwag::config::Limits::registration_rate(0.001));
        config.limits.exempts_loopback = false;
    })
    .await;

    let only = Some("v1 bare   a whisper to nobody");
    let (first, said) = run(server.address, only).await;
    assert_eq!(first.passed, 1, "{said}");

    let (_, said) = run(server.address, only).await;

    let line = "skipped v1 bare   a whisper to nobody is refused \
                (the server says: too many registrations from your address; try again in a minute)";
    assert_eq!(said, format!("{line}\n0 passed, 0 failed, 1 skipped\n"));
}

/// What becomes of the messages that a server has sent within a moment.
pub(crate) type Spoil = fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>;

/// A server behind which the real one stands, and which spoils what that sends to array-framed connections.
pub(crate) async fn spoiled(server: SocketAddr, spoil: Spoil) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server).await.unwrap();
            tokio::spawn(pass_on(client, server, spoil));
        }
    });
    address
}

async fn pass_on(client: TcpStream, server: TcpStream, spoil: Spoil) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let forth = async {
        tokio::io::copy(&mut from_client, &mut to_server).await.ok();
        to_server.shutdown().await.ok();
    };
    let back = async {
        let mut input = Vec::new();
        while from_server.read_buf(&mut input).await.is_ok_and(|read| read > 0) {
            // So that messages of one moment come together.
            sleep(Duration::from_millis(10)).await;
            while from_server.try_read_buf(&mut input).is_ok_and(|read| read > 0) {}
            let messages = take_messages(&mut input);
            if to_client.write_all(&spoil(messages).concat()).await.is_err() {
                return;
            }
        }
        to_client.shutdown().await.ok();
    };
    tokio::join!(forth, back);
}

/// The whole messages at the start of `input`; in bare framing, whatever is there.
fn take_messages(input: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(&first) = input.first() {
        if !matches!(first, 0x90..=0x9f) {
            messages.push(std::mem::take(input));
            break;
        }
        let mut decoder = rmp_serde::Deserializer::new(std::io::Cursor::new(&input[..]));
        if IgnoredAny::deserialize(&mut decoder).is_err() {
            break;
        }
        let length = usize::try_from(decoder.position()).unwrap();
        messages.push(input.drain(..length).collect());
    }
    messages
}

fn has(message: &[u8], part: &str) -> bool {
    message.windows(part.len()).any(|window| window == part.as_bytes())
}

pub(crate) fn is_update(message: &[u8]) -> bool {
    message.get(1..8) == Some(b"\xa6update")
}

/// Every message that has `part` with other bytes of the same length in its place.
fn replace(messages: Vec<Vec<u8>>, part: &[u8], other: &[u8]) -> Vec<Vec<u8>> {
    let spoil = |mut message: Vec<u8>| {
        if let Some(at) = message.windows(part.len()).position(|window| window == part) {
            message.splice(at..at + part.len(), other.iter().copied());
        }
        message
    };
    messages.into_iter().map(spoil).collect()
}

fn without(mut messages: Vec<Vec<u8>>, part: &str) -> Vec<Vec<u8>> {
    messages.retain(|message| !has(message, part));
    messages
}

pub(crate) fn twice(messages: Vec<Vec<u8>>, which: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let count = |message: &[u8]| 1 + usize::from(which(message));
    messages.into_iter().flat_map(|message| vec![message.clone(); count(&message)]).collect()
}

/// What a server does wrong, and a behaviour that must fail for it.
#[rustfmt::skip]
const SPOILT: [(&str, Spoil, &str); 15] = [
    ("answers out of order",
        |mut messages| { messages.reverse(); messages },
        "v1 array  responses come in the order of the requests"),
    ("closes after garbage without a word",
        |messages| without(messages, "this is not MessagePack"),
        "v1 array  the byte c1 closes the connection, wherever it is"),
    ("ignores hello",
        |messages| without(messages, "in_flight"),
        "v2 array  hello is answered with the server's name, the version and the limits"),
    ("sends updates before responses",
        |mut messages| { messages.sort_by_key(|message| !is_update(message)); messages },
        "v1 array  one's own update comes after its response"),
    ("delivers twice",
        |messages| twice(messages, is_update),
        "v1 array  a whisper reaches every connection of its recipient, and nobody else"),
    ("loses the first of several updates",
        |mut messages| { if messages.len() > 2 && is_update(&messages[1]) { messages.remove(1); } messages },
        "v1 array  what was missed comes right after the login's response, in order, then what is new"),
    ("tidies contents up",
        |messages| replace(messages, b"\r\n", b"\n\n"),
        "v1 array  content arrives byte for byte"),
    ("sends longer formats than needed",
        |messages| replace(messages, b"\xa8response", b"\xd9\x08response"),
        "v1 array  the server sends the shortest formats, and text as str"),
    ("gives another reason",
        |messages| replace(messages, b"there is no such user", b"there is no such USER"),
        "v1 array  a whisper to nobody is refused"),
    ("gives another code",
        |messages| replace(messages, b"\xa4code\xa8conflict", b"\xa4code\xa8username"),
        "v2 array  the same nonce with another recipient, group or content is a conflict"),
    ("says synced twice",
        |messages| twice(messages, |message| has(message, "synced")),
        "v2 array  sync brings the past in order, synced once, and then what is new"),
    ("says no gap",
        |messages| without(messages, "gap"),
        "v2 array  an id that the database never gave leaves a gap, and then everything comes"),
    ("tells nobody that a session has ended",
        |messages| without(messages, "session_ended"),
        "v2 array  when a session ends its other connections are told so, last, and closed"),
    ("sends maps where version 1 is spoken",
        |messages| replace(messages, b"\x93\xa8response\xc2\xba", b"\x94\xa8response\xc2\x80\xba"),
        "v1 array  a wrong password and an unknown username are refused alike"),
    ("gives one token to all",
        |messages| messages.into_iter().map(|mut message| {
            if let Some(at) = message.windows(2).position(|window| window == b"\xd9\x24") {
                message[at + 2..at + 38].copy_from_slice(b"00000000-0000-4000-8000-000000000000");
            }
            message
        }).collect(),
        "v1 array  a login tells the username as it was registered and a new token"),
];

#[tokio::test]
async fn what_a_server_does_wrong_is_seen() {
    let server = TestServer::start().await;
    let address = server.address;

    let mut seen = JoinSet::new();
    for (what, spoil, behaviour) in SPOILT {
        seen.spawn(async move {
            let (summary, said) = run(spoiled(address, |messages| messages).await, Some(behaviour)).await;
            assert_eq!((summary.passed, summary.failed), (1, 0), "before the server {what}: {said}");

            let spoiled = spoiled(address, spoil).await;
            let (summary, said) = run_within(conformance::DEADLINE, spoiled, Some(behaviour)).await;
            assert_eq!((summary.passed, summary.failed), (0, 1), "a server that {what} passes: {said}");
            for line in ["FAILED", "    docs/PROTOCOL.md, ", "    sent     ", "    awaited  ", "    came     "] {
                assert!(said.lines().any(|said| said.starts_with(line)), "{line:?} is missing: {said}");
            }
        });
    }

    while let Some(case) = seen.join_next().await {
        case.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_lacks_a_framing_fails_in_that_alone() {
    let server = TestServer::start().await;
    let no_bare = |messages: Vec<Vec<u8>>| messages.into_iter().filter(|message| message[0] & 0xf0 == 0x90).collect();

    let spoiled = spoiled(server.address, no_bare).await;
    let (_, said) = run_within(conformance::DEADLINE, spoiled, Some("a contact may be added again")).await;

    let verdicts: Vec<&str> = said.lines().filter(|line| !line.starts_with(' ')).collect();
    let name = "a contact may be added again, by its name in any case";
    let [bare, array, newer] = [("FAILED ", "v1 bare "), ("passed ", "v1 array"), ("passed ", "v2 array")]
        .map(|(verdict, wire)| format!("{verdict} {wire}  {name}"));
    assert_eq!(verdicts, [&*bare, &*array, &*newer, "2 passed, 1 failed"], "{said}");
}

#[tokio::test]
async fn a_server_that_closes_every_connection_fails_soon() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });

    let (summary, said) = run(address, None).await;

    assert!(summary.failed > 200 && summary.passed < 5, "{said}");
}

#[test]
fn the_program_says_by_its_exit_code_how_it_went() {
    let directory = scratch();
    let server = Process::start(directory.path());
    let address = server.addresses()[0].to_string();
    let conformance = |arguments: &[&str]| {
        let output = command(directory.path(), &[&["conformance"], arguments].concat()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };

    let (code, said) = conformance(&[&address, "--version", "1", "--only", "V1 BARE   a contact may"]);
    assert_eq!(code, Some(0));
    assert_eq!(said, "passed  v1 bare   a contact may be added again, by its name in any case\n1 passed, 0 failed\n");

    for (arguments, expected) in [
        (&["127.0.0.1:1"][..], 1),
        (&["localhost"], 2),
        (&[&address, "--version", "3"], 2),
        (&[&address, "--only", "of which nobody has heard"], 2),
    ] {
        assert_eq!(conformance(arguments), (Some(expected), String::new()), "{arguments:?}");
    }
}
