//! Version 2 of the wire: how it is turned on, and logins by token.

use std::time::Duration;

use chinwag::protocol::{Framing, Request, Update};

use crate::helpers::{PASSWORD, TestServer, refused};

fn log_out_nobody() -> Request<'static> {
    Request::LogOut { username: "nobody".into() }
}

fn hello(version: i64) -> Request<'static> {
    Request::Hello { version, client: None }
}

#[tokio::test]
async fn hello_tells_the_limits_and_turns_version_2_on() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;

    let welcome = client.hello().await;

    assert_eq!((welcome.version, welcome.limits.content_bytes, welcome.limits.in_flight), (2, 16 * 1024, 64));
    assert!(welcome.server.starts_with("chinwag/"), "{}", welcome.server);
    let refused = client.ask(&log_out_nobody()).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("not_logged_in"));
}

#[tokio::test]
async fn a_newer_client_is_answered_in_the_newest_version_that_the_server_speaks() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;

    client.ask(&hello(7)).await.unwrap();

    assert!(client.ask(&log_out_nobody()).await.unwrap_err().code.is_some());
}

#[tokio::test]
async fn who_asks_for_an_older_version_or_asks_late_goes_on_in_version_1() {
    let server = TestServer::start().await;
    let mut old = server.connect().await;
    let mut late = server.connect().await;
    late.ask(&log_out_nobody()).await.unwrap_err();

    let too_old = old.ask(&hello(1)).await.unwrap_err();
    let too_late = late.ask(&hello(2)).await.unwrap_err();

    assert_eq!(too_old.why, "with hello, a client speaks version 2 or newer");
    assert_eq!(too_late.why, "hello is the first request of a connection");
    for client in [&mut old, &mut late] {
        assert_eq!(client.ask(&log_out_nobody()).await.unwrap_err().code, None);
        let resume = Request::Resume { username: "ada".into(), token: "x".into() };
        assert_eq!(client.ask(&resume).await.unwrap_err().why, "there is no such action");
    }
}

#[tokio::test]
async fn bare_framing_knows_no_hello() {
    let server = TestServer::start().await;
    let mut raw = server.raw().await;

    raw.send(b"\xa5hello").await;

    assert_eq!(raw.receive_to_end().await, refused(Framing::Bare, "there is no such action"));
}

#[tokio::test]
async fn options_that_are_not_known_are_passed_over_and_wrong_ones_are_refused() {
    let server = TestServer::start().await;
    let mut raw = server.raw().await;
    // {"version": 2, "colour": ["red", {7: not UTF-8}], 5: nil}
    raw.send(b"\x92\xa5hello\x83\xa7version\x02\xa6colour\x92\xa3red\x81\x07\xa2\xc3\x28\x05\xc0").await;
    assert_eq!(raw.receive(12).await, b"\x93\xa8response\xc3\x83");

    let mut raw = server.raw().await;
    for hello in [&b"\x91\xa5hello"[..], b"\x92\xa5hello\x80", b"\x92\xa5hello\x81\xa7version\xa12"] {
        let mut raw = server.raw().await;
        raw.send(hello).await;
        let expected = refused(Framing::Array, "an option of this action has the wrong type, or is missing");
        assert_eq!(raw.receive(expected.len()).await, expected, "{hello:02x?}");
    }
    raw.send(b"\x93\xa5hello\xa3ada\x80").await;
    let expected = refused(Framing::Array, "this action takes another number of arguments");
    assert_eq!(raw.receive(expected.len()).await, expected);
}

#[tokio::test]
async fn a_token_logs_in_again_on_any_connection_and_after_a_restart() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("Ada").await;
    let login = ada.login();
    let mut phone = server.resume(&login).await;
    phone.sync(login.head.as_deref()).await.unwrap();
    assert!(phone.updates_until_synced().await.is_empty());

    ada.whisper("ada", "to both").await;
    let server = server.restart().await;
    let mut again = server.hello().await;
    let resumed = again.resume(&login).await.unwrap();

    assert_eq!((resumed.username.as_str(), resumed.token == login.token), ("Ada", true));
    assert_ne!(resumed.head, login.head);
    assert_eq!(again.resume(&login).await.unwrap_err(), "this connection is logged in already; log out first");
    again.whisper("ada", "from a resumed connection").await;
}

#[tokio::test]
async fn only_a_token_that_lives_and_its_own_username_log_in_by_token() {
    let server = TestServer::start().await;
    let ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    let (ada_login, bob_login) = (ada.login(), bob.login());
    bob.log_out().await.unwrap();
    let mut client = server.hello().await;

    let mut others = ada_login.clone();
    others.username = "bob".to_owned();
    let mut none = ada_login.clone();
    none.token = "no token".into();

    for login in [&bob_login, &others, &none] {
        let refused = client.resume(login).await.unwrap_err();
        assert_eq!(refused, "this username and token are not valid together; log in again");
    }
    server.clock.advance(Duration::from_secs(31 * 24 * 60 * 60));
    assert!(client.resume(&ada_login).await.is_err());
}

#[tokio::test]
async fn when_a_login_ends_its_other_connections_are_told_and_closed() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut phone = server.resume(&ada.login()).await;
    let mut laptop = server.resume(&ada.login()).await;
    laptop.sync(None).await.unwrap();
    laptop.updates_until_synced().await;
    let mut other_login = server.log_in("ada").await;

    ada.log_out().await.unwrap();

    for client in [&mut phone, &mut laptop] {
        assert_eq!(client.next_update().await, Update::SessionEnded { code: "logged_out".to_owned() });
        assert_eq!(client.try_next_update().await, None);
    }
    other_login.whisper("ada", "another login").await;
    ada.try_log_in("ada", PASSWORD).await.unwrap();
}
