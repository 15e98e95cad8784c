//! Every message of one's conversations, once, from where one left off.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::conformance::awaiting::{contents, map};
use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, Met, VERSION_2};
use crate::conformance::connection::Connection;
use crate::conformance::refusals::{NOT_AUTHENTICATED, NOT_LOGGED_IN, SYNCED_ALREADY};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "sync brings the past in order, synced once, and then what is new",
        wires: VERSION_2,
        section: "sync",
        says: "asks for messages. First comes the response, then",
        check: Run(|scene| Box::pin(past_synced_live(scene))),
    },
    Behaviour {
        name: "the user's conversations are what they sent and received, and their groups while they were members",
        wires: VERSION_2,
        section: "sync",
        says: "The user's conversations are the whispers that they have sent or received, and what was said in their groups \
               while they were members.",
        check: Run(|scene| Box::pin(conversations(scene))),
    },
    Behaviour {
        name: "without after, or with nil, sync begins with the oldest message",
        wires: VERSION_2,
        section: "sync",
        says: "Without `after`, or with nil, it begins with the oldest message that there is.",
        check: Run(|scene| Box::pin(from_the_oldest(scene))),
    },
    Behaviour {
        name: "behind every message comes the rest, each once",
        wires: VERSION_2,
        section: "sync",
        says: "every message of the user's conversations behind the message `after`, in log order",
        check: Run(|scene| Box::pin(behind_every_message(scene))),
    },
    Behaviour {
        name: "the id of synced may be kept like that of a message",
        wires: VERSION_2,
        section: "Exactly once",
        says: "A client that keeps the id of the last update which it has received, message or `synced`",
        check: Run(|scene| Box::pin(behind_synced(scene))),
    },
    Behaviour {
        name: "each message comes once while people go on talking",
        wires: VERSION_2,
        section: "sync",
        says: "Each comes once.",
        check: Run(|scene| Box::pin(while_people_talk(scene))),
    },
    Behaviour {
        name: "what a connection sends comes to it too, after its response",
        wires: VERSION_2,
        section: "sync",
        says: "What this very connection sends comes too, after its response.",
        check: Run(|scene| Box::pin(own_messages(scene))),
    },
    Behaviour {
        name: "an id that the database never gave leaves a gap, and then everything comes",
        wires: VERSION_2,
        section: "Gaps",
        says: "Everything that is kept follows, from the oldest message on, be it what the client has under other ids.",
        check: Run(|scene| Box::pin(a_gap(scene))),
    },
    Behaviour {
        name: "a connection syncs once, and again after it has logged out and in",
        wires: VERSION_2,
        section: "sync",
        says: "A connection syncs once. To begin anew, log in on another, or log out and in.",
        check: Run(|scene| Box::pin(once(scene))),
    },
    Behaviour {
        name: "sync is refused with a token that is not of the connection's login",
        wires: VERSION_2,
        section: "sync",
        says: "the token is not that of this connection's login",
        check: Run(|scene| Box::pin(another_login(scene))),
    },
    Behaviour {
        name: "sync with a bad token or another username is refused as everywhere",
        wires: VERSION_2,
        section: "sync",
        says: "A token that is no UUID is refused as in version 1, before either of these; a username that does not belong to \
               the token after them.",
        check: Run(|scene| Box::pin(not_authenticated(scene))),
    },
];

/// The next update must say that all of the past is there; its id.
async fn is_synced(connection: &mut Connection) -> Met<Value> {
    let update = connection.update().await?;
    connection.ensure(update[1] == "synced", "[\"update\", \"synced\", {\"id\"}]", &update)?;
    Ok(update[2]["id"].clone())
}

async fn past_synced_live(scene: &mut Scene) -> Met {
    let mut bob = scene.log_in(Person::Bob).await?;
    let mut ada = scene.enter(Person::Ada).await?;
    let said: Vec<String> = (0..20).map(|n| scene.unused(&n.to_string())).collect();
    let (past, new) = said.split_at(15);
    for said in past {
        bob.done(&bob.whisper(&ada.username, said)).await?;
    }

    ada.done(&ada.sync(&ada.head.clone().into())).await?;
    for said in past {
        ada.receives(&bob.whispers(said)).await?;
    }
    is_synced(&mut ada).await?;
    for said in new {
        bob.done(&bob.whisper(&ada.username, said)).await?;
        ada.receives(&bob.whispers(said)).await?;
    }
    ada.receives_nothing().await
}

async fn conversations(scene: &mut Scene) -> Met {
    let mut reader = scene.enter(Person::Ada).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let mut eve = scene.log_in(Person::Eve).await?;
    let group = scene.unused("group");
    bob.done(&bob.create_group(&group)).await?;
    bob.done(&bob.message_group(&group, "before she joined")).await?;
    ada.done(&ada.join_group(&group)).await?;

    bob.done(&bob.whisper(&ada.username, "received")).await?;
    ada.done(&ada.whisper(&bob.username, "sent")).await?;
    bob.done(&bob.whisper(&eve.username, "between others")).await?;
    bob.done(&bob.message_group(&group, "received in a group")).await?;
    eve.done(&eve.whisper(&eve.username, "a note of another's")).await?;
    ada.done(&ada.message_group(&group, "sent to a group")).await?;
    ada.done(&ada.whisper(&ada.username, "a note")).await?;

    let past = reader.catch_up(&reader.head.clone().into()).await?;
    let expected = ["received", "sent", "received in a group", "sent to a group", "a note"];
    reader.ensure(contents(&past) == expected, &format!("{expected:?}"), &json!(contents(&past)))
}

async fn from_the_oldest(scene: &mut Scene) -> Met {
    let mut newcomer = scene.newcomer().await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    for said in ["one", "two"] {
        bob.done(&bob.whisper(&newcomer.username, said)).await?;
    }
    newcomer.done(&newcomer.whisper(&bob.username, "three")).await?;

    let expected = ["one", "two", "three"];
    let mut phone = scene.resume(&newcomer).await?;
    let past = phone.catch_up(&Value::Null).await?;
    phone.ensure(contents(&past) == expected, &format!("{expected:?}"), &json!(contents(&past)))?;

    newcomer.done(&json!(["sync", newcomer.username, newcomer.token])).await?;
    for (sender, said) in [(&bob.username, "one"), (&bob.username, "two"), (&newcomer.username.clone(), "three")] {
        newcomer.receives(&json!(["update", "whisper", sender, said])).await?;
    }
    is_synced(&mut newcomer).await.map(drop)
}

async fn behind_every_message(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let said: Vec<String> = (0..6).map(|n| scene.unused(&n.to_string())).collect();
    let mut ids = Vec::new();
    for said in &said {
        ids.push(ada.done(&ada.whisper(&ada.username, said)).await?[2]["id"].clone());
    }
    for (have, id) in ids.iter().enumerate() {
        let mut again = scene.resume(&ada).await?;
        let rest = again.catch_up(id).await?;
        let expected = &said[have + 1..];
        again.ensure(contents(&rest) == expected, &format!("{expected:?}"), &json!(contents(&rest)))?;
    }
    Ok(())
}

async fn behind_synced(scene: &mut Scene) -> Met {
    let mut ada = scene.enter(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let said = [scene.unused("before"), scene.unused("after")];
    bob.done(&bob.whisper(&ada.username, &said[0])).await?;
    ada.done(&ada.sync(&ada.head.clone().into())).await?;
    ada.receives(&bob.whispers(&said[0])).await?;
    let id = is_synced(&mut ada).await?;
    bob.done(&bob.whisper(&ada.username, &said[1])).await?;

    let mut again = scene.resume(&ada).await?;
    let rest = again.catch_up(&id).await?;
    again.ensure(contents(&rest) == said[1..], &format!("{:?}", &said[1..]), &json!(contents(&rest)))
}

async fn while_people_talk(scene: &mut Scene) -> Met {
    const MESSAGES: usize = 60;
    let mut ada = scene.enter(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let said: Vec<String> = (0..MESSAGES).map(|n| scene.unused(&n.to_string())).collect();
    for said in &said[..MESSAGES / 2] {
        bob.send(&bob.whisper(&ada.username, said)).await?;
    }
    ada.send(&ada.sync(&ada.head.clone().into())).await?;
    for said in &said[MESSAGES / 2..] {
        bob.send(&bob.whisper(&ada.username, said)).await?;
    }
    for _ in &said {
        bob.is_done().await?;
    }
    ada.is_done().await?;
    let updates = ada.updates_so_far().await?;

    let synced = updates.iter().filter(|update| update[1] == "synced").count();
    ada.ensure(synced == 1, "synced once", &json!(synced))?;
    let came: Vec<&str> = contents(&updates).into_iter().filter(|said| *said != "synced").collect();
    ada.ensure(came == said, "every message once, in order", &json!(came))
}

async fn own_messages(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let bob = scene.user(Person::Bob).await?;
    let said = scene.unused("said");

    ada.send(&ada.whisper(&bob.name, &said)).await?;

    "the response".clone_into(&mut ada.awaited);
    let response = ada.next().await?;
    ada.ensure(response[0] == "response", "the response, before the update", &response)?;
    let update = ada.receives(&ada.whispers(&said)).await?;
    let is_same = map(&update).get("id") == map(&response).get("id");
    ada.ensure(is_same, &format!("the id of {response}"), &update)?;
    ada.receives_nothing().await
}

async fn a_gap(scene: &mut Scene) -> Met {
    let mut newcomer = scene.newcomer().await?;
    for said in ["one", "two"] {
        newcomer.done(&newcomer.whisper(&newcomer.username, said)).await?;
    }
    let mut oldest = None;
    for after in ["", "no id", "00000000-1", "no id of this database, and longer than an id may be"] {
        let mut again = scene.resume(&newcomer).await?;
        again.done(&again.sync(&after.into())).await?;
        let gap = again.update().await?;
        let id = map(&gap).get("id").cloned().unwrap_or_default();
        again.ensure(gap[1] == "gap" && id.is_string(), "[\"update\", \"gap\", {\"id\"}]", &gap)?;
        let is_same = *oldest.get_or_insert_with(|| id.clone()) == id;
        again.ensure(is_same, "the id of the oldest message, as before", &gap)?;
        again.receives(&again.whispers("one")).await?;
        again.receives(&again.whispers("two")).await?;
        is_synced(&mut again).await?;
    }
    Ok(())
}

async fn once(scene: &mut Scene) -> Met {
    let user = scene.user(Person::Ada).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    ada.refused(&ada.sync(&Value::Null), &SYNCED_ALREADY).await?;
    ada.refused(&json!(["sync", ada.username, ada.token]), &SYNCED_ALREADY).await?;
    ada.receives_nothing().await?;

    ada.done(&ada.log_out()).await?;
    ada.log_in(&user).await?;
    ada.catch_up(&ada.head.clone().into()).await?;
    ada.receives_nothing().await
}

async fn another_login(scene: &mut Scene) -> Met {
    let ada = scene.log_in(Person::Ada).await?;
    let mut nobody = scene.connect().await?;
    let mut other_login = scene.enter(Person::Ada).await?;
    let mut bob = scene.enter(Person::Bob).await?;
    for connection in [&mut nobody, &mut other_login, &mut bob] {
        connection.refused(&ada.sync(&Value::Null), &NOT_LOGGED_IN).await?;
    }
    other_login.catch_up(&other_login.head.clone().into()).await.map(drop)
}

async fn not_authenticated(scene: &mut Scene) -> Met {
    let mut ada = scene.enter(Person::Ada).await?;
    ada.refused(&json!(["sync", ada.username, "no token"]), &NOT_AUTHENTICATED).await?;
    ada.refused(&json!(["sync", "no body", ada.token]), &NOT_AUTHENTICATED).await?;
    ada.refused(&json!(["sync", ada.username, Uuid::new_v4().to_string()]), &NOT_LOGGED_IN).await?;
    ada.catch_up(&ada.head.clone().into()).await?;
    ada.refused(&json!(["sync", ada.username, "no token"]), &NOT_AUTHENTICATED).await?;
    ada.refused(&json!(["sync", "no body", ada.token]), &SYNCED_ALREADY).await
}
