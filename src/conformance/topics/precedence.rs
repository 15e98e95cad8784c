//! Of a request that breaks several rules, which refusal comes.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::conformance::behaviour::Check::Run;
use crate::conformance::behaviour::{ARRAYS, Behaviour, EVERY, Met};
use crate::conformance::refusals::{
    CONTENT_EMPTY, INVALID_GROUP_NAME, INVALID_USERNAME, LOGGED_IN_ALREADY, NOT_AUTHENTICATED, NOT_LOGGED_IN,
    PASSWORD_IS_USERNAME, PASSWORD_NOT_ALLOWED, PASSWORD_TOO_SHORT, Refusal, UNKNOWN_ACTION, WRONG_COUNT, WRONG_TYPE,
    content_too_long,
};
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "the action comes before the number of arguments, and that before their types",
        wires: ARRAYS,
        section: "Which refusal comes first",
        says: "the MessagePack, then the action, then the number of arguments, then the arguments from left to right.",
        check: Run(|scene| Box::pin(no_requests(scene))),
    },
    Behaviour {
        name: "who is logged in comes before what the arguments are",
        wires: EVERY,
        section: "Which refusal comes first",
        says: "`login` on a connection that is logged in; `logout` on one that is not, or not as that user.",
        check: Run(|scene| Box::pin(who_is_logged_in(scene))),
    },
    Behaviour {
        name: "a rule of an argument comes before who asks, and the left one before the right one",
        wires: EVERY,
        section: "Which refusal comes first",
        says: "An argument breaks a rule of its own, from left to right: the username and password of `register` (its rules in \
               the order of the table above), a token that is no UUID, the name for `create_group`, the content of a message.",
        check: Run(|scene| Box::pin(rules_of_arguments(scene))),
    },
    Behaviour {
        name: "who asks comes before what is asked for",
        wires: EVERY,
        section: "Which refusal comes first",
        says: "The username and the token do not belong together, or the token has ended.",
        check: Run(|scene| Box::pin(who_asks(scene))),
    },
];

async fn no_requests(scene: &mut Scene) -> Met {
    let mut connection = scene.connect().await?;
    for (request, refusal) in [
        (json!(["dance"]), UNKNOWN_ACTION),
        (json!(["dance", 1, 2, 3, 4, 5, 6, 7]), UNKNOWN_ACTION),
        (json!(["logout", 1, 2]), WRONG_COUNT),
        (json!(["login", 1]), WRONG_COUNT),
        (json!(["register", "", 1]), WRONG_TYPE),
        (json!(["whisper", "nobody", "no token", "", 1]), WRONG_TYPE),
    ] {
        connection.refused(&request, &refusal).await?;
    }
    Ok(())
}

async fn who_is_logged_in(scene: &mut Scene) -> Met {
    let mut stranger = scene.connect().await?;
    stranger.refused(&json!(["logout", "no name at all"]), &NOT_LOGGED_IN).await?;
    let mut ada = scene.log_in(Person::Ada).await?;
    ada.refused(&json!(["login", "no name at all", ""]), &LOGGED_IN_ALREADY).await
}

/// Of requests that break one rule after the other.
fn broken(unknown: &str, content_bytes: usize) -> Vec<(Value, Refusal)> {
    let token = Uuid::new_v4().to_string();
    let too_long = "x".repeat(content_bytes + 1);
    vec![
        (json!(["register", "", "short"]), INVALID_USERNAME),
        (json!(["register", unknown, "tab\t"]), PASSWORD_NOT_ALLOWED),
        (json!(["register", "ada", "ada"]), PASSWORD_TOO_SHORT),
        (json!(["register", "password", "password"]), PASSWORD_IS_USERNAME),
        (json!(["create_group", unknown, "no token", ""]), NOT_AUTHENTICATED),
        (json!(["create_group", unknown, token, ""]), INVALID_GROUP_NAME),
        (json!(["whisper", unknown, "no token", unknown, ""]), NOT_AUTHENTICATED),
        (json!(["whisper", unknown, token, unknown, ""]), CONTENT_EMPTY),
        (json!(["whisper", unknown, token, unknown, too_long]), content_too_long(content_bytes)),
        (json!(["msg_group", unknown, "no token", unknown, ""]), NOT_AUTHENTICATED),
        (json!(["msg_group", unknown, token, unknown, ""]), CONTENT_EMPTY),
        (json!(["msg_group", unknown, token, unknown, too_long]), content_too_long(content_bytes)),
    ]
}

async fn rules_of_arguments(scene: &mut Scene) -> Met {
    let unknown = scene.unused("nobody");
    let mut connection = scene.connect().await?;
    for (request, refusal) in broken(&unknown, scene.limits.content_bytes) {
        connection.refused(&request, &refusal).await?;
    }
    Ok(())
}

async fn who_asks(scene: &mut Scene) -> Met {
    let unknown = scene.unused("nobody");
    let mut ada = scene.log_in(Person::Ada).await?;
    let group = scene.unused("group");
    ada.done(&ada.create_group(&group)).await?;
    let token = Uuid::new_v4().to_string();
    for request in [
        json!(["add_contact", ada.username, token, unknown]),
        json!(["add_contact", ada.username, token, ada.username]),
        json!(["whisper", ada.username, token, unknown, "hello"]),
        json!(["create_group", ada.username, token, group]),
        json!(["join_group", ada.username, token, unknown]),
        json!(["join_group", ada.username, token, group]),
        json!(["msg_group", ada.username, token, unknown, "hello"]),
    ] {
        ada.refused(&request, &NOT_AUTHENTICATED).await?;
    }
    Ok(())
}
