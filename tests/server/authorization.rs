//! Who may do what: every action, asked by everybody who might.

use std::time::Duration;

use chinwag::client::Login;
use chinwag::domain::Secret;
use chinwag::protocol::{Action, Conversation, Page, Range, Request};
use sqlx::Connection;

use crate::database;
use crate::helpers::{PASSWORD, TestClient, TestServer, group_message};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

type Answer = Result<(), &'static str>;

const DONE: Answer = Ok(());
const INVALID: Answer = Err("this username and token are not valid together; log in again");
const MEMBER: Answer = Err("you are a member of this group already");
const NO_MEMBER: Answer = Err("there is no such group, or you are not a member of it");
const LOGGED_IN: Answer = Err("this connection is logged in already; log out first");
const LOGGED_OUT: Answer = Err("this connection is not logged in as that user");

/// The columns are [`askers`]. What they ask for is in [`request`].
#[rustfmt::skip]
const WITH_TOKEN: [(Action, [Answer; 9]); 5] = [
    //                      nobody   outsider   member  former     owner   logged   expired  stolen   forged
    //                                                  member             out               token    name
    (Action::AddContact,   [INVALID, DONE,      DONE,   DONE,      DONE,   INVALID, INVALID, INVALID, INVALID]),
    (Action::Whisper,      [INVALID, DONE,      DONE,   DONE,      DONE,   INVALID, INVALID, INVALID, INVALID]),
    (Action::CreateGroup,  [INVALID, DONE,      DONE,   DONE,      DONE,   INVALID, INVALID, INVALID, INVALID]),
    (Action::JoinGroup,    [INVALID, DONE,      MEMBER, DONE,      MEMBER, INVALID, INVALID, INVALID, INVALID]),
    (Action::MessageGroup, [INVALID, NO_MEMBER, DONE,   NO_MEMBER, DONE,   INVALID, INVALID, INVALID, INVALID]),
];

/// The columns are [`connections`]: without a token it is the connection alone that says who asks. Registering is for
/// everybody; what it is asked for is a new name, the others are asked for `ada`.
#[rustfmt::skip]
const WITHOUT_TOKEN: [(Action, [Answer; 6]); 3] = [
    //                  new         a token     ada        ada, for   bob        ada, until
    //                              was shown   logged in  31 days    logged in  she logged out
    (Action::Register, [DONE,       DONE,       DONE,      DONE,      DONE,       DONE]),
    (Action::LogIn,    [DONE,       DONE,       LOGGED_IN, LOGGED_IN, LOGGED_IN,  DONE]),
    (Action::LogOut,   [LOGGED_OUT, LOGGED_OUT, DONE,      DONE,      LOGGED_OUT, LOGGED_OUT]),
];

const INVALID_2: Answer = Err("not_authenticated");
const NO_MEMBER_2: Answer = Err("not_a_member");
const NO_SESSION: Answer = Err("unknown_session");
const WRONG: Answer = Err("wrong_credentials");
const ELSEWHERE: Answer = Err("not_logged_in");

/// The columns are [`askers`], each on a new connection of version 2. An owner who has deleted the account has no password any
/// more, and who has only a token of theirs neither.
#[rustfmt::skip]
const VERSION_2: [(Action, [Answer; 9]); 15] = [
    //                          nobody     outsider     member      former       owner       logged     expired    stolen     forged
    //                                                              member                   out                   token      name
    (Action::Resume,           [INVALID_2, DONE,        DONE,       DONE,        DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::Sync,             [ELSEWHERE; 9]),
    (Action::History,          [INVALID_2, NO_MEMBER_2, DONE,       DONE,        DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::Contacts,         [INVALID_2, DONE,        DONE,       DONE,        DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::RemoveContact,    [INVALID_2, DONE,        DONE,       DONE,        DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::Groups,           [INVALID_2, DONE,        DONE,       DONE,        DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::Members,          [INVALID_2, NO_MEMBER_2, DONE,       NO_MEMBER_2, DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::FindGroups,       [INVALID_2, DONE,        DONE,       DONE,        DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::LeaveGroup,       [INVALID_2, NO_MEMBER_2, DONE,       NO_MEMBER_2, DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::MarkRead,         [INVALID_2, NO_MEMBER_2, DONE,       NO_MEMBER_2, DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::Sessions,         [INVALID_2, DONE,        DONE,       DONE,        DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::EndSession,       [INVALID_2, NO_SESSION,  NO_SESSION, NO_SESSION,  NO_SESSION, INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::EndOtherSessions, [INVALID_2, DONE,        DONE,       DONE,        DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::ChangePassword,   [INVALID_2, DONE,        DONE,       DONE,        DONE,       INVALID_2, INVALID_2, INVALID_2, INVALID_2]),
    (Action::DeleteAccount,    [INVALID_2, DONE,        DONE,       DONE,        DONE,       WRONG,     WRONG,     INVALID_2, WRONG]),
];

/// All that requests can change, a sentence each.
const FACTS: &str = "
    select username || ' is registered' from users
    union all select username || ' is logged in' from readable_sessions
    union all select username || ' knows ' || contact from readable_contacts
    union all select owner || ' owns ' || group_name from readable_groups
    union all select username || ' is in ' || group_name from readable_members where is_member
    union all select sender || ' tells ' || coalesce(recipient, group_name) || ' ' || content from readable_messages";

#[test]
fn every_action_is_in_one_of_the_tables() {
    let rows = [&WITHOUT_TOKEN.map(|(action, _)| action)[..], &WITH_TOKEN.map(|(action, _)| action)];

    assert_eq!(rows.concat(), Action::VERSION_1);
    assert_eq!(VERSION_2.map(|(action, _)| action), Action::VERSION_2[1..]);
}

#[tokio::test]
async fn an_action_of_version_2_is_done_for_whom_it_is_meant_and_for_nobody_else() {
    let mut wrong = Vec::new();
    for (action, answers) in VERSION_2 {
        let server = tea_party().await;
        let expired = server.log_in("owner").await.login();
        server.clock.advance(31 * DAY);
        let eve = server.log_in("eve").await;
        let head = server.register_2("observer").await.login().head.unwrap();
        for ((asker, login), expected) in askers(&server, expired, eve.login()).await.into_iter().zip(answers) {
            let before = database::texts(&server.database(), FACTS).await;
            let answer = server.hello().await.ask(&later_request(action, &login, &head)).await;
            let answer = answer.map(drop).map_err(|refused| refused.code.unwrap());
            if answer != expected.map_err(str::to_owned) {
                wrong.push(format!("{action:?}, {asker}: {answer:?} instead of {expected:?}"));
            }
            if answer.is_err() && database::texts(&server.database(), FACTS).await != before {
                wrong.push(format!("{action:?}, {asker}: refused, and yet something has changed"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn an_action_with_a_token_is_done_for_whom_it_is_meant_and_for_nobody_else() {
    let mut wrong = Vec::new();
    for (action, answers) in WITH_TOKEN {
        for is_eves in [false, true] {
            let server = tea_party().await;
            let expired = server.log_in("owner").await.login();
            server.clock.advance(31 * DAY);
            let mut eve = server.log_in("eve").await;
            let askers = askers(&server, expired, eve.login()).await;
            // One connection for everybody: nobody profits from whom it has served before, or from who is logged in on it.
            let connection = if is_eves { &mut eve } else { &mut server.connect().await };
            for ((asker, login), expected) in askers.into_iter().zip(answers) {
                let cell = format!("{action:?}, {asker}, on Eve's connection: {is_eves}");
                wrong.extend(try_cell(&server, connection, action, login, expected).await.map(|why| cell + &why));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn an_action_without_a_token_is_done_as_it_fits_who_is_logged_in_on_the_connection() {
    let mut wrong = Vec::new();
    for (action, answers) in WITHOUT_TOKEN {
        let server = TestServer::start().await;
        let connections = connections(&server).await;
        for ((state, mut connection), expected) in connections.into_iter().zip(answers) {
            let username = if action == Action::Register { state.replace(' ', "-") } else { "ada".to_owned() };
            let login = Login { username, token: Secret::new(""), head: None };
            let cell = format!("{action:?}, {state}");
            wrong.extend(try_cell(&server, &mut connection, action, login, expected).await.map(|why| cell + &why));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_former_member_hears_what_was_said_before_leaving_and_after_coming_back() {
    let server = TestServer::start().await;
    let mut owner = server.register("owner").await;
    let mut former = server.register("former").await;
    owner.create_group("tea").await.unwrap();
    former.join_group("tea").await.unwrap();
    former.log_out().await.unwrap();
    owner.message_group("tea", "while a member").await;

    let server = without_former(server).await;
    let mut owner = server.log_in("owner").await;
    let mut former = server.log_in("former").await;
    owner.message_group("tea", "while away").await;
    former.join_group("tea").await.unwrap();
    owner.message_group("tea", "after coming back").await;

    let heard = ["while a member", "after coming back"].map(|content| group_message("tea", "owner", content));
    assert_eq!(former.updates_so_far().await, heard);
}

/// A server with Bob, an outsider, and a group `tea`: its owner, a member, a former member, and Eve, who is a member too.
async fn tea_party() -> TestServer {
    let server = TestServer::start().await;
    server.register("owner").await.create_group("tea").await.unwrap();
    for name in ["member", "former", "eve"] {
        server.register(name).await.join_group("tea").await.unwrap();
    }
    for name in ["outsider", "bob"] {
        server.register(name).await;
    }
    without_former(server).await
}

/// The server started again, after `former` has left all groups, for which version 1 has no action.
async fn without_former(server: TestServer) -> TestServer {
    let stopped = server.stop().await;
    let leave = "update group_members set left_id = (select coalesce(max(message_id), 0) from messages)
        where user_id = (select user_id from users where username = 'former')";
    database::meddle(&stopped.database(), leave).await.close().await.unwrap();
    stopped.start().await
}

/// Who asks, and what they show. Whose token is worth nothing claims to be the owner, who may do most.
async fn askers(server: &TestServer, expired: Login, eve: Login) -> [(&'static str, Login); 9] {
    let mut leaving = server.log_in("owner").await;
    let logged_out = leaving.login();
    leaving.log_out().await.unwrap();
    let owner = server.log_in("owner").await.login();
    let nobody = Login { token: Secret::new("00000000-0000-4000-8000-000000000000"), ..owner.clone() };
    let stolen = Login { token: owner.token.clone(), ..eve.clone() };
    let forged = Login { token: eve.token.clone(), ..owner.clone() };
    [
        ("nobody", nobody),
        ("outsider", server.log_in("outsider").await.login()),
        ("member", server.log_in("member").await.login()),
        ("former member", server.log_in("former").await.login()),
        ("owner", owner),
        ("logged out", logged_out),
        ("expired", expired),
        ("Eve by a stolen token", stolen),
        ("Eve by a forged name", forged),
    ]
}

/// Connections, and who is logged in on them.
async fn connections(server: &TestServer) -> [(&'static str, TestClient); 6] {
    let long = server.register("ada").await;
    server.clock.advance(31 * DAY);
    let bob = server.register("bob").await;
    let ada = server.log_in("ada").await;
    let mut shown = server.connect().await;
    shown.use_login(ada.login());
    shown.add_contact("bob").await.unwrap();
    let mut left = server.log_in("ada").await;
    left.log_out().await.unwrap();
    [
        ("new", server.connect().await),
        ("a token was shown", shown),
        ("ada logged in", ada),
        ("ada logged in for 31 days", long),
        ("bob logged in", bob),
        ("ada until she logged out", left),
    ]
}

fn request(action: Action, login: &Login) -> Request<'static> {
    let ((username, token), password) = (login.credentials(), Secret::new(PASSWORD));
    let [bob, tea, hello] = ["bob", "tea", "hello"].map(Into::into);
    match action {
        Action::Register => Request::Register { username, password },
        Action::LogIn => Request::LogIn { username, password },
        Action::LogOut => Request::LogOut { username },
        Action::AddContact => Request::AddContact { username, token, contact: bob },
        Action::Whisper => Request::Whisper { username, token, recipient: bob, content: hello, nonce: None },
        Action::CreateGroup => Request::CreateGroup { group_name: format!("of {username}").into(), username, token },
        Action::JoinGroup => Request::JoinGroup { username, token, group_name: tea },
        Action::MessageGroup => Request::MessageGroup { username, token, group_name: tea, content: hello, nonce: None },
        _ => panic!("{action:?} is not of version 1"),
    }
}

/// A request of version 2, of the group `tea` where it is of one.
fn later_request<'a>(action: Action, login: &Login, head: &'a str) -> Request<'a> {
    let (username, token) = login.credentials();
    let (page, range, of) = (Page::default(), Range::default(), Conversation::Group("tea".to_owned()));
    let ([bob, tea], password) = (["bob", "tea"].map(Into::into), Secret::new(PASSWORD));
    match action {
        Action::Resume => Request::Resume { username, token },
        Action::Sync => Request::Sync { username, token, after: None },
        Action::History => Request::History { username, token, of, range },
        Action::Contacts => Request::Contacts { username, token, page },
        Action::RemoveContact => Request::RemoveContact { username, token, contact: bob },
        Action::Groups => Request::Groups { username, token, page },
        Action::Members => Request::Members { username, token, group_name: tea, page },
        Action::FindGroups => Request::FindGroups { username, token, prefix: tea, page },
        Action::LeaveGroup => Request::LeaveGroup { username, token, group_name: tea },
        Action::MarkRead => Request::MarkRead { username, token, of, id: head.into() },
        Action::Sessions => Request::Sessions { username, token },
        Action::EndSession => Request::EndSession { username, token, session: "999".into() },
        Action::EndOtherSessions => Request::EndOtherSessions { username, token },
        Action::ChangePassword => {
            Request::ChangePassword { username, token, password: password.clone(), new_password: password }
        }
        Action::DeleteAccount => Request::DeleteAccount { username, token, password },
        _ => panic!("{action:?} is of version 1"),
    }
}

/// What is different afterwards where [`request`] was done for `name`.
fn effects(action: Action, name: &str) -> Vec<String> {
    match action {
        Action::Register => vec![format!("{name} is registered")],
        Action::LogIn => vec![format!("{name} is logged in")],
        Action::LogOut => vec![format!("no longer: {name} is logged in")],
        Action::AddContact => vec![format!("{name} knows bob")],
        Action::Whisper => vec![format!("{name} tells bob hello")],
        Action::CreateGroup => vec![format!("{name} owns of {name}"), format!("{name} is in of {name}")],
        Action::JoinGroup => vec![format!("{name} is in tea")],
        Action::MessageGroup => vec![format!("{name} tells tea hello")],
        _ => panic!("{action:?} is not of version 1"),
    }
}

/// Sends one request; says what is wrong with the answer, or with what has changed by it.
async fn try_cell(
    server: &TestServer,
    connection: &mut TestClient,
    action: Action,
    login: Login,
    expected: Answer,
) -> Option<String> {
    let effects = if expected.is_ok() { effects(action, &login.username) } else { Vec::new() };
    let before = database::texts(&server.database(), FACTS).await;
    let answer = connection.request(&request(action, &login)).await;
    let changes = changes(before, database::texts(&server.database(), FACTS).await);
    let is_right = answer == expected.map_err(str::to_owned) && changes == effects;
    (!is_right).then(|| format!(": {answer:?} and {changes:?} instead of {expected:?} and {effects:?}"))
}

/// What has become so, and what is so no longer.
fn changes(mut before: Vec<String>, after: Vec<String>) -> Vec<String> {
    let mut changes = Vec::new();
    for fact in after {
        match before.iter().position(|known| *known == fact) {
            Some(place) => drop(before.swap_remove(place)),
            None => changes.push(fact),
        }
    }
    changes.extend(before.into_iter().map(|fact| format!("no longer: {fact}")));
    changes
}
