//! Who speaks first, the framings, and the formats of objects.

use serde_json::{Value, json};

use crate::conformance::behaviour::Check::{Run, Skip};
use crate::conformance::behaviour::{BARE, Behaviour, EVERY, Met, ONE};
use crate::conformance::message::{self, text};
use crate::conformance::refusals::{NOT_LOGGED_IN, WRONG_CREDENTIALS};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "the client speaks first",
        wires: BARE,
        section: "Connecting",
        says: "It sends no greeting: the client speaks first.",
        check: Run(|scene| Box::pin(the_client_speaks_first(scene))),
    },
    Behaviour {
        name: "an idle connection stays open",
        wires: ONE,
        section: "Connecting",
        says: "An idle connection stays open for as long as the client likes, once it has shown [who it is](#strangers).",
        check: Skip("takes hours"),
    },
    Behaviour {
        name: "every head of an array chooses array framing",
        wires: ONE,
        section: "Framing",
        says: "`90` to `9f`, `dc`, `dd` (the head of a MessagePack array)",
        check: Run(|scene| Box::pin(every_head_of_an_array(scene))),
    },
    Behaviour {
        name: "text may come in a bin",
        wires: EVERY,
        section: "Objects",
        says: "The server also takes a `bin` with the same bytes wherever a string is due",
        check: Run(|scene| Box::pin(other_formats(scene, message::encode_in_bins))),
    },
    Behaviour {
        name: "text may come in a longer format than needed",
        wires: EVERY,
        section: "Objects",
        says: "Either side may use any of the formats that hold an object, short or long",
        check: Run(|scene| Box::pin(other_formats(scene, message::encode_at_length))),
    },
    Behaviour {
        name: "the server sends the shortest formats, and text as str",
        wires: EVERY,
        section: "Objects",
        says: "the server sends the shortest.",
        check: Run(|scene| Box::pin(shortest_formats(scene))),
    },
];

async fn the_client_speaks_first(scene: &mut Scene) -> Met {
    let mut connection = scene.open(scene.wire).await?;
    connection.is_quiet().await?;
    connection.refused(&json!(["logout", "nobody"]), &NOT_LOGGED_IN).await
}

async fn every_head_of_an_array(scene: &mut Scene) -> Met {
    let arguments = [text("login"), text("nobody at all"), text("x")].concat();
    for head in [&[0x93][..], &[0xdc, 0, 3], &[0xdd, 0, 0, 0, 3]] {
        let mut connection = scene.open(scene.wire).await?;
        connection.send_bytes(&[head, &arguments].concat()).await?;
        connection.is_refused(&WRONG_CREDENTIALS).await?;
    }
    Ok(())
}

async fn other_formats(scene: &mut Scene, encode: fn(crate::protocol::Framing, &Value) -> Vec<u8>) -> Met {
    let user = scene.user(Person::Ada).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    let said = scene.unused("said");
    let framing = scene.wire.framing();

    let whisper = ada.whisper(&user.name, &said);
    ada.send_as(&whisper, &encode(framing, &whisper)).await?;
    ada.is_done().await?;
    ada.receives(&ada.whispers(&said)).await?;

    let unknown = ada.log_out();
    ada.send_as(&unknown, &encode(framing, &unknown)).await?;
    ada.is_done().await.map(drop)
}

async fn shortest_formats(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    for length in [1, 31, 32, 255, 256, scene.limits.content_bytes.min(4000)] {
        ada.send(&ada.whisper(&ada.username, &"x".repeat(length))).await?;
        for _ in 0..2 {
            let message = ada.next().await?;
            // Of a map the order is free, so the bytes are counted.
            let is_shortest = message::encode(scene.wire.framing(), &message).len() == ada.bytes().len();
            let came = json!(message::hex(ada.bytes()));
            ada.ensure(is_shortest, "each object in its shortest format", &came)?;
        }
    }
    Ok(())
}
