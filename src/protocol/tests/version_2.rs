//! Version 2: what is written is read, after `hello` alone.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::properties::cut;
use super::*;
use crate::protocol::{
    Contact, ContactsPage, Conversation, FoundGroup, FoundPage, GroupsPage, HistoryPage, Member, MembersPage, OwnGroup,
    Page, Range, Role, Said, SessionEntry, SessionList, Stamp, Update, Welcome, WireLimits,
};

fn hello(version: i64) -> Request<'static> {
    Request::Hello { version, client: Some("tests/1.0".into()) }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), (0..300_usize).prop_map(|length| "x".repeat(length))]
}

fn any_argument() -> impl Strategy<Value = Cow<'static, str>> {
    any_text().prop_map(Cow::Owned)
}

fn any_request() -> impl Strategy<Value = Request<'static>> {
    let texts = || [any_text(), any_text(), any_text(), any_text()];
    let arguments = || [any_argument(), any_argument(), any_argument()];
    let token = || any_text().prop_map(Secret::from);
    let optional = || proptest::option::of(any_argument());
    prop_oneof![
        (proptest::sample::select(&Action::VERSION_1[..]), texts()).prop_map(|(action, texts)| request(action, texts)),
        (arguments(), token(), optional()).prop_map(|([username, recipient, content], token, nonce)| {
            Request::Whisper { username, token, recipient, content, nonce }
        }),
        (arguments(), token(), optional()).prop_map(|([username, group_name, content], token, nonce)| {
            Request::MessageGroup { username, token, group_name, content, nonce }
        }),
        (any_argument(), token()).prop_map(|(username, token)| Request::Resume { username, token }),
        (any_argument(), token(), optional()).prop_map(|(username, token, after)| Request::Sync {
            username,
            token,
            after
        }),
        any_later_request(),
    ]
}

fn any_conversation() -> impl Strategy<Value = Conversation> {
    prop_oneof![any_text().prop_map(Conversation::With), any_text().prop_map(Conversation::Group)]
}

/// Those that came after version 2 was on.
fn any_later_request() -> impl Strategy<Value = Request<'static>> {
    let optional = || proptest::option::of(any_text());
    let page = (optional(), proptest::option::of(any::<i64>())).prop_map(|(after, limit)| Page { after, limit });
    let range = (optional(), optional(), proptest::option::of(any::<i64>())).prop_map(|(before, after, limit)| Range {
        before,
        after,
        limit,
    });
    let actions = proptest::sample::select(&Action::VERSION_2[3..]);
    let secrets = || any_text().prop_map(Secret::from);
    (actions, any_argument(), [secrets(), secrets(), secrets()], any_argument(), any_conversation(), range, page)
        .prop_map(|(action, username, [token, password, new_password], third, of, range, page)| match action {
            Action::History => Request::History { username, token, of, range },
            Action::Contacts => Request::Contacts { username, token, page },
            Action::RemoveContact => Request::RemoveContact { username, token, contact: third },
            Action::Groups => Request::Groups { username, token, page },
            Action::Members => Request::Members { username, token, group_name: third, page },
            Action::FindGroups => Request::FindGroups { username, token, prefix: third, page },
            Action::LeaveGroup => Request::LeaveGroup { username, token, group_name: third },
            Action::MarkRead => Request::MarkRead { username, token, of, id: third },
            Action::Sessions => Request::Sessions { username, token },
            Action::EndSession => Request::EndSession { username, token, session: third },
            Action::EndOtherSessions => Request::EndOtherSessions { username, token },
            Action::ChangePassword => Request::ChangePassword { username, token, password, new_password },
            Action::DeleteAccount => Request::DeleteAccount { username, token, password },
            other => panic!("{other:?} is with the others"),
        })
}

fn any_stamp() -> impl Strategy<Value = Option<Stamp>> {
    let stamp = (any_text(), any::<i64>(), proptest::option::of(any_text()), proptest::option::of(any_text()));
    proptest::option::of(stamp.prop_map(|(id, at_ms, to, nonce)| Stamp { id, at_ms, to, nonce }))
}

fn any_reply() -> impl Strategy<Value = FromServer> {
    let code = (any_text(), proptest::option::of(any::<i64>()));
    let response = prop_oneof![
        Just(Response::Done),
        (any_text(), any::<i64>()).prop_map(|(id, at_ms)| Response::Accepted { id, at_ms }),
        (any_text(), proptest::option::of(code)).prop_map(|(why, code)| match code {
            Some((code, retry_ms)) => Response::Refused(Refused { why, code: Some(code), retry_ms }),
            None => Response::Refused(Refused::because(why)),
        }),
    ];
    let update = prop_oneof![
        (any_text(), any_text(), any_stamp()).prop_map(|(sender, content, stamp)| Update::Whisper {
            sender,
            content,
            stamp
        }),
        (any_text(), any_text(), any_text(), any_stamp()).prop_map(|(group_name, sender, content, stamp)| {
            Update::GroupMessage { group_name, sender, content, stamp }
        }),
        any_text().prop_map(|id| Update::Synced { id }),
        any_text().prop_map(|id| Update::Gap { id }),
        any_text().prop_map(|code| Update::SessionEnded { code }),
        (any_text(), any_text()).prop_map(|(group_name, username)| Update::Joined { group_name, username }),
        (any_text(), any_text()).prop_map(|(group_name, username)| Update::Left { group_name, username }),
        any_text().prop_map(|username| Update::ContactAdded { username }),
        any_text().prop_map(|username| Update::ContactRemoved { username }),
        (any_conversation(), any_text()).prop_map(|(of, id)| Update::Read { of, id }),
        Just(Update::Refresh),
    ];
    prop_oneof![response.prop_map(FromServer::Response), update.prop_map(FromServer::Update)]
}

proptest! {
    #[test]
    fn requests_behind_hello_are_read_as_they_were_written(
        requests in vec(any_request(), 0..5),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let requests: Vec<Request> = std::iter::once(hello(2)).chain(requests).collect();
        let bytes: Vec<u8> = requests.iter().flat_map(|request| request.encode(Framing::Array)).collect();

        let decoded = decode_requests(Framing::Array, cut(&bytes, &cuts));

        prop_assert_eq!(decoded, requests.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn replies_are_read_as_they_were_written(replies in vec(any_reply(), 0..5), cuts in vec(any::<Index>(), 0..12)) {
        let bytes: Vec<u8> = replies.iter().flat_map(|reply| encode_reply(reply, Framing::Array)).collect();
        let awaited: Vec<Action> = replies.iter().filter_map(asked_for).collect();

        let decoded = decode_replies(Framing::Array, awaited, cut(&bytes, &cuts));

        prop_assert_eq!(decoded, Ok(replies));
    }

    #[test]
    fn without_hello_a_map_is_one_argument_too_many_and_later_actions_are_unknown(request in any_request()) {
        let decoded = decode_requests(Framing::Array, [&*request.encode(Framing::Array)]);

        let expected = match &request {
            Request::Whisper { nonce: Some(_), .. } | Request::MessageGroup { nonce: Some(_), .. } => {
                Err(CodecError::WrongCount)
            }
            _ if Action::VERSION_2.contains(&request.action()) => Err(CodecError::UnknownAction),
            _ => Ok(request),
        };
        prop_assert_eq!(decoded, [expected]);
    }
}

#[test]
fn a_welcome_and_a_login_with_a_head_are_read_as_they_were_written() {
    let limits = WireLimits { content_bytes: 16_384, request_bytes: 65_536, in_flight: 64 };
    let welcome = Welcome { server: "chinwag/0.1.0".to_owned(), version: 2, limits };
    let logged_in = |head: Option<&str>| Response::LoggedIn {
        username: "ada".to_owned(),
        token: Secret::new("token"),
        head: head.map(str::to_owned),
    };
    let responses = [
        (Action::Hello, Response::Welcome(welcome)),
        (Action::LogIn, logged_in(Some("0a-1"))),
        (Action::Resume, logged_in(Some("0a-2"))),
        (Action::Resume, logged_in(None)),
    ];
    let replies: Vec<FromServer> =
        responses.iter().map(|(_, response)| FromServer::Response(response.clone())).collect();
    let bytes: Vec<u8> = replies.iter().flat_map(|reply| encode_reply(reply, Framing::Array)).collect();

    let decoded = decode_replies(Framing::Array, responses.map(|(action, _)| action), bytes.chunks(1));

    assert_eq!(decoded, Ok(replies));
}

#[test]
fn lists_are_read_as_they_were_written() {
    let text = str::to_owned;
    let said = |nonce| Said { id: text("0a-1"), at_ms: -1, sender: text("ada"), content: text("hi"), nonce };
    let contact = |last_seen| Contact { username: text("bob"), online: true, last_seen };
    let group = |last, role| OwnGroup { group: text("tea"), role, unread: 7, last };
    let member = Member { username: text("bob"), role: Role::Owner, online: false };
    let session =
        |address, client| SessionEntry { session: text("1"), created_at: 1, used_at: 2, address, client, own: true };
    let lists = [
        (
            Action::History,
            Response::History(HistoryPage { messages: vec![said(None), said(Some(text("n")))], end: true }),
        ),
        (
            Action::Contacts,
            Response::Contacts(ContactsPage { contacts: vec![contact(None), contact(Some(3))], more: false }),
        ),
        (
            Action::Groups,
            Response::Groups(GroupsPage {
                groups: vec![group(None, Role::Owner), group(Some(text("0a-2")), Role::Member)],
                more: true,
            }),
        ),
        (Action::Members, Response::Members(MembersPage { members: vec![member], more: false })),
        (
            Action::FindGroups,
            Response::FoundGroups(FoundPage {
                groups: vec![FoundGroup { group: text("tea"), members: 2 }],
                more: false,
            }),
        ),
        (
            Action::Sessions,
            Response::Sessions(SessionList {
                sessions: vec![session(None, None), session(Some(text("::1")), Some(text("x/1")))],
            }),
        ),
        (Action::History, Response::Refused(Refused::because("no"))),
    ];
    let replies: Vec<FromServer> = lists.iter().map(|(_, response)| FromServer::Response(response.clone())).collect();
    let bytes: Vec<u8> = replies.iter().flat_map(|reply| encode_reply(reply, Framing::Array)).collect();

    let decoded = decode_replies(Framing::Array, lists.map(|(action, _)| action), bytes.chunks(1));

    assert_eq!(decoded, Ok(replies));
}

#[test]
fn hello_is_the_first_request_or_none() {
    let late = [hello(2), hello(2)].map(|request| request.encode(Framing::Array)).concat();
    assert_eq!(decode_requests(Framing::Array, [&*late]), [Ok(hello(2)), Err(CodecError::LateHello)]);
    let sync = Request::Sync { username: "ada".into(), token: Secret::new("token"), after: None };
    let old = [hello(1), sync].map(|request| request.encode(Framing::Array)).concat();
    assert_eq!(decode_requests(Framing::Array, [&*old]), [Ok(hello(1)), Err(CodecError::UnknownAction)]);
    let bare = hello(2).encode(Framing::Bare);
    assert_eq!(decode_requests(Framing::Bare, [&*bare]), [Err(CodecError::UnknownAction)]);
}

#[test]
fn an_option_of_the_wrong_type_is_refused_and_what_is_not_known_is_passed_over() {
    let sync = |map: &[u8]| {
        let objects = [short_text("sync"), short_text("ada"), short_text("token"), map.to_vec()];
        [hello(2).encode(Framing::Array), vec![0x94], objects.concat()].concat()
    };
    let after = [&[0x81][..], &short_text("after")].concat();
    for (map, expected) in [
        (vec![0x80], Ok(None)),
        ([after.clone(), vec![0xc0]].concat(), Ok(None)),
        ([after.clone(), short_text("0a-1")].concat(), Ok(Some("0a-1".to_owned()))),
        ([after.clone(), vec![7]].concat(), Err(CodecError::WrongOption)),
        ([after.clone(), vec![0xa2, 0xc3, 0x28]].concat(), Err(CodecError::NotUtf8)),
        ([after.clone(), vec![0x81, 0x80, 0x91, 0xc0]].concat(), Err(CodecError::WrongOption)),
        ([vec![0x82, 0x07, 0x91, 0xc0, 0xa2, 0xc3, 0x28], vec![0xa2, 0xc3, 0x28]].concat(), Ok(None)),
    ] {
        let decoded = decode_requests(Framing::Array, [&*sync(&map)]).pop();
        let expected = expected.map(|after| Request::Sync {
            username: "ada".into(),
            token: Secret::new("token"),
            after: after.map(Cow::Owned),
        });
        assert_eq!(decoded, Some(expected), "{map:02x?}");
    }
}
