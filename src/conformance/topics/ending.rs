//! How connections end.

use serde_json::json;

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, EVERY, Met};
use crate::conformance::message::encode;
use crate::conformance::refusals::{NOT_LOGGED_IN, UNKNOWN_USER};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "who has shut down their side gets all responses, and then the end",
        wires: EVERY,
        section: "Ending a connection",
        says: "every request that was sent whole is then answered, one that was cut off is dropped without a word, and the \
               server closes.",
        check: Run(|scene| Box::pin(half_closed(scene))),
    },
    Behaviour {
        name: "a connection that was shut down without a request ends",
        wires: EVERY,
        section: "Ending a connection",
        says: "A client may close a connection at any time, or shut down its sending side first",
        check: Run(|scene| Box::pin(nothing_asked(scene))),
    },
];

async fn half_closed(scene: &mut Scene) -> Met {
    // On a connection that receives no updates.
    let mut ada = scene.connect().await?;
    ada.use_login_of(&scene.log_in(Person::Ada).await?);
    let mut bob = scene.log_in(Person::Bob).await?;
    let (said, cut_off) = (scene.unused("said"), scene.unused("cut off"));

    ada.send(&json!(["logout", "nobody"])).await?;
    ada.send(&ada.whisper("no body", "hello")).await?;
    ada.send(&ada.whisper(&bob.username, &said)).await?;
    let bytes = encode(scene.wire.framing(), &ada.whisper(&bob.username, &cut_off));
    ada.send_bytes(&bytes[..bytes.len() - 1]).await?;
    ada.shut_down().await?;

    ada.is_refused(&NOT_LOGGED_IN).await?;
    ada.is_refused(&UNKNOWN_USER).await?;
    ada.is_done().await?;
    ada.ends().await?;
    bob.receives(&ada.whispers(&said)).await?;
    bob.receives_nothing().await
}

async fn nothing_asked(scene: &mut Scene) -> Met {
    let mut connection = scene.connect().await?;
    connection.shut_down().await?;
    connection.ends().await
}
