//! Connections on which nobody has shown who they are.

use serde_json::{Value, json};

use crate::conformance::behaviour::Check::{Run, Skip};
use crate::conformance::behaviour::{Behaviour, EVERY, Met, ONE, Unmet};
use crate::conformance::message::{encode, join, text};
use crate::conformance::refusals::{PASSWORD_NOT_ALLOWED, request_too_large};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "a stranger's request has at most 4,096 bytes",
        wires: EVERY,
        section: "Strangers",
        says: "Their requests have at most 4,096 bytes, but for those with a token.",
        check: Run(|scene| Box::pin(at_most(scene))),
    },
    Behaviour {
        name: "a stranger's claim of more is refused when its header arrives",
        wires: EVERY,
        section: "Bad input",
        says: "A claim is refused when its header arrives, without waiting for what it announces.",
        check: Run(|scene| Box::pin(claims(scene))),
    },
    Behaviour {
        name: "with a token a stranger says as much as anybody, and is none from then on",
        wires: EVERY,
        section: "Strangers",
        says: "A connection is a stranger's until a login or a request's token is accepted on it for the first time.",
        check: Run(|scene| Box::pin(with_a_token(scene))),
    },
    Behaviour {
        name: "who has logged in is no stranger",
        wires: EVERY,
        section: "Strangers",
        says: "A connection is a stranger's until a login or a request's token is accepted on it for the first time.",
        check: Run(|scene| Box::pin(logged_in(scene))),
    },
    Behaviour {
        name: "a connection whose first request is not there after 10 s is closed",
        wires: ONE,
        section: "Strangers",
        says: "The first request must be there whole 10 s after the connection began, or the connection is closed",
        check: Skip("takes 10 s"),
    },
    Behaviour {
        name: "a stranger is closed after 30 s",
        wires: ONE,
        section: "Strangers",
        says: "After 30 s a stranger is closed with `nobody has logged in on this connection in time`.",
        check: Skip("takes 30 s"),
    },
    Behaviour {
        name: "one address has 32 strangers at a time",
        wires: ONE,
        section: "Strangers",
        says: "One address may have 32 of them at a time; the server's own machine may have more.",
        check: Skip("others at this address would be kept out"),
    },
    Behaviour {
        name: "who says too much too fast is slowed, and then refused",
        wires: ONE,
        section: "Rates",
        says: "A user may send 500 messages at once, and 50 a second after that",
        check: Skip("would say thousands of messages"),
    },
];

/// Units: bytes of a stranger's request.
const STRANGER_BYTES: usize = 4096;

/// A registration of so many bytes, whose password is too long for a password.
fn registration(scene: &Scene, length: usize) -> Value {
    let request = |length: usize| json!(["register", "nobody", "x".repeat(length)]);
    let framing = scene.wire.framing();
    let rest = encode(framing, &request(STRANGER_BYTES)).len() - STRANGER_BYTES;
    request(length - rest)
}

/// A server that takes less of everybody has no other limit for strangers.
fn has_a_limit_for_strangers(scene: &Scene) -> Met {
    let request_bytes = scene.limits.request_bytes;
    if request_bytes > 2 * STRANGER_BYTES {
        return Ok(());
    }
    Err(Unmet::Skipped(format!("the server takes requests of {request_bytes} bytes")))
}

async fn at_most(scene: &mut Scene) -> Met {
    has_a_limit_for_strangers(scene)?;
    let mut connection = scene.connect().await?;
    connection.refused(&registration(scene, STRANGER_BYTES), &PASSWORD_NOT_ALLOWED).await?;
    connection.refused(&registration(scene, STRANGER_BYTES + 1), &request_too_large(STRANGER_BYTES)).await?;
    connection.ends().await
}

async fn claims(scene: &mut Scene) -> Met {
    has_a_limit_for_strangers(scene)?;
    let claims: [&[u8]; 3] = [&[0xda, 0x10, 0], &[0xdb, 0, 0, 0x20, 0], &[0xdc, 0x10, 0]];
    for claim in claims {
        let mut connection = scene.connect().await?;
        connection.send_bytes(&join(scene.wire.framing(), &[&text("register")[..], claim])).await?;
        connection.is_refused(&request_too_large(STRANGER_BYTES)).await?;
        connection.ends().await?;
    }
    Ok(())
}

async fn with_a_token(scene: &mut Scene) -> Met {
    has_a_limit_for_strangers(scene)?;
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut stranger = scene.connect().await?;
    let said = "x".repeat(scene.limits.content_bytes.min(3 * STRANGER_BYTES));

    stranger.done(&ada.whisper(&ada.username, &said)).await?;
    ada.receives(&ada.whispers(&said)).await?;
    stranger.refused(&registration(scene, STRANGER_BYTES + 1), &PASSWORD_NOT_ALLOWED).await
}

async fn logged_in(scene: &mut Scene) -> Met {
    has_a_limit_for_strangers(scene)?;
    let mut ada = scene.log_in(Person::Ada).await?;
    ada.refused(&registration(scene, STRANGER_BYTES + 1), &PASSWORD_NOT_ALLOWED).await
}
