//! The one place that decides whether somebody may do something.
//!
//! Decided when the writer takes a draft, from memory that changes only in commit order: of two who want one name, or of a
//! message and the logout before it, both cannot pass.

mod account;
mod group;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::directory::{Directory, User};
use super::draft::{After, Author, Draft, LoggedIn, Membership, Of, Outcome, Refusal, Sent, SentTo, Synced};
use super::message::{Earlier, Row, Target};
use super::session::Session;
use crate::config::DELIVERIES_PER_MESSAGE;
use crate::domain::{Content, GroupId, MessageId, Nonce, Overdrawn, Rate, SessionId, TokenHash, UserId, Username};

/// How a draft was decided: what is to be written, and by which ids.
#[derive(Debug)]
pub(super) enum Plan {
    Refuse(Refusal),
    /// Allowed, and there is nothing to write.
    Nothing,
    InsertUser {
        user_id: UserId,
        mark: MessageId,
    },
    InsertSession {
        session_id: SessionId,
        logged_in: LoggedIn,
    },
    DeleteSession {
        session_id: SessionId,
        user_id: UserId,
    },
    /// Sessions of a user end, and perhaps their password is another from now on.
    DeleteSessions {
        user_id: UserId,
        ended: Vec<(TokenHash, SessionId)>,
    },
    DeleteUser {
        user_id: UserId,
        ended: Vec<(TokenHash, SessionId)>,
        left: Vec<Leaving>,
    },
    InsertContact {
        user_id: UserId,
        contact_id: UserId,
    },
    DeleteContact {
        user_id: UserId,
        contact_id: UserId,
    },
    InsertGroup {
        group_id: GroupId,
        owner_id: UserId,
        joined_id: MessageId,
    },
    InsertMember {
        group_id: GroupId,
        user_id: UserId,
        joined_id: MessageId,
        /// Whether nobody was there, so that who joins owns the group.
        takes_over: bool,
    },
    EndMember(Leaving),
    UpdateReadMark {
        user_id: UserId,
        target: Target,
        message_id: MessageId,
    },
    Identify(UserId),
    InsertMessage {
        message_id: MessageId,
        sent_at_ms: i64,
        sender_id: UserId,
        target: Target,
        /// The first whisper between these two, the lower id first.
        new_pair: Option<(UserId, UserId)>,
        overdrawn: Duration,
    },
    Repeat {
        message_id: MessageId,
        sent_at_ms: i64,
    },
    Resume {
        logged_in: LoggedIn,
    },
    Sync(Synced),
    DeleteMessages,
    UpdateMarks {
        marks: Vec<(UserId, MessageId)>,
    },
    UpdateUse {
        used: Vec<(SessionId, i64)>,
        ended: Vec<SessionId>,
    },
}

/// The end of a membership.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    pub(super) group_id: GroupId,
    pub(super) user_id: UserId,
    pub(super) left_id: MessageId,
    /// To whom the group passes, if it has to.
    pub(super) new_owner: Option<UserId>,
}

/// What deciding needs besides the directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now_ms: i64,
    pub(super) now: Instant,
    /// Units: milliseconds that a token lives unused.
    pub(super) token_lifetime_ms: i64,
    pub(super) message_rate: Option<Rate>,
}

/// By how much a sender may overdraw: until then they are slowed, and only then refused. Less than what is busy.
const OVERDRAFT: Duration = Duration::from_secs(2);

/// A session's use is stored when it is this much newer than what is stored. Units: milliseconds.
const STORE_USE_AFTER_MS: i64 = 60 * 60 * 1000;

/// Decides `draft` and changes the directory accordingly, so that the next draft is decided after this one.
pub(super) fn plan(directory: &mut Directory, draft: &Draft, moment: Moment) -> Plan {
    decide(directory, draft, moment).unwrap_or_else(Plan::Refuse)
}

fn decide(directory: &mut Directory, draft: &Draft, moment: Moment) -> Result<Plan, Refusal> {
    match draft {
        Draft::Register { username, .. } => match directory.find_name(username) {
            Some(_) => Err(Refusal::UsernameTaken),
            None => Ok(Plan::InsertUser { user_id: directory.add_user(username), mark: directory.head() }),
        },
        Draft::LogIn { user_id, token_hash, .. } => {
            let session_id = directory.add_session(*token_hash, *user_id, moment.now_ms);
            Ok(Plan::InsertSession { session_id, logged_in: log_in(directory, *user_id) })
        }
        Draft::LogOut { token_hash } => match directory.remove_session(token_hash) {
            Some(Session { session_id, user_id, .. }) => Ok(Plan::DeleteSession { session_id, user_id }),
            None => Ok(Plan::Nothing),
        },
        Draft::Resume { author } => {
            let user_id = authenticate(directory, author, moment)?;
            Ok(Plan::Resume { logged_in: log_in(directory, user_id) })
        }
        Draft::Sync { author, after } => {
            let user_id = authenticate(directory, author, moment)?;
            Ok(Plan::Sync(sync(directory, user_id, *after)))
        }
        Draft::AddContact { author, contact } => {
            let user_id = authenticate(directory, author, moment)?;
            let contact_id = find_user(directory, contact.as_ref())?;
            if contact_id == user_id {
                return Err(Refusal::OwnContact);
            }
            Ok(Plan::InsertContact { user_id, contact_id })
        }
        Draft::Identify { author } => Ok(Plan::Identify(authenticate(directory, author, moment)?)),
        Draft::RemoveContact { author, contact } => {
            let user_id = authenticate(directory, author, moment)?;
            let contact_id = find_user(directory, contact.as_ref())?;
            Ok(Plan::DeleteContact { user_id, contact_id })
        }
        Draft::LeaveGroup { author, group_name } => group::leave(directory, author, group_name.as_ref(), moment),
        Draft::MarkRead { author, of, upto } => mark_read(directory, author, of, *upto, moment),
        Draft::EndSession { author, session_id } => account::end_session(directory, author, *session_id, moment),
        Draft::EndOtherSessions { author } => account::end_others(directory, author, moment),
        Draft::ChangePassword { author, user_id, .. } => account::change_password(directory, author, *user_id, moment),
        Draft::DeleteAccount { author, user_id } => account::delete(directory, author, *user_id, moment),
        Draft::CreateGroup { author, group_name } => group::create(directory, author, group_name, moment),
        Draft::JoinGroup { author, group_name } => group::join(directory, author, group_name.as_ref(), moment),
        Draft::Whisper { author, recipient, content, nonce } => {
            let sender_id = authenticate(directory, author, moment)?;
            let target = find_user(directory, recipient.as_ref()).map(Target::User);
            repeat_or_send(directory, &Message { sender_id, target, content, nonce: nonce.as_ref() }, moment)
        }
        Draft::MessageGroup { author, group_name, content, nonce } => {
            let sender_id = authenticate(directory, author, moment)?;
            let group_id = group_name.as_ref().and_then(|name| directory.find_group(name));
            let target = group_id.map(Target::Group).ok_or(Refusal::NotAMember);
            repeat_or_send(directory, &Message { sender_id, target, content, nonce: nonce.as_ref() }, moment)
        }
        Draft::Prune { .. } => Ok(Plan::DeleteMessages),
        Draft::SaveMarks { marks } => Ok(save_marks(directory, marks)),
        Draft::SaveUse { online } => Ok(save_use(directory, online, moment)),
    }
}

/// Whose token this is. Asking counts as using it.
fn authenticate(directory: &mut Directory, author: &Author, moment: Moment) -> Result<UserId, Refusal> {
    let (session, username) = directory.session_with_name(&author.token_hash).ok_or(Refusal::NotAuthenticated)?;
    let is_expired = moment.now_ms - session.last_used_at_ms > moment.token_lifetime_ms;
    let is_name = |shown: Username| username.eq_ignore_ascii_case(shown.as_str());
    if is_expired && !author.is_own_login || !author.username.is_some_and(is_name) {
        return Err(Refusal::NotAuthenticated);
    }
    session.note_use(moment.now_ms);
    Ok(session.user_id)
}

/// The user who has this name now.
fn find_user(directory: &Directory, name: Option<&Username>) -> Result<UserId, Refusal> {
    name.and_then(|name| directory.find_user(name)).ok_or(Refusal::UnknownUser)
}

fn note_use(directory: &mut Directory, token_hash: &TokenHash, moment: Moment) {
    if let Some(session) = directory.session_mut(token_hash) {
        session.note_use(moment.now_ms);
    }
}

fn log_in(directory: &Directory, user_id: UserId) -> LoggedIn {
    let User { username, mark, groups, .. } = directory.user(user_id);
    LoggedIn { user_id, username: Arc::clone(username), head: directory.head(), mark: *mark, groups: groups.clone() }
}

/// Where to begin. What is missing behind that is found where messages are read.
fn sync(directory: &Directory, user_id: UserId, after: After) -> Synced {
    let (beginning, head) = (MessageId(0), directory.head());
    let (after, told_upto) = match after {
        After::Nothing => (beginning, Some(head)),
        After::Message(after) if after <= head => (after, Some(after)),
        After::Message(_) | After::Unknown => (beginning, None),
    };
    Synced { user_id, after, told_upto, head }
}

/// Somebody's message; `target` says why where there is none.
struct Message<'a> {
    sender_id: UserId,
    target: Result<Target, Refusal>,
    content: &'a Content,
    nonce: Option<&'a Nonce>,
}

/// A nonce that was used comes before everything else, so that a retry is answered alike whatever has changed since.
fn repeat_or_send(directory: &mut Directory, message: &Message<'_>, moment: Moment) -> Result<Plan, Refusal> {
    let &Message { sender_id, target, content, nonce } = message;
    let earlier = nonce.and_then(|nonce| directory.earlier(sender_id, nonce));
    if let Some(Earlier { message_id, sent_at_ms, target: to, content: said }) = earlier {
        let is_same = Ok(*to) == target && **said == *content.as_str();
        let (message_id, sent_at_ms) = (*message_id, *sent_at_ms);
        return if is_same { Ok(Plan::Repeat { message_id, sent_at_ms }) } else { Err(Refusal::Conflict) };
    }
    let target = target?;
    if let Target::Group(group_id) = target
        && !directory.is_member(sender_id, group_id)
    {
        return Err(Refusal::NotAMember);
    }
    let overdrawn = charge(directory, sender_id, target, moment)?;
    let (message_id, sent_at_ms) = (directory.add_message(), moment.now_ms);
    if let Some(nonce) = nonce {
        let earlier = Earlier { message_id, sent_at_ms, target, content: content.share() };
        directory.note_nonce(sender_id, nonce, earlier);
    }
    let new_pair = match target {
        Target::User(other) if directory.add_pair(sender_id, other) => {
            Some((sender_id.min(other), sender_id.max(other)))
        }
        _ => None,
    };
    Ok(Plan::InsertMessage { message_id, sent_at_ms, sender_id, target, new_pair, overdrawn })
}

/// Charges a message to its sender; by how much they are overdrawn. One to many members weighs as much as what it takes to
/// deliver it.
fn charge(directory: &mut Directory, sender_id: UserId, target: Target, moment: Moment) -> Result<Duration, Refusal> {
    let Some(rate) = moment.message_rate else { return Ok(Duration::ZERO) };
    let members = match target {
        Target::User(_) => 1,
        Target::Group(group_id) => u32::try_from(directory.group(group_id).members.len()).unwrap_or(u32::MAX),
    };
    let cost = rate.cost().max(rate.cost().saturating_mul(members) / DELIVERIES_PER_MESSAGE);
    let taken = directory.said_by(sender_id).take(rate, cost, OVERDRAFT, moment.now);
    taken.map_err(|Overdrawn { wait }| Refusal::RateLimited { wait })
}

/// Notes up to where somebody has read a conversation of theirs.
fn mark_read(
    directory: &mut Directory,
    author: &Author,
    of: &Of,
    upto: After,
    moment: Moment,
) -> Result<Plan, Refusal> {
    let user_id = authenticate(directory, author, moment)?;
    let target = match of {
        Of::User(name) => {
            let user_id = name.as_ref().and_then(|name| directory.find_name(name));
            Target::User(user_id.ok_or(Refusal::UnknownUser)?)
        }
        Of::Group(name) => {
            let group_id = name.as_ref().and_then(|name| directory.find_group(name));
            let own = group_id.filter(|group_id| directory.is_member(user_id, *group_id));
            Target::Group(own.ok_or(Refusal::NotAMember)?)
        }
    };
    match upto {
        After::Message(message_id) if message_id <= directory.head() => {
            Ok(Plan::UpdateReadMark { user_id, target, message_id })
        }
        _ => Err(Refusal::UnknownMessage),
    }
}

fn save_marks(directory: &mut Directory, marks: &[(UserId, MessageId)]) -> Plan {
    let moved = |&(user_id, message_id): &(UserId, MessageId)| directory.move_mark(user_id, message_id);
    let marks: Vec<_> = marks.iter().copied().filter(moved).collect();
    if marks.is_empty() { Plan::Nothing } else { Plan::UpdateMarks { marks } }
}

fn save_use(directory: &mut Directory, online: &[TokenHash], moment: Moment) -> Plan {
    for token_hash in online {
        note_use(directory, token_hash, moment);
    }
    let (mut to_store, mut to_end) = (Vec::new(), Vec::new());
    for (token_hash, session) in directory.sessions() {
        if moment.now_ms - session.last_used_at_ms > moment.token_lifetime_ms {
            to_end.push(*token_hash);
        } else if session.last_used_at_ms - session.stored_use_at_ms >= STORE_USE_AFTER_MS {
            to_store.push((*token_hash, session.session_id, session.last_used_at_ms));
        }
    }
    if to_store.is_empty() && to_end.is_empty() {
        return Plan::Nothing;
    }
    for (token_hash, ..) in &to_store {
        directory.store_use(token_hash);
    }
    let ended = to_end.iter().filter_map(|token_hash| directory.remove_session(token_hash));
    Plan::UpdateUse {
        ended: ended.map(|session| session.session_id).collect(),
        used: to_store.into_iter().map(|(_, session_id, used_at_ms)| (session_id, used_at_ms)).collect(),
    }
}

impl Plan {
    /// The row of the log that this plan inserts.
    pub(super) fn row<'a>(&self, draft: &'a Draft) -> Option<Row<'a>> {
        match (self, draft) {
            (
                &Self::InsertMessage { sender_id, target, .. },
                Draft::Whisper { content, nonce, .. } | Draft::MessageGroup { content, nonce, .. },
            ) => Some(Row { sender_id, target, content, nonce: nonce.as_ref() }),
            _ => None,
        }
    }

    /// What the index is told of the message that this plan inserts: its id, conversation and sender, and the hash of its nonce.
    pub(super) fn entry(&self, draft: &Draft) -> Option<(MessageId, i64, UserId, Option<u32>)> {
        let &Self::InsertMessage { message_id, .. } = self else { return None };
        let Row { sender_id, target, nonce, .. } = self.row(draft)?;
        Some((message_id, target.conversation_with(sender_id), sender_id, nonce.map(Nonce::fingerprint)))
    }

    /// Whether a statement of its own is needed, apart from the one for all rows of the log.
    pub(super) fn needs_statement(&self) -> bool {
        !matches!(
            self,
            Self::Refuse(_)
                | Self::Nothing
                | Self::Repeat { .. }
                | Self::Resume { .. }
                | Self::Sync(_)
                | Self::Identify(_)
                | Self::InsertMessage { new_pair: None, .. }
        )
    }

    /// What is told once this plan is committed.
    pub(super) fn outcome(self, draft: Draft, directory: &Directory) -> Outcome {
        match (self, draft) {
            (Self::Refuse(refusal), _) => Outcome::Refused(refusal),
            (Self::InsertSession { logged_in, .. } | Self::Resume { logged_in }, _) => Outcome::LoggedIn(logged_in),
            (Self::DeleteSession { user_id, .. }, Draft::LogOut { token_hash }) => {
                Outcome::LoggedOut { user_id: Some(user_id), token_hash }
            }
            (_, Draft::LogOut { token_hash }) => Outcome::LoggedOut { user_id: None, token_hash },
            (Self::Sync(synced), _) => Outcome::Synced(synced),
            (Self::Identify(user_id), _) => Outcome::Identified(user_id),
            (Self::Repeat { message_id, sent_at_ms }, _) => Outcome::Repeated { message_id, sent_at_ms },
            (
                Self::InsertGroup { group_id, owner_id: user_id, .. } | Self::InsertMember { group_id, user_id, .. },
                _,
            ) => Outcome::Joined(membership(directory, user_id, group_id)),
            (Self::EndMember(left), _) => Outcome::Left(membership(directory, left.user_id, left.group_id)),
            (plan @ (Self::InsertContact { user_id, contact_id } | Self::DeleteContact { user_id, contact_id }), _) => {
                let contact = Arc::clone(&directory.user(contact_id).username);
                let is_added = matches!(plan, Self::InsertContact { .. });
                Outcome::ContactChanged { user_id, contact, is_added }
            }
            (Self::DeleteSessions { user_id, ended }, _) => {
                Outcome::SessionsEnded { user_id, ended: ended.into_iter().map(|(token_hash, _)| token_hash).collect() }
            }
            (Self::DeleteUser { user_id, ended, left }, _) => Outcome::AccountDeleted {
                user_id,
                ended: ended.into_iter().map(|(token_hash, _)| token_hash).collect(),
                left: left.iter().map(|left| membership(directory, user_id, left.group_id)).collect(),
            },
            (Self::UpdateReadMark { user_id, target, message_id }, _) => {
                Outcome::Read { user_id, target: name_target(directory, target), message_id }
            }
            (
                Self::InsertMessage { message_id, sent_at_ms, sender_id, target, overdrawn, .. },
                Draft::Whisper { content, nonce, .. } | Draft::MessageGroup { content, nonce, .. },
            ) => {
                let sender = Arc::clone(&directory.user(sender_id).username);
                let target = name_target(directory, target);
                Outcome::Sent(Sent { message_id, sent_at_ms, sender_id, sender, target, content, nonce, overdrawn })
            }
            _ => Outcome::Done,
        }
    }
}

fn membership(directory: &Directory, user_id: UserId, group_id: GroupId) -> Membership {
    let (username, group_name) = (&directory.user(user_id).username, &directory.group(group_id).name);
    Membership { user_id, username: Arc::clone(username), group_id, group_name: Arc::clone(group_name) }
}

fn name_target(directory: &Directory, target: Target) -> SentTo {
    match target {
        Target::User(user_id) => SentTo::User { user_id, username: Arc::clone(&directory.user(user_id).username) },
        Target::Group(group_id) => SentTo::Group { group_id, group_name: Arc::clone(&directory.group(group_id).name) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GroupName;
    use crate::store::Origin;

    fn moment() -> Moment {
        Moment { now_ms: 0, now: Instant::now(), token_lifetime_ms: 1000, message_rate: None }
    }

    fn username(name: &str) -> Username {
        Username::parse(name).unwrap()
    }

    /// A directory with a user and the author of a login of theirs.
    fn logged_in(directory: &mut Directory, name: &str) -> (UserId, Author) {
        let user_id = directory.add_user(&username(name));
        let token_hash = TokenHash([u8::try_from(user_id.0).unwrap(); 32]);
        directory.add_session(token_hash, user_id, 0);
        (user_id, Author { username: Some(username(name)), token_hash, is_own_login: false })
    }

    #[test]
    fn a_login_is_told_the_groups_of_its_own_place_in_the_log() {
        let mut directory = Directory::default();
        let (_, ada) = logged_in(&mut directory, "ada");
        let (bob_id, bob) = logged_in(&mut directory, "bob");
        let rust = GroupName::parse("rust").unwrap();
        plan(&mut directory, &Draft::CreateGroup { author: ada, group_name: rust.clone() }, moment());

        let origin = Origin { address: String::new(), client: None };
        let log_in = Draft::LogIn { user_id: bob_id, token_hash: TokenHash([9; 32]), new_password_hash: None, origin };
        let planned = plan(&mut directory, &log_in, moment());
        plan(&mut directory, &Draft::JoinGroup { author: bob, group_name: Some(rust) }, moment());

        let Outcome::LoggedIn(logged_in) = planned.outcome(log_in, &directory) else { panic!("a login") };
        assert_eq!(logged_in.groups, []);
    }

    #[test]
    fn of_a_logout_and_a_message_behind_it_only_the_first_passes() {
        let mut directory = Directory::default();
        let (_, ada) = logged_in(&mut directory, "ada");

        let log_out = plan(&mut directory, &Draft::LogOut { token_hash: ada.token_hash }, moment());
        let whisper = plan(&mut directory, &whisper(&ada, "ada"), moment());

        assert!(matches!(log_out, Plan::DeleteSession { .. }), "{log_out:?}");
        assert!(matches!(whisper, Plan::Refuse(Refusal::NotAuthenticated)), "{whisper:?}");
    }

    #[test]
    fn neither_password_nor_account_changes_where_the_token_is_not_of_whom_the_password_was() {
        let mut directory = Directory::default();
        let (ada_id, ada) = logged_in(&mut directory, "ada");
        let (_, bob) = logged_in(&mut directory, "bob");
        let change = |author: &Author| Draft::ChangePassword {
            author: author.clone(),
            user_id: ada_id,
            password_hash: String::new(),
        };
        let delete = |author: &Author| Draft::DeleteAccount { author: author.clone(), user_id: ada_id };

        for draft in [change(&bob), delete(&bob)] {
            let refused = plan(&mut directory, &draft, moment());
            assert!(matches!(refused, Plan::Refuse(Refusal::NotAuthenticated)), "{refused:?}");
        }
        let changed = plan(&mut directory, &change(&ada), moment());
        assert!(matches!(changed, Plan::DeleteSessions { user_id, .. } if user_id == ada_id), "{changed:?}");
        let deleted = plan(&mut directory, &delete(&ada), moment());
        assert!(matches!(deleted, Plan::DeleteUser { user_id, .. } if user_id == ada_id), "{deleted:?}");
    }

    #[test]
    fn a_mark_never_moves_back() {
        let mut directory = Directory::default();
        let (ada, _) = logged_in(&mut directory, "ada");

        let on = plan(&mut directory, &Draft::SaveMarks { marks: vec![(ada, MessageId(5))] }, moment());
        let back = plan(&mut directory, &Draft::SaveMarks { marks: vec![(ada, MessageId(4))] }, moment());

        assert!(matches!(on, Plan::UpdateMarks { .. }), "{on:?}");
        assert!(matches!(back, Plan::Nothing), "{back:?}");
        assert_eq!(directory.user(ada).mark, MessageId(5));
    }

    /// A moment of a server on which a user has ten messages at once, and one a second after that.
    fn counting(now: Instant) -> Moment {
        Moment { message_rate: Some(Rate::new(1.0, Duration::from_secs(10))), now, ..moment() }
    }

    fn whisper(author: &Author, recipient: &str) -> Draft {
        let content = Content::parse("hello", 100).unwrap();
        Draft::Whisper { author: author.clone(), recipient: Some(username(recipient)), content, nonce: None }
    }

    fn overdrawn(plan: &Plan) -> Option<u64> {
        match plan {
            Plan::InsertMessage { overdrawn, .. } => Some(overdrawn.as_secs()),
            Plan::Refuse(Refusal::RateLimited { .. }) => None,
            other => panic!("no answer to a message: {other:?}"),
        }
    }

    #[test]
    fn who_says_too_much_is_first_told_to_slow_down_and_then_refused() {
        let (mut directory, moment) = (Directory::default(), counting(Instant::now()));
        let (_, ada) = logged_in(&mut directory, "ada");
        let (_, bob) = logged_in(&mut directory, "bob");

        let said: Vec<_> = (0..13).map(|_| overdrawn(&plan(&mut directory, &whisper(&ada, "bob"), moment))).collect();

        assert_eq!(said[..10], [Some(0); 10]);
        assert_eq!(said[10..], [Some(1), Some(2), None]);
        assert_eq!(overdrawn(&plan(&mut directory, &whisper(&bob, "ada"), moment)), Some(0));
        let later = counting(moment.now + Duration::from_secs(1));
        assert_eq!(overdrawn(&plan(&mut directory, &whisper(&ada, "bob"), later)), Some(2));
    }

    #[test]
    fn a_message_to_a_thousand_weighs_more() {
        let (mut directory, moment) = (Directory::default(), counting(Instant::now()));
        let (ada_id, ada) = logged_in(&mut directory, "ada");
        let group_name = GroupName::parse("everybody").unwrap();
        let group_id = directory.add_group(&group_name, ada_id);
        directory.add_member(ada_id, group_id);
        for n in 1..1000 {
            let user_id = directory.add_user(&username(&n.to_string()));
            directory.add_member(user_id, group_id);
        }
        let content = Content::parse("hello", 100).unwrap();
        let message = Draft::MessageGroup { author: ada, group_name: Some(group_name), content, nonce: None };

        let said: Vec<_> = (0..6).map(|_| overdrawn(&plan(&mut directory, &message, moment))).collect();

        // Two and a half messages each.
        assert_eq!(said, [Some(0), Some(0), Some(0), Some(0), None, None]);
    }

    #[test]
    fn nobody_can_say_too_much_in_anothers_name() {
        let (mut directory, moment) = (Directory::default(), counting(Instant::now()));
        let (_, ada) = logged_in(&mut directory, "ada");
        let (_, eve) = logged_in(&mut directory, "eve");
        let forged = Author { username: Some(username("ada")), ..eve };

        for _ in 0..100 {
            let plan = plan(&mut directory, &whisper(&forged, "ada"), moment);
            assert!(matches!(plan, Plan::Refuse(Refusal::NotAuthenticated)), "{plan:?}");
        }

        assert_eq!(overdrawn(&plan(&mut directory, &whisper(&ada, "ada"), moment)), Some(0));
    }
}
