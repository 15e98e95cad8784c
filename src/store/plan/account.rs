//! Who may end sessions and accounts.

use super::{Moment, Plan, authenticate, group};
use crate::domain::{SessionId, TokenHash, UserId};
use crate::store::directory::Directory;
use crate::store::draft::{Author, Refusal};

/// Ends one session, but not the one that asks: that is what logging out is for.
pub(super) fn end_session(
    directory: &mut Directory,
    author: &Author,
    session_id: Option<SessionId>,
    moment: Moment,
) -> Result<Plan, Refusal> {
    let user_id = authenticate(directory, author, moment)?;
    let one = directory.sessions_of(user_id).find(|(_, own)| Some(*own) == session_id);
    match one.ok_or(Refusal::UnknownSession)? {
        (token_hash, _) if token_hash == author.token_hash => Err(Refusal::OwnSession),
        one => Ok(end(directory, user_id, vec![one])),
    }
}

pub(super) fn end_others(directory: &mut Directory, author: &Author, moment: Moment) -> Result<Plan, Refusal> {
    let user_id = authenticate(directory, author, moment)?;
    let others = others(directory, user_id, &author.token_hash);
    Ok(end(directory, user_id, others))
}

/// Whoever knew the old password, and logged in with it, is out.
pub(super) fn change_password(
    directory: &mut Directory,
    author: &Author,
    user_id: UserId,
    moment: Moment,
) -> Result<Plan, Refusal> {
    own(directory, author, user_id, moment)?;
    end_others(directory, author, moment)
}

pub(super) fn delete(
    directory: &mut Directory,
    author: &Author,
    user_id: UserId,
    moment: Moment,
) -> Result<Plan, Refusal> {
    own(directory, author, user_id, moment)?;
    let ended: Vec<_> = directory.sessions_of(user_id).collect();
    for (token_hash, _) in &ended {
        directory.remove_session(token_hash);
    }
    let groups = directory.user(user_id).groups.clone();
    let left = groups.into_iter().map(|group_id| group::end(directory, user_id, group_id)).collect();
    directory.delete_user(user_id);
    Ok(Plan::DeleteUser { user_id, ended, left })
}

/// Checks that the token is that of the user whose password was right.
fn own(directory: &mut Directory, author: &Author, user_id: UserId, moment: Moment) -> Result<(), Refusal> {
    if authenticate(directory, author, moment)? == user_id { Ok(()) } else { Err(Refusal::NotAuthenticated) }
}

fn others(directory: &Directory, user_id: UserId, own: &TokenHash) -> Vec<(TokenHash, SessionId)> {
    directory.sessions_of(user_id).filter(|(token_hash, _)| token_hash != own).collect()
}

fn end(directory: &mut Directory, user_id: UserId, ended: Vec<(TokenHash, SessionId)>) -> Plan {
    for (token_hash, _) in &ended {
        directory.remove_session(token_hash);
    }
    Plan::DeleteSessions { user_id, ended }
}
