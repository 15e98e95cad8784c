//! Who may create, join and leave a group.

use super::{Leaving, Moment, Plan, authenticate};
use crate::domain::{GroupId, GroupName, UserId};
use crate::store::directory::Directory;
use crate::store::draft::{Author, Refusal};

pub(super) fn create(
    directory: &mut Directory,
    author: &Author,
    name: &GroupName,
    moment: Moment,
) -> Result<Plan, Refusal> {
    let owner_id = authenticate(directory, author, moment)?;
    if directory.find_group(name).is_some() {
        return Err(Refusal::GroupNameTaken);
    }
    let group_id = directory.add_group(name, owner_id);
    directory.add_member(owner_id, group_id);
    Ok(Plan::InsertGroup { group_id, owner_id, joined_id: directory.head() })
}

/// Who joins a group that everybody has left owns it.
pub(super) fn join(
    directory: &mut Directory,
    author: &Author,
    name: Option<&GroupName>,
    moment: Moment,
) -> Result<Plan, Refusal> {
    let user_id = authenticate(directory, author, moment)?;
    let group_id = name.and_then(|name| directory.find_group(name)).ok_or(Refusal::UnknownGroup)?;
    if directory.is_member(user_id, group_id) {
        return Err(Refusal::AlreadyMember);
    }
    let takes_over = directory.group(group_id).members.is_empty();
    directory.add_member(user_id, group_id);
    if takes_over {
        directory.change_owner(group_id, user_id);
    }
    Ok(Plan::InsertMember { group_id, user_id, joined_id: directory.head(), takes_over })
}

pub(super) fn leave(
    directory: &mut Directory,
    author: &Author,
    name: Option<&GroupName>,
    moment: Moment,
) -> Result<Plan, Refusal> {
    let user_id = authenticate(directory, author, moment)?;
    let group_id = name.and_then(|name| directory.find_group(name));
    let group_id = group_id.filter(|group_id| directory.is_member(user_id, *group_id)).ok_or(Refusal::NotAMember)?;
    Ok(Plan::EndMember(end(directory, user_id, group_id)))
}

/// Ends a membership that there is. What an owner leaves passes to whoever has been there for longest.
pub(super) fn end(directory: &mut Directory, user_id: UserId, group_id: GroupId) -> Leaving {
    directory.remove_member(user_id, group_id);
    let group = directory.group(group_id);
    let new_owner = group.members.first().copied().filter(|_| group.owner_id == user_id);
    if let Some(new_owner) = new_owner {
        directory.change_owner(group_id, new_owner);
    }
    Leaving { group_id, user_id, left_id: directory.head(), new_owner }
}
