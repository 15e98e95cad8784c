//! Groups: their names, their members, and what is said there.

use serde_json::json;

use crate::conformance::awaiting::contents;
use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{Behaviour, EVERY, Met, VERSION_1};
use crate::conformance::refusals::{
    CONTENT_EMPTY, GROUP_NAME_TAKEN, INVALID_GROUP_NAME, MEMBER_ALREADY, NOT_A_MEMBER, UNKNOWN_GROUP, content_too_long,
};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "a group message reaches every connection of every member, the sender's included, and nobody else",
        wires: EVERY,
        section: "msg_group",
        says: "each logged-in connection of every member receives the update, those of the sender included.",
        check: Run(|scene| Box::pin(every_connection_of_every_member(scene))),
    },
    Behaviour {
        name: "who creates a group is its first member",
        wires: EVERY,
        section: "Actions",
        says: "creates a group, with the user as its owner and first member",
        check: Run(|scene| Box::pin(first_member(scene))),
    },
    Behaviour {
        name: "names of groups are compared by the Nickname profile, and shown as they were created",
        wires: EVERY,
        section: "Names",
        says: "spaces at the ends are dropped, runs of them become one, compatibility characters become their plain forms",
        check: Run(|scene| Box::pin(names_by_profile(scene))),
    },
    Behaviour {
        name: "a name that no group may have is refused",
        wires: EVERY,
        section: "create_group",
        says: "`a group name is 1 to 64 characters, none of them a control character or newer than Unicode 6.3`",
        check: Run(|scene| Box::pin(other_names(scene))),
    },
    Behaviour {
        name: "only groups that there are can be joined, and once",
        wires: EVERY,
        section: "join_group",
        says: "| `there is no such group` | | | `you are a member of this group already` | |",
        check: Run(|scene| Box::pin(joined_once(scene))),
    },
    Behaviour {
        name: "who joins receives what is said from then on, and nothing earlier",
        wires: VERSION_1,
        section: "join_group",
        says: "The member receives what is sent to the group from then on; the response comes before the first of it.",
        check: Run(|scene| Box::pin(from_then_on(scene))),
    },
    Behaviour {
        name: "the response to joining comes before what is said there meanwhile",
        wires: EVERY,
        section: "join_group",
        says: "The member receives what is sent to the group from then on; the response comes before the first of it.",
        check: Run(|scene| Box::pin(joined_meanwhile(scene))),
    },
    Behaviour {
        name: "who is no member is told the same as where there is no group",
        wires: EVERY,
        section: "msg_group",
        says: "one sentence for both, so that nobody learns which groups exist",
        check: Run(|scene| Box::pin(no_member_no_group(scene))),
    },
    Behaviour {
        name: "the longest update has at most a KiB besides its content",
        wires: EVERY,
        section: "Messages",
        says: "With the default limits no response or update is longer than 17 KiB.",
        check: Run(|scene| Box::pin(the_longest_update(scene))),
    },
    Behaviour {
        name: "the content of a group message has the limits of a whisper's",
        wires: EVERY,
        section: "msg_group",
        says: "| `content is empty` | | | `content is over 16384 bytes` | |",
        check: Run(|scene| Box::pin(limits_of_content(scene))),
    },
];

async fn every_connection_of_every_member(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut adas_phone = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let mut bobs_phone = scene.log_in(Person::Bob).await?;
    let mut eve = scene.log_in(Person::Eve).await?;
    let (group, said) = (scene.unused("group"), scene.unused("said"));
    ada.done(&ada.create_group(&group)).await?;
    bob.done(&bob.join_group(&group)).await?;

    ada.done(&ada.message_group(&group, &said)).await?;

    for member in [&mut ada, &mut adas_phone, &mut bob, &mut bobs_phone] {
        let sender = scene.user(Person::Ada).await?.name;
        member.receives(&json!(["update", "msg_group", group, sender, said])).await?;
        member.receives_nothing().await?;
    }
    eve.receives_nothing().await
}

async fn first_member(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let group = scene.unused("group");

    ada.done(&ada.create_group(&group)).await?;

    ada.refused(&ada.join_group(&group), &MEMBER_ALREADY).await?;
    ada.done(&ada.message_group(&group, "alone")).await?;
    ada.receives(&ada.says(&group, "alone")).await.map(drop)
}

async fn names_by_profile(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let shown = scene.unused("Rust Club caf\u{e9}");
    let created = format!("  {}\u{3000} ", shown.replace(' ', "\u{a0}  ").replace('R', "\u{ff32}"));
    let folded = [shown.to_uppercase(), shown.replace('\u{e9}', "e\u{301}"), format!(" {}", shown.replace(' ', "   "))];

    ada.done(&ada.create_group(&created)).await?;
    for name in &folded {
        bob.refused(&bob.create_group(name), &GROUP_NAME_TAKEN).await?;
    }
    bob.done(&bob.join_group(&folded[0])).await?;
    for name in &folded {
        bob.refused(&bob.join_group(name), &MEMBER_ALREADY).await?;
        bob.done(&bob.message_group(name, "hello")).await?;
        bob.receives(&bob.says(&shown, "hello")).await?;
        ada.receives(&bob.says(&shown, "hello")).await?;
    }
    // A letter without its mark is another.
    bob.refused(&bob.join_group(&shown.replace('\u{e9}', "e")), &UNKNOWN_GROUP).await
}

async fn other_names(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let (too_long, too_many_bytes) = ("\u{fc}".repeat(65), format!("x{}y", " ".repeat(1023)));
    for name in ["", "   ", "a\nb", "a\u{0}b", "a\u{7f}b", "a\u{85}b", "\u{1f984}", &too_long, &too_many_bytes] {
        ada.refused(&ada.create_group(name), &INVALID_GROUP_NAME).await?;
    }
    // Characters are counted, not bytes.
    let mut longest = scene.unused("");
    while longest.chars().count() < 64 {
        longest.push('\u{fc}');
    }
    ada.done(&ada.create_group(&longest)).await.map(drop)
}

async fn joined_once(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let (group, nowhere, too_long) = (scene.unused("group"), scene.unused("nowhere"), "x".repeat(65));
    ada.done(&ada.create_group(&group)).await?;

    for name in [&*nowhere, "", "a\nb", &*too_long] {
        bob.refused(&bob.join_group(name), &UNKNOWN_GROUP).await?;
    }
    bob.done(&bob.join_group(&group)).await?;
    bob.refused(&bob.join_group(&group), &MEMBER_ALREADY).await
}

async fn from_then_on(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    ada.done(&ada.message_group(&group, "before")).await?;
    let mut bob = scene.log_in(Person::Bob).await?;

    bob.done(&bob.join_group(&group)).await?;
    ada.done(&ada.message_group(&group, "after")).await?;

    bob.receives(&ada.says(&group, "after")).await?;
    bob.receives_nothing().await?;
    bob.leave().await?;
    let mut bob = scene.enter(Person::Bob).await?;
    bob.receives_nothing().await
}

async fn joined_meanwhile(scene: &mut Scene) -> Met {
    const MESSAGES: usize = 20;
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    for n in 0..MESSAGES {
        ada.send(&ada.message_group(&group, &n.to_string())).await?;
        if n == MESSAGES / 2 {
            bob.send(&bob.join_group(&group)).await?;
        }
    }
    for _ in 0..MESSAGES {
        ada.is_done().await?;
    }

    "the response, before any update".clone_into(&mut bob.awaited);
    let first = bob.next().await?;
    bob.ensure(first == json!(["response", true]), "[\"response\", true], before any update", &first)?;
    let heard = bob.updates_so_far().await?;
    let all: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    let is_the_end = all.ends_with(&contents(&heard).into_iter().map(str::to_owned).collect::<Vec<_>>());
    bob.ensure(is_the_end, "what was said from some message on", &json!(contents(&heard)))
}

async fn the_longest_update(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut group = scene.unused("");
    while group.chars().count() < 64 {
        group.push('\u{1f600}');
    }
    ada.done(&ada.create_group(&group)).await?;
    // Any message that is longer is unmet, whatever is awaited.
    let content = "x".repeat(scene.limits.content_bytes);
    ada.done(&ada.message_group(&group, &content)).await?;
    ada.receives(&ada.says(&group, &content)).await.map(drop)
}

async fn no_member_no_group(scene: &mut Scene) -> Met {
    let mut ada = scene.log_in(Person::Ada).await?;
    let mut bob = scene.log_in(Person::Bob).await?;
    let (group, nowhere) = (scene.unused("group"), scene.unused("nowhere"));
    ada.done(&ada.create_group(&group)).await?;

    for name in [&*group, &*nowhere, "", "a\nb"] {
        bob.refused(&bob.message_group(name, "hello"), &NOT_A_MEMBER).await?;
    }
    ada.receives_nothing().await
}

async fn limits_of_content(scene: &mut Scene) -> Met {
    let content_bytes = scene.limits.content_bytes;
    let mut ada = scene.log_in(Person::Ada).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    let longest = "x".repeat(content_bytes);

    ada.refused(&ada.message_group(&group, ""), &CONTENT_EMPTY).await?;
    ada.refused(&ada.message_group(&group, &format!("{longest}x")), &content_too_long(content_bytes)).await?;
    ada.done(&ada.message_group(&group, &longest)).await?;
    ada.receives(&ada.says(&group, &longest)).await.map(drop)
}
