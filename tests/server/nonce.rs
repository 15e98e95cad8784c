//! Version 2 of the wire: a message that is sent again is stored once.

use chinwag::protocol::{Request, Response};

use crate::database;
use crate::helpers::{TestClient, TestServer, content, with_nonce};

async fn code(client: &mut TestClient, request: &Request<'_>) -> String {
    client.ask(request).await.unwrap_err().code.unwrap()
}

#[tokio::test]
async fn the_same_nonce_again_gets_the_same_answer_and_no_second_message() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    let request = with_nonce(ada.whisper_request("BOB", "once"), "n");
    let first = ada.ask(&request).await;
    let mut phone = server.resume(&ada.login()).await;

    let again = [ada.ask(&request).await, phone.ask(&request).await];
    let server = server.restart().await;
    let mut ada = server.resume(&ada.login()).await;
    let after_a_restart = ada.ask(&with_nonce(ada.whisper_request("bob", "once"), "n")).await;

    assert!(matches!(first, Ok(Response::Accepted { .. })), "{first:?}");
    assert_eq!([&again[0], &again[1], &after_a_restart], [&first; 3]);
    assert_eq!(content(bob.next_update().await), "once");
    assert_eq!(database::number(&server.database(), "select count(*) from messages").await, 1);
}

#[tokio::test]
async fn within_one_batch_too_a_nonce_is_one_message() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let requests: Vec<Request> =
        (0..60).map(|n| with_nonce(ada.whisper_request("ada", "again"), (n / 5).to_string())).collect();

    for request in &requests {
        ada.send(request).await;
    }
    let mut answers = Vec::new();
    for _ in &requests {
        answers.push(ada.next_response().await);
    }

    for five in answers.chunks(5) {
        assert!(matches!(five[0], Response::Accepted { .. }), "{:?}", five[0]);
        assert!(five.iter().all(|answer| *answer == five[0]), "{five:?}");
    }
    assert_eq!(ada.updates_so_far().await.len(), 12);
}

#[tokio::test]
async fn a_nonce_with_another_message_is_a_conflict() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let bob = server.register_2("bob").await;
    ada.create_group("tea").await.unwrap();
    ada.accepted(&with_nonce(ada.whisper_request("bob", "hello"), "n")).await;

    let others = [
        ada.whisper_request("bob", "hello!"),
        ada.whisper_request("ada", "hello"),
        ada.whisper_request("nobody", "hello"),
        ada.message_group_request("tea", "hello"),
        ada.message_group_request("nowhere", "hello"),
    ];
    for request in others {
        assert_eq!(code(&mut ada, &with_nonce(request.clone(), "n")).await, "conflict", "{request:?}");
    }
    let mut bob = server.resume(&bob.login()).await;
    bob.accepted(&with_nonce(bob.whisper_request("ada", "a nonce of one's own"), "n")).await;
    ada.accepted(&with_nonce(ada.whisper_request("bob", "hello!"), "N")).await;
}

#[tokio::test]
async fn a_nonce_has_1_to_64_bytes_of_any_kind() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;

    for nonce in ["\0", "\"\\\u{7}\u{fffd}", &"x".repeat(64)] {
        let request = with_nonce(ada.whisper_request("ada", "hello"), nonce);
        let first = ada.accepted(&request).await;
        assert_eq!(ada.accepted(&request).await, first, "{nonce:?}");
    }
    for nonce in [String::new(), "x".repeat(65)] {
        let request = with_nonce(ada.whisper_request("ada", "hello"), &nonce);
        assert_eq!(code(&mut ada, &request).await, "invalid_nonce");
    }
}

#[tokio::test]
async fn a_retry_is_answered_even_after_leaving_the_group() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    ada.create_group("tea").await.unwrap();
    bob.join_group("tea").await.unwrap();
    let request = with_nonce(bob.message_group_request("tea", "hello"), "n");
    let id = bob.accepted(&request).await;

    let stopped = server.stop().await;
    database::meddle(&stopped.database(), "update group_members set left_id = 1 where user_id = 2").await;
    let server = stopped.start().await;
    let mut bob = server.resume(&bob.login()).await;

    assert_eq!(bob.accepted(&request).await, id);
    assert_eq!(code(&mut bob, &with_nonce(request, "another")).await, "not_a_member");
}
