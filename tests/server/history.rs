//! Version 2 of the wire: reading a conversation, in both directions.

use chinwag::protocol::{Conversation, HistoryPage, Range, Request, Response};

use crate::helpers::{TestClient, TestServer, with_nonce};

fn with(name: &str) -> Conversation {
    Conversation::With(name.to_owned())
}

fn group(name: &str) -> Conversation {
    Conversation::Group(name.to_owned())
}

async fn history(client: &mut TestClient, of: Conversation, range: Range) -> HistoryPage {
    match client.ask_as(|username, token| Request::History { username, token, of, range }).await {
        Ok(Response::History(page)) => page,
        other => panic!("{other:?} is no history"),
    }
}

fn contents(page: &HistoryPage) -> Vec<&str> {
    page.messages.iter().map(|said| &*said.content).collect()
}

fn limit(limit: i64) -> Range {
    Range { limit: Some(limit), ..Range::default() }
}

#[tokio::test]
async fn a_conversation_is_read_back_from_its_end_and_on_from_anywhere_with_an_explicit_end() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("Ada").await;
    let mut bob = server.register_2("bob").await;
    for n in 0..5 {
        ada.whisper("bob", &format!("{n} from Ada")).await;
        bob.whisper("ada", &format!("{n} from Bob")).await;
        ada.whisper("ada", "a note").await;
    }

    let newest = history(&mut bob, with("ADA"), limit(3)).await;
    let older = Range { before: Some(newest.messages[2].id.clone()), limit: Some(7), after: None };
    let older = history(&mut bob, with("ada"), older).await;
    let none = Range { before: Some(older.messages[6].id.clone()), ..Range::default() };
    let none = history(&mut bob, with("ada"), none).await;
    let newer = Range { after: Some(older.messages[0].id.clone()), limit: Some(2), before: None };
    let newer = history(&mut bob, with("ada"), newer).await;

    assert_eq!((contents(&newest), newest.end), (vec!["4 from Bob", "4 from Ada", "3 from Bob"], false));
    assert_eq!(contents(&older)[..2], ["3 from Ada", "2 from Bob"]);
    assert_eq!((older.messages.len(), older.end), (7, true));
    assert_eq!((none.messages.len(), none.end), (0, true));
    assert_eq!((contents(&newer), newer.end), (vec!["3 from Bob", "4 from Ada"], false));
    assert_eq!((&*newest.messages[1].sender, &*newest.messages[0].sender), ("Ada", "bob"));
    assert_eq!(contents(&history(&mut ada, with("ada"), limit(200)).await), ["a note"; 5]);
    assert_eq!(history(&mut ada, with("bob"), limit(200)).await.messages.len(), 10);
}

#[tokio::test]
async fn ids_and_times_are_those_of_the_updates_and_nonces_ones_own() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    let request = with_nonce(ada.whisper_request("bob", "hello"), "n");
    let Ok(Response::Accepted { id, at_ms }) = ada.ask(&request).await else { panic!("not accepted") };

    let (own, others) =
        (history(&mut ada, with("bob"), limit(1)).await, history(&mut bob, with("ada"), limit(1)).await);

    for page in [&own, &others] {
        assert_eq!((&page.messages[0].id, page.messages[0].at_ms), (&id, at_ms));
    }
    assert_eq!((own.messages[0].nonce.as_deref(), &others.messages[0].nonce), (Some("n"), &None));
}

#[tokio::test]
async fn of_a_group_one_reads_what_was_said_while_one_was_a_member() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    ada.create_group("tea").await.unwrap();
    ada.message_group("tea", "before").await;
    bob.join_group("tea").await.unwrap();
    ada.message_group("tea", "one").await;
    bob.message_group("tea", "two").await;
    bob.done_as(|username, token| Request::LeaveGroup { username, token, group_name: "TEA".into() }).await;
    ada.message_group("tea", "away").await;
    bob.join_group("tea").await.unwrap();
    ada.message_group("tea", "three").await;

    let back = history(&mut bob, group("tea"), limit(2)).await;
    let all_back = history(&mut bob, group("tea"), Range::default()).await;
    let on = Range { after: Some(all_back.messages[2].id.clone()), ..Range::default() };

    assert_eq!((contents(&back), back.end), (vec!["three", "two"], false));
    assert_eq!((contents(&all_back), all_back.end), (vec!["three", "two", "one"], true));
    assert_eq!(contents(&history(&mut bob, group("tea"), on).await), ["two", "three"]);
    assert_eq!(history(&mut ada, group("tea"), limit(200)).await.messages.len(), 5);
}

#[tokio::test]
async fn a_page_is_no_longer_than_an_answer_may_be_and_says_that_there_is_more() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let long = "x".repeat(16 * 1024);
    for _ in 0..10 {
        ada.whisper("ada", &long).await;
    }

    let (mut read, mut before) = (0, None);
    loop {
        let page = history(&mut ada, with("ada"), Range { before, ..Range::default() }).await;
        assert!((1..=3).contains(&page.messages.len()), "{}", page.messages.len());
        read += page.messages.len();
        before = page.messages.last().map(|said| said.id.clone());
        if page.end {
            break;
        }
    }

    assert_eq!(read, 10);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_the_reason() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    bob.create_group("tea").await.unwrap();
    let id = bob.accepted(&bob.message_group_request("tea", "secret")).await;
    let range = |before: Option<&str>, after: Option<&str>, limit| Range {
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        limit,
    };

    for (of, range, code) in [
        (with("nobody"), Range::default(), "unknown_user"),
        (with("two words"), Range::default(), "unknown_user"),
        (group("tea"), Range::default(), "not_a_member"),
        (group("nowhere"), Range::default(), "not_a_member"),
        (with("bob"), range(Some("nonsense"), None, None), "unknown_message"),
        (with("bob"), range(Some(&id), Some(&id), None), "bad_request"),
        (with("bob"), range(None, None, Some(0)), "bad_request"),
    ] {
        let said = format!("{of:?} {range:?}");
        assert_eq!(
            ada.code_as(|username, token| Request::History { username, token, of, range }).await,
            code,
            "{said}"
        );
    }
    let Ok(Response::History(page)) = bob
        .ask_as(|username, token| Request::History { username, token, of: with("ada"), range: Range::default() })
        .await
    else {
        panic!("people who have not spoken have an empty conversation")
    };
    assert_eq!((page.messages.len(), page.end), (0, true));
}
