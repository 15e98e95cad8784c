//! The client that stays connected, where something breaks: everything comes once and is said once.

use std::time::Duration;

use chinwag::client::{Accepted, Ended, Event, SendError, Speaker, Start};
use tokio::task::JoinHandle;

use crate::chat::{chat, contents_through, contents_up_to_an_end, next, next_message, said};
use crate::database;
use crate::helpers::{TestServer, within};
use crate::program::{Process, scratch};
use crate::proxy::{Manners, Proxy};

/// Says something in a task of its own.
fn saying(speaker: &Speaker, to: &str, content: &str) -> JoinHandle<Result<Accepted, SendError>> {
    let (speaker, to, content) = (speaker.clone(), to.to_owned(), content.to_owned());
    tokio::spawn(async move { speaker.whisper(&to, &content).await })
}

#[tokio::test]
async fn while_there_is_no_server_it_says_so_and_waits_longer_and_longer() {
    let server = TestServer::start().await;
    let ada = server.register_2("ada").await;
    let proxy = Proxy::start(server.address, Manners::Calm, 1).await;
    let mut chat = chat(proxy.address, ada.login(), Start::Oldest);
    assert!(matches!(next(&mut chat).await, Event::Connected(_)));
    assert!(matches!(next(&mut chat).await, Event::Synced { .. }));

    // Nobody listens there.
    proxy.lead_to("127.0.0.1:1".parse().unwrap());
    proxy.cut().await;
    let mut waits = Vec::new();
    for _ in 0..4 {
        let Event::Reconnecting { wait, .. } = next(&mut chat).await else { panic!("there is no server") };
        waits.push(wait);
    }
    proxy.lead_to(server.address);

    assert!(waits[0] <= Duration::from_millis(100) && waits.is_sorted() && waits[3] > waits[0], "{waits:?}");
    while !matches!(next(&mut chat).await, Event::Connected(_)) {}
    assert!(matches!(next(&mut chat).await, Event::Synced { .. }));
}

#[tokio::test]
async fn over_cut_connections_everything_comes_once_and_is_said_once() {
    let server = TestServer::start().await;
    let mut bob = server.register("bob").await;
    let ada = server.register_2("ada").await;
    let proxy = Proxy::start(server.address, Manners::Calm, 1).await;
    let mut chat = chat(proxy.address, ada.login(), Start::Oldest);
    let speaker = chat.speaker().clone();
    let (mut received, mut expected) = (Vec::new(), Vec::new());

    for round in 0..10 {
        let [heard, answered, unanswered] = ["heard", "answered", "unanswered"].map(|what| format!("{what} {round}"));
        bob.whisper("ada", &heard).await;
        said(within("an answer", speaker.whisper("bob", &answered)).await);
        assert_eq!(bob.next_content().await, answered);
        received.extend(contents_through(&mut chat, &answered).await);
        proxy.hold(true);
        let saying = saying(&speaker, "bob", &unanswered);
        // Then it is stored, and only its answer is missing.
        assert_eq!(bob.next_content().await, unanswered);
        expected.extend([heard, answered, unanswered]);
        proxy.cut().await;
        proxy.hold(false);
        said(within("an answer", saying).await.unwrap());
    }

    received.extend(contents_up_to_an_end(&mut chat, "ada").await);
    assert_eq!(received, expected);
    assert_eq!(proxy.cuts(), 20);
    assert_eq!(database::number(&server.database(), "select count(*) from messages").await, 31);
}

#[tokio::test]
async fn over_a_killed_server_everything_comes_once_and_what_was_said_meanwhile_is_said_once() {
    let directory = scratch();
    let mut process = Process::start(directory.path());
    let login = process.register("ada").await.login().unwrap().clone();
    let proxy = Proxy::start(process.addresses()[0], Manners::Calm, 1).await;
    let mut ada = chat(proxy.address, login, Start::Oldest);
    let speaker = ada.speaker().clone();
    let mut expected = Vec::new();

    for round in 0..4 {
        let [online, meanwhile] = ["online", "meanwhile"].map(|what| format!("{what} {round}"));
        said(within("an answer", speaker.whisper("ada", &online)).await);
        process.kill().await;
        let saying = saying(&speaker, "ada", &meanwhile);
        expected.extend([online, meanwhile]);
        process = Process::start(directory.path());
        proxy.lead_to(process.addresses()[0]);
        said(within("an answer", saying).await.unwrap());
    }

    assert_eq!(contents_up_to_an_end(&mut ada, "ada").await, expected);
    let stored = database::number(&directory.path().join("chinwag.db"), "select count(*) from messages").await;
    assert_eq!(stored, 9);
}

#[tokio::test]
async fn what_a_busy_server_refuses_is_sent_again_in_its_order() {
    let server = TestServer::start_with(|config| config.limits.busy_after = Duration::from_millis(100)).await;
    let mut bob = server.register("bob").await;
    let ada = server.register_2("ada").await;
    let proxy = Proxy::start(server.address, Manners::Calm, 1).await;
    let mut chat = chat(proxy.address, ada.login(), Start::Oldest);
    let speaker = chat.speaker().clone();
    said(within("an answer", speaker.whisper("ada", "a connection")).await);

    let lock = database::meddle(&server.database(), "begin immediate").await;
    // The writer has this one, and with it the lock to wait for.
    bob.send(&bob.whisper_request("bob", "taken")).await;
    let saying = tokio::spawn({
        let speaker = speaker.clone();
        async move {
            tokio::join!(
                speaker.whisper("ada", "first"),
                speaker.whisper("ada", "second"),
                speaker.whisper("ada", "third")
            )
        }
    });
    proxy.passes("busy").await;
    drop(lock);
    let (first, second, third) = within("answers", saying).await.unwrap();

    assert!([&first, &second, &third].iter().all(|said| said.is_ok()), "{first:?} {second:?} {third:?}");
    let expected = ["a connection", "first", "second", "third"];
    assert_eq!(contents_up_to_an_end(&mut chat, "ada").await, expected);
}

#[tokio::test]
async fn a_dropped_chat_ends_its_connections_and_what_it_was_asked_for() {
    let server = TestServer::start().await;
    let ada = server.register_2("ada").await;
    let proxy = Proxy::start(server.address, Manners::Calm, 1).await;
    let mut dropped = chat(proxy.address, ada.login(), Start::Oldest);
    let speaker = dropped.speaker().clone();
    said(within("an answer", speaker.whisper("ada", "said")).await);
    assert_eq!(next_message(&mut dropped).await.content, "said");

    proxy.hold(true);
    let saying = saying(&speaker, "ada", "perhaps");
    drop(dropped);
    let unanswered = within("an answer", saying).await.unwrap();
    proxy.hold(false);

    assert_eq!(unanswered, Err(SendError::Unanswered(Ended::Dropped)));
    assert_eq!(speaker.whisper("ada", "too late").await, Err(SendError::Unanswered(Ended::Dropped)));
    proxy.all_end().await;
    assert_eq!(proxy.cuts(), 0, "a connection was not ended but reset");
    let mut again = chat(server.address, ada.login(), Start::Oldest);
    let known = contents_up_to_an_end(&mut again, "ada").await;
    assert!(known == ["said"] || known == ["said", "perhaps"], "{known:?}");
}
