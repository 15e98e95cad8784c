//! How version 2 is turned on.

use serde_json::{Value, json};

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{BARE, Behaviour, Met, ONE, VERSION_2, Wire};
use crate::conformance::connection::Connection;
use crate::conformance::message::{join, text};
use crate::conformance::refusals::{LATE_HELLO, NOT_LOGGED_IN, OLD_VERSION, UNKNOWN_ACTION, WRONG_COUNT, WRONG_OPTION};
use crate::conformance::requests::with;
use crate::conformance::scene::{Person, Scene, hello};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "hello is answered with the server's name, the version and the limits",
        wires: VERSION_2,
        section: "hello",
        says: "`limits` has the integers `content_bytes`, `request_bytes` and `in_flight`.",
        check: Run(|scene| Box::pin(welcome(scene))),
    },
    Behaviour {
        name: "a newer client is answered in a version that both know",
        wires: VERSION_2,
        section: "hello",
        says: "`version` in the response is the one that is spoken, the highest that the server knows up to the one asked for",
        check: Run(|scene| Box::pin(newer_client(scene))),
    },
    Behaviour {
        name: "requests may follow hello without waiting",
        wires: VERSION_2,
        section: "hello",
        says: "From its response on the connection speaks version 2; requests may follow it without waiting.",
        check: Run(|scene| Box::pin(without_waiting(scene))),
    },
    Behaviour {
        name: "hello for a version below 2 is refused, and leaves version 1",
        wires: ONE,
        section: "hello",
        says: "A `hello` that is refused leaves the connection in version 1.",
        check: Run(|scene| Box::pin(old_version(scene))),
    },
    Behaviour {
        name: "hello after another request is refused",
        wires: ONE,
        section: "hello",
        says: "| `hello is the first request of a connection` | it is not |",
        check: Run(|scene| Box::pin(late_hello(scene))),
    },
    Behaviour {
        name: "a second hello is refused, and version 2 goes on",
        wires: VERSION_2,
        section: "hello",
        says: "| `hello is the first request of a connection` | it is not |",
        check: Run(|scene| Box::pin(second_hello(scene))),
    },
    Behaviour {
        name: "hello without a version that is an integer is refused",
        wires: ONE,
        section: "hello",
        says: "`version` is missing or no integer",
        check: Run(|scene| Box::pin(no_version(scene))),
    },
    Behaviour {
        name: "keys that hello does not know are passed over",
        wires: VERSION_2,
        section: "Shapes",
        says: "Keys that an action does not know are passed over, whatever their values, and so is a value of nil.",
        check: Run(|scene| Box::pin(unknown_keys(scene))),
    },
    Behaviour {
        name: "bare framing knows no hello",
        wires: BARE,
        section: "hello",
        says: "in bare framing, which then ends as for any unknown action",
        check: Run(|scene| Box::pin(bare_hello(scene))),
    },
    Behaviour {
        name: "without hello nothing of version 2 is known",
        wires: ONE,
        section: "The wire, version 2",
        says: "A connection that does not begin with `hello` never sees any of it.",
        check: Run(|scene| Box::pin(without_hello(scene))),
    },
];

async fn welcome(scene: &mut Scene) -> Met {
    for request in [hello(), json!(["hello", { "version": 2 }])] {
        let mut connection = scene.open(Wire::Version2).await?;
        let welcome = connection.done(&request).await?;
        let limits = &welcome[2]["limits"];
        let has_limits = ["content_bytes", "request_bytes", "in_flight"].iter().all(|name| limits[name].is_u64());
        let is_welcome = welcome[2]["server"].is_string() && welcome[2]["version"] == 2 && has_limits;
        connection.ensure(is_welcome, "{\"server\": str, \"version\": 2, \"limits\": {three integers}}", &welcome)?;
    }
    Ok(())
}

/// The next refusal must have a code, as in version 2.
async fn speaks_version_2(connection: &mut Connection) -> Met {
    connection.refused(&json!(["logout", "nobody"]), &NOT_LOGGED_IN).await
}

async fn newer_client(scene: &mut Scene) -> Met {
    let mut connection = scene.open(Wire::Version2).await?;
    let welcome = connection.done(&json!(["hello", { "version": 1000 }])).await?;
    let is_known = welcome[2]["version"].as_i64().is_some_and(|version| (2..1000).contains(&version));
    connection.ensure(is_known, "a version from 2 on that the server knows", &welcome)?;
    speaks_version_2(&mut connection).await
}

async fn without_waiting(scene: &mut Scene) -> Met {
    let ada = scene.log_in(Person::Ada).await?;
    let mut connection = scene.open(Wire::Version2).await?;
    connection.send(&hello()).await?;
    connection.send(&json!(["logout", "nobody"])).await?;
    connection.send(&ada.resume()).await?;
    connection.send(&ada.sync(&ada.head.clone().into())).await?;

    connection.is_done().await?;
    connection.is_refused(&NOT_LOGGED_IN).await?;
    let resumed = connection.response().await?;
    connection.ensure(resumed[1] == true && resumed[2] == ada.username, "a login", &resumed)?;
    connection.is_done().await.map(drop)
}

/// Refusals of a connection that speaks version 1 have no code, and it knows no later actions.
async fn speaks_version_1(connection: &mut Connection) -> Met {
    connection.refused(&json!(["logout", "nobody"]), &NOT_LOGGED_IN).await?;
    connection.refused(&json!(["resume", "nobody", "no token"]), &UNKNOWN_ACTION).await?;
    connection.refused(&hello(), &LATE_HELLO).await
}

async fn old_version(scene: &mut Scene) -> Met {
    for version in [1, 0, -1] {
        let mut connection = scene.open(Wire::Array).await?;
        connection.refused(&json!(["hello", { "version": version }]), &OLD_VERSION).await?;
        speaks_version_1(&mut connection).await?;
    }
    Ok(())
}

async fn late_hello(scene: &mut Scene) -> Met {
    let mut connection = scene.open(Wire::Array).await?;
    connection.refused(&json!(["logout", "nobody"]), &NOT_LOGGED_IN).await?;
    connection.refused(&hello(), &LATE_HELLO).await?;
    speaks_version_1(&mut connection).await
}

async fn second_hello(scene: &mut Scene) -> Met {
    let mut connection = scene.connect().await?;
    connection.refused(&hello(), &LATE_HELLO).await?;
    speaks_version_2(&mut connection).await
}

async fn no_version(scene: &mut Scene) -> Met {
    for options in [
        json!({}),
        json!({ "version": null }),
        json!({ "version": "2" }),
        json!({ "version": 2.5 }),
        json!({ "version": true }),
        json!({ "version": [2] }),
        json!({ "version": 2, "client": 7 }),
    ] {
        let mut connection = scene.open(Wire::Array).await?;
        connection.refused(&json!(["hello", options]), &WRONG_OPTION).await?;
        speaks_version_1(&mut connection).await?;
    }
    let mut connection = scene.open(Wire::Array).await?;
    connection.refused(&json!(["hello"]), &WRONG_OPTION).await?;
    let mut connection = scene.open(Wire::Array).await?;
    connection.refused(&json!(["hello", "ada", { "version": 2 }]), &WRONG_COUNT).await
}

async fn unknown_keys(scene: &mut Scene) -> Met {
    let options = json!({ "version": 2, "client": null, "colour": ["red", { "of": null }], "": 2.5, "limits": {} });
    let mut connection = scene.open(Wire::Version2).await?;
    connection.done(&json!(["hello", options])).await?;
    speaks_version_2(&mut connection).await
}

async fn bare_hello(scene: &mut Scene) -> Met {
    let mut connection = scene.open(Wire::Bare).await?;
    connection.send_bytes(&join(Wire::Bare.framing(), &[text("hello"), vec![0x81], text("version"), vec![2]])).await?;
    connection.is_refused(&UNKNOWN_ACTION).await?;
    connection.ends().await
}

async fn without_hello(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in_by(Wire::Array, Person::Ada).await?;
    let request = with(ada.whisper(&ada.username, "hello"), json!({ "nonce": "one" }));
    ada.refused(&request, &WRONG_COUNT).await?;
    ada.refused(&with(ada.log_out(), json!({})), &WRONG_COUNT).await?;
    ada.refused(&ada.resume(), &UNKNOWN_ACTION).await?;
    ada.refused(&ada.sync(&Value::Null), &UNKNOWN_ACTION).await?;
    ada.receives_nothing().await
}
