//! Version 2 of the wire: one's sessions, password and account.

use std::borrow::Cow;

use chinwag::domain::Secret;
use chinwag::protocol::{Conversation, Page, Range, Request, Response, SessionEntry, Update};

use crate::database;
use crate::helpers::{PASSWORD, TestClient, TestServer};

const NEW_PASSWORD: &str = "another password for tests";

async fn sessions(client: &mut TestClient) -> Vec<SessionEntry> {
    match client.ask_as(|username, token| Request::Sessions { username, token }).await {
        Ok(Response::Sessions(list)) => list.sessions,
        other => panic!("{other:?} are no sessions"),
    }
}

fn change(old: &str, new: &str) -> impl FnOnce(Cow<'static, str>, Secret<'static>) -> Request<'static> + use<> {
    let (password, new_password) = (old.to_owned().into(), new.to_owned().into());
    |username, token| Request::ChangePassword { username, token, password, new_password }
}

fn delete(password: &str) -> impl FnOnce(Cow<'static, str>, Secret<'static>) -> Request<'static> + use<> {
    let password = password.to_owned().into();
    |username, token| Request::DeleteAccount { username, token, password }
}

async fn is_told_and_closed(client: &mut TestClient, code: &str) {
    loop {
        match client.try_next_update().await {
            Some(Update::SessionEnded { code: told }) => {
                assert_eq!(told, code);
                break;
            }
            Some(_) => {}
            None => panic!("the connection ended without a word"),
        }
    }
    assert_eq!(client.try_next_update().await, None);
}

#[tokio::test]
async fn sessions_say_where_and_by_what_they_were_begun_and_can_be_ended() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut phone = server.hello().await;
    phone.log_in("ada").await;
    let mut old = server.log_in("ada").await;

    let list = sessions(&mut ada).await;
    let session = list[1].session.clone();
    ada.done_as(|username, token| Request::EndSession { username, token, session: session.into() }).await;

    assert_eq!(list.iter().map(|entry| entry.own).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(
        list.iter().map(|entry| entry.client.as_deref()).collect::<Vec<_>>(),
        [Some("tests/1.0"), Some("tests/1.0"), None]
    );
    assert!(
        list.iter().all(|entry| entry.address.as_deref() == Some("127.0.0.1") && entry.used_at >= entry.created_at)
    );
    is_told_and_closed(&mut phone, "revoked").await;
    assert_eq!(sessions(&mut ada).await.len(), 2);
    old.whisper("ada", "still here").await;
    for (session, code) in
        [(&*list[0].session, "own_session"), (&*list[1].session, "unknown_session"), ("x", "unknown_session")]
    {
        let session = session.to_owned();
        assert_eq!(
            ada.code_as(|username, token| Request::EndSession { username, token, session: session.into() }).await,
            code
        );
    }
    let mut bob = server.register_2("bob").await;
    let session = list[0].session.clone();
    assert_eq!(
        bob.code_as(|username, token| Request::EndSession { username, token, session: session.into() }).await,
        "unknown_session"
    );
}

#[tokio::test]
async fn all_other_sessions_end_at_once() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut shared = server.resume(&ada.login()).await;
    let mut phone = server.log_in("ada").await;
    let phone_login = phone.login();

    ada.done_as(|username, token| Request::EndOtherSessions { username, token }).await;

    // Version 1 has no word for it.
    assert_eq!(phone.try_next_update().await, None);
    shared.whisper("ada", "the same session").await;
    assert!(server.hello().await.resume(&phone_login).await.is_err());
    assert_eq!(sessions(&mut ada).await.len(), 1);
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_the_old_password() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut phone = server.hello().await;
    phone.log_in("ada").await;

    assert_eq!(ada.code_as(change("a wrong password", NEW_PASSWORD)).await, "wrong_credentials");
    assert_eq!(ada.code_as(change(PASSWORD, "short")).await, "invalid_password");
    phone.whisper("ada", "nothing has changed").await;
    ada.done_as(change(PASSWORD, NEW_PASSWORD)).await;

    is_told_and_closed(&mut phone, "revoked").await;
    ada.whisper("ada", "this one goes on").await;
    let mut again = server.connect().await;
    assert!(again.try_log_in("ada", PASSWORD).await.is_err());
    again.try_log_in("ada", NEW_PASSWORD).await.unwrap();
    let server = server.restart().await;
    server.connect().await.try_log_in("ada", NEW_PASSWORD).await.unwrap();
}

#[tokio::test]
async fn nobody_changes_or_deletes_what_is_not_theirs() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut eve = server.register_2("eve").await;
    let mut forged = eve.login();
    forged.username = "ada".to_owned();
    eve.use_login(forged);

    // Even with Ada's password, Eve's token does not do.
    assert_eq!(eve.code_as(change(PASSWORD, NEW_PASSWORD)).await, "not_authenticated");
    assert_eq!(eve.code_as(delete(PASSWORD)).await, "not_authenticated");
    assert_eq!(ada.code_as(delete("a wrong password")).await, "wrong_credentials");
    ada.whisper("ada", "still here").await;
    server.connect().await.try_log_in("ada", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_what_it_said_stays_with_those_it_was_said_to() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("Ada").await;
    let mut phone = server.log_in("ada").await;
    let mut bob = server.register_2("bob").await;
    ada.create_group("tea").await.unwrap();
    bob.join_group("tea").await.unwrap();
    bob.add_contact("ada").await.unwrap();
    ada.add_contact("bob").await.unwrap();
    ada.whisper("bob", "remember me").await;
    let login = ada.login();

    ada.done_as(delete(PASSWORD)).await;

    is_told_and_closed(&mut ada, "account_deleted").await;
    while phone.try_next_update().await.is_some() {}
    assert_eq!(bob.try_whisper("ada", "hello?").await.unwrap_err(), "there is no such user");
    assert_eq!(server.connect().await.register("ada").await.unwrap_err(), "this username is taken");
    assert_eq!(server.connect().await.try_log_in("ada", PASSWORD).await.unwrap_err(), "wrong username or password");
    let server = server.restart().await;
    assert!(server.hello().await.resume(&login).await.is_err());
    assert_eq!(server.connect().await.try_log_in("ada", PASSWORD).await.unwrap_err(), "wrong username or password");
    let mut bob = server.resume(&bob.login()).await;
    let of = Conversation::With("ada".to_owned());
    let history = |username, token| Request::History { username, token, of, range: Range::default() };
    let Ok(Response::History(history)) = bob.ask_as(history).await else { panic!("no history") };
    assert_eq!((&*history.messages[0].sender, &*history.messages[0].content), ("Ada", "remember me"));
    let Ok(Response::Contacts(contacts)) =
        bob.ask_as(|username, token| Request::Contacts { username, token, page: Page::default() }).await
    else {
        panic!("no contacts")
    };
    assert_eq!(contacts.contacts, []);
    let owner = "select owner.username from groups join users as owner on owner.user_id = owner_id";
    assert_eq!(database::texts(&server.database(), owner).await, ["bob"]);
    let left = "select count(*) from sessions join users using (user_id) where username = 'Ada'";
    assert_eq!(database::number(&server.database(), left).await, 0);
}
