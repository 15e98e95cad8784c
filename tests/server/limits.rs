//! What a client may take of the server: bytes, time, connections.

use std::time::Duration;

use chinwag::config::{Config, Limits};
use chinwag::protocol::{Framing, Request, Response};

use crate::helpers::{PASSWORD, RawClient, TestServer, content, refused, within};

const FRAMINGS: [Framing; 2] = [Framing::Bare, Framing::Array];
const TOO_MANY: &str = "too many connections; try again in a minute";

fn register<'a>(name: &'a str, password: &'a str) -> Request<'a> {
    Request::Register { username: name.into(), password: password.into() }
}

/// A server with other limits.
async fn limited(adjust: impl FnOnce(&mut Limits)) -> TestServer {
    TestServer::start_with(|config: &mut Config| adjust(&mut config.limits)).await
}

async fn is_answered(raw: &mut RawClient, framing: Framing) {
    let request = Request::LogOut { username: "nobody".into() };
    raw.send(&request.encode(framing)).await;
    let expected = refused(framing, "this connection is not logged in as that user");
    assert_eq!(raw.receive(expected.len()).await, expected);
}

#[tokio::test]
async fn a_stranger_without_a_token_may_not_send_what_no_name_and_password_need() {
    let server = TestServer::start().await;
    for framing in FRAMINGS {
        let mut raw = server.raw().await;

        raw.send(&register("ada", &"x".repeat(4096)).encode(framing)).await;

        assert_eq!(raw.receive_to_end().await, refused(framing, "a request has at most 4096 bytes"));
    }
}

#[tokio::test]
async fn a_claim_that_a_stranger_may_not_make_is_refused_by_its_header_alone() {
    let server = TestServer::start().await;
    let claims =
        [(Framing::Bare, &b"\xa8register\xda\x20\x00"[..]), (Framing::Array, &b"\x93\xa8register\xda\x20\x00"[..])];
    for (framing, claim) in claims {
        let mut raw = server.raw().await;

        raw.send(claim).await;

        assert_eq!(raw.receive_to_end().await, refused(framing, "a request has at most 4096 bytes"));
    }
}

#[tokio::test]
async fn with_a_token_a_stranger_may_say_as_much_as_anybody() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let long = "x".repeat(16 * 1024);
    for framing in FRAMINGS {
        let mut other = server.connect_framed(framing).await;
        other.use_login(ada.login());

        other.whisper("ada", &long).await;

        assert_eq!(ada.next_content().await, long);
    }
}

#[tokio::test]
async fn who_is_known_is_refused_for_the_password_and_not_for_its_length() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;

    let answer = ada.request(&register("bob", &"x".repeat(5000))).await;

    assert_eq!(
        answer,
        Err("a password has at most 1024 bytes, no control characters and none newer than Unicode 6.3".to_owned())
    );
    ada.whisper("ada", "still here").await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = limited(|limits| limits.first_request_deadline = Duration::from_secs(1)).await;
    let mut raw = server.raw().await;

    assert_eq!(raw.receive_to_end().await, Vec::<u8>::new());
}

#[tokio::test]
async fn a_first_request_that_does_not_arrive_in_time_ends_the_connection() {
    let server = limited(|limits| limits.first_request_deadline = Duration::from_secs(1)).await;
    for (framing, start) in [(Framing::Bare, b"\xa6log"), (Framing::Array, b"\x92\xa6lo")] {
        let mut raw = server.raw().await;

        raw.send(start).await;

        assert_eq!(raw.receive_to_end().await, refused(framing, "the request took too long to arrive"));
    }
}

#[tokio::test]
async fn a_stranger_that_stays_one_is_closed() {
    let server = limited(|limits| limits.stranger_deadline = Duration::from_secs(1)).await;
    for framing in FRAMINGS {
        let mut raw = server.raw().await;
        is_answered(&mut raw, framing).await;

        assert_eq!(raw.receive_to_end().await, refused(framing, "nobody has logged in on this connection in time"));
    }
}

#[tokio::test]
async fn who_has_logged_in_or_shown_a_token_may_stay_and_be_silent() {
    let server = limited(|limits| limits.stranger_deadline = Duration::from_secs(1)).await;
    let mut logged_in = server.register("ada").await;
    let mut with_token = server.connect().await;
    with_token.use_login(logged_in.login());
    with_token.whisper("ada", "here is my token").await;
    let mut with_refused_request = server.connect().await;
    with_refused_request.use_login(logged_in.login());
    with_refused_request.try_whisper("nobody", "the token is good all the same").await.unwrap_err();

    tokio::time::sleep(Duration::from_millis(1500)).await;

    for client in [&mut logged_in, &mut with_token, &mut with_refused_request] {
        client.whisper("ada", "still here").await;
    }
}

#[tokio::test]
async fn a_bad_token_shows_nobody() {
    let server = limited(|limits| limits.stranger_deadline = Duration::from_secs(1)).await;
    let ada = server.register("ada").await;
    let mut login = ada.login();
    login.token = "00000000-0000-4000-8000-000000000000".into();
    let mut raw = server.raw().await;
    let request = Request::AddContact { username: login.username.into(), token: login.token, contact: "ada".into() };

    raw.send(&request.encode(Framing::Bare)).await;

    let answers = [
        "this username and token are not valid together; log in again",
        "nobody has logged in on this connection in time",
    ];
    let answers = answers.map(|why| refused(Framing::Bare, why));
    assert_eq!(raw.receive_to_end().await, answers.concat());
}

#[tokio::test]
async fn an_address_has_so_many_strangers_and_others_come_in() {
    let server = limited(|limits| {
        limits.strangers_per_address = 2;
        limits.exempts_loopback = false;
    })
    .await;
    let mut first = server.connect().await;
    first.register("ada").await.unwrap();
    let _second = server.raw().await;
    for framing in FRAMINGS {
        let mut third = server.raw().await;
        third.send(&register("eve", PASSWORD).encode(framing)).await;
        assert_eq!(third.receive_to_end().await, refused(framing, TOO_MANY));
    }

    let mut elsewhere = server.connect_from("127.0.0.2").await;
    elsewhere.register("bob").await.unwrap();
    first.log_in("ada").await;
    first.whisper("ada", "known by now").await;
    let mut fourth = server.raw().await;

    is_answered(&mut fourth, Framing::Array).await;
}

#[tokio::test]
async fn there_are_so_many_connections_in_all() {
    let server = limited(|limits| limits.max_connections = 2).await;
    let mut ada = server.register("ada").await;
    let bob = server.register("bob").await;
    let mut third = server.raw().await;
    third.send(&register("eve", PASSWORD).encode(Framing::Bare)).await;
    assert_eq!(third.receive_to_end().await, refused(Framing::Bare, TOO_MANY));

    bob.close().await;
    let admitted = async {
        loop {
            let mut raw = server.raw().await;
            raw.send(&register("eve", PASSWORD).encode(Framing::Bare)).await;
            // The place is free a moment after the connection is closed.
            if raw.receive(10).await == Response::Done.encode(Framing::Bare) {
                return;
            }
        }
    };

    within("a free place", admitted).await;
    ada.whisper("ada", "undisturbed").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_acknowledges_nothing_is_given_up_and_what_it_did_not_take_is_not_lost() {
    const MESSAGES: usize = 1000;
    let deadline = Duration::from_secs(1);
    let server = limited(|limits| limits.acknowledge_deadline = deadline).await;
    let mut ada = server.register("ada").await;
    let mut deaf = server.register("bob").await;
    let text = "x".repeat(16_000);
    for n in 0..MESSAGES {
        ada.whisper("bob", &format!("{n} {text}")).await;
    }

    tokio::time::sleep(4 * deadline).await;
    let mut taken = 0;
    while deaf.try_next_update().await.is_some() {
        taken += 1;
    }
    let mut bob = server.log_in("bob").await;

    let missed: Vec<usize> = bob
        .updates_so_far()
        .await
        .into_iter()
        .map(|update| content(update).split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(taken < MESSAGES, "the connection was not given up");
    let first = *missed.first().expect("what no buffer could hold");
    assert!(first <= taken, "{first} is the first that was missed, and {taken} were taken");
    assert_eq!(missed, (first..MESSAGES).collect::<Vec<_>>());
}
