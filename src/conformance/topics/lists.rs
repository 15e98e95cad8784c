//! History and lists, and what can be taken back: contacts, memberships.

use serde_json::{Value, json};

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, Met, VERSION_2};
use crate::conformance::connection::Connection;
use crate::conformance::refusals::{
    NOT_A_MEMBER, NOT_AUTHENTICATED, UNKNOWN_MESSAGE, UNKNOWN_USER, WRONG_OPTION, ZERO_LIMIT,
};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "history goes back from the newest and on from anywhere, and says where it ends",
        wires: VERSION_2,
        section: "History",
        says: "With `before` come the newest messages that are older than that one, **the newest first**; with `after` the oldest \
               that are newer, **the oldest first**; with neither the newest of all, the newest first.",
        check: Run(|scene| Box::pin(history(scene))),
    },
    Behaviour {
        name: "of a group one reads what was said while one was a member",
        wires: VERSION_2,
        section: "History",
        says: "Of a group one may read what was said while one was a member, also after leaving.",
        check: Run(|scene| Box::pin(history_of_a_group(scene))),
    },
    Behaviour {
        name: "history that there is none of is refused",
        wires: VERSION_2,
        section: "History",
        says: "| `there is no such message` | `unknown_message` | `before` or `after` is no id of this database |",
        check: Run(|scene| Box::pin(no_history(scene))),
    },
    Behaviour {
        name: "contacts come in pages by name, say who is online, and can be removed",
        wires: VERSION_2,
        section: "Lists",
        says: "Lists come in pages, in the order of the folded names.",
        check: Run(|scene| Box::pin(contacts(scene))),
    },
    Behaviour {
        name: "groups say what one is in them and what is unread, up to where one has read",
        wires: VERSION_2,
        section: "Lists",
        says: "`unread` counts what others have said since one joined, or behind one's [read mark](#mark_read), up to 100",
        check: Run(|scene| Box::pin(groups(scene))),
    },
    Behaviour {
        name: "groups are found by how their names begin",
        wires: VERSION_2,
        section: "Lists",
        says: "all whose folded name begins with the folded prefix",
        check: Run(|scene| Box::pin(found(scene))),
    },
    Behaviour {
        name: "what an owner leaves passes to the oldest member, and everybody is told",
        wires: VERSION_2,
        section: "Contacts and groups",
        says: "When a group's owner leaves, it passes to whoever has been a member for longest.",
        check: Run(|scene| Box::pin(left(scene))),
    },
    Behaviour {
        name: "lists are for whoever has a token",
        wires: VERSION_2,
        section: "Codes",
        says: "| `not_authenticated` | username and token do not belong together, or the token has ended |",
        check: Run(|scene| Box::pin(bad_tokens(scene))),
    },
];

/// A request with the connection's own name and token.
fn own(connection: &Connection, action: &str, rest: &[Value]) -> Value {
    let mut request = vec![json!(action), json!(connection.username), json!(connection.token)];
    request.extend_from_slice(rest);
    request.into()
}

/// The map of a response that has to be a success.
async fn listed(connection: &mut Connection, action: &str, rest: &[Value]) -> Met<Value> {
    let request = own(connection, action, rest);
    connection.send(&request).await?;
    "[\"response\", true, map]".clone_into(&mut connection.awaited);
    let response = connection.response().await?;
    let is_listed = response[1] == true && response[2].is_object();
    if is_listed { Ok(response[2].clone()) } else { Err(connection.mismatch(&response)) }
}

/// One field of each entry of a list.
fn each(list: &Value, field: &str) -> Value {
    list.as_array().into_iter().flatten().map(|entry| entry[field].clone()).collect()
}

async fn history(scene: &mut Scene) -> Met {
    let mut ada = scene.newcomer().await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    for said in ["one", "two", "three"] {
        ada.done(&ada.whisper(&bob.username, said)).await?;
    }
    bob.done(&bob.whisper(&ada.username, "four")).await?;

    let newest = listed(&mut ada, "history", &[json!({"with": bob.username, "limit": 3})]).await?;
    ada.ensure(each(&newest["messages"], "content") == json!(["four", "three", "two"]), "four, three, two", &newest)?;
    ada.ensure(newest["end"] == false, "no end", &newest)?;
    ada.ensure(each(&newest["messages"], "sender")[0] == bob.username, "the sender's name", &newest)?;
    let oldest = newest["messages"][2]["id"].clone();
    let back = listed(&mut ada, "history", &[json!({"with": bob.username, "before": oldest})]).await?;
    ada.ensure(each(&back["messages"], "content") == json!(["one"]) && back["end"] == true, "one, the end", &back)?;
    let on = listed(&mut ada, "history", &[json!({"with": bob.username, "after": oldest, "limit": 1})]).await?;
    ada.ensure(each(&on["messages"], "content") == json!(["three"]) && on["end"] == false, "three, no end", &on)
}

async fn history_of_a_group(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    ada.done(&ada.message_group(&group, "before")).await?;
    bob.done(&bob.join_group(&group)).await?;
    ada.done(&ada.message_group(&group, "with")).await?;
    bob.done(&own(&bob, "leave_group", &[json!(group)])).await?;
    ada.done(&ada.message_group(&group, "without")).await?;

    let read = listed(&mut bob, "history", &[json!({"group": group})]).await?;
    bob.ensure(each(&read["messages"], "content") == json!(["with"]) && read["end"] == true, "with, the end", &read)
}

async fn no_history(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let (nobody, nowhere) = (scene.unused("nobody"), scene.unused("nowhere"));
    for (options, refusal) in [
        (json!({"with": nobody}), UNKNOWN_USER),
        (json!({"group": nowhere}), NOT_A_MEMBER),
        (json!({"with": ada.username, "before": "no id"}), UNKNOWN_MESSAGE),
        (json!({"with": ada.username, "limit": 0}), ZERO_LIMIT),
        (json!({}), WRONG_OPTION),
        (json!({"with": ada.username, "group": nowhere}), WRONG_OPTION),
    ] {
        ada.refused(&own(&ada, "history", &[options]), &refusal).await?;
    }
    Ok(())
}

async fn contacts(scene: &mut Scene) -> Met {
    let mut ada = scene.newcomer().await?;
    let mut names = [scene.log_in(Person::Bob).await?.username, scene.user(Person::Eve).await?.name];
    for name in &names {
        ada.done(&ada.add_contact(name)).await?;
    }
    names.sort_by_key(|name| name.to_lowercase());

    let first = listed(&mut ada, "contacts", &[json!({"limit": 1})]).await?;
    ada.ensure(each(&first["contacts"], "username") == json!([names[0]]), &names[0], &first)?;
    ada.ensure(first["more"] == true, "that there are more", &first)?;
    ada.ensure(first["contacts"][0]["online"].is_boolean(), "whether they are online", &first)?;
    let rest = listed(&mut ada, "contacts", &[json!({"after": names[0]})]).await?;
    ada.ensure(each(&rest["contacts"], "username") == json!([names[1]]) && rest["more"] == false, &names[1], &rest)?;
    for _ in 0..2 {
        ada.done(&own(&ada, "remove_contact", &[json!(names[0])])).await?;
    }
    let left = listed(&mut ada, "contacts", &[]).await?;
    ada.ensure(each(&left["contacts"], "username") == json!([names[1]]), &names[1], &left)?;
    let nobody = scene.unused("nobody");
    ada.refused(&own(&ada, "remove_contact", &[json!(nobody)]), &UNKNOWN_USER).await
}

async fn groups(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.newcomer().await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    bob.done(&bob.join_group(&group)).await?;
    let first = ada.done(&ada.message_group(&group, "one")).await?[2]["id"].clone();
    let last = ada.done(&ada.message_group(&group, "two")).await?[2]["id"].clone();

    for (unread, id) in [(2, &first), (1, &last), (0, &last)] {
        let list = listed(&mut bob, "groups", &[]).await?;
        let expected = json!([{"group": group, "role": "member", "unread": unread, "last": last}]);
        bob.ensure(list["groups"] == expected, &expected.to_string(), &list)?;
        bob.done(&own(&bob, "mark_read", &[json!({"group": group, "id": id})])).await?;
    }
    bob.refused(&own(&bob, "mark_read", &[json!({"group": group, "id": "no id"})]), &UNKNOWN_MESSAGE).await
}

async fn found(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let prefix = scene.unused("found");
    for end in ["b", "A"] {
        ada.done(&ada.create_group(&format!("{prefix} {end}"))).await?;
    }

    let list = listed(&mut bob, "find_groups", &[json!(prefix.to_uppercase())]).await?;
    let expected = ["A", "b"].map(|end| json!({"group": format!("{prefix} {end}"), "members": 1}));
    bob.ensure(list["groups"] == json!(expected) && list["more"] == false, &json!(expected).to_string(), &list)
}

async fn left(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.enter(Person::Bob).await?;
    bob.catch_up(&bob.head.clone().into()).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    bob.done(&bob.join_group(&group)).await?;
    ada.done(&own(&ada, "leave_group", &[json!(group)])).await?;

    let list = listed(&mut bob, "members", &[json!(group)]).await?;
    let expected = json!([{"username": bob.username, "role": "owner", "online": true}]);
    bob.ensure(list["members"] == expected, &expected.to_string(), &list)?;
    bob.receives_nothing().await?;
    let told = json!([["update", "joined", group, bob.username], ["update", "left", group, ada.username]]);
    let came = Value::from(std::mem::take(&mut bob.changes));
    bob.ensure(came == told, &told.to_string(), &came)?;
    ada.refused(&own(&ada, "members", &[json!(group)]), &NOT_A_MEMBER).await?;
    ada.refused(&own(&ada, "leave_group", &[json!(group)]), &NOT_A_MEMBER).await
}

async fn bad_tokens(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let bob = scene.user(Person::Bob).await?;
    for request in ["contacts", "groups", "sessions"] {
        ada.refused(&json!([request, bob.name, ada.token]), &NOT_AUTHENTICATED).await?;
    }
    ada.refused(&json!(["find_groups", bob.name, ada.token, ""]), &NOT_AUTHENTICATED).await
}
