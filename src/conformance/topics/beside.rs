//! Clients of version 1 beside clients of version 2.

use serde_json::json;

use crate::conformance::awaiting::{contents, plain};
use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, Met, VERSION_2, Wire};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "one message reaches clients of both versions, each as it knows it and in one order",
        wires: VERSION_2,
        section: "The wire, version 2",
        says: "A connection that does not begin with `hello` never sees any of it.",
        check: Run(|scene| Box::pin(both_versions(scene))),
    },
    Behaviour {
        name: "what version 2 has received version 1 is owed all the same",
        wires: VERSION_2,
        section: "Exactly once",
        says: "Version 2 leaves the mark alone by which version 1 delivers what was missed.",
        check: Run(|scene| Box::pin(owed_all_the_same(scene))),
    },
    Behaviour {
        name: "what version 1 has received comes in version 2 all the same",
        wires: VERSION_2,
        section: "sync",
        says: "every message of the user's conversations behind the message `after`, in log order",
        check: Run(|scene| Box::pin(synced_all_the_same(scene))),
    },
];

async fn both_versions(scene: &mut Scene) -> Met {
    let mut bare = scene.log_in_by(Wire::Bare, Person::Bob).await?;
    let mut array = scene.log_in_by(Wire::Array, Person::Bob).await?;
    let mut newer = scene.log_in(Person::Bob).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut old_ada = scene.log_in_by(Wire::Bare, Person::Ada).await?;
    for n in 0..10 {
        let sender = if n % 2 == 0 { &mut ada } else { &mut old_ada };
        sender.done(&sender.whisper(&bare.username, &n.to_string())).await?;
    }
    let sent: Vec<_> = (0..10).map(|n| ada.whispers(&n.to_string())).collect();

    for receiver in [&mut bare, &mut array] {
        let received = receiver.updates_so_far().await?;
        receiver.ensure(received == sent, "the whispers in their order, as in version 1", &received.clone().into())?;
    }
    for whisper in &sent {
        newer.receives(whisper).await?;
    }
    // Her own, in version 2 alone.
    let own: Vec<_> = ada.updates_so_far().await?.iter().map(|update| plain(Wire::Version2, update)).collect();
    ada.ensure(own == sent, "her own whispers", &own.clone().into())?;
    old_ada.receives_nothing().await
}

async fn owed_all_the_same(scene: &mut Scene) -> Met {
    let old = scene.log_in_by(Wire::Array, Person::Bob).await?;
    old.leave().await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    let said: Vec<String> = (0..3).map(|n| scene.unused(&n.to_string())).collect();
    for said in &said {
        ada.done(&ada.whisper(&bob.username, said)).await?;
        bob.receives(&ada.whispers(said)).await?;
    }

    let user = scene.user(Person::Bob).await?;
    let mut old = scene.connect_by(Wire::Array).await?;
    old.log_in(&user).await?;
    let missed = old.updates_so_far().await?;
    old.ensure(contents(&missed) == said, "what was said, once and in order", &json!(contents(&missed)))
}

async fn synced_all_the_same(scene: &mut Scene) -> Met {
    let mut newer = scene.enter(Person::Bob).await?;
    let mut old = scene.log_in_by(Wire::Array, Person::Bob).await?;
    let mut ada = scene.log_in_by(Wire::Array, Person::Ada).await?;
    let said: Vec<String> = (0..3).map(|n| scene.unused(&n.to_string())).collect();
    for said in &said {
        ada.done(&ada.whisper(&old.username, said)).await?;
        old.receives(&ada.whispers(said)).await?;
    }

    let past = newer.catch_up(&newer.head.clone().into()).await?;
    newer.ensure(contents(&past) == said, "what was said, once and in order", &json!(contents(&past)))
}
