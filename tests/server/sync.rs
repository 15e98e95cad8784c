//! Version 2 of the wire: every message of one's conversations, once, from where one left off.

use chinwag::protocol::{Request, Response, Update};

use crate::database;
use crate::helpers::{TestServer, content, stamp, with_nonce};

fn contents(updates: Vec<Update>) -> Vec<String> {
    updates.into_iter().map(content).collect()
}

#[tokio::test]
async fn nothing_comes_before_sync_and_then_everything_once_what_one_said_included() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    ada.create_group("tea").await.unwrap();
    bob.join_group("tea").await.unwrap();
    bob.whisper("ada", "one").await;
    ada.whisper("bob", "two").await;
    bob.message_group("tea", "three").await;
    ada.message_group("tea", "four").await;
    bob.whisper("bob", "a note of Bob's").await;
    let mut phone = server.resume(&ada.login()).await;

    ada.whisper("bob", "five").await;
    phone.whisper("ada", "six").await;
    phone.sync(None).await.unwrap();
    let missed = phone.updates_until_synced().await;
    bob.whisper("ada", "seven").await;
    let live = phone.next_update().await;

    assert_eq!(contents(missed), ["one", "two", "three", "four", "five", "six"]);
    assert_eq!(content(live), "seven");
    let own: Vec<_> = ada.updates_so_far().await.into_iter().filter(|update| update.content().is_some()).collect();
    let own = contents(own);
    assert_eq!(own, ["one", "two", "three", "four", "five", "six", "seven"]);
}

#[tokio::test]
async fn one_s_own_messages_say_to_whom_and_carry_the_nonce_and_others_do_not() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("Ada").await;
    let mut bob = server.register_2("Bob").await;
    ada.create_group("tea").await.unwrap();
    bob.join_group("tea").await.unwrap();

    let whisper = with_nonce(ada.whisper_request("bob", "hello"), "n1");
    let Ok(Response::Accepted { id, at_ms }) = ada.ask(&whisper).await else { panic!("not accepted") };
    let group_id = ada.accepted(&with_nonce(ada.message_group_request("tea", "hello all"), "n2")).await;

    let own = [ada.next_message().await, ada.next_message().await];
    let others = [bob.next_message().await, bob.next_message().await];
    assert_eq!((&stamp(&own[0]).id, stamp(&own[0]).at_ms), (&id, at_ms));
    assert_eq!((stamp(&own[0]).to.as_deref(), stamp(&own[0]).nonce.as_deref()), (Some("Bob"), Some("n1")));
    assert_eq!((&stamp(&own[1]).id, stamp(&own[1]).nonce.as_deref()), (&group_id, Some("n2")));
    assert_eq!(stamp(&own[1]).to, None);
    for (own, other) in own.iter().zip(&others) {
        assert_eq!((&stamp(other).id, stamp(other).at_ms), (&stamp(own).id, stamp(own).at_ms));
        assert_eq!((&stamp(other).to, &stamp(other).nonce), (&None, &None));
    }
    // Read from the database they are the same.
    for (client, live) in [(&ada, own), (&bob, others)] {
        let mut again = server.resume(&client.login()).await;
        again.sync(None).await.unwrap();
        assert_eq!(again.updates_until_synced().await, live);
    }
}

#[tokio::test]
async fn behind_the_last_message_that_one_has_nothing_comes_again() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    for n in 0..10 {
        ada.whisper("ada", &n.to_string()).await;
    }
    let all = ada.updates_so_far().await;

    for (have, update) in all.iter().enumerate() {
        let mut again = server.resume(&ada.login()).await;
        again.sync(Some(&stamp(update).id)).await.unwrap();
        let rest = again.updates_until_synced().await;
        // The last is what `updates_so_far` has said.
        assert_eq!(rest[..rest.len() - 1], all[have + 1..]);
    }
}

#[tokio::test]
async fn the_id_of_synced_may_be_kept_and_outlives_a_restart() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    bob.whisper("ada", "before").await;
    let mut phone = server.resume(&ada.login()).await;
    phone.sync(None).await.unwrap();
    assert_eq!(content(phone.next_update().await), "before");
    let Update::Synced { id } = phone.next_update().await else { panic!("all of it was there") };
    let login = ada.login();
    ada.log_out().await.unwrap_or_default();

    let server = server.restart().await;
    let mut bob = server.resume(&bob.login()).await;
    bob.whisper("ada", "after").await;
    let mut ada = server.hello().await;
    ada.log_in(&login.username).await;
    ada.sync(Some(&id)).await.unwrap();

    assert_eq!(contents(ada.updates_until_synced().await), ["after"]);
}

#[tokio::test]
async fn an_id_that_this_database_never_gave_leaves_a_gap_and_then_everything_comes() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let first = ada.accepted(&ada.whisper_request("ada", "one")).await;
    ada.whisper("ada", "two").await;
    let (epoch, _) = first.split_once('-').unwrap();
    let never: [&str; 5] = ["", "nonsense", "00000000-1", &format!("{epoch}-1000"), &format!("{epoch}--1")];

    for after in never {
        let mut again = server.resume(&ada.login()).await;
        again.sync(Some(after)).await.unwrap();
        assert_eq!(again.next_update().await, Update::Gap { id: first.clone() }, "{after:?}");
        assert_eq!(contents(again.updates_until_synced().await), ["one", "two"], "{after:?}");
    }
}

#[tokio::test]
async fn a_connection_syncs_once_and_as_the_user_who_is_logged_in() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let bob = server.register_2("bob").await;
    let mut stranger = server.hello().await;
    stranger.use_login(ada.login());
    let mut other = server.resume(&bob.login()).await;
    other.use_login(ada.login());

    assert_eq!(ada.sync(None).await.unwrap_err(), "this connection is synced already");
    for client in [&mut stranger, &mut other] {
        assert_eq!(client.sync(None).await.unwrap_err(), "this connection is not logged in as that user");
    }
    ada.log_out().await.unwrap();
    ada.log_in("ada").await;
    ada.sync(None).await.unwrap();
}

#[tokio::test]
async fn who_has_left_a_group_reads_what_was_said_until_then_and_nothing_later() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    ada.create_group("tea").await.unwrap();
    ada.message_group("tea", "before Bob").await;
    bob.join_group("tea").await.unwrap();
    ada.message_group("tea", "with Bob").await;
    ada.message_group("tea", "without Bob").await;
    let (ada_login, bob_login) = (ada.login(), bob.login());

    let stopped = server.stop().await;
    database::meddle(&stopped.database(), "update group_members set left_id = 2 where user_id = 2").await;
    let server = stopped.start().await;
    let mut ada = server.resume(&ada_login).await;
    ada.message_group("tea", "later").await;
    let mut bob = server.resume(&bob_login).await;
    bob.sync(None).await.unwrap();

    assert_eq!(contents(bob.updates_until_synced().await), ["with Bob"]);
}

#[tokio::test]
async fn what_version_2_has_received_version_1_is_owed_all_the_same() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    ada.whisper("ada", "for both").await;
    assert_eq!(content(ada.next_update().await), "for both");

    let mut old = server.log_in("ada").await;

    assert_eq!(contents(old.updates_so_far().await), ["for both"]);
}

#[tokio::test]
async fn synced_comes_at_its_place_while_people_go_on_talking() {
    const BACKLOG: usize = 3000;
    let server = TestServer::start_with(|config| config.limits.outbox_bytes = 64 * 1024).await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    let request = bob.whisper_request("ada", "x".repeat(300));
    for _ in 0..BACKLOG {
        bob.send(&request).await;
    }
    for _ in 0..BACKLOG {
        bob.next_response().await;
    }
    let head = bob.accepted(&request).await;

    let mut phone = server.resume(&ada.login()).await;
    phone.sync(None).await.unwrap();
    let talking = tokio::spawn(async move {
        for _ in 0..300 {
            bob.accepted(&request).await;
        }
        bob.accepted(&bob.whisper_request("ada", "the end")).await
    });
    let (mut ids, mut synced) = (Vec::new(), None);
    loop {
        match phone.next_update().await {
            Update::Synced { id } => {
                assert_eq!((&id, ids.len()), (&head, BACKLOG + 1));
                synced = Some(id);
            }
            update => {
                ids.push(stamp(&update).id.clone());
                if update.content() == Some("the end") {
                    break;
                }
            }
        }
    }

    let last = talking.await.unwrap();
    assert!(synced.is_some() && ids.last() == Some(&last));
    let numbers: Vec<usize> = ids.iter().map(|id| id.split_once('-').unwrap().1.parse().unwrap()).collect();
    assert_eq!(numbers, (1..=BACKLOG + 302).collect::<Vec<_>>());
    let wrong = Request::Sync { after: None, username: "ada".into(), token: "x".into() };
    assert_eq!(ada.ask(&wrong).await.unwrap_err().code.as_deref(), Some("not_authenticated"));
}
