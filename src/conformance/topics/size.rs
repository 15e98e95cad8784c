//! How long a request may be.
//!
//! On connections that have logged in: of others the server takes less.

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, EVERY, Met, Unmet, Wire};
use crate::conformance::connection::Connection;
use crate::conformance::message::{encode, join, text};
use crate::conformance::refusals::{Refusal, content_too_long, request_too_large};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "a request may have as many bytes as the server takes, and no more",
        wires: EVERY,
        section: "Bad input",
        says: "| a request longer than 65,536 bytes, or one that claims to be | **closed** | **closed** |",
        check: Run(|scene| Box::pin(as_many_as_it_takes(scene))),
    },
    Behaviour {
        name: "a claim is refused when its header arrives",
        wires: EVERY,
        section: "Bad input",
        says: "A claim is refused when its header arrives, without waiting for what it announces. An array or a map claims a \
               byte for each object in it.",
        check: Run(|scene| Box::pin(claims(scene))),
    },
];

/// Units: bytes of the longest request that is sent to find a limit.
const LONGEST_TRIED: usize = 4 * 1024 * 1024;

async fn as_many_as_it_takes(scene: &mut Scene) -> Met {
    let (request_bytes, content_bytes) = (scene.limits.request_bytes, scene.limits.content_bytes);
    if request_bytes > LONGEST_TRIED {
        return Err(Unmet::Skipped(format!("the server takes requests of {request_bytes} bytes")));
    }
    let mut ada = scene.log_in(Person::Ada).await?;
    let whisper = |ada: &Connection, length: usize| ada.whisper(&ada.username, &"x".repeat(length));
    let framing = scene.wire.framing();
    // All of it but the content.
    let rest = encode(framing, &whisper(&ada, request_bytes / 2)).len() - request_bytes / 2;

    ada.refused(&whisper(&ada, request_bytes - rest), &content_too_long(content_bytes)).await?;
    ada.refused(&whisper(&ada, request_bytes - rest + 1), &request_too_large(request_bytes)).await?;
    ada.ends().await
}

/// Heads that claim 4 GiB, or as many objects.
const CLAIMS: [&[u8]; 5] = [
    &[0xdb, 0xff, 0xff, 0xff, 0xff],
    &[0xc6, 0xff, 0xff, 0xff, 0xff],
    &[0xc9, 0xff, 0xff, 0xff, 0xff],
    &[0xdd, 0xff, 0xff, 0xff, 0xff],
    &[0xdf, 0xff, 0xff, 0xff, 0xff],
];

async fn claims(scene: &mut Scene) -> Met {
    let request_bytes = scene.limits.request_bytes;
    let refusal = request_too_large(request_bytes);
    for claim in CLAIMS {
        is_refused(scene, &join(scene.wire.framing(), &[&text("logout")[..], claim]), &refusal).await?;
    }
    if scene.wire != Wire::Bare {
        is_refused(scene, CLAIMS[3], &refusal).await?;
    }
    // As many objects as a request may have bytes leave none for the action.
    let objects = u32::try_from(request_bytes).unwrap_or(u32::MAX).to_be_bytes();
    let claim = [&[0xdd], &objects[..]].concat();
    is_refused(scene, &join(scene.wire.framing(), &[&text("logout")[..], &claim]), &refusal).await
}

async fn is_refused(scene: &mut Scene, bytes: &[u8], refusal: &Refusal) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    ada.send_bytes(bytes).await?;
    ada.is_refused(refusal).await?;
    ada.ends().await
}
