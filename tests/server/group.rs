//! Groups: who may join and speak, and who hears it.

use crate::database;
use crate::helpers::{TestServer, group_message};

#[tokio::test]
async fn a_group_message_reaches_all_members_on_all_devices_and_nobody_else() {
    let server = TestServer::start().await;
    let mut ada = server.register("Ada").await;
    let mut phone = server.register("bob").await;
    let mut laptop = server.log_in("bob").await;
    let mut eve = server.register("eve").await;
    ada.create_group("Rust Club").await.unwrap();
    phone.join_group("rust  club").await.unwrap();

    ada.message_group("RUST CLUB", "hello").await;

    let hello = group_message("Rust Club", "Ada", "hello");
    assert_eq!(ada.next_update().await, hello);
    assert_eq!(phone.next_update().await, hello);
    assert_eq!(laptop.next_update().await, hello);
    assert_eq!(eve.updates_so_far().await, []);
}

#[tokio::test]
async fn the_creator_owns_the_group_and_is_a_member() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;

    ada.create_group("rust").await.unwrap();

    let (owner, members) =
        ("select owner from readable_groups", "select username from readable_members where is_member");
    assert_eq!(database::texts(&server.database(), owner).await, ["ada"]);
    assert_eq!(database::texts(&server.database(), members).await, ["ada"]);
    assert_eq!(ada.join_group("rust").await, Err("you are a member of this group already".to_owned()));
}

#[tokio::test]
async fn a_member_hears_what_is_said_after_joining_and_nothing_before() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;
    ada.create_group("rust").await.unwrap();

    ada.message_group("rust", "before").await;
    bob.join_group("rust").await.unwrap();
    ada.message_group("rust", "after").await;

    assert_eq!(bob.updates_so_far().await, [group_message("rust", "ada", "after")]);
}

#[tokio::test]
async fn groups_that_cannot_be_are_refused_with_the_reason() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    ada.create_group("Café").await.unwrap();
    let taken = Err("this group name is taken".to_owned());
    let not_allowed = Err(
        "a group name is 1 to 64 characters, none of them a control character or newer than Unicode 6.3".to_owned(),
    );

    assert_eq!(ada.create_group("cafe\u{301}").await, taken);
    assert_eq!(ada.create_group("  CAFÉ ").await, taken);
    for name in ["", "  ", "line\nbreak", "zero\u{200b}width", &"x".repeat(65)] {
        assert_eq!(ada.create_group(name).await, not_allowed, "{name:?}");
    }
    for name in ["rust", "", "line\nbreak"] {
        assert_eq!(ada.join_group(name).await, Err("there is no such group".to_owned()), "{name:?}");
    }
}

#[tokio::test]
async fn who_is_no_member_learns_nothing_of_a_group() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut eve = server.register("eve").await;
    ada.create_group("rust").await.unwrap();
    let one_answer = Err("there is no such group, or you are not a member of it".to_owned());

    assert_eq!(eve.try_message_group("rust", "hello").await, one_answer);
    assert_eq!(eve.try_message_group("no such group", "hello").await, one_answer);
    assert_eq!(eve.try_message_group("line\nbreak", "hello").await, one_answer);
    assert_eq!(eve.try_message_group("rust", "").await, Err("content is empty".to_owned()));
    assert_eq!(ada.updates_so_far().await, []);
}

#[tokio::test]
async fn members_and_groups_outlive_a_restart() {
    let server = TestServer::start().await;
    let mut ada = server.register("ada").await;
    let mut bob = server.register("bob").await;
    ada.create_group("Rust Club").await.unwrap();
    bob.join_group("rust club").await.unwrap();

    let server = server.restart().await;
    let mut ada = server.log_in("ada").await;
    let mut bob = server.log_in("bob").await;
    ada.message_group("rust club", "hello again").await;

    assert_eq!(bob.next_update().await, group_message("Rust Club", "ada", "hello again"));
    assert_eq!(bob.join_group("rust club").await, Err("you are a member of this group already".to_owned()));
    assert_eq!(ada.create_group("RUST club").await, Err("this group name is taken".to_owned()));
}
