//! Logging in and out.

use serde_json::{Value, json};
use uuid::{Uuid, Variant};

use crate::conformance::awaiting::contents;
use crate::conformance::behaviour::Check::{Run, Skip};
use crate::conformance::behaviour::{Behaviour, EVERY, Met, ONE, VERSION_1};
use crate::conformance::refusals::{LOGGED_IN_ALREADY, NOT_AUTHENTICATED, NOT_LOGGED_IN, WRONG_CREDENTIALS};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "a login tells the username as it was registered and a new token",
        wires: EVERY,
        section: "login",
        says: "with the username as it was registered",
        check: Run(|scene| Box::pin(name_and_token(scene))),
    },
    Behaviour {
        name: "a wrong password and an unknown username are refused alike",
        wires: EVERY,
        section: "login",
        says: "one sentence, and one duration, for both",
        check: Run(|scene| Box::pin(wrong_credentials(scene))),
    },
    Behaviour {
        name: "a connection has one login at a time",
        wires: EVERY,
        section: "login",
        says: "a connection has one session at a time",
        check: Run(|scene| Box::pin(one_login_at_a_time(scene))),
    },
    Behaviour {
        name: "a logout works on the connection that is logged in as that user",
        wires: EVERY,
        section: "logout",
        says: "It takes no token, so it works only on the connection that logged in.",
        check: Run(|scene| Box::pin(logout_on_its_own_connection(scene))),
    },
    Behaviour {
        name: "a logout ends its token and no other, and the connection may log in again",
        wires: EVERY,
        section: "logout",
        says: "the connection may log in again. The user's other sessions go on.",
        check: Run(|scene| Box::pin(logout_ends_one_token(scene))),
    },
    Behaviour {
        name: "no update follows a logout, and what was waiting counts as missed",
        wires: VERSION_1,
        section: "logout",
        says: "No update follows the response",
        check: Run(|scene| Box::pin(no_update_follows(scene))),
    },
    Behaviour {
        name: "closing a connection is no logout",
        wires: EVERY,
        section: "logout",
        says: "Closing a connection is no logout: its token stays valid.",
        check: Run(|scene| Box::pin(closing_is_no_logout(scene))),
    },
    Behaviour {
        name: "10 wrong passwords for one name from one address may be tried",
        wires: ONE,
        section: "login",
        says: "after 10 wrong passwords for one name from one address, then one more every 10 s",
        check: Skip("the server's own machine may try more, and others would be kept out"),
    },
    Behaviour {
        name: "a token that is not used for 30 days ends",
        wires: ONE,
        section: "Tokens",
        says: "when it has not been used for 30 days.",
        check: Skip("takes 30 days"),
    },
];

async fn name_and_token(scene: &mut Scene) -> Met {
    let ada = scene.user(Person::Ada).await?;
    let mut tokens = Vec::new();
    for name in [ada.name.clone(), ada.name.to_lowercase(), ada.name.to_uppercase()] {
        let mut connection = scene.connect().await?;
        connection.begin(&json!(["login", name, ada.password])).await?;
        let (username, token) = (connection.username.clone(), connection.token.clone());
        connection.ensure(username == ada.name, &format!("the username {}", ada.name), &json!(username))?;
        connection.ensure(is_token(&token), "a UUID of version 4, of 36 characters", &json!(token))?;
        connection.ensure(!tokens.contains(&token), "a token of its own for each login", &json!(token))?;
        tokens.push(token);
    }
    Ok(())
}

fn is_token(token: &str) -> bool {
    let uuid = Uuid::try_parse(token).ok().filter(|_| token.len() == 36);
    uuid.is_some_and(|uuid| uuid.get_version_num() == 4 && uuid.get_variant() == Variant::RFC4122)
}

async fn wrong_credentials(scene: &mut Scene) -> Met {
    let ada = scene.user(Person::Ada).await?;
    let unknown = scene.unused("nobody");
    let mut connection = scene.connect().await?;
    for (name, password) in
        [(&*ada.name, "a wrong password"), (&*unknown, &*ada.password), ("two words", &*ada.password), (&*ada.name, "")]
    {
        connection.refused(&json!(["login", name, password]), &WRONG_CREDENTIALS).await?;
    }
    // A right one forgives those before it.
    connection.log_in(&ada).await
}

async fn one_login_at_a_time(scene: &mut Scene) -> Met {
    let (ada, bob) = (scene.user(Person::Ada).await?, scene.user(Person::Bob).await?);
    let mut connection = scene.log_in(Person::Ada).await?;
    for request in [ada.log_in(), bob.log_in(), json!(["login", "nobody", "a wrong password"])] {
        connection.refused(&request, &LOGGED_IN_ALREADY).await?;
    }
    // The login that there was goes on.
    connection.receives_nothing().await
}

async fn logout_on_its_own_connection(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let mut stranger = scene.connect().await?;

    stranger.refused(&ada.log_out(), &NOT_LOGGED_IN).await?;
    bob.refused(&ada.log_out(), &NOT_LOGGED_IN).await?;
    ada.done(&json!(["logout", ada.username.to_uppercase()])).await?;
    ada.refused(&ada.log_out(), &NOT_LOGGED_IN).await
}

async fn logout_ends_one_token(scene: &mut Scene) -> Met {
    let user = scene.user(Person::Ada).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut phone = scene.log_in(Person::Ada).await?;
    let mut other = scene.connect().await?;
    other.use_login_of(&ada);
    let ended = ada.whisper(&ada.username, "with a token that has ended");

    ada.done(&ada.log_out()).await?;

    other.refused(&ended, &NOT_AUTHENTICATED).await?;
    ada.refused(&ended, &NOT_AUTHENTICATED).await?;
    let said = scene.unused("on another connection");
    phone.done(&phone.whisper(&phone.username, &said)).await?;
    phone.receives(&phone.whispers(&said)).await?;
    ada.log_in(&user).await
}

async fn no_update_follows(scene: &mut Scene) -> Met {
    const MESSAGES: usize = 20;
    let user = scene.user(Person::Ada).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let said: Vec<String> = (0..MESSAGES).map(|n| scene.unused(&format!("{n}"))).collect();

    for said in &said {
        bob.send(&bob.whisper(&ada.username, said)).await?;
    }
    ada.send(&ada.log_out()).await?;
    let mut received = Vec::new();
    loop {
        "an update, or the response to the logout".clone_into(&mut ada.awaited);
        let message = ada.next().await?;
        if message[0] == "response" {
            ada.ensure(message == json!(["response", true]), "[\"response\", true]", &message)?;
            break;
        }
        received.push(message);
    }
    for _ in &said {
        bob.is_done().await?;
    }
    ada.is_quiet().await?;
    ada.log_in(&user).await?;
    received.extend(ada.updates_so_far().await?);

    ada.ensure(contents(&received) == said, "each message once, in order", &Value::from(received.clone()))
}

async fn closing_is_no_logout(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut other = scene.connect().await?;
    other.use_login_of(&ada);
    ada.shut_down().await?;
    ada.ends().await?;

    other.done(&other.add_contact(&scene.user(Person::Bob).await?.name)).await.map(drop)
}
