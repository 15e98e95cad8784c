//! Version 2 of the wire: leaving groups, and what becomes of them.

use chinwag::protocol::{Page, Request, Response, Role, Update};

use crate::helpers::{TestClient, TestServer, content};

async fn leave(client: &mut TestClient, group: &str) {
    let group_name = group.to_owned();
    client.done_as(|username, token| Request::LeaveGroup { username, token, group_name: group_name.into() }).await;
}

async fn owners(client: &mut TestClient, group: &str) -> Vec<String> {
    let group_name = group.to_owned();
    let request =
        |username, token| Request::Members { username, token, group_name: group_name.into(), page: Page::default() };
    match client.ask_as(request).await {
        Ok(Response::Members(page)) => {
            page.members.into_iter().filter(|m| m.role == Role::Owner).map(|m| m.username).collect()
        }
        other => panic!("{other:?} are no members"),
    }
}

fn joined(group: &str, name: &str) -> Update {
    Update::Joined { group_name: group.to_owned(), username: name.to_owned() }
}

fn left(group: &str, name: &str) -> Update {
    Update::Left { group_name: group.to_owned(), username: name.to_owned() }
}

#[tokio::test]
async fn who_leaves_hears_nothing_more_and_everybody_is_told() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    let mut old = server.log_in("bob").await;
    ada.create_group("tea").await.unwrap();
    bob.join_group("tea").await.unwrap();
    ada.message_group("tea", "one").await;

    leave(&mut bob, "tea").await;
    ada.message_group("tea", "two").await;

    let [own, others] = [bob.updates_so_far().await, ada.updates_so_far().await];
    assert_eq!(own[0], joined("tea", "bob"));
    assert_eq!((own[1].content(), own[2..].to_vec()), (Some("one"), vec![left("tea", "bob")]));
    assert_eq!(others[..2], [joined("tea", "ada"), joined("tea", "bob")]);
    assert_eq!((others[2].content(), &others[3], others[4].content()), (Some("one"), &left("tea", "bob"), Some("two")));
    // Version 1 is told what was said alone.
    assert_eq!(old.updates_so_far().await.into_iter().map(content).collect::<Vec<_>>(), ["one"]);
    let refused = bob.try_message_group("tea", "three").await.unwrap_err();
    assert_eq!(refused, "there is no such group, or you are not a member of it");
    for group in ["tea", "nowhere"] {
        let group_name = group.to_owned();
        let again = |username, token| Request::LeaveGroup { username, token, group_name: group_name.into() };
        assert_eq!(bob.code_as(again).await, "not_a_member");
    }
}

#[tokio::test]
async fn what_an_owner_leaves_passes_to_whoever_was_there_for_longest() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut zoe = server.register_2("zoe").await;
    let mut bob = server.register_2("bob").await;
    ada.create_group("tea").await.unwrap();
    zoe.join_group("tea").await.unwrap();
    bob.join_group("tea").await.unwrap();

    leave(&mut ada, "tea").await;
    assert_eq!(owners(&mut bob, "tea").await, ["zoe"]);
    ada.join_group("tea").await.unwrap();
    leave(&mut bob, "tea").await;
    assert_eq!(owners(&mut ada, "tea").await, ["zoe"]);
    leave(&mut zoe, "tea").await;
    assert_eq!(owners(&mut ada, "tea").await, ["ada"]);
    leave(&mut ada, "tea").await;
    bob.join_group("tea").await.unwrap();

    assert_eq!(owners(&mut bob, "tea").await, ["bob"]);
    let login = bob.login();
    let server = server.restart().await;
    let mut bob = server.resume(&login).await;
    assert_eq!(owners(&mut bob, "tea").await, ["bob"]);
    bob.message_group("tea", "all mine").await;
}
