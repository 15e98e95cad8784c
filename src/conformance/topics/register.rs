//! Registering: names and passwords.

use serde_json::json;

use crate::conformance::behaviour::Check::{Run, Skip};
use crate::conformance::behaviour::{Behaviour, EVERY, Met, ONE};
use crate::conformance::refusals::{
    INVALID_USERNAME, NOT_LOGGED_IN, PASSWORD_IS_USERNAME, PASSWORD_NOT_ALLOWED, PASSWORD_TOO_COMMON,
    PASSWORD_TOO_SHORT, USERNAME_TAKEN, WRONG_CREDENTIALS,
};
use crate::conformance::requests::User;
use crate::conformance::scene::{Person, Scene};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "who registers is not logged in by it, and may log in",
        wires: EVERY,
        section: "register",
        says: "Success: done. The connection is not logged in by it.",
        check: Run(|scene| Box::pin(registering_is_no_login(scene))),
    },
    Behaviour {
        name: "a username of other characters or another length is refused",
        wires: EVERY,
        section: "Names",
        says: "**Usernames** are 1 to 32 of the characters `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`",
        check: Run(|scene| Box::pin(other_usernames(scene))),
    },
    Behaviour {
        name: "a username of 32 characters and a password of 8 are taken",
        wires: ONE,
        section: "Names",
        says: "**Usernames** are 1 to 32 of the characters `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`",
        check: Run(|scene| Box::pin(longest_username(scene))),
    },
    Behaviour {
        name: "a username is taken in every case of its letters",
        wires: EVERY,
        section: "register",
        says: "a user has this name, perhaps in another case",
        check: Run(|scene| Box::pin(taken_in_every_case(scene))),
    },
    Behaviour {
        name: "a password that breaks a rule is refused for that rule",
        wires: EVERY,
        section: "Passwords",
        says: "A password has at least 8 characters and at most 1,024 bytes, is not the username, and is not among the most \
               common passwords.",
        check: Run(|scene| Box::pin(other_passwords(scene))),
    },
    Behaviour {
        name: "a password of 1,024 bytes is taken, and its last byte matters",
        wires: ONE,
        section: "Passwords",
        says: "A password has at least 8 characters and at most 1,024 bytes",
        check: Run(|scene| Box::pin(longest_password(scene))),
    },
    Behaviour {
        name: "a password is the same however its letters are composed, and its case matters",
        wires: ONE,
        section: "Passwords",
        says: "it is the same however a keyboard composes its letters. Its case matters.",
        check: Run(|scene| Box::pin(composed_otherwise(scene))),
    },
    Behaviour {
        name: "an address registers 20 users at once, then one a second",
        wires: ONE,
        section: "register",
        says: "after 20 from one address, then one more every second; the server's own machine may register more",
        check: Skip("would leave too many users behind"),
    },
];

async fn registering_is_no_login(scene: &mut Scene) -> Met {
    let user = scene.new_user("Newcomer");
    let mut connection = scene.connect().await?;

    connection.done(&user.register()).await?;
    connection.refused(&json!(["logout", user.name]), &NOT_LOGGED_IN).await?;
    connection.log_in(&user).await?;
    connection.ensure(connection.username == user.name, &format!("the name {}", user.name), &json!(connection.username))
}

async fn other_usernames(scene: &mut Scene) -> Met {
    let mut connection = scene.connect().await?;
    let too_long = "a".repeat(33);
    for name in
        ["", &too_long, "two words", " ada", "ada@home", "ada/bob", "ad\u{e4}", "ad\u{0}a", "\u{ff41}da", "ada\n"]
    {
        connection.refused(&json!(["register", name, "a long passphrase"]), &INVALID_USERNAME).await?;
    }
    Ok(())
}

async fn longest_username(scene: &mut Scene) -> Met {
    let mut name = scene.unused("aZ0._-");
    name.push_str(&"x".repeat(32 - name.len()));
    let user = User { name, password: "p4 sswd!".to_owned() };

    scene.register(&user).await?;
    scene.connect().await?.log_in(&user).await
}

async fn taken_in_every_case(scene: &mut Scene) -> Met {
    let ada = scene.user(Person::Ada).await?;
    let mut connection = scene.connect().await?;
    let swapped: String = ada.name.chars().map(swap_case).collect();
    connection.refused(&json!(["register", swapped, "another long passphrase"]), &USERNAME_TAKEN).await
}

fn swap_case(letter: char) -> char {
    if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
}

async fn other_passwords(scene: &mut Scene) -> Met {
    let name = scene.unused("nobody");
    let mut connection = scene.connect().await?;
    let (too_long, few_characters) = ("x".repeat(1025), "\u{fc}".repeat(7));
    let rules = [
        (&*too_long, PASSWORD_NOT_ALLOWED),
        ("a tab\tis a control character", PASSWORD_NOT_ALLOWED),
        ("a NUL \u{0} is one", PASSWORD_NOT_ALLOWED),
        ("a unicorn \u{1f984} is of Unicode 8", PASSWORD_NOT_ALLOWED),
        ("", PASSWORD_TOO_SHORT),
        ("7 chars", PASSWORD_TOO_SHORT),
        (&*few_characters, PASSWORD_TOO_SHORT),
        (&*name, PASSWORD_IS_USERNAME),
        (&*name.to_uppercase(), PASSWORD_IS_USERNAME),
        ("password", PASSWORD_TOO_COMMON),
        ("PassWord", PASSWORD_TOO_COMMON),
        ("12345678", PASSWORD_TOO_COMMON),
    ];
    for (password, refusal) in rules {
        connection.refused(&json!(["register", name, password]), &refusal).await?;
    }
    // Nobody was registered by any of these.
    connection.refused(&json!(["login", name, few_characters]), &WRONG_CREDENTIALS).await
}

async fn longest_password(scene: &mut Scene) -> Met {
    let mut user = scene.new_user("Long");
    user.password = "x1".repeat(512);
    scene.register(&user).await?;
    let mut connection = scene.connect().await?;

    let other = format!("{}2", &user.password[..1023]);
    connection.refused(&json!(["login", user.name, other]), &WRONG_CREDENTIALS).await?;
    connection.log_in(&user).await
}

async fn composed_otherwise(scene: &mut Scene) -> Met {
    let mut user = scene.new_user("Composed");
    user.password = "cafe\u{301} au lait".to_owned();
    scene.register(&user).await?;
    let mut connection = scene.connect().await?;

    connection.refused(&json!(["login", user.name, "Cafe\u{301} au lait"]), &WRONG_CREDENTIALS).await?;
    user.password = "caf\u{e9} au lait".to_owned();
    connection.log_in(&user).await
}
