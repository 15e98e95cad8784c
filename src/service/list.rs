//! What is asked for without changing anything: history and lists, as the wire has them.

use super::Service;
use super::error::ServiceError;
use crate::domain::{GroupName, MessageId, TokenHash, UserId, Username};
use crate::protocol::{
    Contact, ContactsPage, Conversation, FoundGroup, FoundPage, GroupsPage, HistoryPage, MAX_UNREAD, Member,
    MembersPage, OwnGroup, Page, Range, Response, Role, Said, SessionEntry, SessionList,
};
use crate::store::{Amount, Of, Part, Refusal, Stretch};

/// Entries of a page, where none are asked for, and the most there are.
const PAGE: i64 = 50;
const LONGEST_PAGE: i64 = 200;

/// Units: bytes of the messages in a page, so that it fits into the responses' share of an outbox.
const PAGE_BYTES: i64 = 48 * 1024;

/// The conversation that a request names.
pub(super) fn of(conversation: Conversation) -> Of {
    match conversation {
        Conversation::With(username) => Of::User(Username::parse(&username).ok()),
        Conversation::Group(group_name) => Of::Group(GroupName::parse(&group_name).ok()),
    }
}

pub(super) async fn history(
    service: &Service,
    user_id: UserId,
    conversation: Conversation,
    range: &Range,
) -> Result<Response, ServiceError> {
    let id = |text: &String| service.epoch.parse(text).ok_or(Refusal::UnknownMessage);
    let stretch = match (&range.before, &range.after) {
        (None, None) => Stretch::Before(MessageId(i64::MAX)),
        (Some(before), None) => Stretch::Before(id(before)?),
        (None, Some(after)) => Stretch::After(id(after)?),
        (Some(_), Some(_)) => return Err(ServiceError::BothDirections),
    };
    let none = match conversation {
        Conversation::With(_) => Refusal::UnknownUser,
        Conversation::Group(_) => Refusal::NotAMember,
    };
    let amount = Amount { messages: limit(range.limit)?, bytes: PAGE_BYTES };
    let history = service.store.list_history(user_id, &of(conversation), stretch, amount).await?.ok_or(none)?;
    let messages = history.messages.into_iter().map(|said| Said {
        id: service.epoch.id(MessageId(said.message_id)),
        at_ms: said.sent_at_ms,
        sender: said.sender.to_string(),
        content: said.content,
        nonce: said.nonce,
    });
    Ok(Response::History(HistoryPage { messages: messages.collect(), end: history.is_end }))
}

pub(super) async fn contacts(service: &Service, user_id: UserId, page: &Page) -> Result<Response, ServiceError> {
    let (part, limit) = part(page, username_key)?;
    let (rows, more) = cut(service.store.list_contacts(user_id, &part).await?, limit);
    let contacts = rows.into_iter().map(|row| {
        let online = service.registry.is_online(row.contact_id);
        Contact { username: row.username, online, last_seen: row.last_used_at_ms }
    });
    Ok(Response::Contacts(ContactsPage { contacts: contacts.collect(), more }))
}

pub(super) async fn groups(service: &Service, user_id: UserId, page: &Page) -> Result<Response, ServiceError> {
    let (part, limit) = part(page, group_key)?;
    let (rows, more) = cut(service.store.list_groups(user_id, &part, MAX_UNREAD).await?, limit);
    let groups = rows.into_iter().map(|row| OwnGroup {
        group: row.group_name,
        role: role(row.is_owner),
        unread: row.unread,
        last: row.last_id.map(|id| service.epoch.id(MessageId(id))),
    });
    Ok(Response::Groups(GroupsPage { groups: groups.collect(), more }))
}

pub(super) async fn members(
    service: &Service,
    user_id: UserId,
    group_name: &str,
    page: &Page,
) -> Result<Response, ServiceError> {
    let group_name = GroupName::parse(group_name).map_err(|_| Refusal::NotAMember)?;
    let (part, limit) = part(page, username_key)?;
    let rows = service.store.list_members(user_id, &group_name, &part).await?.ok_or(Refusal::NotAMember)?;
    let (rows, more) = cut(rows, limit);
    let members = rows.into_iter().map(|row| {
        let online = service.registry.is_online(UserId(row.user_id));
        Member { username: row.username, role: role(row.is_owner), online }
    });
    Ok(Response::Members(MembersPage { members: members.collect(), more }))
}

pub(super) async fn find_groups(service: &Service, prefix: &str, page: &Page) -> Result<Response, ServiceError> {
    let (part, limit) = part(page, group_key)?;
    let rows = service.store.find_groups(&group_key(prefix), &part).await?;
    let (rows, more) = cut(rows, limit);
    let groups = rows.into_iter().map(|row| FoundGroup { group: row.group_name, members: row.members });
    Ok(Response::FoundGroups(FoundPage { groups: groups.collect(), more }))
}

pub(super) async fn sessions(service: &Service, user_id: UserId, own: &TokenHash) -> Result<Response, ServiceError> {
    let sessions = service.store.list_sessions(user_id, own).await?.into_iter().map(|row| SessionEntry {
        session: row.session_id.to_string(),
        created_at: row.created_at_ms,
        used_at: row.last_used_at_ms,
        address: row.address,
        client: row.client,
        own: row.is_own,
    });
    Ok(Response::Sessions(SessionList { sessions: sessions.collect() }))
}

fn role(is_owner: bool) -> Role {
    if is_owner { Role::Owner } else { Role::Member }
}

/// A text that cannot be a name is behind or in front of all that are.
fn username_key(text: &str) -> String {
    Username::parse(text).map_or_else(|_| text.to_lowercase(), |username| username.key().as_str().to_owned())
}

fn group_key(text: &str) -> String {
    GroupName::parse(text).map_or_else(|_| text.to_lowercase(), |group_name| group_name.key().to_owned())
}

/// What is asked of the store, one entry more than the page may have: it tells whether there are others.
fn part(page: &Page, key: impl Fn(&str) -> String) -> Result<(Part, usize), ServiceError> {
    let limit = limit(page.limit)?;
    let after_key = page.after.as_deref().map(key).unwrap_or_default();
    Ok((Part { after_key, limit: limit + 1 }, usize::try_from(limit).unwrap_or_default()))
}

fn cut<R>(mut rows: Vec<R>, limit: usize) -> (Vec<R>, bool) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}

fn limit(asked: Option<i64>) -> Result<i64, ServiceError> {
    match asked {
        None => Ok(PAGE),
        Some(limit) if limit >= 1 => Ok(limit.min(LONGEST_PAGE)),
        Some(_) => Err(ServiceError::Limit),
    }
}
