//! Whispers and their contents.

use serde_json::json;

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, EVERY, Met, Unmet, VERSION_1};
use crate::conformance::refusals::{CONTENT_EMPTY, UNKNOWN_USER, content_too_long};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "a whisper reaches every connection of its recipient, and nobody else",
        wires: VERSION_1,
        section: "whisper",
        says: "each of the recipient's logged-in connections receives the update",
        check: Run(|scene| Box::pin(every_connection(scene))),
    },
    Behaviour {
        name: "a whisper to oneself reaches all of one's connections",
        wires: EVERY,
        section: "whisper",
        says: "Whispering to oneself is allowed; the sender of a whisper to somebody else receives no update of it.",
        check: Run(|scene| Box::pin(to_oneself(scene))),
    },
    Behaviour {
        name: "names are folded, and shown as they were registered",
        wires: EVERY,
        section: "Names",
        says: "Names are compared in folded form and always shown as they were registered or created, whichever form a \
               request used.",
        check: Run(|scene| Box::pin(shown_as_registered(scene))),
    },
    Behaviour {
        name: "a whisper to nobody is refused",
        wires: EVERY,
        section: "Which refusal comes first",
        says: "A name that nobody can have is, where it should be somebody's, simply nobody's",
        check: Run(|scene| Box::pin(to_nobody(scene))),
    },
    Behaviour {
        name: "content arrives byte for byte",
        wires: EVERY,
        section: "Content",
        says: "It is kept and delivered byte for byte.",
        check: Run(|scene| Box::pin(byte_for_byte(scene))),
    },
    Behaviour {
        name: "content has a byte at least, and at most as many as the server takes",
        wires: EVERY,
        section: "Content",
        says: "The content of a message is UTF-8 of 1 to 16,384 bytes.",
        check: Run(|scene| Box::pin(shortest_and_longest(scene))),
    },
];

async fn every_connection(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut phone = scene.log_in(Person::Bob).await?;
    let mut laptop = scene.log_in(Person::Bob).await?;
    let mut eve = scene.log_in(Person::Eve).await?;
    let said = scene.unused("said");

    ada.done(&ada.whisper(&phone.username, &said)).await?;

    phone.receives(&ada.whispers(&said)).await?;
    laptop.receives(&ada.whispers(&said)).await?;
    for connection in [&mut ada, &mut phone, &mut laptop, &mut eve] {
        connection.receives_nothing().await?;
    }
    Ok(())
}

async fn to_oneself(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut phone = scene.log_in(Person::Ada).await?;
    let said = scene.unused("said");

    ada.done(&ada.whisper(&ada.username, &said)).await?;

    ada.receives(&ada.whispers(&said)).await?;
    phone.receives(&phone.whispers(&said)).await?;
    ada.receives_nothing().await?;
    phone.receives_nothing().await
}

async fn shown_as_registered(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    for (sender, recipient) in [
        (ada.username.to_lowercase(), bob.username.to_uppercase()),
        (ada.username.to_uppercase(), bob.username.to_lowercase()),
    ] {
        let said = scene.unused("said");
        ada.done(&json!(["whisper", sender, ada.token, recipient, said])).await?;
        bob.receives(&ada.whispers(&said)).await?;
    }
    Ok(())
}

async fn to_nobody(scene: &mut Scene) -> Met {
    let (nobody, too_long) = (scene.unused("nobody"), "a".repeat(33));
    let mut ada = scene.log_in(Person::Ada).await?;
    for name in [&*nobody, "", "two words", &*too_long, "\u{e4}"] {
        ada.refused(&ada.whisper(name, "hello"), &UNKNOWN_USER).await?;
    }
    Ok(())
}

async fn byte_for_byte(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let every_length = ["x".repeat(31), "x".repeat(32), "x".repeat(255), "x".repeat(256)];
    let texts = [
        " ",
        "\0",
        "\u{feff}",
        "\r\n\t\u{1b}[0m\u{7f}",
        "\"\\'; --",
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{202e}right to left",
        "\u{1f984}\u{200d}\u{fe0f}",
        "\u{10ffff}",
        " two  spaces ",
        "[\"response\", true]",
    ];
    let texts = texts.into_iter().chain(every_length.iter().map(String::as_str));
    for said in texts {
        ada.done(&ada.whisper(&bob.username, said)).await?;
        bob.receives(&ada.whispers(said)).await?;
    }
    Ok(())
}

/// Units: bytes of the longest content that is sent to find a limit.
const LONGEST_TRIED: usize = 1024 * 1024;

async fn shortest_and_longest(scene: &mut Scene) -> Met {
    let content_bytes = scene.limits.content_bytes;
    if content_bytes > LONGEST_TRIED {
        return Err(Unmet::Skipped(format!("the server takes contents of {content_bytes} bytes")));
    }
    let mut ada = scene.log_in(Person::Ada).await?;
    // Of two bytes each, for it is bytes that are counted.
    let (longest, too_long) = ("\u{fc}".repeat(content_bytes / 2), "\u{fc}".repeat(content_bytes / 2 + 1));

    ada.refused(&ada.whisper(&ada.username, ""), &CONTENT_EMPTY).await?;
    ada.refused(&ada.whisper(&ada.username, &too_long), &content_too_long(content_bytes)).await?;
    ada.done(&ada.whisper(&ada.username, &longest)).await?;
    ada.receives(&ada.whispers(&longest)).await?;
    ada.done(&ada.whisper(&ada.username, "x")).await?;
    ada.receives(&ada.whispers("x")).await.map(drop)
}
