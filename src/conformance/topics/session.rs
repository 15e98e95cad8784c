//! Logging in by token, and how sessions end.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, Met, VERSION_2, Wire};
use crate::conformance::refusals::{LOGGED_IN_ALREADY, NOT_AUTHENTICATED, NOT_LOGGED_IN};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "who logs in starts from now by the head",
        wires: VERSION_2,
        section: "Logging in",
        says: "`login` answers with `head`, the id of the newest message in the log, for a client that wants to start from now",
        check: Run(|scene| Box::pin(from_now(scene))),
    },
    Behaviour {
        name: "nothing is delivered before sync",
        wires: VERSION_2,
        section: "Logging in",
        says: "nothing is delivered before [`sync`](#sync)",
        check: Run(|scene| Box::pin(nothing_before_sync(scene))),
    },
    Behaviour {
        name: "a token logs in again, on any connection, and answers like a login",
        wires: VERSION_2,
        section: "Logging in",
        says: "`[\"resume\", username, token]` is a login by the token of an earlier one, on any connection, and answers like one.",
        check: Run(|scene| Box::pin(resumed(scene))),
    },
    Behaviour {
        name: "a token that was given in version 1 logs in in version 2",
        wires: VERSION_2,
        section: "Logging in",
        says: "`[\"resume\", username, token]` is a login by the token of an earlier one, on any connection",
        check: Run(|scene| Box::pin(resumed_from_version_1(scene))),
    },
    Behaviour {
        name: "a bad token logs nobody in",
        wires: VERSION_2,
        section: "Codes",
        says: "| `not_authenticated` | username and token do not belong together, or the token has ended |",
        check: Run(|scene| Box::pin(bad_tokens(scene))),
    },
    Behaviour {
        name: "resume and login are refused while the connection is logged in",
        wires: VERSION_2,
        section: "Logging in",
        says: "`resume` and `login` are refused while the connection is logged in.",
        check: Run(|scene| Box::pin(logged_in_already(scene))),
    },
    Behaviour {
        name: "when a session ends its other connections are told so, last, and closed",
        wires: VERSION_2,
        section: "Logging in",
        says: "When a session ends, the connection that ended it stays open. Its other connections receive `[\"update\", \
               \"session_ended\", {\"code\": code}]` as their last update, and are closed",
        check: Run(|scene| Box::pin(session_ended(scene))),
    },
    Behaviour {
        name: "when a session ends its connections of version 1 are closed without a word",
        wires: VERSION_2,
        section: "Logging in",
        says: "one of version 1 is closed without it.",
        check: Run(|scene| Box::pin(closed_in_version_1(scene))),
    },
];

async fn from_now(scene: &mut Scene) -> Met {
    let mut bob = scene.log_in(Person::Bob).await?;
    bob.done(&bob.whisper(&scene.user(Person::Ada).await?.name, "before")).await?;
    let mut ada = scene.enter(Person::Ada).await?;
    let said = scene.unused("after");
    bob.done(&bob.whisper(&ada.username, &said)).await?;

    let update = json!(["update", "whisper", bob.username, said]);
    ada.done(&ada.sync(&ada.head.clone().into())).await?;
    ada.receives(&update).await?;
    let synced = ada.update().await?;
    ada.ensure(synced[1] == "synced", "[\"update\", \"synced\", {\"id\"}]", &synced)
}

async fn nothing_before_sync(scene: &mut Scene) -> Met {
    let mut ada = scene.enter(Person::Ada).await?;
    let mut other = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    bob.done(&bob.whisper(&ada.username, "hello")).await?;
    ada.done(&ada.whisper(&ada.username, "hello to myself")).await?;
    other.receives(&bob.whispers("hello")).await?;
    other.receives(&other.whispers("hello to myself")).await?;

    ada.is_quiet().await
}

async fn resumed(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let user = scene.user(Person::Ada).await?;
    let mut phone = scene.connect().await?;
    phone.begin(&json!(["resume", user.name.to_uppercase(), ada.token])).await?;
    let (username, token) = (phone.username.clone(), phone.token.clone());
    phone.ensure(username == user.name, &format!("the username {}", user.name), &json!(username))?;
    phone.ensure(token == ada.token, "the token", &json!(token))?;

    phone.catch_up(&phone.head.clone().into()).await?;
    let said = scene.unused("said");
    ada.done(&ada.whisper(&user.name, &said)).await?;
    phone.receives(&ada.whispers(&said)).await?;
    ada.receives(&ada.whispers(&said)).await.map(drop)
}

async fn resumed_from_version_1(scene: &mut Scene) -> Met {
    let ada = scene.log_in_by(Wire::Array, Person::Ada).await?;
    let mut phone = scene.resume(&ada).await?;
    phone.catch_up(&phone.head.clone().into()).await?;
    phone.receives_nothing().await
}

async fn bad_tokens(scene: &mut Scene) -> Met {
    let ada = scene.log_in(Person::Ada).await?;
    let bob = scene.user(Person::Bob).await?;
    let mut ended = scene.log_in(Person::Ada).await?;
    ended.done(&ended.log_out()).await?;
    let tokens = [Uuid::new_v4().to_string(), ended.token.clone()];

    for (username, token) in [
        (&ada.username, ""),
        (&ada.username, "no token"),
        (&ada.username, &*tokens[0]),
        (&ada.username, &*tokens[1]),
        (&bob.name, &*ada.token),
    ] {
        let request = json!(["resume", username, token]);
        ended.refused(&request, &NOT_AUTHENTICATED).await?;
    }
    ended.refused(&ended.log_out(), &NOT_LOGGED_IN).await
}

async fn logged_in_already(scene: &mut Scene) -> Met {
    let user = scene.user(Person::Ada).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut phone = scene.resume(&ada).await?;
    for connection in [&mut ada, &mut phone] {
        for request in [user.log_in(), connection.resume(), json!(["resume", "nobody", "no token"])] {
            connection.refused(&request, &LOGGED_IN_ALREADY).await?;
        }
    }
    Ok(())
}

async fn session_ended(scene: &mut Scene) -> Met {
    let user = scene.user(Person::Ada).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut other_login = scene.log_in(Person::Ada).await?;
    let mut phone = scene.resume(&ada).await?;
    let mut laptop = scene.resume(&ada).await?;
    laptop.catch_up(&laptop.head.clone().into()).await?;
    let token_only = ada.whisper(&user.name, "with a token that has ended");

    ada.done(&ada.log_out()).await?;

    let ended: Value = json!(["update", "session_ended", { "code": "logged_out" }]);
    for connection in [&mut phone, &mut laptop] {
        let update = connection.update().await?;
        connection.ensure(update == ended, &ended.to_string(), &update)?;
        connection.ends().await?;
    }
    other_login.receives_nothing().await?;
    ada.refused(&token_only, &NOT_AUTHENTICATED).await?;
    ada.log_in(&user).await
}

async fn closed_in_version_1(scene: &mut Scene) -> Met {
    let mut old = scene.log_in_by(Wire::Array, Person::Ada).await?;
    let mut phone = scene.resume(&old).await?;
    phone.done(&phone.log_out()).await?;
    old.ends().await
}
