//! Registering, logging in and out, and what a token is good for.

use std::time::Duration;

use chinwag::config::PasswordCost;
use chinwag::domain::Secret;
use chinwag::protocol::{Framing, Request};

use crate::database;
use crate::helpers::{PASSWORD, TestServer, whisper};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NOT_VALID: &str = "this username and token are not valid together; log in again";

#[tokio::test]
async fn a_name_is_answered_as_it_was_registered() {
    for framing in [Framing::Bare, Framing::Array] {
        let server = TestServer::start().await;
        let mut ada = server.connect_framed(framing).await;

        ada.register("Ada.Lovelace").await.unwrap();
        let login = ada.log_in("ada.LOVELACE").await;

        assert_eq!(login.username, "Ada.Lovelace");
        assert_eq!(login.token.expose().len(), 36);
    }
}

#[tokio::test]
async fn a_name_belongs_to_one_whatever_its_case() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    client.register("ada").await.unwrap();

    assert_eq!(client.register("ADA").await, Err("this username is taken".to_owned()));
}

#[tokio::test]
async fn of_a_hundred_who_want_one_name_one_gets_it() {
    let server = TestServer::start().await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(server.connect().await);
    }

    let registering = clients.into_iter().map(|mut client| tokio::spawn(async move { client.register("ada").await }));
    let registering: Vec<_> = registering.collect();
    let mut successes = 0;
    for registered in registering {
        match registered.await.unwrap() {
            Ok(()) => successes += 1,
            Err(why) => assert_eq!(why, "this username is taken"),
        }
    }

    assert_eq!(successes, 1);
    assert_eq!(database::number(&server.database(), "select count(*) from users").await, 1);
}

#[tokio::test]
async fn names_and_passwords_that_are_not_allowed_are_refused_with_the_reason() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    let name_rule = "a username is 1 to 32 of a-z, 0-9, '.', '_' and '-'";

    for (name, password, why) in [
        ("", PASSWORD, name_rule),
        ("two words", PASSWORD, name_rule),
        (&"x".repeat(33), PASSWORD, name_rule),
        ("ada", "short", "a password has at least 8 characters"),
        (
            "ada",
            &"x".repeat(1025),
            "a password has at most 1024 bytes, no control characters and none newer than Unicode 6.3",
        ),
        (
            "ada",
            "new\nlines\n",
            "a password has at most 1024 bytes, no control characters and none newer than Unicode 6.3",
        ),
        ("lovelace", "LoveLace", "a password may not be the username"),
        ("ada", "Password1", "this password is among the most common ones"),
    ] {
        assert_eq!(client.register_with(name, password).await, Err(why.to_owned()), "{name:?} {password:?}");
    }
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_are_answered_alike() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    client.register("ada").await.unwrap();

    for (name, password) in [("ada", "a wrong password"), ("bob", PASSWORD), ("two words", PASSWORD), ("ada", "")] {
        let refused = client.try_log_in(name, password).await.unwrap_err();
        assert_eq!(refused, "wrong username or password", "{name:?}");
    }
}

#[tokio::test]
async fn a_connection_has_one_login_at_a_time() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;

    let again = ada.try_log_in("ada", PASSWORD).await;
    ada.log_out().await.unwrap();
    ada.log_in("ada").await;

    assert_eq!(again.unwrap_err(), "this connection is logged in already; log out first");
}

#[tokio::test]
async fn only_who_is_logged_in_here_can_log_out_here() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    server.register("bob").await;
    let mut other = server.connect().await;
    let log_out = |name: &'static str| Request::LogOut { username: name.into() };
    let why = Err("this connection is not logged in as that user".to_owned());

    assert_eq!(other.request(&log_out("ada")).await, why);
    assert_eq!(ada.request(&log_out("bob")).await, why);
    assert_eq!(ada.request(&log_out("ADA")).await, Ok(()));
    assert_eq!(ada.request(&log_out("ada")).await, why);
}

#[tokio::test]
async fn logging_out_ends_this_login_and_no_other() {
    let server = TestServer::start().await;
    let mut phone = server.register("ada").await;
    let mut laptop = server.log_in("ada").await;
    let ended = phone.login();

    phone.log_out().await.unwrap();
    phone.use_login(ended);

    assert_eq!(phone.try_whisper("ada", "hello").await, Err(NOT_VALID.to_owned()));
    laptop.whisper("ada", "hello").await;
    assert_eq!(laptop.next_update().await, whisper("ada", "hello"));
}

#[tokio::test]
async fn after_logging_out_nothing_more_is_received_until_the_next_login() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;

    bob.log_out().await.unwrap();
    ada.whisper("bob", "while you were out").await;
    assert_eq!(bob.register("ada").await, Err("this username is taken".to_owned()));
    bob.log_in("bob").await;

    assert_eq!(bob.updates_so_far().await, [whisper("ada", "while you were out")]);
}

#[tokio::test]
async fn a_token_authenticates_on_any_connection_with_its_username_alone() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    server.register("bob").await;
    let mut other = server.connect().await;
    let mut login = ada.login();

    login.username = "ADA".to_owned();
    other.use_login(login.clone());
    other.whisper("ada", "from elsewhere").await;
    login.username = "bob".to_owned();
    other.use_login(login.clone());
    let as_bob = other.try_whisper("ada", "no").await;
    login.username = "ada".to_owned();
    login.token = Secret::new("not a token");
    other.use_login(login.clone());
    let without = other.try_whisper("ada", "no").await;
    login.token = Secret::new("00000000-0000-4000-8000-000000000000");
    other.use_login(login);
    let guessed = other.try_whisper("ada", "no").await;

    for refused in [as_bob, without, guessed] {
        assert_eq!(refused, Err(NOT_VALID.to_owned()));
    }
    assert_eq!(ada.updates_so_far().await, [whisper("ada", "from elsewhere")]);
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let server = TestServer::start().await;
    let login = server.register("ada").await.login();

    let server = server.restart().await;
    let mut ada = server.connect().await;
    ada.use_login(login);

    ada.add_contact("ada").await.unwrap_err();
    ada.whisper("ada", "still me").await;
}

#[tokio::test]
async fn a_token_expires_when_it_was_not_used_for_thirty_days() {
    let server = TestServer::start().await;
    let login = server.register("ada").await.login();
    let mut other = server.connect().await;
    other.use_login(login);

    server.clock.advance(29 * DAY);
    other.whisper("ada", "used").await;
    server.clock.advance(29 * DAY);
    other.whisper("ada", "used again").await;
    server.clock.advance(31 * DAY);

    assert_eq!(other.try_whisper("ada", "too late").await, Err(NOT_VALID.to_owned()));
}

#[tokio::test]
async fn the_use_of_a_token_is_remembered_across_a_restart() {
    let server = TestServer::start().await;
    let login = server.register("ada").await.login();
    let mut other = server.connect().await;
    other.use_login(login.clone());
    server.clock.advance(29 * DAY);
    other.whisper("ada", "used").await;

    let server = server.restart().await;
    server.clock.advance(29 * DAY);
    let mut other = server.connect().await;
    other.use_login(login);

    other.whisper("ada", "still good").await;
}

#[tokio::test]
async fn a_connection_that_stays_logged_in_keeps_its_token() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;

    server.clock.advance(31 * DAY);

    ada.whisper("ada", "still here").await;
}

#[tokio::test]
async fn expired_sessions_are_deleted_when_the_server_starts() {
    let server = TestServer::start().await;
    drop(server.register("ada").await);

    let server = server.stop().await.start_with(|config| config.clock.advance(31 * DAY)).await;
    let mut bob = server.register("bob").await;
    bob.whisper("bob", "queued after the first upkeep").await;

    assert_eq!(database::texts(&server.database(), "select username from readable_sessions").await, ["bob"]);
}

#[tokio::test]
async fn a_login_hashes_anew_when_the_cost_has_changed() {
    let server = TestServer::start().await;
    drop(server.register("ada").await);

    let stronger = PasswordCost { memory_kib: 16, iterations: 2 };
    let server = server.stop().await.start_with(|config| config.password_cost = stronger).await;
    server.log_in("ada").await;
    server.log_in("ada").await;

    let hashes = database::texts(&server.database(), "select password_hash from users").await;
    assert!(hashes[0].starts_with("$argon2id$v=19$m=16,t=2,p=1$"), "{hashes:?}");
}
