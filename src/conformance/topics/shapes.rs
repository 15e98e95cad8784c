//! The maps in which messages of version 2 end.

use serde_json::json;

use crate::conformance::awaiting::map;
use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, Met, VERSION_2};
use crate::conformance::message;
use crate::conformance::refusals::{NOT_LOGGED_IN, UNKNOWN_ACTION, WRONG_COUNT, WRONG_OPTION};
use crate::conformance::requests::with;
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "every action takes a map with keys that it does not know",
        wires: VERSION_2,
        section: "Shapes",
        says: "A request may end in a map of options. Keys that an action does not know are passed over, whatever their values, \
               and so is a value of nil.",
        check: Run(|scene| Box::pin(unknown_keys(scene))),
    },
    Behaviour {
        name: "options may come in a bin and in longer formats than needed",
        wires: VERSION_2,
        section: "Objects",
        says: "The server also takes a `bin` with the same bytes wherever a string is due",
        check: Run(|scene| Box::pin(other_formats(scene))),
    },
    Behaviour {
        name: "an option of another type is refused",
        wires: VERSION_2,
        section: "Shapes",
        says: "A known key with a value of another type is refused.",
        check: Run(|scene| Box::pin(other_types(scene))),
    },
    Behaviour {
        name: "a map is no argument",
        wires: VERSION_2,
        section: "Shapes",
        says: "A message of version 2 is an array like one of version 1, and may end in one more object, a **map** with strings \
               for keys.",
        check: Run(|scene| Box::pin(no_argument(scene))),
    },
    Behaviour {
        name: "a message has one id and one time, for its sender and for its receivers",
        wires: VERSION_2,
        section: "Shapes",
        says: "`at` is when the server accepted a message, in milliseconds since 1970 (UTC).",
        check: Run(|scene| Box::pin(one_id_and_time(scene))),
    },
    Behaviour {
        name: "ids are unique",
        wires: VERSION_2,
        section: "Shapes",
        says: "An **id** is a string of at most 32 bytes. Ids are unique, opaque, and compared for equality only.",
        check: Run(|scene| Box::pin(unique_ids(scene))),
    },
    Behaviour {
        name: "to the sender's own connections a message says to whom it was, and its nonce",
        wires: VERSION_2,
        section: "Shapes",
        says: "`to`, for a whisper: the recipient's name, as it was registered,",
        check: Run(|scene| Box::pin(to_whom(scene))),
    },
    Behaviour {
        name: "an unknown action has a code of its own",
        wires: VERSION_2,
        section: "Codes",
        says: "| `unknown_action` | there is no such action |",
        check: Run(|scene| Box::pin(unknown_action(scene))),
    },
];

async fn unknown_keys(scene: &mut Scene) -> Met {
    let user = scene.user(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    for options in
        [json!({}), json!({ "colour": ["red", { "of": [null, 1.5, true] }], "": 7, "nonce": null, "after": null })]
    {
        let with = |request| with(request, options.clone());
        let group = scene.unused("group");
        let mut ada = scene.connect().await?;
        ada.begin(&with(user.log_in())).await?;
        ada.done(&with(json!(["sync", ada.username, ada.token]))).await?;
        ada.done(&with(ada.add_contact(&bob.username))).await?;
        ada.done(&with(ada.create_group(&group))).await?;
        bob.done(&with(bob.join_group(&group))).await?;
        bob.done(&with(bob.message_group(&group, "hello"))).await?;
        bob.done(&with(bob.whisper(&ada.username, "hello"))).await?;
        let mut phone = scene.connect().await?;
        phone.begin(&with(ada.resume())).await?;
        ada.done(&with(ada.log_out())).await?;
    }
    Ok(())
}

async fn other_formats(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let nonce = scene.unused("nonce");
    let request = with(ada.whisper(&ada.username, "once"), json!({ "nonce": nonce }));
    let framing = scene.wire.framing();

    let answer = ada.done(&request).await?;
    for bytes in [message::encode_in_bins(framing, &request), message::encode_at_length(framing, &request)] {
        ada.send_as(&request, &bytes).await?;
        let again = ada.is_done().await?;
        ada.ensure(again == answer, &answer.to_string(), &again)?;
    }
    Ok(())
}

async fn other_types(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    for nonce in [json!(7), json!(true), json!(["one"]), json!({ "one": 1 })] {
        let request = with(ada.whisper(&ada.username, "hello"), json!({ "nonce": nonce }));
        ada.refused(&request, &WRONG_OPTION).await?;
    }
    let mut phone = scene.enter(Person::Ada).await?;
    phone.refused(&phone.sync(&json!(7)), &WRONG_OPTION).await?;
    ada.receives_nothing().await
}

async fn no_argument(scene: &mut Scene) -> Met {
    let mut connection = scene.connect().await?;
    for request in
        [json!(["logout", "nobody", "somebody", {}]), json!(["logout", {}]), json!(["logout", "nobody", {}, {}])]
    {
        connection.refused(&request, &WRONG_COUNT).await?;
    }
    connection.refused(&json!(["logout", "nobody", {}]), &NOT_LOGGED_IN).await
}

/// Units: milliseconds since 1970, of 2020.
const LONG_AGO: i64 = 1_577_836_800_000;

async fn one_id_and_time(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let said = scene.unused("said");

    let response = ada.done(&ada.whisper(&bob.username, &said)).await?;

    let (id, at) = (response[2]["id"].clone(), response[2]["at"].clone());
    let is_at = at.as_i64().is_some_and(|at| at > LONG_AGO);
    ada.ensure(is_at, "milliseconds since 1970", &at)?;
    for receiver in [&mut ada, &mut bob] {
        let sender = scene.user(Person::Ada).await?.name;
        let update = receiver.receives(&json!(["update", "whisper", sender, said])).await?;
        let is_same = update[4]["id"] == id && update[4]["at"] == at;
        receiver.ensure(is_same, &format!("the id {id} and the time {at} of the response"), &update)?;
    }
    Ok(())
}

async fn unique_ids(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    let mut ids = Vec::new();
    for _ in 0..10 {
        for request in [ada.whisper(&ada.username, "the same"), ada.message_group(&group, "the same")] {
            let id = ada.done(&request).await?[2]["id"].clone();
            ada.ensure(!ids.contains(&id), "an id that no other message has", &id)?;
            ids.push(id);
        }
    }
    Ok(())
}

async fn to_whom(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut phone = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    bob.done(&bob.join_group(&group)).await?;
    let nonces = [scene.unused("nonce"), scene.unused("nonce")];
    let folded = bob.username.to_uppercase();

    ada.done(&with(ada.whisper(&folded, "with a nonce"), json!({ "nonce": nonces[0] }))).await?;
    ada.done(&with(ada.message_group(&group, "with a nonce"), json!({ "nonce": nonces[1] }))).await?;
    ada.done(&ada.whisper(&folded, "without one")).await?;

    let expected =
        [(json!(bob.username), json!(nonces[0])), (json!(null), json!(nonces[1])), (json!(bob.username), json!(null))];
    let nothing = || (json!(null), json!(null));
    for (receiver, is_sender) in [(&mut ada, true), (&mut phone, true), (&mut bob, false)] {
        for expected in &expected {
            let update = receiver.update().await?;
            let map = map(&update);
            let said = |key: &str| map.get(key).cloned().unwrap_or_default();
            let expected = if is_sender { expected.clone() } else { nothing() };
            let awaited = format!("to {} and nonce {}", expected.0, expected.1);
            receiver.ensure((said("to"), said("nonce")) == expected, &awaited, &update)?;
        }
    }
    Ok(())
}

async fn unknown_action(scene: &mut Scene) -> Met {
    let mut connection = scene.connect().await?;
    connection.refused(&json!(["dance", "ada", {}]), &UNKNOWN_ACTION).await
}
