//! How fast somebody may log in, register and talk.

use std::time::{Duration, Instant};

use chinwag::config::Limits;
use chinwag::protocol::Response;

use crate::helpers::{PASSWORD, TestClient, TestServer};

/// A server to which this machine is as good as any other.
async fn counting(adjust: impl FnOnce(&mut Limits)) -> TestServer {
    TestServer::start_with(|config| {
        config.limits.exempts_loopback = false;
        adjust(&mut config.limits);
    })
    .await
}

#[tokio::test]
async fn who_guesses_is_refused_for_a_while_and_the_owner_elsewhere_is_not() {
    let server = counting(|limits| limits.login_rate = Some(Limits::login_rate(0.03))).await;
    let mut guesser = server.connect().await;
    guesser.register("ada").await.unwrap();
    let too_many = "too many failed logins for this username from your address; try again in a minute";

    for _ in 0..3 {
        guesser.try_log_in("ada", "a wrong password").await.unwrap_err();
    }
    let right = guesser.try_log_in("ADA", PASSWORD).await;
    let mut owner = server.connect_from("127.0.0.2").await;
    owner.log_in("ada").await;
    let other_name = guesser.try_log_in("bob", PASSWORD).await;

    assert_eq!(right.unwrap_err(), too_many);
    assert_eq!(other_name.unwrap_err(), "wrong username or password");
}

#[tokio::test]
async fn logging_in_again_and_again_is_no_guessing() {
    let server = counting(|_| ()).await;
    let mut ada = server.register("ada").await;

    for _ in 0..30 {
        ada.log_out().await.unwrap();
        ada.log_in("ada").await;
    }
}

#[tokio::test]
async fn many_logins_at_once_with_the_right_password_are_no_guesses() {
    let server = counting(|limits| limits.login_rate = Some(Limits::login_rate(0.05))).await;
    server.register("ada").await.close().await;
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(server.connect().await);
    }

    let logins = clients
        .into_iter()
        .map(|mut client| tokio::spawn(async move { client.try_log_in("ada", PASSWORD).await.map(drop) }));
    let logins: Vec<_> = logins.collect();
    let mut in_time = 0;
    for login in logins {
        match login.await.unwrap() {
            Ok(()) => in_time += 1,
            Err(why) => assert_eq!(why, "the server is busy and has done nothing; try again in a few seconds"),
        }
    }

    assert!(in_time >= 5, "{in_time}");
    server.connect().await.log_in("ada").await;
}

#[tokio::test]
async fn an_address_registers_so_many_and_mistakes_are_not_counted() {
    let server = counting(|limits| limits.registration_rate = Some(Limits::registration_rate(0.1))).await;
    let mut client = server.connect().await;
    let too_many = Err("too many registrations from your address; try again in a minute".to_owned());

    for _ in 0..5 {
        client.register_with("ada", "short").await.unwrap_err();
        client.register("a name with spaces").await.unwrap_err();
    }
    client.register("ada").await.unwrap();
    client.register("bob").await.unwrap();

    assert_eq!(client.register("eve").await, too_many);
    server.connect_from("127.0.0.2").await.register("eve").await.unwrap();
}

#[tokio::test]
async fn this_machine_is_not_counted_where_it_is_exempt() {
    let server = TestServer::start_with(|config| {
        config.limits.registration_rate = Some(Limits::registration_rate(0.05));
        config.limits.login_rate = Some(Limits::login_rate(0.01));
    })
    .await;
    let mut client = server.connect().await;

    for name in ["ada", "bob", "eve"] {
        client.register(name).await.unwrap();
        assert_eq!(client.try_log_in("ada", "a wrong password").await.unwrap_err(), "wrong username or password");
    }
}

/// A server on which a user may say `per_second`, and ten times as much at once.
async fn slow(per_second: f64) -> TestServer {
    TestServer::start_with(|config| config.limits.message_rate = Some(Limits::message_rate(per_second))).await
}

/// Sends `count` whispers to oneself without waiting for any answer.
async fn flood(client: &mut TestClient, count: usize) {
    let username = client.login().username;
    let request = client.whisper_request(&username, "again");
    for _ in 0..count {
        client.send(&request).await;
    }
}

/// How many of `count` messages were accepted.
async fn accepted(client: &mut TestClient, count: usize) -> usize {
    let mut accepted = 0;
    for _ in 0..count {
        match client.next_response().await {
            Response::Done => accepted += 1,
            Response::Refused(refused) => {
                assert_eq!(refused.why, "you are sending too much too fast; try again in a few seconds");
            }
            other => panic!("a message is not answered with {other:?}"),
        }
    }
    accepted
}

#[tokio::test]
async fn a_sender_who_floods_is_slowed_and_nothing_is_refused() {
    let server = slow(40.0).await;
    let mut ada = server.register("ada").await;

    let began = Instant::now();
    flood(&mut ada, 480).await;

    assert_eq!(accepted(&mut ada, 480).await, 480);
    assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_sender_who_floods_on_many_connections_is_refused_and_others_are_not() {
    let server = slow(10.0).await;
    let mut bob = server.register("bob").await;
    let mut connections = vec![server.register("ada").await];
    for _ in 0..3 {
        connections.push(server.log_in("ada").await);
    }

    let began = Instant::now();
    for connection in &mut connections {
        flood(connection, 64).await;
    }
    bob.whisper("bob", "undisturbed").await;
    let mut sent = 0;
    for connection in &mut connections {
        sent += accepted(connection, 64).await;
    }

    let due = 100.0 + 10.0 * (2.0 + began.elapsed().as_secs_f64());
    assert!((100.0..=due).contains(&(sent as f64)), "{sent} of {due}");
    // Who was refused is held back until there is room again, which what others had under way may have taken once.
    if connections[3].try_whisper("ada", "after a pause").await.is_err() {
        connections[3].whisper("ada", "after another").await;
    }
}
