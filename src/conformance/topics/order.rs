//! Responses in order, many requests under way, and where updates stand.

use serde_json::{Value, json};

use crate::conformance::awaiting::{content, contents};
use crate::conformance::behaviour::Check::{Run, Skip};
use crate::conformance::behaviour::{Behaviour, EVERY, Met, ONE};
use crate::conformance::connection::Connection;
use crate::conformance::refusals::{
    CONTENT_EMPTY, GROUP_NAME_TAKEN, LOGGED_IN_ALREADY, MEMBER_ALREADY, NOT_A_MEMBER, NOT_LOGGED_IN, UNKNOWN_USER,
};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "responses come in the order of the requests",
        wires: EVERY,
        section: "Order",
        says: "Every request gets exactly one response. Responses come in the order of the requests of their connection",
        check: Run(|scene| Box::pin(responses_in_order(scene))),
    },
    Behaviour {
        name: "requests take effect in their order",
        wires: EVERY,
        section: "Order",
        says: "requests take effect in that order too",
        check: Run(|scene| Box::pin(effects_in_order(scene))),
    },
    Behaviour {
        name: "as many requests as may be in flight are answered in order",
        wires: EVERY,
        section: "Order",
        says: "A client need not wait for a response before it sends the next request (pipelining). Up to 64 requests of a \
               connection may be in flight",
        check: Run(|scene| Box::pin(as_many_as_may_be_in_flight(scene))),
    },
    Behaviour {
        name: "what is sent while responses are left unread is answered later",
        wires: EVERY,
        section: "Order",
        says: "beyond that, and while the client leaves its responses unread, the server stops reading from it until there is \
               room.",
        check: Run(|scene| Box::pin(beyond_what_may_be_in_flight(scene))),
    },
    Behaviour {
        name: "one's own update comes after its response",
        wires: EVERY,
        section: "Order",
        says: "Updates come between responses, never inside one. An update that a request causes on its own connection comes \
               after the response to that request.",
        check: Run(|scene| Box::pin(own_update_after_its_response(scene))),
    },
    Behaviour {
        name: "every receiver sees messages in one order",
        wires: EVERY,
        section: "Order",
        says: "Messages have one order, and every receiver sees them in it.",
        check: Run(|scene| Box::pin(one_order_for_all(scene))),
    },
    Behaviour {
        name: "what was answered with success survives a crash",
        wires: ONE,
        section: "Order",
        says: "A response of success means that the change is on disk.",
        check: Skip("needs to end the server"),
    },
];

/// Requests that are sent at once, of a server that takes thousands too.
const MANY: usize = 200;

/// Requests that are refused for one reason each, so that no two responses next to one another are the same.
async fn responses_in_order(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let nowhere = scene.unused("nowhere");
    let asked = [
        (json!(["logout", "nobody"]), Some(NOT_LOGGED_IN)),
        (ada.whisper(&ada.username, ""), Some(CONTENT_EMPTY)),
        (ada.message_group(&nowhere, "hello"), Some(NOT_A_MEMBER)),
        (json!(["login", "nobody", "a password"]), Some(LOGGED_IN_ALREADY)),
        (ada.whisper(&nowhere, "hello"), Some(UNKNOWN_USER)),
        (ada.create_group(&nowhere), None),
        (ada.create_group(&nowhere), Some(GROUP_NAME_TAKEN)),
        (ada.log_out(), None),
        (json!(["logout", "nobody"]), Some(NOT_LOGGED_IN)),
    ];
    for (request, _) in &asked {
        ada.send(request).await?;
    }
    for (_, refusal) in &asked {
        match refusal {
            None => ada.is_done().await.map(drop)?,
            Some(refusal) => ada.is_refused(refusal).await?,
        }
    }
    ada.is_quiet().await
}

async fn effects_in_order(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let group = scene.unused("group");

    ada.done(&ada.create_group(&group)).await?;
    for request in [bob.message_group(&group, "early"), bob.join_group(&group), bob.message_group(&group, "in time")] {
        bob.send(&request).await?;
    }
    bob.send(&bob.join_group(&group)).await?;

    bob.is_refused(&NOT_A_MEMBER).await?;
    bob.is_done().await?;
    bob.is_done().await?;
    bob.is_refused(&MEMBER_ALREADY).await?;
    bob.receives(&bob.says(&group, "in time")).await.map(drop)
}

/// Sends `count` requests before a response is read; every fourth is a whisper that is accepted, for a user may not say much at
/// once.
async fn many_are_answered(scene: &mut Scene, count: usize) -> Met {
    let mut bob = scene.log_in(Person::Bob).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    let said: Vec<String> = (0..count).map(|n| scene.unused(&n.to_string())).collect();

    for (n, said) in said.iter().enumerate() {
        let request = match n % 4 {
            0 => ada.whisper(&bob.username, said),
            1 => ada.whisper(&bob.username, ""),
            2 => json!(["logout", "nobody"]),
            _ => ada.whisper("no body", said),
        };
        ada.send(&request).await?;
    }
    for n in 0..count {
        match n % 4 {
            0 => ada.is_done().await.map(drop)?,
            1 => ada.is_refused(&CONTENT_EMPTY).await?,
            2 => ada.is_refused(&NOT_LOGGED_IN).await?,
            _ => ada.is_refused(&UNKNOWN_USER).await?,
        }
    }

    for said in said.iter().step_by(4) {
        bob.receives(&ada.whispers(said)).await?;
    }
    bob.receives_nothing().await
}

async fn as_many_as_may_be_in_flight(scene: &mut Scene) -> Met {
    many_are_answered(scene, scene.limits.in_flight.min(MANY)).await
}

async fn beyond_what_may_be_in_flight(scene: &mut Scene) -> Met {
    many_are_answered(scene, (3 * scene.limits.in_flight).min(MANY)).await
}

async fn own_update_after_its_response(scene: &mut Scene) -> Met {
    const MESSAGES: usize = 30;
    let mut ada = scene.log_in(Person::Ada).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    for n in 0..MESSAGES {
        ada.send(&ada.message_group(&group, &n.to_string())).await?;
    }

    let (mut responses, mut updates) = (0, 0);
    while updates < MESSAGES {
        let message = ada.next().await?;
        if message[0] == "response" {
            ada.ensure(message[1] == true, "[\"response\", true]", &message)?;
            responses += 1;
        } else {
            let is_next = content(&message) == Some(&updates.to_string());
            ada.ensure(is_next && updates < responses, "the updates in order, each after its response", &message)?;
            updates += 1;
        }
    }
    ada.ensure(responses == MESSAGES, "a response to each of 30 requests", &json!(responses))
}

async fn one_order_for_all(scene: &mut Scene) -> Met {
    const MESSAGES: usize = 25;
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let mut eve = scene.log_in(Person::Eve).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    bob.done(&bob.join_group(&group)).await?;
    eve.done(&eve.join_group(&group)).await?;

    for n in 0..MESSAGES {
        ada.send(&ada.message_group(&group, &format!("ada {n}"))).await?;
        bob.send(&bob.message_group(&group, &format!("bob {n}"))).await?;
    }
    let seen_by_eve = group_messages(&mut eve, 2 * MESSAGES).await?;

    let sent_by = |name: &str| (0..MESSAGES).map(|n| format!("{name} {n}")).collect::<Vec<_>>();
    for name in ["ada", "bob"] {
        let seen: Vec<&str> = contents(&seen_by_eve).into_iter().filter(|said| said.starts_with(name)).collect();
        eve.ensure(seen == sent_by(name), "the messages of each sender in their order", &json!(seen))?;
    }
    for receiver in [&mut ada, &mut bob] {
        let seen = group_messages(receiver, 2 * MESSAGES).await?;
        let is_same = contents(&seen) == contents(&seen_by_eve);
        receiver.ensure(
            is_same,
            &format!("the order that another has seen: {:?}", contents(&seen_by_eve)),
            &json!(contents(&seen)),
        )?;
    }
    Ok(())
}

/// The next so many updates; responses between them are passed over.
async fn group_messages(receiver: &mut Connection, count: usize) -> Met<Vec<Value>> {
    let mut updates = Vec::new();
    while updates.len() < count {
        "the messages of the group".clone_into(&mut receiver.awaited);
        let message = receiver.next().await?;
        if message[0] == "update" {
            updates.push(message);
        }
    }
    Ok(updates)
}
