//! Groups and their members.

use super::error::ServiceError;
use crate::domain::GroupName;
use crate::store::{Author, Draft};

/// Creates a group, whose author owns and joins it.
pub(super) fn create(author: Author, group_name: &str) -> Result<Draft, ServiceError> {
    Ok(Draft::CreateGroup { author, group_name: GroupName::parse(group_name)? })
}

/// Leaves a group.
pub(super) fn leave(author: Author, group_name: &str) -> Draft {
    Draft::LeaveGroup { author, group_name: GroupName::parse(group_name).ok() }
}

/// Joins a group.
pub(super) fn join(author: Author, group_name: &str) -> Draft {
    Draft::JoinGroup { author, group_name: GroupName::parse(group_name).ok() }
}
