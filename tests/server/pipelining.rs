//! Many requests at once: answered in order, taking effect in order.

use chinwag::protocol::{Framing, Refused, Request, Response, Update};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::database;
use crate::helpers::{PASSWORD, RawClient, TestServer, whisper, within};

const DONE: Response = Response::Done;

fn refused(why: &str) -> Response {
    Response::Refused(Refused::because(why))
}

#[tokio::test]
async fn requests_take_effect_and_are_answered_in_their_order() {
    for framing in [Framing::Bare, Framing::Array] {
        let server = TestServer::start().await;
        let mut ada = server.register_framed("ada", framing).await;
        let (username, token) = ada.login().credentials();
        let group = |name: &'static str| (username.clone(), token.clone(), name.into());
        let create = |(username, token, group_name)| Request::CreateGroup { username, token, group_name };
        let join = |(username, token, group_name)| Request::JoinGroup { username, token, group_name };
        let no_member = "there is no such group, or you are not a member of it";

        let steps = [
            (ada.message_group_request("rust", "too early"), refused(no_member)),
            (ada.whisper_request("nobody", "hello"), refused("there is no such user")),
            (create(group("rust")), DONE),
            (ada.message_group_request("rust", "one"), DONE),
            (ada.whisper_request("ada", ""), refused("content is empty")),
            (join(group("rust")), refused("you are a member of this group already")),
            (ada.message_group_request("rust", "two"), DONE),
            (create(group("rust")), refused("this group name is taken")),
            (ada.whisper_request("ada", "three"), DONE),
            (Request::LogOut { username: username.clone() }, DONE),
            (
                ada.whisper_request("ada", "too late"),
                refused("this username and token are not valid together; log in again"),
            ),
            (Request::Register { username: "bob".into(), password: PASSWORD.into() }, DONE),
        ];
        for (request, _) in &steps {
            ada.send(request).await;
        }

        for (request, response) in steps {
            assert_eq!(ada.next_response().await, response, "{request:?}");
        }
    }
}

#[tokio::test]
async fn a_thousand_requests_at_once_are_all_answered() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;

    for n in 0..1000 {
        ada.send(&ada.whisper_request("bob", n.to_string())).await;
    }
    for _ in 0..1000 {
        assert_eq!(ada.next_response().await, DONE);
    }

    let in_order: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    assert_eq!(bob.contents_so_far().await, in_order);
}

#[tokio::test]
async fn the_response_to_a_message_comes_before_its_own_update() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut raw = server.raw().await;
    let token = log_in_raw(&mut raw).await;

    let request = Request::Whisper {
        username: "ada".into(),
        token: token.into(),
        recipient: "ada".into(),
        content: "note".into(),
        nonce: None,
    };
    let update = whisper("ada", "note").encode(Framing::Bare);
    for _ in 0..100 {
        raw.send(&request.encode(Framing::Bare)).await;
        let expected = [DONE.encode(Framing::Bare), update.clone()].concat();
        assert_eq!(raw.receive(expected.len()).await, expected);
    }
    assert_eq!(ada.updates_so_far().await.len(), 100);
}

/// Logs ada in and returns her token.
async fn log_in_raw(raw: &mut RawClient) -> String {
    let request = Request::LogIn { username: "ada".into(), password: PASSWORD.into() };
    raw.send(&request.encode(Framing::Bare)).await;
    let like = Response::LoggedIn { username: "ada".to_owned(), token: "x".repeat(36).into(), head: None };
    let response = raw.receive(like.encode(Framing::Bare).len()).await;
    String::from_utf8(response[response.len() - 36..].to_vec()).unwrap()
}

#[tokio::test]
async fn updates_stand_between_responses_and_never_inside() {
    let server = TestServer::start().await;
    let mut ada = server.register_framed("ada", Framing::Bare).await;
    let mut bob = server.register_framed("bob", Framing::Bare).await;

    let bobs = tokio::spawn(async move {
        for n in 0..500 {
            bob.whisper("ada", &n.to_string()).await;
        }
    });
    for n in 0..500 {
        ada.whisper("ada", &format!("own {n}")).await;
    }
    bobs.await.unwrap();

    let (own, others): (Vec<Update>, Vec<Update>) = ada
        .updates_so_far()
        .await
        .into_iter()
        .partition(|update| matches!(update, Update::Whisper { sender, .. } if sender == "ada"));
    let numbered = |sender: &str, prefix: &str| -> Vec<Update> {
        (0..500).map(|n| whisper(sender, &format!("{prefix}{n}"))).collect()
    };
    assert_eq!(own, numbered("ada", "own "));
    assert_eq!(others, numbered("bob", ""));
}

#[tokio::test]
async fn a_stopping_server_answers_what_it_accepted_and_stores_nothing_else() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let request = ada.whisper_request("ada", "flood").encode(Framing::Bare);
    let done = DONE.encode(Framing::Bare);
    drop(ada);
    let (mut reading, mut writing) = tokio::io::split(server.raw().await.stream);

    let flood = tokio::spawn(async move { while writing.write_all(&request.repeat(100)).await.is_ok() {} });
    let mut answers = vec![0; 500 * done.len()];
    within("some answers", reading.read_exact(&mut answers)).await.unwrap();
    let reading = tokio::spawn(async move {
        within("the server to end the connection", reading.read_to_end(&mut answers)).await.unwrap();
        answers
    });
    let stopped = server.stop().await;
    let answers = reading.await.unwrap();
    flood.await.unwrap();

    assert_eq!(answers, done.repeat(answers.len() / done.len()));
    let stored = database::number(&stopped.database(), "select count(*) from messages").await;
    assert_eq!(answers.len() / done.len(), usize::try_from(stored).unwrap());
}

#[tokio::test]
async fn what_was_sent_whole_is_answered_when_the_client_shuts_down_its_side() {
    for framing in [Framing::Bare, Framing::Array] {
        let server = TestServer::start().await;
        let mut raw = server.raw().await;
        let register = |name: &str| {
            let request = Request::Register { username: name.into(), password: PASSWORD.into() };
            request.encode(framing)
        };

        let cut_short = &register("eve")[..20];
        raw.send(&[&register("ada"), &register("bob"), cut_short].concat()).await;
        raw.shut_down().await;

        assert_eq!(raw.receive_to_end().await, [DONE.encode(framing), DONE.encode(framing)].concat());
    }
}
