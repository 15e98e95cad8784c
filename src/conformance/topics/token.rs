//! Tokens: good on every connection, and only with their user's name.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, EVERY, Met};
use crate::conformance::refusals::{NOT_AUTHENTICATED, NOT_LOGGED_IN};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "a token that is none, is another user's or has ended authenticates nothing",
        wires: EVERY,
        section: "Refusals of several actions",
        says: "every action with a token | the token is none, has ended, or is somebody else's",
        check: Run(|scene| Box::pin(bad_tokens(scene))),
    },
    Behaviour {
        name: "a token authenticates requests on any connection",
        wires: EVERY,
        section: "Actions",
        says: "a request with a token is carried out for the token's user on any connection, logged in or not.",
        check: Run(|scene| Box::pin(on_any_connection(scene))),
    },
    Behaviour {
        name: "a request with a token logs nobody in",
        wires: EVERY,
        section: "Tokens",
        says: "No request logs a connection in by token",
        check: Run(|scene| Box::pin(logs_nobody_in(scene))),
    },
];

/// A request of each action that takes a token.
fn requests(username: &str, token: &str, group: &str) -> [Value; 5] {
    [
        json!(["add_contact", username, token, username]),
        json!(["whisper", username, token, username, "hello"]),
        json!(["create_group", username, token, group]),
        json!(["join_group", username, token, group]),
        json!(["msg_group", username, token, group, "hello"]),
    ]
}

async fn bad_tokens(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let bob = scene.log_in(Person::Bob).await?;
    let mut ended = scene.log_in(Person::Ada).await?;
    ended.done(&ended.log_out()).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;

    let tokens = [Uuid::new_v4().to_string(), ended.token.clone()];
    for (username, token) in [
        (&*ada.username, ""),
        (&*ada.username, "no token"),
        (&*ada.username, &*tokens[0]),
        (&*ada.username, &*bob.token),
        (&*ada.username, &*tokens[1]),
        (&*bob.username, &*ada.token),
        ("nobody at all", &*ada.token),
    ] {
        for request in requests(username, token, &group) {
            ended.refused(&request, &NOT_AUTHENTICATED).await?;
        }
    }
    ada.receives_nothing().await
}

async fn on_any_connection(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let mut nobody = scene.connect().await?;
    let said = [scene.unused("with a token"), scene.unused("on another user's connection")];
    let requests = [ada.whisper(&bob.username, &said[0]), ada.whisper(&bob.username, &said[1])];

    nobody.done(&requests[0]).await?;
    bob.done(&requests[1]).await?;

    for said in &said {
        bob.receives(&ada.whispers(said)).await?;
    }
    // It is Ada who is logged in on her connection still, and Bob on his.
    bob.done(&bob.log_out()).await?;
    ada.done(&ada.log_out()).await.map(drop)
}

async fn logs_nobody_in(scene: &mut Scene) -> Met {
    let ada = scene.log_in(Person::Ada).await?;
    let mut nobody = scene.connect().await?;
    nobody.use_login_of(&ada);

    nobody.done(&nobody.whisper(&nobody.username, "hello")).await?;
    nobody.done(&nobody.whisper(&nobody.username, "hello again")).await?;

    nobody.is_quiet().await?;
    nobody.refused(&nobody.log_out(), &NOT_LOGGED_IN).await
}
