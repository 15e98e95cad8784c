//! What was missed, and readers that are slow.

use serde_json::json;

use crate::conformance::awaiting::contents;
use crate::conformance::behaviour::Check::{Run, Skip};
use crate::conformance::behaviour::{Behaviour, EVERY, Met, ONE, VERSION_1};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "what was missed comes right after the login's response, in order, then what is new",
        wires: VERSION_1,
        section: "Delivery",
        says: "receives it right after the response to their next login: all that was missed in order, then what is new.",
        check: Run(|scene| Box::pin(missed_in_order(scene))),
    },
    Behaviour {
        name: "who never was logged in has missed all since they registered",
        wires: VERSION_1,
        section: "Delivery",
        says: "It begins at registration, never moves back",
        check: Run(|scene| Box::pin(missed_since_registration(scene))),
    },
    Behaviour {
        name: "what was received before a connection ended well does not come again",
        wires: VERSION_1,
        section: "Delivery",
        says: "It may arrive again at a later login, but only after an abnormal end",
        check: Run(|scene| Box::pin(not_again(scene))),
    },
    Behaviour {
        name: "what one device has received is not delivered to another that was offline",
        wires: VERSION_1,
        section: "Delivery",
        says: "what one device has received while another was offline is not delivered to the other.",
        check: Run(|scene| Box::pin(one_mark_for_all_devices(scene))),
    },
    Behaviour {
        name: "a slow reader misses nothing",
        wires: EVERY,
        section: "Delivery",
        says: "A slow reader misses nothing either: the server reads on from its disk when the connection has room again.",
        check: Run(|scene| Box::pin(a_slow_reader(scene))),
    },
    Behaviour {
        name: "what was still waiting when a connection ended counts as missed",
        wires: VERSION_1,
        section: "Delivery",
        says: "what was still waiting for a connection when it logged out or ended counts as missed",
        check: Run(|scene| Box::pin(still_waiting(scene))),
    },
    Behaviour {
        name: "what a connection that broke had not acknowledged comes again",
        wires: ONE,
        section: "Delivery",
        says: "every message arrives **at least once**.",
        check: Skip("needs a network that loses packets"),
    },
];

async fn missed_in_order(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut eve = scene.log_in(Person::Eve).await?;
    let bob = scene.log_in(Person::Bob).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    let (join, recipient) = (bob.join_group(&group), bob.username.clone());
    bob.leave().await?;
    ada.done(&join).await?;

    let said: Vec<String> = (0..30).map(|n| scene.unused(&n.to_string())).collect();
    let mut expected = Vec::new();
    for (n, said) in said.iter().enumerate() {
        let sender = if n % 3 == 2 { &mut eve } else { &mut ada };
        if n % 3 == 0 {
            sender.done(&sender.message_group(&group, said)).await?;
            expected.push(sender.says(&group, said));
        } else {
            sender.done(&sender.whisper(&recipient, said)).await?;
            expected.push(sender.whispers(said));
        }
    }
    let mut bob = scene.enter(Person::Bob).await?;
    for update in &expected {
        bob.receives(update).await?;
    }
    ada.done(&ada.whisper(&bob.username, "what is new")).await?;
    bob.receives(&ada.whispers("what is new")).await?;
    bob.receives_nothing().await
}

async fn missed_since_registration(scene: &mut Scene) -> Met {
    let newcomer = scene.new_user("Newcomer");
    scene.register(&newcomer).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    for said in ["one", "two", "three"] {
        ada.done(&ada.whisper(&newcomer.name, said)).await?;
    }

    let mut connection = scene.connect().await?;
    connection.log_in(&newcomer).await?;
    let missed = connection.updates_so_far().await?;

    let expected = ["one", "two", "three"].map(|said| ada.whispers(said));
    connection.ensure(missed == expected, &format!("{expected:?}"), &missed.clone().into())
}

async fn not_again(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let said: Vec<String> = (0..5).map(|n| scene.unused(&n.to_string())).collect();
    for said in &said {
        ada.done(&ada.whisper(&bob.username, said)).await?;
        bob.receives(&ada.whispers(said)).await?;
    }
    bob.leave().await?;

    scene.enter(Person::Bob).await?.receives_nothing().await
}

async fn one_mark_for_all_devices(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut phone = scene.log_in(Person::Bob).await?;
    let laptop = scene.log_in(Person::Bob).await?;
    laptop.leave().await?;
    let said = scene.unused("said");
    ada.done(&ada.whisper(&phone.username, &said)).await?;
    phone.receives(&ada.whispers(&said)).await?;
    phone.leave().await?;

    scene.enter(Person::Bob).await?.receives_nothing().await
}

/// Of the longest messages, more than sockets and a server take in for somebody who does not read.
const MANY: usize = 100;

/// The longest content, or one of 16 KiB.
fn long(scene: &Scene, beginning: &str) -> String {
    let length = scene.limits.content_bytes.min(16 * 1024);
    format!("{beginning:<length$}")
}

async fn a_slow_reader(scene: &mut Scene) -> Met {
    let said: Vec<String> = (0..MANY).map(|n| long(scene, &n.to_string())).collect();
    let user = scene.user(Person::Bob).await?;
    let mut bob = scene.connect_narrow().await?;
    bob.log_in(&user).await?;
    if scene.wire.is_version_2() {
        bob.catch_up(&bob.head.clone().into()).await?;
    }
    bob.updates_so_far().await?;
    let mut eve = scene.log_in(Person::Eve).await?;

    for said in &said {
        eve.send(&eve.whisper(&bob.username, said)).await?;
    }
    for _ in &said {
        eve.is_done().await?;
    }

    for said in &said {
        bob.receives(&eve.whispers(said)).await?;
    }
    bob.receives_nothing().await
}

async fn still_waiting(scene: &mut Scene) -> Met {
    let said: Vec<String> = (0..MANY).map(|n| scene.unused(&n.to_string())).collect();
    let said: Vec<String> = said.iter().map(|said| long(scene, said)).collect();
    let user = scene.user(Person::Bob).await?;
    let mut bob = scene.connect_narrow().await?;
    bob.log_in(&user).await?;
    bob.updates_so_far().await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    for said in &said {
        ada.send(&ada.whisper(&user.name, said)).await?;
    }
    for _ in &said {
        ada.is_done().await?;
    }

    bob.receives(&ada.whispers(&said[0])).await?;
    drop(bob);
    let mut bob = scene.enter(Person::Bob).await?;
    let missed = bob.updates_so_far().await?;

    // The end was not a good one: what was received may come again, and as much of it as was on its way need not.
    let came = contents(&missed);
    let first = came.first().and_then(|first| said.iter().position(|said| said == first));
    let is_the_end = first.is_some_and(|first| came == said[first..]);
    let numbers: Vec<&str> = came.iter().map(|said| said.trim_end()).collect();
    bob.ensure(is_the_end, "what was still waiting, to the last message and in order", &json!(numbers))
}
