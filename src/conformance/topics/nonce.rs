//! Messages that are sent again.

use serde_json::{Value, json};

use crate::conformance::behaviour::Check::{Run, Skip};
use crate::conformance::behaviour::{Behaviour, Met, VERSION_2};
use crate::conformance::refusals::{CONFLICT, INVALID_NONCE};
use crate::conformance::requests::with;
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "the same nonce again gets the same answer, on any connection, and makes no second message",
        wires: VERSION_2,
        section: "Sending once",
        says: "the same request with the same nonce again, on any connection and at any later time, gets the same answer, with \
               the same `id` and `at`, and makes no second message.",
        check: Run(|scene| Box::pin(the_same_answer(scene))),
    },
    Behaviour {
        name: "within one stream of requests too a nonce is one message",
        wires: VERSION_2,
        section: "Sending once",
        says: "It stands for one message of its sender",
        check: Run(|scene| Box::pin(within_one_stream(scene))),
    },
    Behaviour {
        name: "the same nonce with another recipient, group or content is a conflict",
        wires: VERSION_2,
        section: "Sending once",
        says: "The same nonce with another recipient, group or content is refused with `conflict`",
        check: Run(|scene| Box::pin(conflicts(scene))),
    },
    Behaviour {
        name: "each user has nonces of their own",
        wires: VERSION_2,
        section: "Sending once",
        says: "Each user has nonces of their own",
        check: Run(|scene| Box::pin(of_their_own(scene))),
    },
    Behaviour {
        name: "without a nonce the same is said twice",
        wires: VERSION_2,
        section: "Sending once",
        says: "take the option `nonce`",
        check: Run(|scene| Box::pin(without_a_nonce(scene))),
    },
    Behaviour {
        name: "a nonce has 1 to 64 bytes, of any kind",
        wires: VERSION_2,
        section: "Sending once",
        says: "take the option `nonce`, a string of 1 to 64 bytes.",
        check: Run(|scene| Box::pin(lengths(scene))),
    },
    Behaviour {
        name: "a nonce is known after a restart",
        wires: VERSION_2,
        section: "Sending once",
        says: "This holds across restarts",
        check: Skip("needs to restart the server"),
    },
];

fn with_nonce(request: Value, nonce: &str) -> Value {
    with(request, json!({ "nonce": nonce }))
}

async fn the_same_answer(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut other_login = scene.log_in(Person::Ada).await?;
    let mut phone = scene.resume(&ada).await?;
    let mut by_token = scene.connect().await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let (group, said) = (scene.unused("group"), scene.unused("said"));
    ada.done(&ada.create_group(&group)).await?;
    bob.done(&bob.join_group(&group)).await?;
    let nonces = [scene.unused("nonce"), scene.unused("nonce")];

    let whisper = with_nonce(ada.whisper(&bob.username, &said), &nonces[0]);
    let message = with_nonce(ada.message_group(&group, &said), &nonces[1]);
    let other_case = with_nonce(other_login.whisper(&bob.username.to_uppercase(), &said), &nonces[0]);
    let answers = [ada.done(&whisper).await?, ada.done(&message).await?];
    for connection in [&mut ada, &mut phone, &mut by_token] {
        for (request, answer) in [&whisper, &message].into_iter().zip(&answers) {
            let again = connection.done(request).await?;
            connection.ensure(again == *answer, &answer.to_string(), &again)?;
        }
    }
    let again = other_login.done(&other_case).await?;
    other_login.ensure(again == answers[0], &answers[0].to_string(), &again)?;

    bob.receives(&ada.whispers(&said)).await?;
    bob.receives(&ada.says(&group, &said)).await?;
    bob.receives_nothing().await
}

async fn within_one_stream(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let nonces: Vec<String> = (0..4).map(|_| scene.unused("nonce")).collect();
    for nonce in &nonces {
        for _ in 0..5 {
            ada.send(&with_nonce(ada.whisper(&ada.username, nonce), nonce)).await?;
        }
    }
    for _ in &nonces {
        let first = ada.is_done().await?;
        for _ in 1..5 {
            let again = ada.is_done().await?;
            ada.ensure(again == first, &first.to_string(), &again)?;
        }
    }
    for nonce in &nonces {
        ada.receives(&ada.whispers(nonce)).await?;
    }
    ada.receives_nothing().await
}

async fn conflicts(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let bob = scene.user(Person::Bob).await?;
    let (group, nonce, nobody) = (scene.unused("group"), scene.unused("nonce"), scene.unused("nobody"));
    ada.done(&ada.create_group(&group)).await?;
    ada.done(&with_nonce(ada.whisper(&bob.name, "hello"), &nonce)).await?;
    ada.receives(&ada.whispers("hello")).await?;

    for request in [
        ada.whisper(&bob.name, "hello!"),
        ada.whisper(&ada.username, "hello"),
        ada.whisper(&nobody, "hello"),
        ada.message_group(&group, "hello"),
        ada.message_group(&nobody, "hello"),
    ] {
        ada.refused(&with_nonce(request, &nonce), &CONFLICT).await?;
    }
    ada.receives_nothing().await
}

async fn of_their_own(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let nonce = scene.unused("nonce");

    ada.done(&with_nonce(ada.whisper(&bob.username, "of Ada's"), &nonce)).await?;
    bob.done(&with_nonce(bob.whisper(&ada.username, "of Bob's"), &nonce)).await?;
    // Another case makes another nonce.
    ada.done(&with_nonce(ada.whisper(&bob.username, "another"), &nonce.to_uppercase())).await?;

    bob.receives(&ada.whispers("of Ada's")).await?;
    bob.receives(&bob.whispers("of Bob's")).await?;
    bob.receives(&ada.whispers("another")).await.map(drop)
}

async fn without_a_nonce(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let first = ada.done(&ada.whisper(&ada.username, "hello")).await?;
    let request = with(ada.whisper(&ada.username, "hello"), json!({ "nonce": null }));
    let second = ada.done(&request).await?;

    ada.ensure(first[2]["id"] != second[2]["id"], "two messages", &second)?;
    ada.receives(&ada.whispers("hello")).await?;
    ada.receives(&ada.whispers("hello")).await.map(drop)
}

async fn lengths(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let longest = format!("{:x<64}", scene.unused("nonce"));
    for nonce in [scene.unused("\0\"\\\u{7}\u{fffd}"), longest.clone()] {
        let request = with_nonce(ada.whisper(&ada.username, "hello"), &nonce);
        let first = ada.done(&request).await?;
        let again = ada.done(&request).await?;
        ada.ensure(again == first, &first.to_string(), &again)?;
    }
    for nonce in [String::new(), format!("{longest}x"), "\u{fc}".repeat(33)] {
        ada.refused(&with_nonce(ada.whisper(&ada.username, "hello"), &nonce), &INVALID_NONCE).await?;
    }
    Ok(())
}
