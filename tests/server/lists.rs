//! Version 2 of the wire: contacts, groups and members, page by page, and what was read.

use chinwag::protocol::{Contact, Conversation, FoundGroup, Member, OwnGroup, Page, Request, Response, Role, Update};

use crate::helpers::{TestClient, TestServer};

fn page(after: Option<&str>, limit: Option<i64>) -> Page {
    Page { after: after.map(str::to_owned), limit }
}

async fn contacts(client: &mut TestClient, page: Page) -> (Vec<Contact>, bool) {
    match client.ask_as(|username, token| Request::Contacts { username, token, page }).await {
        Ok(Response::Contacts(page)) => (page.contacts, page.more),
        other => panic!("{other:?} are no contacts"),
    }
}

async fn groups(client: &mut TestClient, page: Page) -> (Vec<OwnGroup>, bool) {
    match client.ask_as(|username, token| Request::Groups { username, token, page }).await {
        Ok(Response::Groups(page)) => (page.groups, page.more),
        other => panic!("{other:?} are no groups"),
    }
}

async fn members(client: &mut TestClient, group: &str, page: Page) -> Vec<Member> {
    let group_name = group.to_owned();
    match client
        .ask_as(|username, token| Request::Members { username, token, group_name: group_name.into(), page })
        .await
    {
        Ok(Response::Members(page)) => page.members,
        other => panic!("{other:?} are no members"),
    }
}

async fn find_groups(client: &mut TestClient, prefix: &str, page: Page) -> (Vec<FoundGroup>, bool) {
    let prefix = prefix.to_owned();
    match client.ask_as(|username, token| Request::FindGroups { username, token, prefix: prefix.into(), page }).await {
        Ok(Response::FoundGroups(page)) => (page.groups, page.more),
        other => panic!("{other:?} are no groups"),
    }
}

fn names(contacts: &[Contact]) -> Vec<&str> {
    contacts.iter().map(|contact| &*contact.username).collect()
}

#[tokio::test]
async fn contacts_come_by_name_with_who_is_online_and_can_be_removed() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let bob = server.register_2("Bob").await;
    for name in ["cyd", "Abe", "dan"] {
        server.register(name).await.close().await;
    }
    for name in ["dan", "bob", "abe", "cyd"] {
        ada.add_contact(name).await.unwrap();
    }

    let (first, more) = contacts(&mut ada, page(None, Some(3))).await;
    let (rest, none) = contacts(&mut ada, page(Some(&first[2].username), Some(3))).await;
    ada.done_as(|username, token| Request::RemoveContact { username, token, contact: "BOB".into() }).await;
    ada.done_as(|username, token| Request::RemoveContact { username, token, contact: "bob".into() }).await;
    let (left, _) = contacts(&mut ada, Page::default()).await;

    assert_eq!((names(&first), more), (vec!["Abe", "Bob", "cyd"], true));
    assert_eq!((names(&rest), none), (vec!["dan"], false));
    assert_eq!(first.iter().map(|contact| contact.online).collect::<Vec<_>>(), [false, true, false]);
    assert!(first.iter().all(|contact| contact.last_seen.is_some()));
    assert_eq!(names(&left), ["Abe", "cyd", "dan"]);
    let unknown = |username, token| Request::RemoveContact { username, token, contact: "nobody".into() };
    assert_eq!(ada.code_as(unknown).await, "unknown_user");
    drop(bob);
}

#[tokio::test]
async fn groups_say_what_one_is_in_them_and_how_much_is_unread() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    ada.create_group("tea").await.unwrap();
    ada.create_group("Coffee").await.unwrap();
    bob.join_group("tea").await.unwrap();
    bob.create_group("Water").await.unwrap();
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(ada.accepted(&ada.message_group_request("tea", n.to_string())).await);
    }
    bob.message_group("tea", "one's own is not unread").await;

    let (before, _) = groups(&mut bob, Page::default()).await;
    let id = ids[1].clone();
    let of = Conversation::Group("TEA".to_owned());
    bob.done_as(|username, token| Request::MarkRead { username, token, of, id: id.into() }).await;
    let (after, _) = groups(&mut bob, Page::default()).await;

    let unread = |groups: &[OwnGroup]| groups.iter().map(|g| (g.group.clone(), g.role, g.unread)).collect::<Vec<_>>();
    let [tea, water] = ["tea", "Water"].map(str::to_owned);
    assert_eq!(unread(&before), [(tea.clone(), Role::Member, 3), (water.clone(), Role::Owner, 0)]);
    assert_eq!(unread(&after), [(tea, Role::Member, 1), (water, Role::Owner, 0)]);
    assert!(before[0].last.is_some() && before[1].last.is_none());
    let (first, more) = groups(&mut ada, page(None, Some(1))).await;
    assert_eq!((&*first[0].group, first[0].role, more), ("Coffee", Role::Owner, true));
}

#[tokio::test]
async fn a_read_mark_never_moves_back_and_ones_other_devices_are_told() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("Bob").await;
    ada.create_group("tea").await.unwrap();
    bob.join_group("tea").await.unwrap();
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(bob.accepted(&bob.message_group_request("tea", n.to_string())).await);
    }
    let tea = || Conversation::Group("tea".to_owned());
    let mark = |of: Conversation, id: &str| {
        let id = id.to_owned();
        move |username, token| Request::MarkRead { username, token, of, id: id.into() }
    };

    ada.done_as(mark(tea(), &ids[2])).await;
    ada.done_as(mark(tea(), &ids[0])).await;
    ada.done_as(mark(Conversation::With("bob".to_owned()), &ids[0])).await;

    assert_eq!(groups(&mut ada, Page::default()).await.0[0].unread, 0);
    let told: Vec<Update> =
        ada.updates_so_far().await.into_iter().filter(|update| update.content().is_none()).collect();
    let read = |of, id: &String| Update::Read { of, id: id.clone() };
    let bobs = Conversation::With("Bob".to_owned());
    assert_eq!(told[2..], [read(tea(), &ids[2]), read(tea(), &ids[0]), read(bobs, &ids[0])]);
    for (of, id, code) in [
        (tea(), "nonsense", "unknown_message"),
        (Conversation::Group("nowhere".to_owned()), &ids[0], "not_a_member"),
        (Conversation::With("nobody".to_owned()), &ids[0], "unknown_user"),
    ] {
        assert_eq!(ada.code_as(mark(of, id)).await, code);
    }
}

#[tokio::test]
async fn members_are_listed_for_members_alone() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("Bob").await;
    let mut eve = server.register_2("eve").await;
    ada.create_group("tea").await.unwrap();
    bob.join_group("tea").await.unwrap();
    bob.log_out().await.unwrap();

    let all = members(&mut ada, "TEA", Page::default()).await;
    let second = members(&mut ada, "tea", page(Some("ADA"), Some(1))).await;

    let member = |name: &str, role, online| Member { username: name.to_owned(), role, online };
    assert_eq!(all, [member("ada", Role::Owner, true), member("Bob", Role::Member, false)]);
    assert_eq!(second, [member("Bob", Role::Member, false)]);
    for group_name in ["tea", "nowhere", ""] {
        let group_name = group_name.to_owned();
        let request = |username, token| Request::Members {
            username,
            token,
            group_name: group_name.into(),
            page: Page::default(),
        };
        assert_eq!(eve.code_as(request).await, "not_a_member");
    }
}

#[tokio::test]
async fn groups_are_found_by_how_their_names_begin() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut bob = server.register_2("bob").await;
    for name in ["Rust Club", "rustaceans", "rye", "%", "Ruß"] {
        ada.create_group(name).await.unwrap();
    }
    bob.join_group("rust club").await.unwrap();

    let (found, more) = find_groups(&mut bob, "RUST", Page::default()).await;
    let (first, others) = find_groups(&mut bob, "r", page(None, Some(1))).await;
    let (rest, _) = find_groups(&mut bob, "r", page(Some(&first[0].group), None)).await;

    let group = |name: &str, members| FoundGroup { group: name.to_owned(), members };
    assert_eq!((found, more), (vec![group("Rust Club", 2), group("rustaceans", 1)], false));
    assert!(others);
    assert_eq!(first.len() + rest.len(), 4);
    assert_eq!(find_groups(&mut bob, "%", Page::default()).await.0.len(), 1);
    assert_eq!(find_groups(&mut bob, "", Page::default()).await.0.len(), 5);
    assert_eq!(find_groups(&mut bob, "zzz", Page::default()).await.0, []);
}

#[tokio::test]
async fn what_changes_is_told_to_ones_other_connections() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    let mut phone = server.resume(&ada.login()).await;
    phone.sync(None).await.unwrap();
    phone.updates_until_synced().await;
    server.register_2("Bob").await;

    ada.add_contact("bob").await.unwrap();
    ada.done_as(|username, token| Request::RemoveContact { username, token, contact: "bob".into() }).await;

    let username = "Bob".to_owned();
    for client in [&mut ada, &mut phone] {
        assert_eq!(client.next_update().await, Update::ContactAdded { username: username.clone() });
        assert_eq!(client.next_update().await, Update::ContactRemoved { username: username.clone() });
    }
}

#[tokio::test]
async fn lists_are_for_whoever_has_the_token_on_any_connection() {
    let server = TestServer::start().await;
    let mut ada = server.register_2("ada").await;
    ada.create_group("tea").await.unwrap();
    let mut other = server.hello().await;
    other.use_login(ada.login());

    assert_eq!(groups(&mut other, Page::default()).await.0.len(), 1);
    let mut stranger = ada.login();
    stranger.username = "eve".to_owned();
    other.use_login(stranger);
    for request in [
        |username, token| Request::Groups { username, token, page: Page::default() },
        |username, token| Request::Contacts { username, token, page: Page::default() },
        |username, token| Request::Sessions { username, token },
        |username, token| Request::FindGroups { username, token, prefix: String::new().into(), page: Page::default() },
    ] {
        assert_eq!(other.code_as(request).await, "not_authenticated");
    }
}
