//! A database that fails: one bad row alone, or for a while.

use std::time::Duration;

use chinwag::protocol::{Refused, Response};
use tokio::time::{sleep, timeout};

use crate::database;
use crate::helpers::TestServer;

#[tokio::test]
async fn a_row_that_the_schema_refuses_fails_alone() {
    let server = TestServer::start().await;
    server.register("bob").await.close().await;
    let stopped = server.stop().await;
    let poison = "create trigger poison before insert on messages when new.content = 'poison'
        begin select raise(abort, 'poisoned'); end";
    drop(database::meddle(&stopped.database(), poison).await);
    let server = stopped.start().await;
    let mut ada = server.register("ada").await;

    for n in 0..50 {
        let content = if n % 10 == 5 { "poison".to_owned() } else { n.to_string() };
        ada.send(&ada.whisper_request("bob", &content)).await;
    }
    let mut refused = Vec::new();
    for n in 0..50 {
        match ada.next_response().await {
            Response::Done => {}
            response => refused.push((n, response)),
        }
    }

    let internal = Response::Refused(Refused::because("internal error"));
    assert_eq!(refused, [5, 15, 25, 35, 45].map(|n| (n, internal.clone())));
    let stored = "select count(*) || ' ' || min(message_id) || ' ' || max(message_id) from messages";
    assert_eq!(database::texts(&server.database(), stored).await, ["45 1 45"]);
    let received: Vec<String> = (0..50).filter(|n| n % 10 != 5).map(|n| n.to_string()).collect();
    assert_eq!(server.log_in("bob").await.contents_so_far().await, received);
}

#[tokio::test]
async fn a_message_by_or_to_who_was_deleted_beside_the_server_fails_alone() {
    let server = TestServer::start().await;
    let mut carol = server.register("carol").await;
    server.register("bob").await.close().await;
    let mut eve = server.register("eve").await;
    let mut ada = server.register("ada").await;
    ada.create_group("tea").await.unwrap();
    ada.create_group("coffee").await.unwrap();
    // Whispers between people who have talked before need nothing but the log.
    for to in ["carol", "bob", "eve"] {
        ada.whisper(to, "before").await;
    }
    eve.whisper("carol", "before").await;
    let delete = "pragma foreign_keys = off; delete from users where username in ('bob', 'eve');
        delete from groups where group_name = 'coffee'";
    drop(database::meddle(&server.database(), delete).await);

    for n in 0..10 {
        for to in ["carol", "bob", "carol", "eve"] {
            ada.send(&ada.whisper_request(to, n.to_string())).await;
        }
        for to in ["tea", "coffee"] {
            ada.send(&ada.message_group_request(to, n.to_string())).await;
        }
    }
    let (done, internal) = (Response::Done, Response::Refused(Refused::because("internal error")));
    let expected = [&done, &internal, &done, &internal, &done, &internal];
    for answer in expected.into_iter().cycle().take(60) {
        assert_eq!(ada.next_response().await, *answer);
    }

    for n in 0..10 {
        assert_eq!(eve.try_whisper("carol", &n.to_string()).await, Err("internal error".to_owned()));
    }

    let stored = "select count(*) || ' ' || max(message_id) from messages
        union all select 'dangling ' || rowid from pragma_foreign_key_check('messages')";
    assert_eq!(database::texts(&server.database(), stored).await, ["34 34", "dangling 2", "dangling 3", "dangling 4"]);
    assert_eq!(carol.contents_so_far().await.len(), 22);
}

#[tokio::test]
async fn a_registration_that_the_schema_refuses_can_be_tried_again_under_another_name() {
    let server = TestServer::start().await;
    let stopped = server.stop().await;
    let poison = "create trigger poison before insert on users when new.username = 'mallory'
        begin select raise(abort, 'poisoned'); end";
    drop(database::meddle(&stopped.database(), poison).await);
    let server = stopped.start().await;
    let mut client = server.connect().await;

    assert_eq!(client.register("mallory").await, Err("internal error".to_owned()));
    assert_eq!(client.register("mallory").await, Err("internal error".to_owned()));
    client.register("ada").await.unwrap();
    client.log_in("ada").await;
    assert_eq!(client.try_whisper("mallory", "hello").await, Err("there is no such user".to_owned()));
}

#[tokio::test]
async fn behind_a_stalled_commit_requests_are_refused_in_time_and_the_stalled_one_waits_for_its_outcome() {
    let server = TestServer::start_with(|config| config.limits.busy_after = Duration::from_secs(1)).await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;
    ada.send(&ada.whisper_request("bob", "zero")).await;
    assert_eq!(ada.next_response().await, Response::Done);

    let mut eve = server.connect().await;
    eve.use_login(bob.login());
    let mut accepted = vec!["zero"];
    let refused = loop {
        assert!(accepted.len() < 20, "nothing is refused behind a stalled commit");
        let lock = database::meddle(&server.database(), "begin immediate").await;
        ada.send(&ada.whisper_request("bob", "taken")).await;
        // By then it is nearly always taken. Where it is not, both come into one commit, or the other way round.
        sleep(Duration::from_millis(100)).await;
        eve.send(&eve.whisper_request("bob", "behind")).await;
        let in_time = timeout(Duration::from_secs(3), eve.next_response()).await;
        drop(lock);
        let is_taken = ada.next_response().await == Response::Done;
        accepted.extend(is_taken.then_some("taken"));
        match in_time {
            Ok(refused) if is_taken => break refused,
            Ok(_) => {}
            Err(_) => {
                assert_eq!(eve.next_response().await, Response::Done);
                accepted.push("behind");
            }
        }
    };

    let busy = "the server is busy and has done nothing; try again in a few seconds";
    assert_eq!(refused, Response::Refused(Refused::because(busy)));
    assert_eq!(bob.contents_so_far().await, accepted);
}

#[tokio::test]
async fn while_the_database_takes_nothing_sends_are_refused_and_afterwards_all_is_well() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    ada.create_group("rust").await.unwrap();

    let lock = database::meddle(&server.database(), "begin immediate").await;
    let while_locked = ada.try_whisper("ada", "refused").await;
    drop(lock);
    ada.message_group("rust", "well again").await;

    assert_eq!(while_locked, Err("the server is busy and has done nothing; try again in a few seconds".to_owned()));
    assert_eq!(ada.contents_so_far().await, ["well again"]);
    assert_eq!(database::number(&server.database(), "select min(message_id) from messages").await, 1);
}
