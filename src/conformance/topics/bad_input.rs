//! Bad input: what is said of it, and whether the connection goes on.

use serde_json::json;

use crate::conformance::behaviour::Check::{Run, Skip};
use crate::conformance::behaviour::{ARRAYS, BARE, Behaviour, EVERY, Met, ONE, Wire};
use crate::conformance::connection::Connection;
use crate::conformance::message::{join, text};
use crate::conformance::refusals::{
    ACTION_NOT_STRING, NOT_AN_ARRAY, NOT_LOGGED_IN, NOT_MESSAGE_PACK, NOT_UTF_8, Refusal, TOO_DEEP, UNKNOWN_ACTION,
    UNKNOWN_USER, WRONG_COUNT, WRONG_TYPE,
};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "an argument that is no string is refused, and the connection goes on",
        wires: EVERY,
        section: "Bad input",
        says: "| an argument that is no string | goes on | goes on |",
        check: Run(|scene| Box::pin(no_string(scene))),
    },
    Behaviour {
        name: "what is inside an array or a map need not be UTF-8, and one mistake is answered",
        wires: EVERY,
        section: "Bad input",
        says: "Only the first mistake is answered. What is inside an array or a map, where a string was due, is skipped: it \
               need be valid MessagePack, but not UTF-8.",
        check: Run(|scene| Box::pin(only_the_first_mistake(scene))),
    },
    Behaviour {
        name: "an array that is no request is refused, and the connection goes on",
        wires: ARRAYS,
        section: "Bad input",
        says: "Where the next request can be told from the bad one the connection goes on",
        check: Run(|scene| Box::pin(no_request_in_an_array(scene))),
    },
    Behaviour {
        name: "in bare framing what is no action closes the connection",
        wires: BARE,
        section: "Bad input",
        says: "In bare framing an unknown action ends the connection because the number of its arguments is unknown too: a \
               password could be read as the next action.",
        check: Run(|scene| Box::pin(no_action_in_bare_framing(scene))),
    },
    Behaviour {
        name: "after an array, what is no array closes the connection",
        wires: ARRAYS,
        section: "Bad input",
        says: "| a request that is no array | does not apply | **closed** |",
        check: Run(|scene| Box::pin(no_array(scene))),
    },
    Behaviour {
        name: "a string that is not UTF-8 closes the connection",
        wires: EVERY,
        section: "Bad input",
        says: "| an action, or a string where one is due, that is not UTF-8 | **closed** | **closed** |",
        check: Run(|scene| Box::pin(not_utf_8(scene))),
    },
    Behaviour {
        name: "the byte c1 closes the connection, wherever it is",
        wires: EVERY,
        section: "Bad input",
        says: "| the byte `c1`, which MessagePack does not define | **closed** | **closed** |",
        check: Run(|scene| Box::pin(not_message_pack(scene))),
    },
    Behaviour {
        name: "8 arrays and maps may be open, and no more",
        wires: EVERY,
        section: "Bad input",
        says: "In array framing the request's own array is the first of the 8. In bare framing each argument is counted by \
               itself.",
        check: Run(|scene| Box::pin(eight_deep(scene))),
    },
    Behaviour {
        name: "earlier requests are answered before a connection is closed",
        wires: EVERY,
        section: "Bad input",
        says: "the earlier requests are answered, the refusal follows, and the server shuts down its side",
        check: Run(|scene| Box::pin(earlier_requests_are_answered(scene))),
    },
    Behaviour {
        name: "the refusal arrives although the client goes on sending",
        wires: EVERY,
        section: "Bad input",
        says: "It then reads and drops what the client still sends, at most 64 KiB or for 1 s, and closes.",
        check: Run(|scene| Box::pin(refusal_arrives(scene))),
    },
    Behaviour {
        name: "a request that is not whole is waited for",
        wires: EVERY,
        section: "Bad input",
        says: "A request that is not whole yet is waited for",
        check: Run(|scene| Box::pin(waits_for_the_rest(scene))),
    },
    Behaviour {
        name: "a request that is not whole after 30 s closes the connection",
        wires: ONE,
        section: "Bad input",
        says: "| a request not whole 30 s after its start | **closed** | **closed** |",
        check: Skip("takes 30 s"),
    },
];

/// Sends bytes, which must be refused on a connection that goes on.
async fn goes_on(connection: &mut Connection, bytes: &[u8], refusal: &Refusal) -> Met {
    connection.send_bytes(bytes).await?;
    connection.is_refused(refusal).await?;
    connection.refused(&json!(["logout", "nobody"]), &NOT_LOGGED_IN).await
}

/// Sends bytes on a connection of their own, which must be refused and closed.
async fn closed(scene: &mut Scene, bytes: &[u8], refusal: &Refusal) -> Met {
    let mut connection = scene.connect().await?;
    connection.send_bytes(bytes).await?;
    connection.is_refused(refusal).await?;
    connection.ends().await
}

/// Objects that are no strings.
const NO_STRINGS: [&[u8]; 9] = [
    &[7],
    &[0xff],
    &[0xc0],
    &[0xc3],
    &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0x92, 1, 2],
    &[0x81, 0xa1, b'k', 0x90],
    &[0xd4, 1, 2],
    &[0xc7, 2, 5, 1, 2],
];

async fn no_string(scene: &mut Scene) -> Met {
    let framing = scene.wire.framing();
    let mut connection = scene.connect().await?;
    for object in NO_STRINGS {
        // Not as the last argument: a map there would be the options of version 2.
        let request = join(framing, &[&text("register"), object, &text("a long passphrase")]);
        goes_on(&mut connection, &request, &WRONG_TYPE).await?;
    }
    Ok(())
}

async fn only_the_first_mistake(scene: &mut Scene) -> Met {
    let framing = scene.wire.framing();
    let mut connection = scene.connect().await?;
    let not_utf_8: [&[u8]; 3] = [&[0x92, 1, 0xa1, 0xff], &[0x81, 0xa1, 0xff, 0xa1, 0xfe], &[0x91, 0xc4, 1, 0xff]];
    for object in not_utf_8 {
        let request = join(framing, &[&text("login"), object, &[7]]);
        goes_on(&mut connection, &request, &WRONG_TYPE).await?;
    }
    Ok(())
}

async fn no_request_in_an_array(scene: &mut Scene) -> Met {
    let framing = scene.wire.framing();
    let mut connection = scene.connect().await?;
    let requests: [(&[&[u8]], Refusal); 8] = [
        (&[&text("logout")], WRONG_COUNT),
        (&[&text("logout"), &text("a"), &text("b")], WRONG_COUNT),
        (&[&text("logout"), &[1], &[2], &[3], &[4], &[5], &[6], &[7]], WRONG_COUNT),
        (&[&text("dance"), &text("ada")], UNKNOWN_ACTION),
        (&[&text("LOGOUT"), &text("ada")], UNKNOWN_ACTION),
        (&[&[7], &text("ada")], ACTION_NOT_STRING),
        (&[], ACTION_NOT_STRING),
        (&[&[0x92, 1, 2]], ACTION_NOT_STRING),
    ];
    for (objects, refusal) in requests {
        goes_on(&mut connection, &join(framing, objects), &refusal).await?;
    }
    Ok(())
}

async fn no_action_in_bare_framing(scene: &mut Scene) -> Met {
    let misspelt = [text("regster"), text("ada"), text("logout"), text("nobody")].concat();
    closed(scene, &misspelt, &UNKNOWN_ACTION).await?;
    closed(scene, &[7], &ACTION_NOT_STRING).await?;
    closed(scene, &[0x80], &ACTION_NOT_STRING).await?;
    closed(scene, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &ACTION_NOT_STRING).await
}

async fn no_array(scene: &mut Scene) -> Met {
    for bytes in [&text("logout")[..], &[7], &[0xc0], &[0x80]] {
        let mut connection = scene.connect().await?;
        connection.refused(&json!(["logout", "nobody"]), &NOT_LOGGED_IN).await?;
        connection.send_bytes(bytes).await?;
        connection.is_refused(&NOT_AN_ARRAY).await?;
        connection.ends().await?;
    }
    Ok(())
}

async fn not_utf_8(scene: &mut Scene) -> Met {
    let framing = scene.wire.framing();
    for string in [&[0xa2, 0xc3, 0x28][..], &[0xc4, 2, 0xc3, 0x28], &[0xd9, 1, 0xff]] {
        closed(scene, &join(framing, &[&text("logout"), string]), &NOT_UTF_8).await?;
        closed(scene, &join(framing, &[string]), &NOT_UTF_8).await?;
    }
    Ok(())
}

async fn not_message_pack(scene: &mut Scene) -> Met {
    let framing = scene.wire.framing();
    for object in [&[0xc1][..], &[0x91, 0xc1], &[0x81, 0xa1, b'k', 0xc1]] {
        closed(scene, &join(framing, &[&text("logout"), object]), &NOT_MESSAGE_PACK).await?;
    }
    closed(scene, &join(framing, &[[0xc1]]), &NOT_MESSAGE_PACK).await
}

async fn eight_deep(scene: &mut Scene) -> Met {
    let framing = scene.wire.framing();
    let own = usize::from(scene.wire != Wire::Bare);
    let nested = |head: u8, depth: usize| {
        // Of a map each key is nil, and what it leads to is the next.
        let opened = if head == 0x81 { vec![head, 0xc0] } else { vec![head] };
        [opened.repeat(depth - 1), vec![head & 0xf0]].concat()
    };
    for head in [0x91, 0x81] {
        let mut connection = scene.connect().await?;
        let request = join(framing, &[&text("register"), &nested(head, 8 - own), &text("a long passphrase")]);
        goes_on(&mut connection, &request, &WRONG_TYPE).await?;
        // Refused by the ninth head, whatever is behind it.
        closed(scene, &join(framing, &[&text("register"), &nested(head, 9 - own)]), &TOO_DEEP).await?;
    }
    Ok(())
}

async fn earlier_requests_are_answered(scene: &mut Scene) -> Met {
    let framing = scene.wire.framing();
    let mut ada = scene.log_in(Person::Ada).await?;
    let said = scene.unused("said");

    ada.send(&ada.whisper("no body", "hello")).await?;
    ada.send(&ada.whisper(&ada.username, &said)).await?;
    ada.send(&json!(["logout", "nobody"])).await?;
    ada.send_bytes(&join(framing, &[&text("logout")[..], &[0xc1]])).await?;

    ada.is_refused(&UNKNOWN_USER).await?;
    ada.is_done().await?;
    ada.is_refused(&NOT_LOGGED_IN).await?;
    ada.is_refused(&NOT_MESSAGE_PACK).await?;
    ada.ends().await
}

async fn refusal_arrives(scene: &mut Scene) -> Met {
    let framing = scene.wire.framing();
    for _ in 0..5 {
        let bytes = [join(framing, &[&text("logout")[..], &[0xc1]]), vec![0; 60_000]].concat();
        closed(scene, &bytes, &NOT_MESSAGE_PACK).await?;
    }
    Ok(())
}

async fn waits_for_the_rest(scene: &mut Scene) -> Met {
    let framing = scene.wire.framing();
    let bytes = join(framing, &[text("logout"), text("nobody")]);
    for cut in [1, 4, bytes.len() - 1] {
        let mut connection = scene.connect().await?;
        connection.send_bytes(&bytes[..cut]).await?;
        connection.is_quiet().await?;
        connection.send_bytes(&bytes[cut..]).await?;
        connection.is_refused(&NOT_LOGGED_IN).await?;
    }
    let mut connection = scene.connect().await?;
    for byte in bytes {
        connection.send_bytes(&[byte]).await?;
    }
    connection.is_refused(&NOT_LOGGED_IN).await
}
