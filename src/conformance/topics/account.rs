//! Sessions that are seen and ended, passwords that are changed, accounts that end.

use serde_json::{Value, json};

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, Met, VERSION_2};
use crate::conformance::connection::Connection;
use crate::conformance::refusals::{
    OWN_SESSION, PASSWORD_TOO_SHORT, UNKNOWN_SESSION, UNKNOWN_USER, USERNAME_TAKEN, WRONG_CREDENTIALS,
};
use crate::conformance::scene::{Person, Scene};

const NEW_PASSWORD: &str = "another password of the suite";

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "sessions are listed, and another one can be ended",
        wires: VERSION_2,
        section: "Sessions and accounts",
        says: "| `[\"end_session\", username, token, session]` | ends one session |",
        check: Run(|scene| Box::pin(sessions(scene))),
    },
    Behaviour {
        name: "a changed password ends the other sessions, and the old password",
        wires: VERSION_2,
        section: "Sessions and accounts",
        says: "changes the password, and ends all sessions but the one that asks",
        check: Run(|scene| Box::pin(password(scene))),
    },
    Behaviour {
        name: "a deleted account is gone, and its name is nobody's",
        wires: VERSION_2,
        section: "Sessions and accounts",
        says: "What it said stays with those it was said to, under its name, which nobody else can ever register.",
        check: Run(|scene| Box::pin(deleted(scene))),
    },
];

/// The next update must say that the session has ended, and the connection then ends.
async fn is_ended(connection: &mut Connection, code: &str) -> Met {
    let update = connection.update().await?;
    let expected = json!(["update", "session_ended", { "code": code }]);
    connection.ensure(update == expected, &expected.to_string(), &update)?;
    connection.ends().await
}

async fn sessions(scene: &mut Scene) -> Met {
    let user = scene.new_user("sessions");
    scene.register(&user).await?;
    let (mut ada, mut phone) = (scene.connect().await?, scene.connect().await?);
    ada.log_in(&user).await?;
    phone.log_in(&user).await?;

    ada.send(&json!(["sessions", ada.username, ada.token])).await?;
    let list = ada.response().await?[2]["sessions"].clone();
    let own: Value = list.as_array().into_iter().flatten().map(|entry| entry["own"].clone()).collect();
    ada.ensure(own == json!([true, false]), "two sessions, the first of them one's own", &list)?;
    let end = |session: &Value| json!(["end_session", ada.username, ada.token, session]);
    let (first, second) = (end(&list[0]["session"]), end(&list[1]["session"]));
    ada.refused(&first, &OWN_SESSION).await?;
    ada.done(&second).await?;
    is_ended(&mut phone, "revoked").await?;
    ada.refused(&second, &UNKNOWN_SESSION).await
}

async fn password(scene: &mut Scene) -> Met {
    let user = scene.new_user("password");
    scene.register(&user).await?;
    let (mut ada, mut phone) = (scene.connect().await?, scene.connect().await?);
    ada.log_in(&user).await?;
    phone.log_in(&user).await?;
    let change = |old: &str, new: &str| json!(["change_password", ada.username, ada.token, old, new]);
    let (wrong, short) = (change("a wrong password", NEW_PASSWORD), change(&user.password, "short"));
    let right = change(&user.password, NEW_PASSWORD);

    ada.refused(&wrong, &WRONG_CREDENTIALS).await?;
    ada.refused(&short, &PASSWORD_TOO_SHORT).await?;
    ada.done(&right).await?;
    is_ended(&mut phone, "revoked").await?;
    let mut again = scene.connect().await?;
    again.refused(&json!(["login", user.name, user.password]), &WRONG_CREDENTIALS).await?;
    again.begin(&json!(["login", user.name, NEW_PASSWORD])).await?;
    ada.done(&ada.whisper(&user.name, "this session goes on")).await.map(drop)
}

async fn deleted(scene: &mut Scene) -> Met {
    let user = scene.new_user("deleted");
    scene.register(&user).await?;
    let mut ada = scene.connect().await?;
    ada.log_in(&user).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    ada.done(&ada.whisper(&bob.username, "remember me")).await?;

    ada.refused(&json!(["delete_account", ada.username, ada.token, "a wrong password"]), &WRONG_CREDENTIALS).await?;
    ada.done(&json!(["delete_account", ada.username, ada.token, user.password])).await?;
    is_ended(&mut ada, "account_deleted").await?;
    bob.refused(&bob.whisper(&user.name, "hello?"), &UNKNOWN_USER).await?;
    let mut stranger = scene.connect().await?;
    stranger.refused(&user.log_in(), &WRONG_CREDENTIALS).await?;
    stranger.refused(&user.register(), &USERNAME_TAKEN).await?;
    bob.send(&json!(["history", bob.username, bob.token, {"with": user.name}])).await?;
    let page = bob.response().await?[2].clone();
    bob.ensure(page["messages"][0]["content"] == "remember me", "what was said", &page)
}
