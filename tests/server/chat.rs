//! The client that stays connected: what its user receives and says, whatever breaks.

use std::net::SocketAddr;

use chinwag::client::{
    Accepted, Chat, Credentials, Ended, Endpoint, Event, Login, Message, Options, Outgoing, SendError, Start,
};
use chinwag::protocol::Conversation;

use crate::database;
use crate::helpers::{PASSWORD, TestServer, within};
use crate::proxy::{Manners, Proxy};

/// A chat of who has this login.
pub(crate) fn chat(address: SocketAddr, login: Login, start: Start) -> Chat {
    Chat::start(Options {
        server: Endpoint::plain(address.to_string()),
        credentials: login.into(),
        start,
        program: "tests/1.0".to_owned(),
    })
}

pub(crate) async fn next(chat: &mut Chat) -> Event {
    within("an event", chat.next_event()).await.unwrap()
}

/// The next message, whatever becomes of connections before it.
pub(crate) async fn next_message(chat: &mut Chat) -> Message {
    loop {
        match next(chat).await {
            Event::Message(message) => return message,
            Event::Connected(_) | Event::Reconnecting { .. } | Event::Synced { .. } | Event::Changed(_) => {}
            other => panic!("{other:?} instead of a message"),
        }
    }
}

/// The contents of the next messages.
async fn contents(chat: &mut Chat, count: usize) -> Vec<String> {
    let mut contents = Vec::new();
    for _ in 0..count {
        contents.push(next_message(chat).await.content);
    }
    contents
}

/// Whoever says `end` last has received all that there was.
pub(crate) async fn contents_up_to_an_end(chat: &mut Chat, username: &str) -> Vec<String> {
    said(within("an answer", chat.speaker().whisper(username, "end")).await);
    let mut contents = contents_through(chat, "end").await;
    contents.pop();
    contents
}

/// The contents of the next messages, this one the last of them.
pub(crate) async fn contents_through(chat: &mut Chat, last: &str) -> Vec<String> {
    let mut contents = Vec::new();
    while contents.last().is_none_or(|content| content != last) {
        contents.push(next_message(chat).await.content);
    }
    contents
}

pub(crate) fn said(said: Result<Accepted, SendError>) -> Accepted {
    said.unwrap()
}

#[tokio::test]
async fn it_logs_in_says_what_there_is_and_hands_out_what_comes() {
    let server = TestServer::start().await;
    let mut bob = server.register("Bob").await;
    let mut ada = server.register("Ada").await;
    ada.create_group("Tea").await.unwrap();
    bob.join_group("tea").await.unwrap();
    bob.whisper("ada", "before").await;

    let mut chat = Chat::start(Options {
        server: Endpoint::plain(server.address.to_string()),
        credentials: Credentials::Password { username: "ada".to_owned(), password: PASSWORD.to_owned().into() },
        start: Start::Oldest,
        program: "tests/1.0".to_owned(),
    });
    let Event::Connected(login) = next(&mut chat).await else { panic!("it is not connected first") };
    let before = next_message(&mut chat).await;
    let Event::Synced { id: synced } = next(&mut chat).await else { panic!("that was all") };
    let whispered = said(chat.speaker().whisper("BOB", "a whisper").await);
    let to_group = said(chat.speaker().message_group("tea", "to all").await);

    assert_eq!((login.username.as_str(), chat.login().unwrap().username.as_str()), ("Ada", "Ada"));
    let bobs = Conversation::With("Bob".to_owned());
    assert_eq!((&before.conversation, before.is_own, &before.id), (&bobs, false, &synced));
    let own = [next_message(&mut chat).await, next_message(&mut chat).await];
    assert_eq!(own[0], Message { id: whispered.id, at_ms: whispered.at_ms, conversation: bobs, ..own[0].clone() });
    assert_eq!((&own[1].id, &own[1].conversation), (&to_group.id, &Conversation::Group("Tea".to_owned())));
    assert!(own.iter().all(|message| message.is_own && message.sender == "Ada" && message.nonce.is_some()));
    for expected in ["a whisper", "to all"] {
        assert_eq!(bob.next_content().await, expected);
    }
}

#[tokio::test]
async fn it_starts_where_its_user_says() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    for n in 1..=3 {
        ada.whisper("ada", &n.to_string()).await;
    }
    let mut all = chat(server.address, ada.login(), Start::Oldest);
    let first = next_message(&mut all).await;

    let mut behind = chat(server.address, ada.login(), Start::After(first.id));
    let mut from_now = chat(server.address, ada.login(), Start::Now);
    assert!(matches!(next(&mut from_now).await, Event::Connected(_)));
    ada.whisper("ada", "4").await;
    let mut nowhere = chat(server.address, ada.login(), Start::After("nonsense".to_owned()));

    assert_eq!(contents(&mut all, 3).await, ["2", "3", "4"]);
    assert_eq!(contents(&mut behind, 3).await, ["2", "3", "4"]);
    assert_eq!(contents(&mut from_now, 1).await, ["4"]);
    assert!(matches!(next(&mut nowhere).await, Event::Connected(_)));
    assert!(matches!(next(&mut nowhere).await, Event::Gap { .. }));
    assert_eq!(contents(&mut nowhere, 4).await, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn it_speaks_over_tls_as_it_does_without() {
    let server = TestServer::start_tls(|_| ()).await;
    let ada = server.register_2("ada").await;
    let mut chat = Chat::start(Options {
        server: server.tls_endpoint(),
        credentials: ada.login().into(),
        start: Start::Oldest,
        program: "tests/1.0".to_owned(),
    });

    said(within("an answer", chat.speaker().whisper("ada", "encrypted")).await);

    assert_eq!(next_message(&mut chat).await.content, "encrypted");
    assert!(Endpoint::tls("localhost:1", "no name", tokio_rustls::rustls::RootCertStore::empty()).is_err());
}

#[tokio::test]
async fn when_the_session_ends_it_says_so_and_ends() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let login = ada.login();
    let mut online = chat(server.address, login.clone(), Start::Oldest);
    assert!(matches!(next(&mut online).await, Event::Connected(_)));
    assert!(matches!(next(&mut online).await, Event::Synced { .. }));

    ada.log_out().await.unwrap();
    let Event::Ended(ended) = next(&mut online).await else { panic!("the session has ended") };
    let mut late = chat(server.address, login, Start::Oldest);
    let Event::Ended(refused) = next(&mut late).await else { panic!("the session has ended") };

    assert_eq!(ended, Ended::Session { code: "logged_out".to_owned() });
    let Ended::Refused(refused) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.code.as_deref(), Some("not_authenticated"));
    for chat in [&mut online, &mut late] {
        assert!(within("the end", chat.next_event()).await.is_none());
        let said = within("an answer", chat.speaker().whisper("ada", "too late")).await;
        assert!(matches!(said, Err(SendError::Unanswered(_))), "{said:?}");
    }
    assert_eq!(database::number(&server.database(), "select count(*) from messages").await, 0);
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again() {
    let server = TestServer::start().await;
    server.register("ada").await;

    let mut chat = Chat::start(Options {
        server: Endpoint::plain(server.address.to_string()),
        credentials: Credentials::Password { username: "ada".to_owned(), password: "wrong".to_owned().into() },
        start: Start::Oldest,
        program: "tests/1.0".to_owned(),
    });

    let Event::Ended(Ended::Refused(refused)) = next(&mut chat).await else { panic!("the password is wrong") };
    assert_eq!(refused.code.as_deref(), Some("wrong_credentials"));
}

#[tokio::test]
async fn a_refused_message_is_refused_and_those_behind_it_are_sent() {
    let server = TestServer::start().await;
    let ada = server.register_2("ada").await;
    let mut chat = chat(server.address, ada.login(), Start::Oldest);
    let speaker = chat.speaker();
    let twice = Outgoing::new(Conversation::With("ada".to_owned()), "one thing");
    let other = Outgoing { content: "another".to_owned(), ..twice.clone() };
    // Two of them are longer than any request may be.
    let [empty, long, longer] = [0, 20_000, 1_000_000].map(|length| "x".repeat(length));

    let refused = within("answers", async {
        let first = said(speaker.say(twice.clone()).await);
        assert_eq!(said(speaker.say(twice).await), first);
        [
            speaker.whisper("nobody", "hello").await,
            speaker.message_group("nowhere", "hello").await,
            speaker.whisper("ada", &empty).await,
            speaker.whisper("ada", &long).await,
            speaker.whisper("ada", &longer).await,
            speaker.whisper(&longer, "hello").await,
            speaker.say(other).await,
        ]
    })
    .await;

    let codes = refused.map(|refused| match refused {
        Err(SendError::Refused(refused)) => refused.code.unwrap(),
        other => panic!("{other:?} is no refusal"),
    });
    let invalid = "invalid_content";
    let expected = ["unknown_user", "not_a_member", invalid, invalid, "bad_request", "bad_request", "conflict"];
    assert_eq!(codes, expected);
    assert_eq!(contents_up_to_an_end(&mut chat, "ada").await, ["one thing"]);
}

#[tokio::test]
async fn a_user_who_takes_nothing_is_answered_and_then_takes_everything() {
    const BACKLOG: usize = 3000;
    let numbered = |n: usize| format!("{n} {}", "x".repeat(4000));
    let server = TestServer::start().await;
    let mut bob = server.register("bob").await;
    let ada = server.register_2("ada").await;
    for n in 0..BACKLOG {
        bob.send(&bob.whisper_request("ada", numbered(n))).await;
    }
    for _ in 0..BACKLOG {
        bob.next_response().await;
    }
    let proxy = Proxy::start(server.address, Manners::Calm, 1).await;
    let mut chat = chat(proxy.address, ada.login(), Start::Oldest);

    let first = next_message(&mut chat).await;
    for n in 0..200 {
        said(within("an answer", chat.speaker().whisper("ada", &n.to_string())).await);
    }
    let passed_bytes = proxy.passed_bytes();

    assert_eq!(first.content, numbered(0));
    assert!(passed_bytes < BACKLOG * 4000 / 2, "{passed_bytes} bytes were read for a user who takes nothing");
    let rest: Vec<String> = (1..BACKLOG).map(numbered).chain((0..200).map(|n| n.to_string())).collect();
    assert_eq!(contents_up_to_an_end(&mut chat, "ada").await, rest);
}

#[tokio::test]
async fn its_login_is_good_for_other_requests() {
    let server = TestServer::start().await;
    let ada = server.register_2("ada").await;
    let mut chat = chat(server.address, ada.login(), Start::Now);
    assert!(matches!(next(&mut chat).await, Event::Connected(_)));

    let mut other = server.connect().await;
    other.use_login(chat.login().unwrap());
    other.create_group("tea").await.unwrap();
    said(within("an answer", chat.speaker().message_group("tea", "hello")).await);

    assert_eq!(next_message(&mut chat).await.content, "hello");
}
